"""Checks at the door: what an array must look like before the pixels are touched.

A wrong shape is a mistake of the calling code, hence :class:`ValueError`, and it names what came and what was wanted.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "FloatArray",
    "all_finite",
    "fill_nonfinite",
    "require_image",
    "require_landmarks",
    "require_mask",
    "require_rgb",
    "require_same_size",
]

FloatArray = npt.NDArray[np.float32]


def require_image(array: Any, name: str) -> FloatArray:
    """An image of any number of channels.

    Args:
        array: (H, W) or (H, W, C), any real dtype.
        name: what to call it in the error.

    Returns:
        The same numbers as float32, C-contiguous; the array itself when it is that already.

    Raises:
        ValueError: another number of dimensions, no pixels, or a dtype that is not real.
    """
    image = np.asarray(array)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"{name} must have shape (H, W) or (H, W, C) with at least one pixel, got {image.shape}")
    if image.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got dtype {image.dtype}")
    return np.ascontiguousarray(image, dtype=np.float32)


def require_rgb(array: Any, name: str) -> FloatArray:
    """An (H, W, 3) image as float32, C-contiguous; see :func:`require_image`.

    Raises:
        ValueError: the shape is not (H, W, 3) with at least one pixel.
    """
    image = np.asarray(array)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{name} must have shape (H, W, 3), got {image.shape}")
    return require_image(image, name)


def require_mask(array: Any, name: str) -> FloatArray:
    """An (H, W) mask as float32, C-contiguous; see :func:`require_image`.

    Raises:
        ValueError: the shape is not (H, W) with at least one pixel.
    """
    mask = np.asarray(array)
    if mask.ndim != 2:
        raise ValueError(f"{name} must have shape (H, W), got {mask.shape}")
    return require_image(mask, name)


def require_same_size(array: npt.NDArray[Any], name: str, size: tuple[int, ...]) -> None:
    """Refuse an array whose height and width are not ``size``.

    Raises:
        ValueError: the sizes differ.
    """
    if array.shape[:2] != tuple(size[:2]):
        raise ValueError(f"{name} must be {size[0]} rows x {size[1]} columns, got shape {array.shape}")


def require_landmarks(array: Any, name: str) -> npt.NDArray[np.float64]:
    """The x and y of the 468 points of a face mesh, float64.

    Args:
        array: (468, 2) or (468, 3); a third column is dropped.
        name: what to call it in the error.

    Raises:
        ValueError: another shape, or a value that is not finite.
    """
    points = np.asarray(array, dtype=np.float64)
    if points.ndim != 2 or points.shape[0] != 468 or points.shape[1] not in (2, 3):
        raise ValueError(f"{name} must have shape (468, 2) or (468, 3), got {points.shape}")
    if not np.isfinite(points[:, :2]).all():
        raise ValueError(f"{name} holds values that are not finite")
    return points[:, :2]


def all_finite(array: npt.NDArray[Any]) -> bool:
    """Whether the array holds neither NaN nor infinity."""
    return bool(np.isfinite(array).all())


def fill_nonfinite(image: FloatArray) -> FloatArray:
    """Replace pixels that hold NaN or infinity by the mean of the nearest sound ones.

    For sampling only: a filter must not smear one broken pixel over its neighbours.

    Args:
        image: (H, W) or (H, W, C) float32.

    Returns:
        The image itself when it is sound, else a copy; zeros when no pixel is sound.
    """
    if all_finite(image):
        return image
    sound = np.asarray(np.isfinite(image) if image.ndim == 2 else np.isfinite(image).all(axis=2))
    filled: FloatArray = image.copy()
    filled[~sound] = 0
    known = sound.astype(np.float32)
    radius_px = 1
    while sound.any() and not sound.all():
        size = (2 * radius_px + 1, 2 * radius_px + 1)
        weight = cv2.blur(known, size, borderType=cv2.BORDER_CONSTANT)
        total = cv2.blur(filled, size, borderType=cv2.BORDER_CONSTANT)
        # Half a pixel's share tells a weight from the rounding of a running sum.
        reached = ~sound & (weight > 0.5 / (size[0] * size[1]))
        share = weight[reached] if image.ndim == 2 else weight[reached][:, None]
        filled[reached] = total[reached] / share
        sound = sound | reached
        known = sound.astype(np.float32)
        radius_px *= 2
    return filled
