"""3×3 convolutions with a quarter of the multiplications, out of matrix products that OpenVINO has.

Each tile of 4 × 4 results comes from 6 × 6 inputs: these are taken to 36 sums, every sum is one matrix product over the
channels, and 16 results come back out of 36 products.  All three steps are matrix products.  In float32 the result is
off by about 1e-5 of its range; in bfloat16 too much of the sums would cancel.

Source:
    A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016: F(4×4, 3×3).
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np
import openvino.opset13 as ops

from nuke_reage.models.backends.base import Image

__all__ = ["saves_time", "winograd_convolution", "winograd_factors"]

Node: TypeAlias = Any

# With fewer channels, moving the sums about takes longer than the multiplications that are saved.
_LEAST_CHANNELS = 128
_OUT, _IN = 4, 6
_SUMS = _IN * _IN
# Smaller strips stay in the processor's cache, larger ones make graphs of fewer nodes, which compile sooner.
_STRIP_SUMS = 4_000_000

_TO_SUMS = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_KERNEL_TO_FACTORS = (
    np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float64) / 24.0
)
_TO_RESULTS = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64)


def saves_time(kernels: tuple[int, ...]) -> bool:
    """Whether a convolution with kernels of that shape, (O, I, rows, columns), is worth it."""
    return kernels[2:] == (3, 3) and min(kernels[:2]) >= _LEAST_CHANNELS


def winograd_factors(kernels: Image) -> Image:
    """What kernels of 3×3 become, once for all graphs: (36, O, I) float32 out of (O, I, 3, 3)."""
    to_factors = np.kron(_KERNEL_TO_FACTORS, _KERNEL_TO_FACTORS).astype(np.float32)
    return (to_factors @ kernels.reshape(-1, 9).T).reshape(_SUMS, *kernels.shape[:2])


def winograd_convolution(x: Node, factors: Image, *, strip_sums: int = _STRIP_SUMS) -> Node:
    """A convolution with 3×3 kernels, stride 1 and 1 pixel of zeros around.

    Args:
        x: (1, I, H, W), float32.
        factors: (36, O, I) of the kernels; the graph shares their memory.
        strip_sums: it goes over the picture in strips of rows with about so many sums.

    Returns:
        (1, O, H, W).
    """
    _, _, height, width = x.shape
    convolution = _Convolution(factors)
    tiles = -(-height // _OUT) * -(-width // _OUT)
    count = max(1, round(_SUMS * max(factors.shape[1:]) * tiles / strip_sums))
    rows = -(-height // (_OUT * count)) * _OUT
    strips = [convolution.rows(x, top, min(top + rows, height)) for top in range(0, height, rows)]
    return strips[0] if len(strips) == 1 else ops.concat(strips, 2)


class _Convolution:
    """One convolution, strip by strip; its strips share their constants, which makes the graph half as large.

    Args:
        factors: (36, O, I).
    """

    def __init__(self, factors: Image) -> None:
        self._factors = ops.constant(factors, shared_memory=True)
        self._to_sums = ops.constant(_patches_to_sums())
        self._to_results = ops.constant(np.kron(_TO_RESULTS, _TO_RESULTS).astype(np.float32))
        self._numbers: dict[tuple[int, ...], Node] = {}

    def rows(self, x: Node, top: int, bottom: int) -> Node:
        """Rows of the result, of the whole of (1, I, H, W)."""
        _, inputs, height, width = x.shape
        outputs = self._factors.shape[1]
        down, across = -(-(bottom - top) // _OUT), -(-width // _OUT)
        seen = max(top - 1, 0), min(bottom + 1, height)
        above = seen[0] - (top - 1)
        below = _OUT * (down + 1) - above - (seen[1] - seen[0])
        beside = _OUT * (across + 1) - 1 - width
        padded = ops.pad(
            self._cut(x, (seen[0],), (seen[1],), (2,)),
            self._list(0, 0, above, 1), self._list(0, 0, below, beside), "constant", np.float32(0),
        )  # fmt: skip
        # Each tile's 6 x 6 inputs: a block of 4 x 4 and what it needs of the blocks to the right and below.
        blocks = ops.space_to_depth(padded, "blocks_first", _OUT)
        blocks = self._shaped(blocks, _OUT, _OUT * inputs, down + 1, across + 1)
        groups = [
            self._shaped(
                self._cut(blocks, (0, 0, dy, dx), (high, wide * inputs, dy + down, dx + across), (0, 1, 2, 3)),
                high * wide, inputs * down * across,
            )
            for high, wide, dy, dx in _GROUPS
        ]  # fmt: skip
        sums = ops.matmul(self._to_sums, ops.concat(groups, 0), False, False)
        products = ops.matmul(self._factors, self._shaped(sums, _SUMS, inputs, down * across), False, False)
        products = self._shaped(products, _SUMS, outputs * down * across)
        results = ops.matmul(self._to_results, products, False, False)
        tiles = self._shaped(results, 1, _OUT * _OUT * outputs, down, across)
        return self._cut(ops.depth_to_space(tiles, "blocks_first", _OUT), (0, 0), (bottom - top, width), (2, 3))

    def _cut(self, x: Node, start: tuple[int, ...], stop: tuple[int, ...], axes: tuple[int, ...]) -> Node:
        if all(first == 0 and last == x.shape[axis] for first, last, axis in zip(start, stop, axes, strict=True)):
            return x
        return ops.slice(x, *(self._list(*one) for one in (start, stop, (1,) * len(axes), axes)))

    def _shaped(self, x: Node, *shape: int) -> Node:
        return ops.reshape(x, self._list(*shape), False)

    def _list(self, *numbers: int) -> Node:
        if numbers not in self._numbers:
            self._numbers[numbers] = ops.constant(np.array(numbers, np.int64))
        return self._numbers[numbers]


# What tiles need of a block, so many rows and columns of it, and which block: so many down and to the right.
_GROUPS = ((_OUT, _OUT, 0, 0), (_OUT, _IN - _OUT, 0, 1), (_IN - _OUT, _OUT, 1, 0), (_IN - _OUT, _IN - _OUT, 1, 1))


@cache
def _patches_to_sums() -> Image:
    """(36, 36): the sums out of a patch in the order of the groups."""
    places = [
        (_OUT * dy + row) * _IN + _OUT * dx + column
        for high, wide, dy, dx in _GROUPS
        for row in range(high)
        for column in range(wide)
    ]
    return np.asarray(np.kron(_TO_SUMS, _TO_SUMS)[:, places], np.float32)
