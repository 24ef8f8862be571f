"""What aging does on average, measured on portraits of known age.

Every quantity (log colour, energy of fine detail, place of a landmark) is regressed on age pixel by pixel over the mean
face, with sex, pose and smile as covariates.  A regression uses all portraits for all ages, so it is calmer than means
of age groups, and the skin tone of whoever happens to be old in the collection does not leak in: each portrait's mean
skin colour is subtracted first.  Age enters as a line with a bend at 60, which also extrapolates as a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import FaceMesh, blur
from nuke_reage.training.portraits import Portrait

__all__ = [
    "AgingStatistics",
    "DetailBands",
    "age_terms",
    "align",
    "detail_bands",
    "encoded_colour",
    "log_colour",
    "luminance",
    "measure",
]

_LOG_OFFSET = np.float32(0.03)
_LUMINANCE = np.array([0.3, 0.6, 0.1], np.float32)
_CENTRE_YEARS, _BEND_YEARS = 55.0, 60.0
_YOUNGEST_YEARS, _OLDEST_YEARS = 20.0, 82.0
_AGE_TERMS = 3
_FINE_PX, _COARSE_PX = 1.6, 6.0
_GLASSES_SHARE = 0.38
_GLASSES_WEIGHT = 0.03
_MIN_PORTRAITS = 30
_RIDGE = 1e-2
_MOUTH_CORNERS, _LIPS_INNER = (61, 291), (13, 14)
_NOSE_BRIDGE = (168, 6)


@dataclass(frozen=True, eq=False)
class DetailBands:
    """Luminance detail in log light, each (S, S).

    Attributes:
        fine: finer than a sigma of 1.6 pixels of a 256 canvas: pores, fine lines.
        coarse: sigmas 1.6 to 6: wrinkles, folds.
    """

    fine: FloatArray
    coarse: FloatArray


@dataclass(frozen=True, eq=False)
class AgingStatistics:
    """Regression coefficients over the mean face; the first axis is age, bend, and age of women against men.

    Attributes:
        canvas_px: side S of the maps.
        mean_landmarks: (468, 2) in [0, 1].
        colour: (3, S, S, 3) change of log colour.
        fine: (3, S, S) change of the log energy of fine detail.
        coarse: (3, S, S) change of the log energy of coarse detail.
        shape: (3, 468, 2) change of landmarks, in [0, 1] of the canvas.
        portraits: how many were measured.
    """

    canvas_px: int
    mean_landmarks: FloatArray
    colour: FloatArray
    fine: FloatArray
    coarse: FloatArray
    shape: FloatArray
    portraits: int

    def change(self, what: FloatArray, sex: str, from_years: float, to_years: float) -> FloatArray:
        """How much a quantity changes between two ages.

        Args:
            what: one of the coefficient maps.
            sex: "f" or "m".
            from_years: age now.
            to_years: age wanted; the change is not continued beyond 20 and 82.
        """
        terms = age_terms(to_years, sex) - age_terms(from_years, sex)
        return np.asarray(np.tensordot(terms, what, axes=1), np.float32)


def age_terms(years: float, sex: str) -> npt.NDArray[np.float64]:
    """The three regressors of age."""
    held = min(max(years, _YOUNGEST_YEARS), _OLDEST_YEARS)
    line = (held - _CENTRE_YEARS) / 10.0
    return np.array([line, max(0.0, held - _BEND_YEARS) / 10.0, line if sex == "f" else 0.0])


def log_colour(rgb: FloatArray) -> FloatArray:
    """Encoded RGB as log, with an offset that keeps black finite."""
    return np.asarray(np.log(rgb + _LOG_OFFSET), np.float32)


def encoded_colour(logs: FloatArray) -> FloatArray:
    """Encoded RGB of log colour: the inverse of :func:`log_colour`."""
    return np.asarray(np.exp(logs) - _LOG_OFFSET, np.float32)


def luminance(rgb: FloatArray) -> FloatArray:
    """(H, W, 3) to (H, W), in whatever encoding it is."""
    return np.asarray(rgb @ _LUMINANCE, np.float32)


def detail_bands(log_luminance: FloatArray) -> DetailBands:
    """Split log luminance into two bands of detail; what is coarser is left out."""
    unit = log_luminance.shape[0] / 256.0
    middle = blur(log_luminance, _FINE_PX * unit)
    return DetailBands(log_luminance - middle, middle - blur(log_luminance, _COARSE_PX * unit))


def align(points: FloatArray, target: FloatArray) -> FloatArray:
    """Points under the least-squares similarity that brings them to the target, (N, 2) both."""
    points_middle, target_middle = points.mean(axis=0), target.mean(axis=0)
    a, b = points - points_middle, target - target_middle
    norm = float((a**2).sum())
    cosine = float((a * b).sum()) / norm
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / norm
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
    return np.asarray(a @ turn.T + target_middle, np.float32)


def measure(portraits: Sequence[Portrait]) -> AgingStatistics:
    """Measure aging on portraits of many ages.

    Args:
        portraits: at least 30, all on canvases of one size.

    Raises:
        UsageError: ``few-portraits``.
        ValueError: canvases of several sizes.
    """
    if len(portraits) < _MIN_PORTRAITS:
        raise UsageError(
            "few-portraits",
            f"Aging is measured on at least {_MIN_PORTRAITS} portraits; {len(portraits)} can be used.",
            "Add portraits of many ages; those without a known age, a face or colour do not count.",
        )
    canvas_px = portraits[0].crop.rgb.shape[0]
    if any(one.crop.rgb.shape != (canvas_px, canvas_px, 3) for one in portraits):
        raise ValueError("all portraits must have canvases of one size")
    points = np.stack([one.crop.landmarks for one in portraits]) / np.float32(canvas_px)
    mean = points.mean(axis=0)
    mesh = FaceMesh(mean, canvas_px)
    regressors = _regressors(portraits, points)
    skin = face_parts(mesh.mean, canvas_px).skin
    rows: list[tuple[FloatArray, ...]] = []
    glasses = []
    for one in portraits:
        logs = mesh.to_mean(one.crop.landmarks)(log_colour(one.crop.rgb))
        logs -= (logs * skin[..., None]).sum(axis=(0, 1)) / skin.sum()
        light = luminance(logs)
        glasses.append(_glasses_score(light, mesh))
        bands = detail_bands(light)
        unit = canvas_px / 256.0
        energies = [np.log(blur(band**2, 5.0 * unit) + np.float32(1e-5)) for band in (bands.fine, bands.coarse)]
        rows.append((logs.astype(np.float16), *(energy.astype(np.float16) for energy in energies)))
    weights = np.where(np.array(glasses) > np.quantile(glasses, 1.0 - _GLASSES_SHARE), _GLASSES_WEIGHT, 1.0)
    solve = _solver(regressors, weights)
    colour, fine, coarse = (solve([row[index] for row in rows]) for index in range(3))
    aligned = np.stack([align(one, mean) for one in points])
    return AgingStatistics(
        canvas_px,
        mean.astype(np.float32),
        np.stack([blur(one, 1.5 * canvas_px / 256.0) for one in colour]),
        fine,
        coarse,
        solve(list(aligned - mean)),
        len(portraits),
    )


def _regressors(portraits: Sequence[Portrait], points: FloatArray) -> npt.NDArray[np.float64]:
    mouth = np.linalg.norm(points[:, _MOUTH_CORNERS[0]] - points[:, _MOUTH_CORNERS[1]], axis=1)
    opening = np.linalg.norm(points[:, _LIPS_INNER[0]] - points[:, _LIPS_INNER[1]], axis=1)
    yaw = np.array([one.crop.yaw_degrees for one in portraits]) / 10.0
    pitch = np.array([one.crop.pitch_degrees for one in portraits]) / 10.0
    female = np.array([one.sex == "f" for one in portraits], np.float64)
    ages = np.stack([age_terms(one.age_years, one.sex) for one in portraits])
    others = [female, yaw, yaw**2, pitch, (mouth - mouth.mean()) * 20.0, (opening - opening.mean()) * 20.0]
    return np.column_stack([ages, np.ones(len(portraits)), *others])


def _solver(regressors: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> Any:
    """Weighted least squares with a little ridge; gives the coefficients of the age terms."""
    weighted = regressors * weights[:, None]
    normal = weighted.T @ regressors + _RIDGE * weights.sum() * np.eye(regressors.shape[1])
    rows_of_age = np.linalg.solve(normal, weighted.T)[:_AGE_TERMS]

    def solve(values: list[Any]) -> FloatArray:
        result = np.zeros((_AGE_TERMS, *np.shape(values[0])), np.float32)
        for factor, value in zip(rows_of_age.T.astype(np.float32), values, strict=True):
            result += np.multiply.outer(factor, np.asarray(value, np.float32))
        return result

    return solve


def _glasses_score(light: FloatArray, mesh: FaceMesh) -> float:
    """How strong an edge crosses the bridge of the nose from side to side."""
    unit = mesh.canvas_px / 256.0
    x, y = mesh.mean[list(_NOSE_BRIDGE)].mean(axis=0)
    rows = slice(int(y - 12 * unit), int(y + 12 * unit))
    columns = slice(int(x - 6 * unit), int(x + 6 * unit))
    return float(np.abs(np.diff(light, axis=0))[rows, columns].mean(axis=1).max())
