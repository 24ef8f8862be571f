"""Moving samples along one axis, and rotation made of such moves.

Pictures are planar here, ``(C, H, W)`` float32.  *Index* coordinates put sample ``i`` at ``i``; a :class:`Window` names
a range of them, negative ones included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.kernels import Kernel

__all__ = ["rotate", "scale_columns", "scale_rows"]

Doubles = npt.NDArray[np.floating[Any]]
Fetch = Callable[[Window], FloatArray]

# Rows or columns that one small matrix product makes together: more of them save calls but multiply by more zeros.
_BLOCK = 16
# From this many multiplications on OpenBLAS wakes its threads, which takes longer than the product itself, and far
# longer on a machine where the other cores are busy.
_PRODUCT_LIMIT = 2**18


def scale_rows(
    image: FloatArray, positions_px: Doubles, stretch: float, kernel: Kernel, out: FloatArray | None = None
) -> FloatArray:
    """New rows at ``positions_px`` between the rows of ``image``.

    Args:
        image: (H, M) samples.
        positions_px: (N,) ascending row positions in index coordinates; beyond the edge the edge row repeats.
        stretch: see :meth:`Kernel.weights`.
        kernel: the filter.
        out: (N, M) float32 to write to.

    Returns:
        (N, M) float32.
    """
    result = np.empty((len(positions_px), image.shape[1]), dtype=np.float32) if out is None else out
    whole = _whole_positions(positions_px, stretch)
    if whole is not None:
        result[...] = image[np.clip(whole, 0, len(image) - 1)]
        return result
    for rows, sources, weights in _bands(positions_px, stretch, kernel, len(image)):
        for part in _parts(image.shape[1], weights.size):
            np.matmul(weights, image[sources, part], out=result[rows, part])
    return result


def scale_columns(planes: FloatArray, positions_px: Doubles, stretch: float, kernel: Kernel) -> FloatArray:
    """New columns at ``positions_px`` between the columns of ``planes``.

    Args:
        planes: (C, H, W) samples.
        positions_px: (N,) ascending column positions; see :func:`scale_rows`.
        stretch: see :meth:`Kernel.weights`.
        kernel: the filter.

    Returns:
        (C, H, N) float32.
    """
    height, width = planes.shape[1:]
    whole = _whole_positions(positions_px, stretch)
    if whole is not None:
        if len(whole) and whole[0] >= 0 and whole[-1] < width and whole[-1] - whole[0] == len(whole) - 1:
            return planes[:, :, whole[0] : whole[-1] + 1]
        return planes[:, :, np.clip(whole, 0, width - 1)]
    lines = planes.reshape(-1, width)
    result = np.empty((len(lines), len(positions_px)), dtype=np.float32)
    for columns, sources, weights in _bands(positions_px, stretch, kernel, width):
        transposed = np.ascontiguousarray(weights.T)
        for part in _parts(len(lines), weights.size):
            np.matmul(lines[part, sources], transposed, out=result[part, columns])
    return result.reshape(-1, height, len(positions_px))


def rotate(
    fetch: Fetch, centre_px: tuple[float, float], angle_radians: float, window: Window, kernel: Kernel
) -> FloatArray:
    """A picture turned about a point, by three shears.

    Args:
        fetch: gives the (C, H, W) samples of the unturned picture in any window of its index coordinates.
        centre_px: the point that stays where it is, index coordinates.
        angle_radians: the sample at ``p`` comes from ``centre + R(angle) (p - centre)``; at most 45 degrees either way.
        window: which samples to make.
        kernel: the filter.

    Returns:
        (C, H, W) float32 for ``window``.
    """
    if angle_radians == 0.0:
        return fetch(window)
    centre_x, centre_y = centre_px
    tangent, sine = math.tan(angle_radians / 2), math.sin(angle_radians)
    margin = kernel.radius_px

    # Backwards through the shears: what each of them needs of the one before.
    third_shifts = -tangent * (np.arange(window.y_min, window.y_max) - centre_y)
    columns = _reached(window.x_min, window.x_max, third_shifts, margin)
    second_shifts = sine * (np.arange(*columns) - centre_x)
    rows = _reached(window.y_min, window.y_max, second_shifts, margin)
    row_indices = np.arange(*rows)
    first_shifts = -tangent * (row_indices - centre_y)

    # Of a row of the first shear only those columns are used whose shift brings it into the window.
    at_top = centre_x + (row_indices - (window.y_min - margin)) / sine
    at_bottom = centre_x + (row_indices - (window.y_max + margin)) / sine
    starts = np.clip(np.floor(np.minimum(at_top, at_bottom)), columns[0], columns[1]).astype(np.int64)
    ends = np.clip(np.ceil(np.maximum(at_top, at_bottom)) + 1, columns[0], columns[1]).astype(np.int64)
    used = ends > starts
    source_low = np.floor(starts + first_shifts)[used].min() - margin
    source_high = np.ceil(ends + first_shifts)[used].max() + margin
    source = Window(int(source_low), rows[0], int(source_high), rows[1])

    planes = _shear(fetch(source), source.x_min, first_shifts, columns, (starts, ends), kernel)
    planes = _shear(_transposed(planes), rows[0], second_shifts, (window.y_min, window.y_max), None, kernel)
    return _shear(_transposed(planes), columns[0], third_shifts, (window.x_min, window.x_max), None, kernel)


def _shear(
    planes: FloatArray,
    source_start: int,
    shifts_px: Doubles,
    columns: tuple[int, int],
    spans: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None,
    kernel: Kernel,
) -> FloatArray:
    """Shift each row: the sample at column ``x`` of row ``y`` comes from ``x + shifts_px[y]``.

    ``source_start`` is the index of the first column of ``planes``, ``columns`` the range to make; with ``spans`` only
    the columns between a row's start and end are made and the rest is 0.
    """
    first, weights = kernel.weights(shifts_px)
    taps = weights.astype(np.float32)
    count = taps.shape[1]
    low, high = columns
    starts, ends = spans if spans is not None else (np.full(len(first), low), np.full(len(first), high))
    result = np.zeros((planes.shape[0], planes.shape[1], high - low), dtype=np.float32)
    begin = first + starts - source_start
    end = first + ends - source_start + count - 1
    jobs = list(zip(begin.tolist(), end.tolist(), (starts - low).tolist(), (ends - low).tolist(), strict=True))
    for plane, made in zip(planes, result, strict=True):
        for row, tap, target, (from_px, to_px, start, stop) in zip(plane, taps, made, jobs, strict=True):
            if stop > start:
                target[start:stop] = np.correlate(row[from_px:to_px], tap)
    return result


def _reached(low: int, high: int, shifts_px: Doubles, margin: int) -> tuple[int, int]:
    """The index range that a kernel touches when it makes ``[low, high)`` with any of the shifts."""
    return low + math.floor(shifts_px.min()) - margin, high + math.ceil(shifts_px.max()) + margin


def _transposed(planes: FloatArray) -> FloatArray:
    result = np.empty((planes.shape[0], planes.shape[2], planes.shape[1]), dtype=np.float32)
    for plane, target in zip(planes, result, strict=True):
        cv2.transpose(plane, target)
    return result


def _whole_positions(positions_px: Doubles, stretch: float) -> npt.NDArray[np.int64] | None:
    """The positions as integers where nothing has to be interpolated, else None."""
    whole = np.rint(positions_px)
    return whole.astype(np.int64) if stretch == 1.0 and bool((whole == positions_px).all()) else None


def _parts(length: int, weights: int) -> list[slice]:
    """Stretches of ``length`` lines that each make a product with so many weights small enough."""
    step = max(16, _PRODUCT_LIMIT // weights)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _bands(
    positions_px: Doubles, stretch: float, kernel: Kernel, size: int
) -> list[tuple[slice, slice, npt.NDArray[np.float32]]]:
    """The sparse weight matrix in dense blocks: which targets, which sources, (targets, sources) weights.

    Indices beyond the edge are folded onto it.
    """
    first, weights = kernel.weights(positions_px, stretch)
    taps = weights.shape[1]
    bands = []
    for start in range(0, len(first), _BLOCK):
        targets = slice(start, min(start + _BLOCK, len(first)))
        indices = np.clip(first[targets, None] + np.arange(taps), 0, size - 1)
        low, high = int(indices[0, 0]), int(indices[-1, -1]) + 1
        block = np.zeros((len(indices), high - low))
        np.add.at(block, (np.arange(len(indices))[:, None], indices - low), weights[targets])
        bands.append((targets, slice(low, high), block.astype(np.float32)))
    return bands
