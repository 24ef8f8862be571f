"""bfloat16 in NumPy, which has no such type: the upper half of a float32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["round_to_bfloat16", "split_for_bfloat16"]


def split_for_bfloat16(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Two bfloat16 numbers for each float32 number; why is told in :mod:`nuke_reage.models.staged`.

    Args:
        x: (N, C, H, W) float32, finite.

    Returns:
        (N, 2C, H, W) float32: all rounded values, then all remainders; each exact in bfloat16.
    """
    rounded = round_to_bfloat16(x)
    return np.concatenate([rounded, round_to_bfloat16(x - rounded)], axis=1)


def round_to_bfloat16(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest numbers that bfloat16 has, of two equally near ones the even one.

    Args:
        x: of any shape, float32, no NaN.

    Returns:
        The same shape, float32.
    """
    bits = x.view(np.uint32)
    # Half of the last place that is kept, or just less, so that a tie goes to the even neighbour.
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)
