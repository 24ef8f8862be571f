"""A small software rasteriser: triangles in, what each pixel sees out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Ints", "Keep", "Kinds", "Seen", "floats", "rasterise", "sample_at", "unit_vectors"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Kinds = npt.NDArray[np.int8]
Keep = Callable[[Ints, Floats], npt.NDArray[np.bool_]]

_MOST_FRAGMENTS = 1_000_000


@dataclass(frozen=True, eq=False)
class Seen:
    """What every pixel sees.

    Attributes:
        face: (H, W) int32 number of the nearest triangle, -1 = none.
        weights: (H, W, 3) float32 barycentric weights in it, corrected for perspective.
        depth: (H, W) float32, infinite where nothing is seen.
    """

    face: Ints
    weights: Floats
    depth: Floats

    def interpolate(self, faces: Ints, values: Floats) -> Floats:
        """(N, C) values at the N pixels that see something, row by row.

        Args:
            faces: (F, 3) into ``values``.
            values: (V, C).
        """
        hit = self.face >= 0
        corners = values[faces[self.face[hit]]]
        return np.asarray(np.einsum("nk,nkc->nc", self.weights[hit], corners), np.float32)


def rasterise(points: Floats, faces: Ints, size_px: int, keep: Keep | None = None) -> Seen:
    """Find the nearest triangle of every pixel of a square picture.

    Args:
        points: (V, 3) x and y in pixels, y down, pixel centres at +0.5; z = distance, above 0.
        faces: (F, 3) int32.
        size_px: side of the picture.
        keep: which fragments are there at all, given their triangles (N,) and weights (N, 3): holes, strands of hair.

    Returns:
        See :class:`Seen`.
    """
    nearest = np.full(size_px * size_px, np.inf, np.float32)
    face = np.full(size_px * size_px, -1, np.int32)
    weights = np.zeros((size_px * size_px, 3), np.float32)
    for fragments in _fragments(points, faces, size_px):
        index, own_face, own_weights, depth = fragments  # not in the loop's head: they are narrowed down below
        if keep is not None and len(index):
            there = keep(own_face, own_weights)
            index, own_face, own_weights, depth = index[there], own_face[there], own_weights[there], depth[there]
        closest = np.full_like(nearest, np.inf)
        np.minimum.at(closest, index, depth)
        wins = (depth == closest[index]) & (depth < nearest[index])
        won = index[wins]
        nearest[won], face[won], weights[won] = depth[wins], own_face[wins], own_weights[wins]
    shape = (size_px, size_px)
    return Seen(face.reshape(shape), weights.reshape(*shape, 3), nearest.reshape(shape))


def _fragments(points: Floats, faces: Ints, size_px: int) -> Iterator[tuple[Ints, Ints, Floats, Floats]]:
    """Pixels under triangles: flat index, triangle, weights, depth; triangles of like size at a time."""
    corners = points[faces]
    low = np.maximum(np.floor(corners[..., :2].min(axis=1)), 0).astype(np.int32)
    high = np.minimum(np.ceil(corners[..., :2].max(axis=1)), size_px).astype(np.int32)
    extent = high - low
    x, y = corners[..., 0], corners[..., 1]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    powers = np.ceil(np.log2(np.maximum(extent, 1))).astype(np.int32)
    powers[(extent.min(axis=1) <= 0) | (np.abs(area) < 1e-9)] = -1
    for power_x, power_y in np.unique(powers[powers[:, 0] >= 0], axis=0):
        chosen = np.flatnonzero((powers[:, 0] == power_x) & (powers[:, 1] == power_y))
        block = (1 << int(power_x), 1 << int(power_y))
        at_a_time = max(1, _MOST_FRAGMENTS // (block[0] * block[1]))
        for start in range(0, len(chosen), at_a_time):
            yield _cover(corners, area, low, chosen[start : start + at_a_time], block, size_px)


def _cover(
    corners: Floats,
    area: Floats,
    low: Ints,
    chosen: npt.NDArray[np.int64],
    block: tuple[int, int],
    size_px: int,
) -> tuple[Ints, Ints, Floats, Floats]:
    offset_y, offset_x = (one.astype(np.int32) for one in np.divmod(np.arange(block[0] * block[1]), block[0]))
    column = low[chosen, None, 0] + offset_x
    row = low[chosen, None, 1] + offset_y
    px, py = column + np.float32(0.5), row + np.float32(0.5)
    own = corners[chosen]
    flat = []
    for a, b in ((1, 2), (2, 0), (0, 1)):
        edge_x, edge_y = own[:, b, 0] - own[:, a, 0], own[:, b, 1] - own[:, a, 1]
        cross = edge_x[:, None] * (py - own[:, a, None, 1]) - edge_y[:, None] * (px - own[:, a, None, 0])
        flat.append(cross / area[chosen, None])
    inside = (flat[0] >= 0) & (flat[1] >= 0) & (flat[2] >= 0) & (column < size_px) & (row < size_px)
    which, _ = np.nonzero(inside)
    # 1 / distance is linear on the screen, distance is not.
    near = np.stack([one[inside] for one in flat], axis=1) / own[which, :, 2]
    depth = 1.0 / near.sum(axis=1)
    index = (row[inside] * size_px + column[inside]).astype(np.int32)
    return index, chosen[which].astype(np.int32), floats(near * depth[:, None]), floats(depth)


def floats(values: npt.ArrayLike) -> Floats:
    """The values as float32."""
    return np.asarray(values, np.float32)


def sample_at(image: Floats, x: Floats, y: Floats, method: int = cv2.INTER_LINEAR) -> Floats:
    """Values of an image at places, its border going on beyond it.

    Args:
        image: (H, W) or (H, W, C) float32.
        x: (N,) columns; 0 is the middle of the first.
        y: (N,) rows.
        method: OpenCV's interpolation.

    Returns:
        (N,) or (N, C) float32.
    """
    at_x, at_y = (floats(one).reshape(-1, 1) for one in (x, y))
    rows = []
    for start in range(0, len(at_x), 30000):  # OpenCV takes no more rows than a short can count
        part = slice(start, start + 30000)
        rows.append(cv2.remap(image, at_x[part], at_y[part], method, borderMode=cv2.BORDER_REPLICATE))
    found = np.concatenate(rows) if rows else np.zeros((0, 1, *image.shape[2:]), np.float32)
    return np.asarray(found[:, 0], np.float32)


def unit_vectors(vectors: Floats) -> Floats:
    """(N, 3) vectors at length 1; those of no length stay."""
    return floats(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12))
