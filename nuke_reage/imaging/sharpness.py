"""How sharp a picture of a face is, told from its features, whose edges are sharp in nature."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray

__all__ = ["edge_blur_px"]

# Blurred once more by this, an edge that was as soft before loses 1 - 1 / sqrt(2) of its slope.
_AGAIN_PX = 1.0
_STRONGEST_SHARE = 0.06
_MIN_PIXELS = 24
_SHARPEST_PX, _SOFTEST_PX = 0.3, 8.0
# Scharr's sum for a slope of 1 a pixel is 32; less than this is no edge.
_LEAST_SLOPE = 0.002 * 32.0


def edge_blur_px(light: FloatArray, features: FloatArray) -> float:
    """Standard deviation of the blur that edges of eyes, lips and brows have.

    The picture is blurred once more; from how much the steepest slopes lose follows how soft they were.

    Args:
        light: (S, S) encoded luma, 0..1 for ordinary light, finite.
        features: (S, S) in 0..1, where they are.

    Returns:
        Pixels, at least 0.3, at most 8; 0.3 where no edge is seen.

    Source:
        S. Zhuo and T. Sim, *Defocus Map Estimation from a Single Image*, Pattern Recognition 44, 2011.
    """
    where = features > 0.3
    if where.sum() < _MIN_PIXELS:
        return _SHARPEST_PX
    rows, columns = (_reached(np.flatnonzero(where.any(axis=axis))) for axis in (1, 0))
    light, where = light[rows, columns], where[rows, columns]
    steep = _slope(light)[where]
    softer = _slope(np.asarray(cv2.GaussianBlur(light, (0, 0), _AGAIN_PX), np.float32))[where]
    enough = max(_MIN_PIXELS, int(_STRONGEST_SHARE * where.sum()))
    strongest = np.argsort(steep)[-enough:]
    if np.median(steep[strongest]) < _LEAST_SLOPE:
        return _SHARPEST_PX
    ratio = float(np.median(steep[strongest] / np.maximum(softer[strongest], 1e-6)))
    return float(np.clip(_AGAIN_PX / np.sqrt(max(ratio**2 - 1.0, 1e-6)), _SHARPEST_PX, _SOFTEST_PX))


def _reached(found: npt.NDArray[np.intp]) -> slice:
    """From the first to the last, and as far around as blur and slope look."""
    around = math.ceil(4 * _AGAIN_PX) + 2
    return slice(max(int(found[0]) - around, 0), int(found[-1]) + around + 1)


def _slope(light: FloatArray) -> FloatArray:
    across = cv2.Scharr(light, cv2.CV_32F, 1, 0)
    return np.asarray(np.hypot(across, cv2.Scharr(light, cv2.CV_32F, 0, 1)), np.float32)
