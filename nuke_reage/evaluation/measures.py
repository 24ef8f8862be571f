"""Numbers about pictures: plain functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "detail_difference",
    "mean_difference",
    "monotony",
    "motion_between",
    "moved_by",
    "ratio",
    "response_slope",
]

Image = npt.NDArray[np.float32]

_LEVELS = 4


def mean_difference(one: Image, other: Image, mask: Image) -> float:
    """Mean absolute difference inside a soft mask.

    Args:
        one: (H, W, 3) float32.
        other: the same shape.
        mask: (H, W) weights of at least 0, not all 0.

    Returns:
        In the pictures' units.

    Raises:
        ValueError: shapes differ or the mask is empty.
    """
    if one.shape != other.shape or mask.shape != one.shape[:2]:
        raise ValueError(f"pictures {one.shape} and {other.shape} and mask {mask.shape} do not fit")
    total = float(mask.sum(dtype=np.float64))
    if total <= 0.0:
        raise ValueError("the mask is empty")
    per_pixel = np.abs(one - other).mean(axis=2, dtype=np.float64)
    return float((per_pixel * mask).sum() / total)


def detail_difference(one: Image, other: Image, mask: Image) -> float:
    """Mean absolute difference of the Laplacian pyramids inside a soft mask: four bands, each counts alike.

    Arguments and errors are those of :func:`mean_difference`.

    Source:
        P. Burt and E. Adelson, *The Laplacian Pyramid as a Compact Image Code*, 1983.
    """
    mean_difference(one, other, mask)
    difference, weight, total = np.asarray(one - other, np.float32), mask, 0.0
    for _ in range(_LEVELS):
        if min(difference.shape[:2]) < 4:
            break
        low = np.asarray(cv2.pyrDown(difference), np.float32)
        band = difference - cv2.pyrUp(low, dstsize=difference.shape[1::-1])
        covered = float(weight.sum(dtype=np.float64))
        if covered > 0.0:
            total += float((np.abs(band).mean(axis=2, dtype=np.float64) * weight).sum()) / covered
        difference, weight = low, np.asarray(cv2.pyrDown(weight), np.float32)
    return total


def ratio(part: float, whole: float) -> float:
    """``part / whole``, NaN where there is no whole."""
    return part / whole if whole > 0.0 else float("nan")


def response_slope(asked_years: Sequence[float], read_years: Sequence[float]) -> float:
    """Slope of the straight line through what was asked for and what was read: 1 = every year asked for is seen.

    Raises:
        ValueError: fewer than two different ages.

    >>> round(response_slope([20, 50, 80], [30, 45, 60]), 6)
    0.5
    """
    if len(set(asked_years)) < 2:
        raise ValueError("a slope needs at least two ages")
    return float(np.polyfit(np.asarray(asked_years, np.float64), np.asarray(read_years, np.float64), 1)[0])


def monotony(asked_years: Sequence[float], read_years: Sequence[float]) -> float:
    """Kendall's tau-a: 1 = whoever is asked to be older reads older, -1 = younger; equal readings count 0.

    Raises:
        ValueError: fewer than two different ages.

    >>> monotony([20, 50, 80], [30, 45, 60])
    1.0
    >>> monotony([20, 50, 80], [30, 30, 30])
    0.0
    """
    asked, read = np.asarray(asked_years, np.float64), np.asarray(read_years, np.float64)
    order = np.sign(asked[:, None] - asked)
    pairs = np.abs(order).sum()
    if pairs == 0:
        raise ValueError("an order needs at least two ages")
    return float((order * np.sign(read[:, None] - read)).sum() / pairs)


def motion_between(now: Image, before: Image) -> npt.NDArray[np.float32]:
    """Dense optical flow from a picture to the one before it.

    Args:
        now: (H, W, 3) float32, 0..1, sRGB-like.
        before: the same shape.

    Returns:
        (H, W, 2) float32 pixels: where each pixel of ``now`` was.

    Source:
        T. Kroeger et al., *Fast Optical Flow using Dense Inverse Search*, ECCV 2016 (OpenCV's, medium preset).
    """
    grey = [np.rint(np.clip(one, 0.0, 1.0).mean(axis=2) * 255.0).astype(np.uint8) for one in (now, before)]
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    return np.asarray(finder.calc(grey[0], grey[1], None), np.float32)


def moved_by(picture: Image, flow: npt.NDArray[np.float32]) -> Image:
    """A picture brought along a flow of :func:`motion_between`: ``before`` to where ``now`` has it.

    Args:
        picture: (H, W) or (H, W, C) float32.
        flow: (H, W, 2).
    """
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
