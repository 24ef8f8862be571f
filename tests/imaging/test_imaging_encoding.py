"""The display curve and the way from a network's change back to light."""

from __future__ import annotations

import doctest

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.imaging import encoding
from nuke_reage.imaging.encoding import DisplayCurve, NetworkEncoding
from nuke_reage.imaging.gamut import WorkingSpace

Array = npt.NDArray[np.floating]

LINEAR = WorkingSpace.linear_rec709()
SPACES = ("ACEScg", "ACES2065-1", "linear", "logc3", "logc4", "srgb")
# Its curve is a table, through which OCIO takes NaN to a number.
TABLE_SPACE = "CanonLog3 CinemaGamut D55"

light = st.one_of(st.floats(-1, 2), st.floats(-6e4, 6e4), st.floats(-1e-5, 1e-5)).map(np.float32).map(float)
curves = st.builds(DisplayCurve, knee=st.floats(0.05, 4), shoulder=st.floats(0.05, 2))


def srgb_by_the_standard(linear: Array) -> Array:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def picture(height: int = 48, width: int = 64, seed: int = 0) -> npt.NDArray[np.float32]:
    """Linear Rec.709 light from deep shadow to a highlight of 30, with some values below 0."""
    rng = np.random.default_rng(seed)
    rgb = np.exp(rng.normal(-1.6, 1.2, (height, width, 1))) * np.exp(rng.normal(0, 0.25, (height, width, 3)))
    rgb[::7, ::5] *= -0.01
    rgb[3, 4:9] = (30, 25, 14)
    return rgb.astype(np.float32)


def change(height: int = 48, width: int = 64, seed: int = 1) -> npt.NDArray[np.float32]:
    rgb = np.random.default_rng(seed).normal(0, 0.06, (height, width, 3)).astype(np.float32)
    rgb[:, : width // 3] = 0
    return rgb


def test_the_documented_values_hold() -> None:
    assert doctest.testmod(encoding).failed == 0


def test_ordinary_light_is_srgb() -> None:
    values = np.linspace(0, 0.6, 20001)
    np.testing.assert_allclose(DisplayCurve().encode(values), srgb_by_the_standard(values), atol=3e-7)


@settings(max_examples=200)
@given(curves, light)
def test_the_curve_can_be_undone(curve: DisplayCurve, value: float) -> None:
    back = float(curve.decode(curve.encode([value]))[0])
    # One rounding of the encoded value is worth |E| / (a E) of light far above the knee.
    relative = 4e-7 * (1 + float(abs(curve.encode([value])[0])) / curve.shoulder)
    assert abs(back - value) <= relative * abs(value) + 1e-8


@settings(max_examples=200)
@given(curves, light)
def test_the_curve_is_odd(curve: DisplayCurve, value: float) -> None:
    assert float(curve.encode([-value])[0]) == -float(curve.encode([value])[0])


@given(curves)
def test_the_curve_rises_without_steps_or_kinks(curve: DisplayCurve) -> None:
    x = np.concatenate([np.linspace(-0.01, 0.01, 4001), np.linspace(curve.knee * 0.9, curve.knee * 1.1, 4001)])
    fine = curve.encode(x).astype(np.float64)
    assert (np.diff(fine) >= 0)[np.diff(x) > 0].all()
    step = curve.knee * 1e-3
    around = curve.encode([curve.knee - step, curve.knee, curve.knee + step]).astype(np.float64)
    below, above = np.diff(around) / step
    assert abs(above - below) <= 0.01 * below + 2e-6 / step + step / curve.shoulder * below**2


@pytest.mark.parametrize("exponent", range(-6, 38))
def test_every_size_of_light_has_its_code(exponent: int) -> None:
    curve = DisplayCurve()
    values = np.array([1.0, 3.0, -7.0]) * 10.0**exponent
    np.testing.assert_allclose(curve.decode(curve.encode(values)), values, rtol=5e-5)


def test_the_curve_keeps_shapes_and_broken_values() -> None:
    curve = DisplayCurve()
    assert curve.encode(np.zeros((2, 0, 3))).shape == (2, 0, 3)
    assert float(curve.encode(0.18)) == pytest.approx(0.46136, abs=1e-5)
    out = curve.encode([np.nan, 0.18, np.inf, -np.inf])
    assert np.isnan(out[0]) and out[2] == np.inf and out[3] == -np.inf
    assert float(out[1]) == float(curve.encode(0.18))


@pytest.mark.parametrize(("knee", "shoulder"), [(0.001, 0.25), (0.6, 0), (0.6, -1), (float("nan"), 0.25)])
def test_impossible_curves_are_refused(knee: float, shoulder: float) -> None:
    with pytest.raises(ValueError, match="display curve"):
        DisplayCurve(knee, shoulder)


@settings(max_examples=300, deadline=None)
@given(st.floats(-1, 6e4, width=32), st.floats(-0.5, 0.5, width=32))
def test_plate_plus_delta_is_what_the_network_wanted(value: float, wanted: float) -> None:
    coder = NetworkEncoding(LINEAR)
    plate = np.full((1, 1, 3), value, np.float32)
    delta = coder.delta(plate, np.full_like(plate, wanted))
    result = coder.encode(plate + delta)
    np.testing.assert_allclose(result, coder.encode(plate) + np.float32(wanted), atol=1e-4)


@pytest.mark.parametrize("value", [1e-6, 1e-4, 0.01, 0.18, 0.6, 1.0, 40.0, 6e4])
@pytest.mark.parametrize("wanted", [1e-3, -1e-3, 0.05])
def test_the_delta_is_precise_over_ten_decades(value: float, wanted: float) -> None:
    curve = DisplayCurve()

    def encode(x: float) -> float:
        slope = 1.055 / 2.4 * curve.knee ** (1 / 2.4 - 1)
        top = 1.055 * curve.knee ** (1 / 2.4) - 0.055
        if x > curve.knee:
            return top + curve.shoulder * float(np.log1p((x - curve.knee) * slope / curve.shoulder))
        return float(np.copysign(srgb_by_the_standard(np.float64(abs(x))), x))

    low, high = -10.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if encode(middle) < encode(value) + wanted else (low, middle)
    plate = np.full((1, 1, 3), value)
    delta = NetworkEncoding(LINEAR).delta(plate, np.full((1, 1, 3), wanted))
    np.testing.assert_allclose(delta, low - np.float64(np.float32(value)), rtol=2e-3)


@pytest.mark.parametrize("name", SPACES)
def test_no_change_is_no_light_bit_for_bit(name: str) -> None:
    coder = NetworkEncoding(WorkingSpace.from_name(name), 1.7, (1.1, 1.0, 0.8))
    plate = coder.working_space.from_linear_rec709(picture())
    wanted = change()
    delta = coder.delta(plate, wanted)
    still = (wanted == 0).all(axis=2)
    assert not delta[still].any()
    assert (np.abs(delta[~still]).max(axis=1) > 0).all()
    assert not coder.delta(plate, np.zeros_like(plate)).any()


@pytest.mark.parametrize("name", [*SPACES, TABLE_SPACE])
def test_broken_pixels_get_no_light_and_hurt_nobody(name: str) -> None:
    coder = NetworkEncoding(WorkingSpace.from_name(name), 0.6)
    plate = coder.working_space.from_linear_rec709(np.abs(picture()) + 1e-3)
    wanted = change(seed=5) + 0.01
    clean_delta, clean_code = coder.delta(plate, wanted), coder.encode(plate)
    plate[2, 3, 0], plate[4, 5, 1], plate[6, 7, 2], plate[8, 8] = np.nan, np.inf, -np.inf, np.nan
    broken = ~np.isfinite(plate).all(axis=2)
    delta, code = coder.delta(plate, wanted), coder.encode(plate)
    assert not delta[broken].any() and np.isnan(code[broken]).all()
    np.testing.assert_array_equal(delta[~broken], clean_delta[~broken])
    np.testing.assert_array_equal(code[~broken], clean_code[~broken])


@pytest.mark.parametrize("name", ["linear", "ACEScg", "ACES2065-1", "srgb", "logc3", "ACEScc", "Gamma 2.2 Encoded AP1"])
def test_any_value_gives_a_finite_delta(name: str) -> None:
    coder = NetworkEncoding(WorkingSpace.from_name(name))
    extremes = np.array([-1e38, -6e4, -1, -1e-3, -1e-30, -0.0, 0, 1e-30, 1e-4, 0.5, 1, 30, 6e4, 1e20, 3e38], np.float32)
    grid = np.stack(np.meshgrid(extremes, extremes, extremes), axis=-1).reshape(-1, len(extremes), 3)
    delta = coder.delta(grid, np.full_like(grid, 0.1))
    assert np.isfinite(delta).all()
    ordinary = (grid >= 1e-4).all(axis=2) & (grid <= 1).all(axis=2)
    assert (np.abs(delta[ordinary]).max(axis=1) > 0).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 20))
def test_exposure_gain_cancels_exposure(gain: float) -> None:
    plate, wanted = picture(), change()
    at_once = NetworkEncoding(LINEAR).delta(plate, wanted)
    darker = plate / np.float32(gain)
    coder = NetworkEncoding(LINEAR, gain)
    np.testing.assert_allclose(coder.encode(darker), NetworkEncoding(LINEAR).encode(plate), atol=2e-6)
    scaled = coder.delta(darker, wanted) * np.float32(gain)
    np.testing.assert_allclose(scaled, at_once, rtol=1e-3, atol=2e-6 * np.abs(plate).max())


def test_white_gain_acts_on_rec709_channels() -> None:
    coder = NetworkEncoding(WorkingSpace.from_name("ACEScg"), 2.0, (0.5, 1.0, 2.0))
    plate = coder.working_space.from_linear_rec709(np.full((1, 1, 3), 0.1, np.float32))
    np.testing.assert_allclose(DisplayCurve().decode(coder.encode(plate))[0, 0], (0.1, 0.2, 0.4), rtol=1e-5)


def test_one_picture_in_any_space_gets_the_same_light() -> None:
    wanted = change(seed=9)
    reference_plate = np.abs(picture(seed=8)) + 2e-3
    reference = NetworkEncoding(LINEAR).delta(reference_plate, wanted)
    moved = np.abs(wanted).max(axis=2) > 0
    for name in SPACES[:-1]:
        space = WorkingSpace.from_name(name)
        plate = space.from_linear_rec709(reference_plate)
        coder = NetworkEncoding(space)
        np.testing.assert_allclose(coder.encode(plate), NetworkEncoding(LINEAR).encode(reference_plate), atol=1e-3)
        added = space.to_linear_rec709(plate + coder.delta(plate, wanted)) - space.to_linear_rec709(plate)
        error = np.linalg.norm(added - reference, axis=2)[moved]
        assert (error <= 0.02 * np.linalg.norm(reference, axis=2)[moved] + 1e-5).all(), name


def test_colours_outside_rec709_can_be_undone() -> None:
    space = WorkingSpace.from_name("ACES2065-1")
    coder = NetworkEncoding(space, 1.4)
    plate = np.array([[[0.9, 0.01, 0.0], [0.0, 0.6, 0.02], [0.02, 0.0, 0.5], [12.0, 0.2, 0.1]]], np.float32)
    assert (space.to_linear_rec709(plate) < -0.01).any()
    wanted = np.array([[[0.03, -0.05, 0.02]]], np.float32).repeat(4, axis=1)
    result = coder.encode(plate + coder.delta(plate, wanted))
    np.testing.assert_allclose(result, coder.encode(plate) + wanted, atol=1e-4)


def test_pixels_do_not_depend_on_their_neighbours() -> None:
    plate, wanted = picture(200, 300), change(200, 300) + 0.02
    coder = NetworkEncoding(WorkingSpace.from_name("ACEScg"), 1.3)
    whole_code, whole = coder.encode(plate), coder.delta(plate, wanted)
    part = np.s_[77:91, 33:58]
    # The last few values of a vectorised loop are rounded by other code.
    np.testing.assert_allclose(coder.encode(plate[part]), whole_code[part], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(coder.delta(plate[part], wanted[part]), whole[part], rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("gains", [(0.0, (1, 1, 1)), (-1.0, (1, 1, 1)), (1.0, (1, np.nan, 1)), (1.0, (1, 0, 1))])
def test_gains_must_be_above_zero(gains: tuple[float, tuple[float, float, float]]) -> None:
    with pytest.raises(ValueError, match="gains"):
        NetworkEncoding(LINEAR, *gains)


def test_wrong_shapes_are_named() -> None:
    coder = NetworkEncoding(LINEAR)
    with pytest.raises(ValueError, match=r"plate_rgb must have shape \(H, W, 3\), got \(4, 5\)"):
        coder.encode(np.zeros((4, 5)))
    with pytest.raises(ValueError, match="encoded_delta must be 4 rows x 5 columns"):
        coder.delta(np.zeros((4, 5, 3)), np.zeros((4, 6, 3)))
