"""Smoothing over the whole shot: no lag, no bias on real motion, much less jitter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.faces.smoothing import isolated_outliers, noise_level, smooth_path, unwrap_degrees

coefficient = st.floats(-50, 50)
FRAMES = np.arange(120.0)


def noise(sigma: float, seed: int = 0, count: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, count)


@settings(deadline=None)  # the first call imports SciPy
@given(st.integers(1, 90), coefficient, coefficient, st.floats(-2, 2), st.floats(0, 5))
def test_constant_acceleration_passes_unchanged_to_the_ends(count, place, velocity, acceleration, strength):
    frames = np.arange(float(count))
    path = place + velocity * frames + acceleration * frames**2
    smooth = smooth_path(path, np.ones(count), strength=strength)
    assert np.allclose(smooth, path, rtol=0, atol=1e-6 * (1 + np.abs(path).max()))


@settings(deadline=None)  # the first call imports SciPy
@given(st.lists(st.booleans(), min_size=12, max_size=60), coefficient, st.floats(-2, 2))
def test_gaps_in_constant_acceleration_are_filled_exactly(known, velocity, acceleration):
    trust = np.array([True, True, *known, True, True], float)
    frames = np.arange(float(len(trust)))
    path = velocity * frames + acceleration * frames**2
    holey = np.where(trust > 0, path, np.nan)
    assert np.allclose(smooth_path(holey, trust), path, rtol=0, atol=1e-5 * (1 + np.abs(path).max()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("motion", [0 * FRAMES, 3 * FRAMES, 40 * np.sin(FRAMES / 20), 0.05 * FRAMES**2])
def test_jitter_falls_at_least_fourfold_and_error_twofold(seed, motion):
    shaken = motion + noise(0.4, seed)
    smooth = smooth_path(shaken, np.ones(120))
    before, after = shaken - motion, smooth - motion
    assert np.diff(before).std() > 4 * np.diff(after).std()
    assert np.diff(before, 2).std() > 8 * np.diff(after, 2).std()
    assert np.sqrt((after**2).mean()) < np.sqrt((before**2).mean()) / 1.5


@pytest.mark.parametrize("period_frames", [8, 12, 24])
def test_a_fast_shake_of_the_head_is_followed(period_frames):
    swing = 20 * np.sin(2 * np.pi * FRAMES / period_frames)
    smooth = smooth_path(swing + noise(0.3), np.ones(120))
    assert np.abs(smooth - swing).max() < 1.2
    velocity = (swing[2:] - swing[:-2]) / 2
    lag_frames = -np.dot((smooth - swing)[1:-1], velocity) / np.dot(velocity, velocity)
    assert abs(lag_frames) < 0.02


def test_a_sudden_turn_and_a_jump_are_followed():
    turn = 60 / (1 + np.exp(-(FRAMES - 60) / 2))
    assert np.abs(smooth_path(turn + noise(0.3), np.ones(120)) - turn).max() < 1.0
    jump = np.where(FRAMES < 60, 0.0, 80.0)
    assert np.abs(smooth_path(jump + noise(0.3), np.ones(120)) - jump).max() < 3.0


def test_there_is_no_lag_forwards_or_backwards():
    path = 40 * np.sin(FRAMES / 9) + noise(0.5)
    assert np.allclose(smooth_path(path[::-1], np.ones(120))[::-1], smooth_path(path, np.ones(120)), atol=1e-6)


def test_paths_that_are_smoothed_together_are_smoothed_as_if_alone():
    """A still one, a noisy one, one of large numbers: they are solved in one system and must not touch."""
    still, shaken = np.full(len(FRAMES), 3.0), 8 * np.sin(FRAMES / 9) + noise(0.4)
    paths = np.stack([still, shaken, 1e4 + 50 * FRAMES + noise(2.0), -shaken], axis=1)
    trust = np.where((FRAMES > 40) & (FRAMES < 46), 0.0, 1.0)
    together = smooth_path(paths, trust)
    alone = np.stack([smooth_path(path, trust) for path in paths.T], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)
    assert np.abs(together - paths)[:, 1].max() > 0.1, "and smoothed they are"


def test_strength_zero_keeps_measurements_and_more_strength_is_stiffer():
    path = noise(1.0)
    trust = np.ones(120)
    trust[50:55] = 0
    kept = smooth_path(path, trust, strength=0)
    assert np.array_equal(kept[trust > 0], path[trust > 0]) and np.isfinite(kept).all()
    roughness = [np.diff(smooth_path(path, trust, strength=one), 2).std() for one in (0, 0.5, 1, 2)]
    assert roughness == sorted(roughness, reverse=True) and roughness[0] > 20 * roughness[-1]


@settings(max_examples=50, deadline=None)
@given(st.integers(5, 110), st.integers(1, 3), st.sampled_from([-9.0, 5.0, 30.0]))
def test_leaps_are_outliers_wherever_they_are(first, length, height):
    path = 30 * np.sin(FRAMES / 15) + noise(0.1)
    path[first : first + length] += height
    flagged = np.flatnonzero(isolated_outliers(path, np.ones(120), smallest=0.5))
    assert flagged.tolist() == list(range(first, first + length))


@pytest.mark.parametrize(
    "motion",
    [
        0 * FRAMES,
        np.where(FRAMES < 60, 0.0, 80.0),
        60 / (1 + np.exp(-(FRAMES - 60))),
        20 * np.sin(2 * np.pi * FRAMES / 9),
        np.abs(FRAMES - 60) * 3,
    ],
)
def test_real_motion_is_no_outlier(motion):
    for seed in range(5):
        assert not isolated_outliers(motion + noise(0.3, seed), np.ones(120), smallest=0.5).any()


def test_the_noise_is_measured_under_motion():
    path = 0.02 * FRAMES**2 + 30 * np.sin(FRAMES / 12)
    assert noise_level(path + noise(0.5)) == pytest.approx(0.5, rel=0.25)
    assert noise_level(path) < 0.01
    assert noise_level(path[:4]) == 0


def test_angles_unwrap_over_gaps():
    angles = np.array([170.0, 0.0, 0.0, -175.0, -160.0])
    assert unwrap_degrees(angles, [True, False, False, True, True])[[0, 3, 4]].tolist() == [170, 185, 200]


def test_short_and_bad_input():
    assert smooth_path([5.0], [1.0]).tolist() == [5.0]
    assert smooth_path([1.0, np.nan, 3.0], [1, 0, 1]).tolist() == [1.0, 2.0, 3.0]
    assert smooth_path(np.zeros((4, 0)), np.ones(4)).shape == (4, 0)
    for values, weights in [([1.0], [0.0]), ([1.0], [1.0, 1.0]), ([np.nan], [1.0]), ([1.0], [-1.0])]:
        with pytest.raises(ValueError, match=r"must|above"):
            smooth_path(values, weights)
    with pytest.raises(ValueError, match="strength"):
        smooth_path([1.0], [1.0], strength=-1)
