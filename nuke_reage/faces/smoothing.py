"""Smoothing of a whole shot's measurements, forwards and backwards at once, so that nothing lags.

The model is a path whose acceleration drifts (random jerk) and that is measured with noise.  Its best estimate from all
frames minimises ``sum w (y - x)^2 + sum lambda (third difference of x)^2`` with ``lambda`` = noise variance / jerk
variance.  Third differences leave every path with constant acceleration as it is, also at the ends of the shot.  The
jerk variance is taken from the path itself, frame by frame: stiff while the head is still, pliant while it is thrown.

Sources: E. T. Whittaker, *On a New Method of Graduation* (1922); P. H. C. Eilers, *A Perfect Smoother*, Anal. Chem. 75
(2003); the estimate equals that of a Rauch-Tung-Striebel smoother with the same model.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["isolated_outliers", "noise_level", "smooth_path", "unwrap_degrees"]

Path = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_ORDER = 3
_THIRD_DIFFERENCE = np.array([-1.0, 3.0, -3.0, 1.0])
_FOURTH_DIFFERENCE_GAIN = math.sqrt(70.0)
_MEDIAN_TO_SIGMA = 1.4826
_PILOT_PERIOD_FRAMES = 5.0
_JERK_WINDOW_FRAMES = 5
_OUTLIER_REACH_FRAMES = 3
_OUTLIER_MAX_RUN_FRAMES = 3
_OUTLIER_RATIO = 8.0
_EXACT = 1e-9


def smooth_path(
    values: npt.ArrayLike, weights: npt.ArrayLike, *, strength: float = 1.0, period_frames: float = 12.0
) -> Path:
    """Smooth a path and fill its gaps.

    Args:
        values: (N,) or (N, K) measurements, one row a frame; rows of weight 0 may hold anything, NaN too.
        weights: (N,) trust in each row, 0 = not measured.
        strength: 0 keeps the measurements and only fills the gaps; 1 is meant for faces; larger is stiffer.
        period_frames: while the path is quiet, swings shorter than this many frames (times ``strength``) are removed.

    Returns:
        float64 of the shape of ``values``.  Paths of constant acceleration come out as they went in; so do fast swings
        that rise clearly above the noise.

    Raises:
        ValueError: shapes do not fit, no row has weight, or a parameter is negative.
    """
    raw, trust = _checked(values, weights)
    if strength < 0 or period_frames <= 0:
        raise ValueError(f"strength must be >= 0 and period_frames > 0, got {strength} and {period_frames}")
    measured = trust > 0
    columns = raw.reshape(len(raw), -1)
    columns = np.where(measured[:, None], columns, 0.0)
    if measured.sum() <= _ORDER:
        result = _interpolated(columns, measured)
    elif strength == 0:
        result = np.where(measured[:, None], columns, _solve(columns, trust, _stiffness(_PILOT_PERIOD_FRAMES)))
    else:
        result = _adaptive(columns, trust, strength, period_frames)
    return result.reshape(raw.shape)


def noise_level(values: npt.ArrayLike, measured: npt.ArrayLike | None = None) -> float:
    """Standard deviation of the frame-to-frame noise on a path, blind to smooth motion and to rare outliers.

    Args:
        values: (N,) path.
        measured: (N,) which values count; all by default.

    Returns:
        0 where fewer than five neighbouring values are measured.
    """
    path = np.asarray(values, dtype=np.float64)
    known = np.ones(len(path), bool) if measured is None else np.asarray(measured, bool)
    return float(_noise_levels(path[:, None], known)[0])


def isolated_outliers(values: npt.ArrayLike, measured: npt.ArrayLike, *, smallest: float) -> Flags:
    """Rows that leap away and back while the rows around them agree with each other.

    A run of up to three rows is judged by the parabola through its neighbours on both sides: it is an outlier when it
    lies far from that parabola and the neighbours lie close to it.  A real jump or a fast swing is not: there the
    neighbours do not agree either.

    Args:
        values: (N, K) paths in comparable units.
        measured: (N,) which rows count.
        smallest: leaps below this are never outliers.

    Returns:
        (N,) bool.
    """
    paths = np.asarray(values, dtype=np.float64).reshape(len(np.asarray(values)), -1)
    known = np.array(measured, dtype=bool)
    flagged = np.zeros(len(paths), bool)
    noise = _noise_levels(paths, known)
    for length in range(1, _OUTLIER_MAX_RUN_FRAMES + 1):
        for first in range(_OUTLIER_REACH_FRAMES, len(paths) - length - _OUTLIER_REACH_FRAMES + 1):
            run = slice(first, first + length)
            if not known[run].all():
                continue
            usable = known & ~flagged
            before = np.flatnonzero(usable[:first])[-_OUTLIER_REACH_FRAMES:]
            after = first + length + np.flatnonzero(usable[first + length :])[:_OUTLIER_REACH_FRAMES]
            near = np.concatenate([before, after])
            if len(before) < 2 or len(after) < 2 or near[-1] - near[0] > 4 * _OUTLIER_REACH_FRAMES:
                continue
            if _leaps(paths, run, near, noise, smallest):
                flagged[run] = True
                known[run] = False
    return flagged


def unwrap_degrees(angles: npt.ArrayLike, measured: npt.ArrayLike) -> Path:
    """Angles without the leap from 180 to -180, over the gaps too.

    >>> unwrap_degrees([170.0, 0.0, -175.0], [True, False, True])
    array([170.,   0., 185.])
    """
    path = np.array(angles, dtype=np.float64)
    known = np.asarray(measured, dtype=bool)
    path[known] = np.unwrap(path[known], period=360.0)
    return path


def _adaptive(columns: Path, trust: Path, strength: float, period_frames: float) -> Path:
    stiffest = _stiffness(period_frames * strength)
    pilot_stiffness = min(_stiffness(_PILOT_PERIOD_FRAMES), stiffest)
    pilot = _solve(columns, trust, pilot_stiffness)
    measured = trust > 0
    noise = _noise_levels(columns, measured)
    quiet = noise <= _EXACT * np.maximum(1.0, np.ptp(columns[measured], axis=0))
    result = np.where(measured[:, None], columns, pilot)
    if quiet.all():
        return result
    noise = noise[~quiet]
    jerk = np.diff(pilot[:, ~quiet], _ORDER, axis=0) ** 2
    window = min(_JERK_WINDOW_FRAMES, len(jerk))
    padded = np.pad(jerk, ((window // 2, window // 2), (0, 0)), mode="edge")
    local = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).mean(axis=2)
    # What noise alone would leave is no motion; twice of it, so that chance peaks do not soften the path.
    signal = np.maximum(0.0, local[: len(jerk)] - 2.0 * _noise_left_in_jerk(pilot_stiffness) * noise**2)
    stiffness = 1.0 / (1.0 / stiffest + signal / (noise * strength) ** 2)
    result[:, ~quiet] = _solve(columns[:, ~quiet], trust, stiffness)
    return result


def _noise_levels(paths: Path, known: Flags) -> Path:
    """:func:`noise_level` of each column."""
    whole = np.lib.stride_tricks.sliding_window_view(known, 5).all(axis=1) if len(paths) >= 5 else np.zeros(0, bool)
    if not whole.any():
        return np.zeros(paths.shape[1])
    differences = np.diff(np.where(known[:, None], paths, 0.0), 4, axis=0)[whole]
    return np.asarray(np.median(np.abs(differences), axis=0) * (_MEDIAN_TO_SIGMA / _FOURTH_DIFFERENCE_GAIN))


def _solve(columns: Path, trust: Path, stiffness: float | Path) -> Path:
    """Minimise the penalised squares of each column.

    Args:
        columns: (N, K).
        trust: (N,).
        stiffness: one number, or (N - 3, K): of each third difference of each column.
    """
    from scipy.linalg import solveh_banded  # slow to import; a bake with a track saves it

    count, width = columns.shape
    penalty = np.broadcast_to(np.asarray(stiffness, dtype=np.float64), (count - _ORDER, width))
    # One system for all columns, which do not touch each other in it: the columns one after the other.
    banded = np.zeros((_ORDER + 1, width, count))
    banded[0] = trust
    for offset in range(_ORDER + 1):
        for term in range(_ORDER + 1 - offset):
            product = _THIRD_DIFFERENCE[term] * _THIRD_DIFFERENCE[term + offset]
            banded[offset, :, term : term + count - _ORDER] += product * penalty.T
    right = (trust[:, None] * columns).T.ravel()
    return np.asarray(solveh_banded(banded.reshape(_ORDER + 1, -1), right, lower=True)).reshape(width, count).T


def _stiffness(period_frames: float) -> float:
    """The penalty that halves a swing of this period."""
    return float((2.0 * math.sin(math.pi / max(period_frames, 2.0))) ** (-2 * _ORDER))


def _noise_left_in_jerk(stiffness: float) -> float:
    """Variance of the smoothed path's third difference for measurements of unit noise."""
    squared = (2.0 * np.sin(np.pi * (np.arange(512) + 0.5) / 1024)) ** (2 * _ORDER)
    return float(np.mean(squared / (1.0 + stiffness * squared) ** 2))


def _interpolated(columns: Path, measured: Flags) -> Path:
    frames = np.arange(len(columns))
    known = np.flatnonzero(measured)
    return np.stack([np.interp(frames, known, column[known]) for column in columns.T], axis=1)


def _leaps(paths: Path, run: slice, near: npt.NDArray[np.intp], noise: Path, smallest: float) -> bool:
    origin = float(run.start)
    basis = np.vander(near - origin, 3)
    coefficients = np.linalg.lstsq(basis, paths[near], rcond=None)[0]
    freedom = max(1, len(near) - 3)
    spread = np.sqrt(((paths[near] - basis @ coefficients) ** 2).sum(axis=0) / freedom)
    expected = np.vander(np.arange(run.start, run.stop) - origin, 3) @ coefficients
    leap = np.abs(paths[run] - expected).min(axis=0)
    limit = np.maximum(smallest, _OUTLIER_RATIO * np.maximum(spread, noise))
    return bool((leap > limit).any())


def _checked(values: npt.ArrayLike, weights: npt.ArrayLike) -> tuple[Path, Path]:
    raw, trust = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if raw.ndim not in {1, 2} or trust.shape != raw.shape[:1]:
        raise ValueError(f"values must be (N,) or (N, K) with weights (N,), got {raw.shape} and {trust.shape}")
    if not np.isfinite(trust).all() or (trust < 0).any() or not (trust > 0).any():
        raise ValueError("weights must be finite, not negative, and above 0 somewhere")
    if not np.isfinite(raw[trust > 0]).all():
        raise ValueError("measured values must be finite")
    return raw, trust
