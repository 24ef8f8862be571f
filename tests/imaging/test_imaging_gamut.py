"""Colour spaces by name, and their way to linear Rec.709 and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.gamut import DEFAULT_CONFIG, WorkingSpace

# A config as studios had before ACES: no interchange roles, its own names.
OLD_CONFIG = """\
ocio_profile_version: 1
search_path: ""
strictparsing: true
roles:
  scene_linear: linear
  default: raw
displays:
  default:
    - !<View> {name: raw, colorspace: raw}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace>
    name: linear
    bitdepth: 32f
    isdata: false
  - !<ColorSpace>
    name: sRGB
    bitdepth: 32f
    isdata: false
    to_reference: !<ExponentTransform> {value: [2.2, 2.2, 2.2, 1]}
  - !<ColorSpace>
    name: raw
    bitdepth: 32f
    isdata: true
"""


@pytest.fixture(autouse=True)
def _no_config_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


def test_scene_linear_is_acescg_of_the_built_in_config() -> None:
    space = WorkingSpace.from_name("scene_linear")
    assert space.name == "ACEScg" and space.is_linear
    assert space == WorkingSpace.from_name("ACEScg") != WorkingSpace.from_name("ACES2065-1")
    # AP1 to Rec.709 with Bradford adaptation, as the Academy's CTL computes it.
    expected = [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]]
    np.testing.assert_allclose(space.matrix, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spoken", "name"),
    [
        ("linear", "Linear Rec.709 (sRGB)"),
        ("LINEAR REC709", "Linear Rec.709 (sRGB)"),
        ("linear_srgb", "Linear Rec.709 (sRGB)"),
        ("srgb", "sRGB Encoded Rec.709 (sRGB)"),
        ("sRGB - Texture", "sRGB Encoded Rec.709 (sRGB)"),
        ("sRGB Encoded Rec.709 (sRGB)", "sRGB Encoded Rec.709 (sRGB)"),
        ("acescg", "ACEScg"),
        ("aces2065-1", "ACES2065-1"),
        ("logc3", "ARRI LogC3 (EI800)"),
        ("ARRI LogC4", "ARRI LogC4"),
        ("logc4", "ARRI LogC4"),
        ("slog3", "S-Log3 S-Gamut3.Cine"),
        ("log3g10", "Log3G10 REDWideGamutRGB"),
        ("vlog", "V-Log V-Gamut"),
        ("matte_paint", "ACEScct"),
    ],
)
def test_names_that_people_use(spoken: str, name: str) -> None:
    assert WorkingSpace.from_name(spoken).name == name


def test_linear_rec709_is_exactly_itself() -> None:
    space = WorkingSpace.from_name("linear")
    rgb = np.random.default_rng(0).normal(0, 1e4, (5, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(space.to_linear_rec709(rgb), rgb)
    np.testing.assert_array_equal(space.matrix, WorkingSpace.linear_rec709().matrix)


@pytest.mark.parametrize("name", ["ACEScg", "ACES2065-1", "Linear ARRI Wide Gamut 4", "lin_rec2020"])
def test_linear_spaces_have_no_bounds(name: str) -> None:
    space = WorkingSpace.from_name(name)
    rgb = np.array([[[1e30, -1e30, 1e20], [-5.0, 0.0, 1e-7], [6e4, 2.0, 1.0]]], np.float32)
    back = space.from_linear_rec709(space.to_linear_rec709(rgb))
    assert (np.abs(back - rgb).max(axis=2) <= 1e-6 * np.abs(rgb).max(axis=2)).all()
    white = np.ones((1, 1, 3), np.float32)
    np.testing.assert_allclose(space.to_linear_rec709(white), white, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "code", "linear"),
    [
        ("ARRI LogC3 (EI800)", 0.391007, 0.18),
        ("ARRI LogC4", 0.278396, 0.18),
        ("S-Log3 S-Gamut3.Cine", 0.410557, 0.18),
        ("V-Log V-Gamut", 0.423311, 0.18),
        ("srgb", 0.461356, 0.18),
    ],
)
def test_log_and_display_codes_of_middle_grey(name: str, code: float, linear: float) -> None:
    space = WorkingSpace.from_name(name)
    assert not space.is_linear
    grey = np.full((1, 1, 3), code, np.float32)
    np.testing.assert_allclose(space.to_linear_rec709(grey), linear, rtol=2e-4)


@pytest.mark.parametrize("name", ["logc3", "logc4", "slog3", "srgb", "ACEScct", "log3g10", "vlog"])
def test_codes_survive_the_round_trip(name: str) -> None:
    space = WorkingSpace.from_name(name)
    ramp = np.linspace(0.0, 1.0, 4097, dtype=np.float32)
    codes = np.repeat(ramp[None, :, None], 3, axis=2)
    given = codes.copy()
    np.testing.assert_allclose(space.from_linear_rec709(space.to_linear_rec709(codes)), codes, atol=1e-5)
    np.testing.assert_array_equal(codes, given)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'ACESgc'") as caught:
        WorkingSpace.from_name("ACESgc")
    assert caught.value.code == "usage.unknown-colorspace"
    assert "ACEScg" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        WorkingSpace.from_name("")
    assert caught.value.hint


def test_data_is_no_colour() -> None:
    with pytest.raises(UsageError, match="'Raw' holds data") as caught:
        WorkingSpace.from_name("Raw")
    assert caught.value.code == "usage.unusable-colorspace" and "scene_linear" in caught.value.hint


@pytest.mark.parametrize("location", ["missing.ocio", "ocio://no-such-config", "broken.ocio", "folder"])
def test_a_broken_config_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "broken.ocio").write_text("ocio_profile_version: 2\ncolorspaces: [\n")
    (tmp_path / "folder").mkdir()
    path = location if "://" in location else str(tmp_path / location)
    with pytest.raises(UsageError, match="cannot read the OCIO config") as caught:
        WorkingSpace.from_name("scene_linear", path)
    assert caught.value.code == "usage.ocio-config"
    assert location in caught.value.message and "OCIO" in caught.value.hint


def test_the_config_in_force_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(OLD_CONFIG)
    monkeypatch.setenv("OCIO", str(path))
    space = WorkingSpace.from_name("scene_linear")
    assert space.name == "linear"
    np.testing.assert_array_equal(space.matrix, np.eye(3))
    assert WorkingSpace.from_name("scene_linear", DEFAULT_CONFIG).name == "ACEScg"


def test_a_config_without_interchange_roles_still_converts(tmp_path: Path) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(OLD_CONFIG)
    space = WorkingSpace.from_name("srgb", str(path))
    assert space.name == "sRGB"
    grey = np.full((1, 2, 3), 0.5, np.float32)
    np.testing.assert_allclose(space.to_linear_rec709(grey), 0.5**2.2, rtol=1e-5)
    with pytest.raises(UsageError, match="raw"):
        WorkingSpace.from_name("raw", str(path))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"rgb must have shape \(H, W, 3\), got \(4, 4, 4\)"):
        WorkingSpace.linear_rec709().to_linear_rec709(np.zeros((4, 4, 4)))
