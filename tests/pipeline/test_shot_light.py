"""The delta follows the light: exposure and colour space of the plate do not change what happens to the face."""

from __future__ import annotations

import numpy as np
import pytest

from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import read_plate

pytestmark = pytest.mark.usefixtures("bundled_models")

SIZE = Window(0, 0, 640, 360)


def misfit(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference over that of what was expected."""
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def light_added(shots, folder, space: str) -> np.ndarray:
    """What a bake has added inside the mask, in linear Rec.709 light, whatever the plate is coded in."""
    working = WorkingSpace.from_name(space)
    plate = read_plate(folder / "p.0001.exr").rgb
    found = shots.spread(folder / "o.0001.exr", SIZE)
    with_delta = working.to_linear_rec709(plate + found["delta"])
    return (with_delta - working.to_linear_rec709(plate)) * found["mask"][..., None]


@pytest.fixture(scope="module")
def reference(shots, tmp_path_factory) -> np.ndarray:
    """The light added to an ACEScg plate."""
    folder = tmp_path_factory.mktemp("acescg")
    pattern = shots.write(folder / "p.####.exr", {1: shots.film()}, space="ACEScg", sample_type="float")
    shots.bake(shots.job(pattern, folder / "o.####.exr", input_colorspace="ACEScg"))
    added = light_added(shots, folder, "ACEScg")
    assert 0.01 < np.abs(added).max() < 5
    return added


@pytest.mark.parametrize("stops", [1.0, -2.0, 6.0])
def test_the_delta_scales_with_the_exposure_of_the_plate(shots, tmp_path, reference, stops):
    picture = shots.film() * np.float32(2.0**stops)
    pattern = shots.write(tmp_path / "p.####.exr", {1: picture}, space="ACEScg", sample_type="float")
    shots.bake(shots.job(pattern, tmp_path / "o.####.exr"))
    added = light_added(shots, tmp_path, "ACEScg") / 2.0**stops
    assert misfit(added, reference) < 0.05


def test_without_auto_exposure_a_dark_plate_is_another_picture(shots, tmp_path, reference):
    """The tests above would mean nothing if the network did not see the exposure at all."""
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film() / 16}, sample_type="float")
    shots.bake(shots.job(pattern, tmp_path / "o.####.exr", auto_exposure=False))
    assert misfit(light_added(shots, tmp_path, "ACEScg") * 16, reference) > 0.15


@pytest.mark.parametrize("space", ["ACES2065-1", "Linear Rec.709 (sRGB)", "ARRI LogC3 (EI800)", "ARRI LogC4", "sRGB"])
def test_plates_of_any_colour_space_get_the_same_light(shots, tmp_path, reference, space):
    name = {"sRGB": "sRGB - Texture"}.get(space, space)
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film()}, space=name, sample_type="float")
    shots.bake(shots.job(pattern, tmp_path / "o.####.exr", input_colorspace=name))
    assert misfit(light_added(shots, tmp_path, name), reference) < 0.02


def test_the_wrong_colour_space_is_another_picture(shots, tmp_path, reference):
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film()}, space="ARRI LogC4", sample_type="float")
    shots.bake(shots.job(pattern, tmp_path / "o.####.exr", input_colorspace="ACEScg"))
    assert misfit(light_added(shots, tmp_path, "ARRI LogC4"), reference) > 0.1


def test_exposure_and_white_gain_reach_the_network(shots, tmp_path, reference):
    """A tinted plate whose tint is given back through white gain gets the light of the neutral one, tinted."""
    tint = np.array([2.0, 1.0, 0.5], np.float32)
    plain, tinted, track = tmp_path / "plain", tmp_path, str(tmp_path / "shot.track.json")
    pattern = shots.write(plain / "p.####.exr", {1: shots.film()}, sample_type="float")
    shot = shots.open(shots.job(pattern, plain / "o.####.exr", auto_exposure=False))
    # One track for both: the detector sees the tint.
    shot.track.save(track)
    shots.bake(shots.job(pattern, plain / "o.####.exr", auto_exposure=False, track=track))
    pattern = shots.write(tinted / "p.####.exr", {1: shots.film() * tint}, sample_type="float")
    knobs = {"white_gain": [0.5, 1.0, 2.0], "auto_exposure": False, "track": track}
    shots.bake(shots.job(pattern, tinted / "o.####.exr", **knobs))
    assert misfit(light_added(shots, tmp_path, "ACEScg") / tint, light_added(shots, plain, "ACEScg")) < 0.05
