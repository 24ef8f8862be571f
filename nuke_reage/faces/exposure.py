"""How bright a face is over a shot, and the gain that brings it to where a network was trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.faces.types import check_landmarks

__all__ = ["FACE_TARGET_LINEAR", "exposure_gain", "sample_skin"]

FACE_TARGET_LINEAR = 0.30
"""Linear luminance to which the median of a face's skin is brought.

About 0.58 in sRGB: where skin lies in well exposed portraits, those that re-aging networks are trained on.  Dark skin
is brought there too; the encoding works on exposure, not on likeness, and the delta is taken back by the same gain.
"""

# Not the upper forehead: the mesh goes on under a fringe.
_BETWEEN_BROWS = (8, 55, 107, 9, 336, 285)
_NOSE = (168, 193, 122, 196, 3, 195, 248, 419, 351, 417)
_CHEEK_LEFT = (50, 101, 36, 205, 187, 123)
_CHEEK_RIGHT = (280, 330, 266, 425, 411, 352)
_PATCHES = (_BETWEEN_BROWS, _NOSE, _CHEEK_LEFT, _CHEEK_RIGHT)
_LUMINANCE_REC709 = np.array([0.2126, 0.7152, 0.0722])
_RASTER_PX = 160.0
_SUBPIXEL_BITS = 4
_KEPT_PERCENTILES = (20.0, 90.0)
_MIN_PIXELS = 8
_BLACK = 1e-5
_GAIN_LIMITS = (2.0**-14, 2.0**14)


def sample_skin(
    linear_rec709: npt.ArrayLike, landmarks: npt.ArrayLike, *, offset: Sequence[float] = (0.0, 0.0)
) -> float | None:
    """Luminance of the skin of a face in one frame.

    The skin between the brows, the bridge of the nose and both cheeks are read; in each the darkest fifth (hair,
    shadow) and the brightest tenth (shine) are left out, and each counts the same, so that one in shadow or behind a
    hand does not matter.

    Args:
        linear_rec709: (H, W, 3) linear light, Rec.709 primaries, any range; NaN and Inf are left out.
        landmarks: (468, 2) or (468, 3) plate coordinates.
        offset: plate coordinates of the picture's top left corner, that is, of its data window.

    Returns:
        The median of the patches' medians, above 0; None where too little skin is inside the picture or all of it is
        black.

    Raises:
        ValueError: wrong shapes.
    """
    image = np.asarray(linear_rec709)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"picture must have shape (H, W, 3), got {image.shape}")
    points = check_landmarks(landmarks)[:, :2].astype(np.float64) - np.asarray(offset, dtype=np.float64)
    low = np.floor(np.maximum(points.min(axis=0), 0)).astype(int)
    high = np.ceil(np.minimum(points.max(axis=0), [image.shape[1], image.shape[0]])).astype(int)
    if (high - low < 2).any():
        return None
    step = max(1, int((high - low).max() // _RASTER_PX))
    part = image[low[1] : high[1] : step, low[0] : high[0] : step]
    # OpenCV counts from pixel centres.
    fixed = np.round(((points - low) / step - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    medians = [_skin_of_patch(part, fixed[list(patch)]) for patch in _PATCHES]
    known = [one for one in medians if one is not None]
    middle = float(np.median(known)) if known else 0.0
    return middle if middle > _BLACK else None


def exposure_gain(samples: Iterable[float | None], *, target: float = FACE_TARGET_LINEAR) -> float:
    """One gain for the whole shot.

    Args:
        samples: :func:`sample_skin` of the frames; None is left out.
        target: linear luminance wanted, above 0.

    Returns:
        ``target`` over the median sample, within 14 stops; 1 without any sample.

    >>> exposure_gain([0.1, 0.15, None, 0.2])
    2.0
    """
    known = [one for one in samples if one is not None and math.isfinite(one) and one > 0]
    if not known:
        return 1.0
    return float(min(max(target / float(np.median(known)), _GAIN_LIMITS[0]), _GAIN_LIMITS[1]))


def _skin_of_patch(part: npt.NDArray[Any], corners_fixed: npt.NDArray[np.int32]) -> float | None:
    """Median luminance inside the hull of some points (fixed-point pixels), or None for a few pixels only."""
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [cv2.convexHull(corners_fixed)], 1, cv2.LINE_8, _SUBPIXEL_BITS)
    luminance = part[mask > 0].astype(np.float64) @ _LUMINANCE_REC709
    luminance = luminance[np.isfinite(luminance)]
    if len(luminance) < _MIN_PIXELS:
        return None
    dark, bright = np.percentile(luminance, _KEPT_PERCENTILES)
    return float(np.median(luminance[(luminance >= dark) & (luminance <= bright)]))
