"""Two pictures in one: side by side, as a wipe, or their difference."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

__all__ = ["Mode", "compare"]

Bytes = npt.NDArray[np.uint8]
Mode = Literal["side", "wipe", "difference"]

_LINE_PX = 2
_GREY = 128.0


def compare(one: Bytes, other: Bytes, mode: Mode, *, position: float = 0.5, gain: float = 4.0) -> Bytes:
    """Show two pictures of one size in one.

    Args:
        one: (H, W, 3) uint8, sRGB.
        other: the same shape.
        mode: ``side`` = beside each other; ``wipe`` = the first left of a line, the second right of it; ``difference``
            = the second minus the first around middle grey.
        position: of the wipe's line, 0 = left edge, 1 = right edge.
        gain: of the difference.

    Returns:
        (H, W, 3) uint8, or (H, 2 W, 3) side by side.

    Raises:
        ValueError: shapes or mode.
    """
    if one.shape != other.shape or one.ndim != 3:
        raise ValueError(f"pictures must have one shape (H, W, 3), got {one.shape} and {other.shape}")
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {get_args(Mode)}, got {mode!r}")
    if mode == "side":
        return np.concatenate([one, other], axis=1)
    if mode == "difference":
        difference = other.astype(np.float32) - one
        return np.asarray(np.rint(np.clip(_GREY + gain * difference, 0, 255)), np.uint8)
    column = round(min(max(position, 0.0), 1.0) * one.shape[1])
    both = other.copy()
    both[:, :column] = one[:, :column]
    both[:, max(column - _LINE_PX // 2, 0) : column + _LINE_PX // 2] = 255
    return both
