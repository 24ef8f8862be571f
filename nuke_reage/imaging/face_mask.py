"""The soft matte of a face, from the hairline to the chin and from ear to ear.

Units are those of the face, so that one setting fits every shot size: the *face size* is the diameter of the circle
that has the area of the mesh's convex hull, in square pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_landmarks
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.head import follow_head
from nuke_reage.imaging.sampling import warp

__all__ = ["FACE_OVAL", "face_mask", "face_size_px", "mask_window"]

Doubles = npt.NDArray[np.floating[Any]]

# fmt: off
FACE_OVAL: tuple[int, ...] = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
"""The MediaPipe face mesh's rim, from the top of the forehead over the face's left side."""

# fmt: on
_RAYS = 360
_CONTOUR_POINTS = 1024
# Corners of the outline are rounded over this angle as seen from the middle of the face.
_ROUNDING_RADIANS = np.radians(5.0)
# How far to either side a landmark holds the outline out; landmarks are 2 to 5 degrees apart there.
_HOLD_RADIANS = np.radians(12.0)
_FILLED_IN = 5
# Pitch of the raster on which distances are measured before they are interpolated, in face sizes.
_DISTANCE_PITCH = 1 / 48
# Of OpenCV's index: one tree, and all of it is searched, so that the nearest point is the nearest.
_KD_TREE_SINGLE, _SEARCH_ALL = 4, -1
# Few enough for the intermediate pictures to stay in the processor's cache.
_ROWS_AT_A_TIME = 32


@dataclass(frozen=True)
class _Contour:
    """A closed smooth curve around the face: (N, 2) points and outward normals, and the face size, square pixels."""

    points: Doubles
    normals: Doubles
    face_size_px: float


def face_mask(
    landmarks: npt.ArrayLike,
    window: Window,
    *,
    pixel_aspect: float = 1.0,
    feather: float = 0.12,
    expand: float = 0.0,
    hair: bool = False,
    neck: bool = False,
) -> FloatArray:
    """The matte of a face, up to the hairline and out to the ears.

    It depends smoothly on the landmarks: no corners, no steps, and landmarks that move by half a pixel move it by half
    a pixel.  A pixel has the same value whatever window it is asked for in.

    Args:
        landmarks: (468, 2) or (468, 3) plate coordinates.
        window: the plate pixels to make.
        pixel_aspect: width of a plate pixel over its height.
        feather: width of the soft edge in face sizes, half of it to either side of the outline; never below one pixel.
        expand: how far the outline is moved outwards, in face sizes; negative shrinks it.
        hair: whether the skull with its hair belongs to the face.
        neck: whether the neck does.

    Returns:
        (window height, window width) float32, 0..1; exactly 0 outside :func:`mask_window` and exactly 1 inside the
        soft edge.

    Raises:
        ValueError: landmarks of another shape or not finite, or without any extent.
    """
    mask = np.zeros(window.shape, dtype=np.float32)
    contour = _contour(landmarks, pixel_aspect, hair=hair, neck=neck)
    edge_px, feather_px = _edge(contour, feather, expand)
    needed = _support(contour, edge_px + feather_px / 2, pixel_aspect)
    part = needed.intersect(window)
    if part.is_empty:
        return mask
    distance = _signed_distance(contour, edge_px + feather_px / 2, part, pixel_aspect)
    target = mask[part.slices_in(window)]
    for start in range(0, len(distance), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        ramp = (edge_px + feather_px / 2 - distance[rows]) * np.float32(1 / feather_px)
        np.clip(ramp, 0, 1, out=ramp)
        # Perlin's smootherstep: slope and curvature are 0 at both ends, so that no grade can bring an edge out.
        smooth = ramp * ramp * ramp * ((ramp * 6 - 15) * ramp + 10)
        # Just below the end of the ramp the polynomial rounds to a little over 1.
        np.minimum(smooth, 1, out=target[rows])
    return mask


def mask_window(
    landmarks: npt.ArrayLike,
    *,
    pixel_aspect: float = 1.0,
    feather: float = 0.12,
    expand: float = 0.0,
    hair: bool = False,
    neck: bool = False,
) -> Window:
    """The plate pixels that :func:`face_mask` with the same arguments may make different from 0.

    Raises:
        ValueError: see :func:`face_mask`.
    """
    contour = _contour(landmarks, pixel_aspect, hair=hair, neck=neck)
    edge_px, feather_px = _edge(contour, feather, expand)
    return _support(contour, edge_px + feather_px / 2, pixel_aspect)


def _edge(contour: _Contour, feather: float, expand: float) -> tuple[float, float]:
    """How far out the middle of the soft edge lies, and its width, square pixels."""
    return expand * contour.face_size_px, max(feather * contour.face_size_px, 1.0)


def _support(contour: _Contour, reach_px: float, pixel_aspect: float) -> Window:
    if reach_px <= 0:
        # A negative offset takes away at least that much on each side, unless nothing is left.
        low, high = contour.points.min(axis=0) - reach_px, contour.points.max(axis=0) + reach_px
        if (low >= high).any():
            return Window(0, 0, 0, 0)
        return Window.around(np.array([low, high]) / (pixel_aspect, 1.0))
    corners = np.concatenate([contour.points - reach_px, contour.points + reach_px])
    return Window.around(corners / (pixel_aspect, 1.0))


def face_size_px(landmarks: npt.ArrayLike, *, pixel_aspect: float = 1.0) -> float:
    """The face size: the diameter of the circle that has the area of the landmarks' convex hull, in square pixels.

    Square pixels are as high as the plate's.

    Args:
        landmarks: (468, 2) or (468, 3) plate coordinates.
        pixel_aspect: width of a plate pixel over its height.

    Raises:
        ValueError: see :func:`face_mask`.
    """
    return _size_and_middle(require_landmarks(landmarks, "landmarks") * (pixel_aspect, 1.0))[0]


def _contour(landmarks: npt.ArrayLike, pixel_aspect: float, *, hair: bool, neck: bool) -> _Contour:
    """The smooth outline in square coordinates.

    Rays from the middle meet the mesh's rim, and are pushed out by every landmark near them: in a turned head the far
    cheek and then the nose reach over the rim, which folds up.  Hairline and ears, and what else is asked for, push
    likewise.  The radius as a function of the angle is then smoothed as a Fourier series.  All of it is continuous in
    the landmarks.
    """
    points = require_landmarks(landmarks, "landmarks") * (pixel_aspect, 1.0)
    size, centre = _size_and_middle(points)
    head = follow_head(points)
    half = len(head.ears) // 2
    beyond = [_filled_in(line) for line in (head.hairline, head.ears[:half], head.ears[half:])]
    if hair:
        beyond.append(head.skull)
    if neck:
        beyond += [_filled_in(line) for line in (head.throat, head.neck)]
    offsets = points - centre
    pushing = np.concatenate([points, *beyond]) - centre
    angles = np.arange(_RAYS) * (2 * np.pi / _RAYS)
    radii = np.maximum(_rim_hits(offsets[list(FACE_OVAL)], angles), _pushed_out(pushing, angles))
    orders = np.arange(_RAYS // 2 + 1)
    series = np.fft.rfft(radii) * np.exp(-0.5 * (orders * _ROUNDING_RADIANS) ** 2) * (_CONTOUR_POINTS / _RAYS)
    radius = np.fft.irfft(series, _CONTOUR_POINTS)
    slope = np.fft.irfft(series * 1j * orders, _CONTOUR_POINTS)
    fine = np.arange(_CONTOUR_POINTS) * (2 * np.pi / _CONTOUR_POINTS)
    outward = np.column_stack([np.cos(fine), np.sin(fine)])
    sideways = np.column_stack([-np.sin(fine), np.cos(fine)])
    normals = radius[:, None] * outward - slope[:, None] * sideways
    # Where a damaged track folds the outline into a cusp there is no direction.
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return _Contour(centre + radius[:, None] * outward, normals, size)


def _size_and_middle(points: Doubles) -> tuple[float, Doubles]:
    """The face size and the centroid of the landmarks' convex hull."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2).astype(np.float64)
    # About a point of the hull, for far from the origin the products would eat up the digits.
    x, y = (hull - hull[0]).T
    cross = x * np.roll(y, -1) - y * np.roll(x, -1)
    area = float(np.sum(cross)) / 2
    if not abs(area) > 0:
        raise ValueError("landmarks have no extent")
    middle = np.array([np.sum((x + np.roll(x, -1)) * cross), np.sum((y + np.roll(y, -1)) * cross)]) / (6 * area)
    return float(np.sqrt(4 / np.pi * abs(area))), np.asarray(hull[0] + middle)


def _filled_in(line: Doubles) -> Doubles:
    """An open line of (N, 2) points with more of them between, so that they lie as close as landmarks."""
    places = np.linspace(0, len(line) - 1, _FILLED_IN * (len(line) - 1) + 1)
    return np.column_stack([np.interp(places, np.arange(len(line)), axis) for axis in line.T])


def _rim_hits(rim: Doubles, angles: Doubles) -> Doubles:
    """How far along each ray from the origin the closed line ``rim`` is met last, 0 where it is not."""
    ray = np.column_stack([np.cos(angles), np.sin(angles)])[:, None, :]
    start, along = rim[None], (np.roll(rim, -1, axis=0) - rim)[None]
    crossing = ray[..., 0] * along[..., 1] - ray[..., 1] * along[..., 0]
    crossing = np.where(np.abs(crossing) < 1e-12, np.nan, crossing)
    distance = (start[..., 0] * along[..., 1] - start[..., 1] * along[..., 0]) / crossing
    position = (start[..., 0] * ray[..., 1] - start[..., 1] * ray[..., 0]) / crossing
    hit = (position >= 0) & (position <= 1) & (distance > 0)
    return np.asarray(np.where(hit, distance, 0.0).max(axis=1))


def _pushed_out(offsets: Doubles, angles: Doubles) -> Doubles:
    """How far out landmarks hold each ray: their own distance, falling off to either side of their direction."""
    directions = np.arctan2(offsets[:, 1], offsets[:, 0])
    apart = np.abs(angles[:, None] - directions)
    # Either way round; rays go from 0 to a whole turn, directions from minus half a turn to half a turn.
    apart = np.minimum(apart, np.abs(2 * np.pi - apart))
    hold = np.clip(1.0 - (apart / _HOLD_RADIANS) ** 2, 0.0, None)
    return np.asarray((hold * np.linalg.norm(offsets, axis=1)).max(axis=1))


def _signed_distance(contour: _Contour, reach_px: float, part: Window, pixel_aspect: float) -> FloatArray:
    """Distance of the pixels' centres from the contour in square pixels, negative inside.

    It is measured on a coarse raster that hangs on the contour, never on ``part``, and interpolated from there.
    """
    pitch = contour.face_size_px * _DISTANCE_PITCH
    low = contour.points.min(axis=0) - max(reach_px, 0.0) - 3 * pitch
    high = contour.points.max(axis=0) + max(reach_px, 0.0) + 3 * pitch
    columns, rows = (int(np.ceil(extent / pitch)) for extent in high - low)
    grid_x, grid_y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    samples = low + pitch * np.column_stack([grid_x.ravel(), grid_y.ravel()])
    nearest = _nearest(contour.points - low, samples - low)
    # Along the normal: unlike the distance to the nearest point it does not see how densely the points lie.
    distance = np.einsum("ij,ij->i", samples - contour.points[nearest], contour.normals[nearest])
    part_from_grid = np.array(
        [[pitch / pixel_aspect, 0.0, low[0] / pixel_aspect - part.x_min], [0.0, pitch, low[1] - part.y_min]]
    )
    raster = distance.reshape(rows, columns).astype(np.float32)
    return warp(raster, Window.of_shape(raster.shape), part_from_grid, part.shape, filter="cubic")


def _nearest(points: Doubles, places: Doubles) -> npt.NDArray[np.int32]:
    """(P,) index of the (N, 2) point that is nearest to each of (P, 2) places; single precision, so near the origin."""
    index = cv2.flann.Index(points.astype(np.float32), {"algorithm": _KD_TREE_SINGLE})
    found, _ = index.knnSearch(places.astype(np.float32), 1, params={"checks": _SEARCH_ALL, "eps": 0.0})
    return np.asarray(found[:, 0])
