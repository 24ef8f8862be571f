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

__all__ = ["LEAST_CHANNELS", "winograd_convolution"]

Node: TypeAlias = Any

LEAST_CHANNELS = 128
"""With fewer, moving the sums about takes longer than the multiplications that are saved."""

_OUT, _IN = 4, 6
_SUMS = _IN * _IN
# Smaller strips stay in the processor's cache, larger ones make graphs of fewer nodes, which compile sooner.
_STRIP_SUMS = 8_000_000

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


def winograd_convolution(x: Node, kernels: Image, *, strip_sums: int = _STRIP_SUMS) -> Node:
    """A convolution with 3×3 kernels, stride 1 and 1 pixel of zeros around.

    Args:
        x: (1, I, H, W), float32.
        kernels: (O, I, 3, 3) float32.
        strip_sums: it goes over the picture in strips of rows with about so many sums.

    Returns:
        (1, O, H, W).
    """
    _, inputs, height, width = x.shape
    factors = ops.constant(_factors(kernels))
    tiles = -(-height // _OUT) * -(-width // _OUT)
    count = max(1, round(_SUMS * max(kernels.shape[:2]) * tiles / strip_sums))
    rows = -(-height // (_OUT * count)) * _OUT
    strips = []
    for top in range(0, height, rows):
        seen = max(top - 1, 0), min(top + rows + 1, height)
        strip = x if seen == (0, height) else _slice(x, [seen[0]], [seen[1]], [2])
        strips.append(_strip(strip, factors, inputs, seen[0] - (top - 1), min(rows, height - top), width))
    return strips[0] if len(strips) == 1 else ops.concat(strips, 2)


def _strip(x: Node, factors: Node, inputs: int, above: int, height: int, width: int) -> Node:
    """So many rows of results out of the rows that they need, less ``above`` rows of zeros."""
    down, across = -(-height // _OUT), -(-width // _OUT)
    outputs = factors.shape[1]
    below = _OUT * (down + 1) - above - x.shape[2]
    padded = ops.pad(x, [0, 0, above, 1], [0, 0, below, _OUT * (across + 1) - 1 - width], "constant", np.float32(0))
    # Each tile's 6 x 6 inputs: a block of 4 x 4 and what it needs of the blocks to the right and below.
    blocks = ops.space_to_depth(padded, "blocks_first", _OUT)
    groups = [
        _slice(blocks, [first * inputs, dy, dx], [last * inputs, dy + down, dx + across], [1, 2, 3])
        for first, last, dy, dx in _GROUPS
    ]
    patches = _reshape(ops.concat(groups, 1), [_SUMS, inputs * down * across])
    sums = _reshape(ops.matmul(ops.constant(_patches_to_sums()), patches, False, False), [_SUMS, inputs, down * across])
    products = _reshape(ops.matmul(factors, sums, False, False), [_SUMS, outputs * down * across])
    results = ops.matmul(ops.constant(np.kron(_TO_RESULTS, _TO_RESULTS).astype(np.float32)), products, False, False)
    tiles = _reshape(results, [1, _OUT * _OUT * outputs, down, across])
    whole = ops.depth_to_space(tiles, "blocks_first", _OUT)
    return whole if whole.shape[2:] == [height, width] else _slice(whole, [0, 0], [height, width], [2, 3])


# Places in a block, (first, last), and the block down and to the right that they are in.
_GROUPS = (
    (0, 16, 0, 0),
    *((_OUT * row, _OUT * row + 2, 0, 1) for row in range(_OUT)),
    (0, 8, 1, 0),
    *((_OUT * row, _OUT * row + 2, 1, 1) for row in range(_IN - _OUT)),
)


@cache
def _patches_to_sums() -> Image:
    """(36, 36): the sums out of a patch in the order of the groups."""
    places = [
        (_OUT * dy + place // _OUT) * _IN + _OUT * dx + place % _OUT
        for first, last, dy, dx in _GROUPS
        for place in range(first, last)
    ]
    return np.asarray(np.kron(_TO_SUMS, _TO_SUMS)[:, places], np.float32)


def _factors(kernels: Image) -> Image:
    """(36, O, I) out of (O, I, 3, 3)."""
    to_factors = np.kron(_KERNEL_TO_FACTORS, _KERNEL_TO_FACTORS).astype(np.float32)
    return (to_factors @ kernels.reshape(-1, 9).T).reshape(_SUMS, *kernels.shape[:2])


def _reshape(x: Node, shape: list[int]) -> Node:
    return ops.reshape(x, ops.constant(np.array(shape, np.int64)), False)


def _slice(x: Node, start: list[int], stop: list[int], axes: list[int]) -> Node:
    bounds = [ops.constant(np.array(one, np.int64)) for one in (start, stop, [1] * len(axes), axes)]
    return ops.slice(x, *bounds)
