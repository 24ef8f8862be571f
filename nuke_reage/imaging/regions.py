"""Eight soft regions of the face that together are all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import REGIONS
from nuke_reage.imaging.arrays import FloatArray, require_landmarks, require_mask, require_same_size
from nuke_reage.imaging.face_mask import face_size_px
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.head import canonical_around, canonical_mesh, follow_head
from nuke_reage.imaging.mesh import triangulated
from nuke_reage.imaging.surface import Raster, Triangles, areas_of_triangles, blurred

__all__ = ["region_field", "region_mattes", "region_weights"]

Doubles = npt.NDArray[np.floating[Any]]

# Outlines on the half of the face that is left on screen, by landmark; what none of them holds is cheek.
# fmt: off
_OUTLINES: dict[str, tuple[int, ...]] = {
    # From the philtrum around the lips; the nasolabial fold stays with the cheek.
    "mouth": (164, 167, 165, 92, 186, 57, 43, 202, 106, 182, 83, 18),
    "nose": (168, 193, 244, 128, 114, 217, 126, 209, 49, 102, 64, 98, 97, 2),
    # The lower lid's skin down to the end of the tear trough.
    "undereye": (25, 110, 24, 23, 22, 26, 112, 243, 244, 128, 114, 47, 100, 101, 118, 117, 111, 31),
    # From the lower edge of the brow to the lashes, and the crow's feet out to the temple.
    "eyes": (168, 55, 65, 52, 53, 46, 156, 139, 34, 143, 111, 31, 25, 110, 24, 23, 22, 26, 112, 243, 244, 193),
    # Brows and the lines between them belong to the forehead.
    "forehead": (168, 55, 65, 52, 53, 46, 156, 139, 162),
    "jaw": (18, 83, 182, 106, 202, 214, 215, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    "neck": (152, 148, 176, 149, 150, 136, 172, 58, 132),
}
# fmt: on
# Where an outline goes on beyond the mesh, in canonical units.
_BEYOND = {"forehead": ((-3.0, 0.02), (-3.0, -3.0), (0.0, -3.0)), "neck": ((-3.0, 1.5), (-3.0, 6.0), (0.0, 6.0))}

# Half the width of the soft border between two regions, in face sizes.
_SIGMA = 0.02
_PITCH = _SIGMA / 2
# Beyond this distance from the head a border goes straight on.
_MARGIN = 0.25
_SPACING = 0.07
_LEAST = 1e-250
# Below this much of the face mask the mattes run out.
_RUNS_OUT = 0.2


@dataclass(frozen=True)
class _Surface:
    """The labelled surface, in points of equal share of a triangle.

    Attributes:
        triangles: (T, 3) vertices of each, those beyond the mesh counting on from 468.
        owner: (P,) triangle of each point.
        corners: (P, 3) how much of each of the triangle's corners.
        share: (P,) how much of its triangle each stands for.
        label: (P,) its region.
    """

    triangles: Triangles
    owner: npt.NDArray[np.int64]
    corners: Doubles
    share: Doubles
    label: npt.NDArray[np.int64]


def region_weights(landmarks: npt.ArrayLike, window: Window, *, pixel_aspect: float = 1.0) -> FloatArray:
    """How much each pixel belongs to each region.

    The regions follow the mesh's surface; of what the camera cannot see nothing counts.  Borders are soft, about 0.05
    face sizes wide.  Beyond the head each pixel belongs to what is nearest.

    Args:
        landmarks: (468, 2) or (468, 3) plate coordinates.
        window: the plate pixels to make.
        pixel_aspect: width of a plate pixel over its height.

    Returns:
        (window height, window width, 8) float32, 0..1, in the order of :data:`~nuke_reage.core.adjust.REGIONS`; they
        add up to 1 in every pixel.

    Raises:
        ValueError: landmarks of another shape or not finite, without any extent, or an empty window.
    """
    raster, shares = _shares(landmarks, pixel_aspect)
    # One plane after the other: all that follows looks at one region at a time.
    planes = np.empty((len(REGIONS), *window.shape), np.float32)
    for share, plane in zip(shares, planes, strict=True):
        np.maximum(raster.to_plate(share, window, pixel_aspect), 0.0, out=plane)
    planes /= planes.sum(axis=0)
    return np.moveaxis(planes, 0, -1)


def region_field(
    values: Mapping[str, float], landmarks: npt.ArrayLike, window: Window, *, pixel_aspect: float = 1.0
) -> FloatArray:
    """A value for each pixel: the mean of the regions' values, with the weights of :func:`region_weights`.

    On the face it is that mean to a ten-thousandth of the values' range, for a third of the time.  Far beyond the
    face, where one region ends and another begins in a step, the two differ over a few pixels.

    Args:
        values: by region; 0 where a region has none.
        landmarks: (468, 2) or (468, 3) plate coordinates.
        window: the plate pixels to make.
        pixel_aspect: width of a plate pixel over its height.

    Returns:
        (window height, window width) float32, in the unit of the values, and between the least and the greatest.

    Raises:
        ValueError: see :func:`region_weights`.
    """
    raster, shares = _shares(landmarks, pixel_aspect)
    by_region = np.array([values.get(name, 0.0) for name in REGIONS], np.float32)
    field = raster.to_plate(np.tensordot(by_region, shares, 1), window, pixel_aspect)
    # Beside such a step the interpolation overshoots.
    return np.clip(field, by_region.min(), by_region.max(), out=field)


def _shares(landmarks: npt.ArrayLike, pixel_aspect: float) -> tuple[Raster, FloatArray]:
    """The weights on a coarse raster around the head, (8, rows, columns) float32, smooth enough to be interpolated."""
    size_px = face_size_px(landmarks, pixel_aspect=pixel_aspect)
    mesh = require_landmarks(landmarks, "landmarks") * (pixel_aspect, 1.0)
    points = np.concatenate([mesh, follow_head(mesh).around])
    surface = _surface()
    areas = areas_of_triangles(points, surface.triangles)[surface.owner] * surface.share
    places = np.einsum("pc,pcd->pd", surface.corners, points[surface.triangles[surface.owner]])
    raster = Raster.around(points, _MARGIN * size_px, _PITCH * size_px)
    densities = np.empty((len(REGIONS), *raster.shape))
    for label, density in enumerate(densities):
        mine = (surface.label == label) & (areas > 0)
        density[...] = blurred(raster, places[mine], areas[mine], _SIGMA * size_px)
    total = densities.sum(axis=0)
    # Far outside everything underflows; there it does not matter what a pixel is.
    shares = np.where(total > _LEAST, densities / np.maximum(total, _LEAST), 1.0 / len(REGIONS))
    return raster, shares.astype(np.float32)


def region_mattes(weights: FloatArray, mask: FloatArray) -> FloatArray:
    """The regions as mattes: their weights, running out softly with the mask's edge.

    Args:
        weights: (H, W, 8) of :func:`region_weights`.
        mask: (H, W) face mask, 0..1.

    Returns:
        (H, W, 8) float32, 0..1.  They add up to 1 wherever the mask is above 0.2 and are 0 where it is 0.

    Raises:
        ValueError: the sizes differ.
    """
    matte = require_mask(mask, "mask")
    require_same_size(weights, "weights", matte.shape)
    share = np.minimum(matte * np.float32(1 / _RUNS_OUT), 1)
    return np.asarray(weights * (share * share * (3 - 2 * share))[:, :, None])


@lru_cache(maxsize=1)
def _surface() -> _Surface:
    mesh = canonical_mesh()[:, :2].astype(np.float64)
    flat = np.concatenate([mesh, canonical_around()[:, :2]])
    triangles = _clockwise(flat, triangulated(np.asarray(flat, np.float32)))
    owners, corners, shares = [], [], []
    for index, triangle in enumerate(triangles):
        longest = max(np.linalg.norm(flat[triangle] - flat[np.roll(triangle, 1)], axis=1))
        # Beyond the mesh regions are large, and their borders may be rough.
        spacing = _SPACING if (triangle < len(mesh)).all() else 2 * _SPACING
        inner = _centroids(int(np.ceil(longest / spacing)))
        owners.append(np.full(len(inner), index))
        corners.append(inner)
        shares.append(np.full(len(inner), 1 / len(inner)))
    owner, corner = np.concatenate(owners), np.concatenate(corners)
    places = np.einsum("pc,pcd->pd", corner, flat[triangles[owner]])
    label = np.array([_region_of(mesh, place) for place in places])
    return _Surface(triangles, owner, corner, np.concatenate(shares), label)


def _clockwise(points: Doubles, triangles: Triangles) -> Triangles:
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    one, other = second - first, third - first
    turned = one[:, 0] * other[:, 1] < one[:, 1] * other[:, 0]
    triangles[turned] = triangles[turned][:, ::-1]
    return triangles


def _centroids(parts: int) -> Doubles:
    """Barycentric centroids of the equal triangles that a triangle with each side cut into ``parts`` has."""
    found = []
    for i in range(parts):
        for j in range(parts - i):
            found.append((i + 1 / 3, j + 1 / 3))
            if i + j < parts - 1:
                found.append((i + 2 / 3, j + 2 / 3))
    ab = np.array(found) / parts
    return np.column_stack([ab, 1 - ab.sum(axis=1)])


def _region_of(mesh: Doubles, place: Doubles) -> int:
    """The region of a point of the canonical face, which is symmetric."""
    at = (-abs(float(place[0])), float(place[1]))
    for name, outline in _OUTLINES.items():
        polygon = np.concatenate([mesh[list(outline)], np.array(_BEYOND.get(name, ())).reshape(-1, 2)])
        if cv2.pointPolygonTest(polygon.astype(np.float32), at, measureDist=False) >= 0:
            return REGIONS.index(name)
    return REGIONS.index("cheeks")
