"""Putting the delta onto the plate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nuke_reage.imaging.arrays import FloatArray, all_finite, require_image, require_mask, require_same_size

__all__ = ["comp"]


def comp(plate: Any, mask: Any, delta: Any, gain: float = 1.0) -> FloatArray:
    """``plate + gain * mask * delta``, and the plate bit for bit where that adds nothing.

    Args:
        plate: (H, W, C) in the plate's own space, unbounded.
        mask: (H, W), 0..1.
        delta: (H, W, C), light to add, same space as the plate.
        gain: factor on the delta.

    Returns:
        (H, W, C) float32.  Where mask or gain is 0, where the plate is not finite and where the delta is not finite,
        the plate's own bits, minus zeros and NaN payloads included.

    Raises:
        ValueError: the shapes do not go together, or the gain is not finite.
    """
    source, light = require_image(plate, "plate"), require_image(delta, "delta")
    matte = require_mask(mask, "mask")
    if source.ndim != 3 or light.shape != source.shape:
        raise ValueError(f"plate and delta must both have shape (H, W, C), got {source.shape} and {light.shape}")
    require_same_size(matte, "mask", source.shape)
    if not math.isfinite(gain):
        raise ValueError(f"gain must be finite, got {gain}")
    if gain == 0 or not matte.any():
        return source.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        added = light * (matte * np.float32(gain))[:, :, None]
        result = np.asarray(source + added)
    # Not even 0 may be added: -0 + 0 is +0, and a NaN that goes through arithmetic may come out as another one.
    kept = added == 0
    if not (all_finite(result) and all_finite(added)):
        kept |= ~np.isfinite(source) | ~np.isfinite(added) | (matte == 0)[:, :, None]
    np.copyto(result, source, where=kept)
    return result
