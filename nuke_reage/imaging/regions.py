"""Soft mattes that follow a face's landmarks.

Units are those of the face, so that one setting fits every shot size: the *face size* is the diameter of the circle
that has the area of the mesh's outline, in square pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from nuke_reage.imaging.arrays import FloatArray, require_landmarks
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.sampling import warp

__all__ = ["FACE_OVAL", "face_mask", "mask_window"]

Doubles = npt.NDArray[np.floating[Any]]

# fmt: off
FACE_OVAL: tuple[int, ...] = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
"""The MediaPipe face mesh's rim, from the top of the forehead over the face's left side."""

# Forehead to chin along the middle of the face: in a profile this, not the rim, is the outline.
_MIDLINE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 164, 0, 11, 12, 15, 16, 17, 18, 200, 199, 175, 152)
# fmt: on
_FOREHEAD_TOP, _CHIN, _EYE_CORNERS = 10, 152, (33, 263)

# How far above the mesh, which ends on the forehead, the hairline is; as a part of the face size.
_HAIRLINE_RISE = 0.13

_RAYS = 720
_CONTOUR_POINTS = 2048
# Corners of the outline are rounded over this angle as seen from the middle of the face.
_ROUNDING_RADIANS = np.radians(4.0)
# Pitch of the raster on which distances are measured before they are interpolated, in face sizes.
_DISTANCE_PITCH = 1 / 64


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
) -> FloatArray:
    """The matte of a face, forehead up to the hairline included.

    It depends smoothly on the landmarks: no corners, no steps, and landmarks that move by half a pixel move it by half
    a pixel.  A pixel has the same value whatever window it is asked for in.

    Args:
        landmarks: (468, 2) or (468, 3) plate coordinates.
        window: the plate pixels to make.
        pixel_aspect: width of a plate pixel over its height.
        feather: width of the soft edge in face sizes, half of it to either side of the outline; never below one pixel.
        expand: how far the outline is moved outwards, in face sizes; negative shrinks it.

    Returns:
        (window height, window width) float32, 0..1; exactly 0 outside :func:`mask_window` and exactly 1 inside the
        soft edge.

    Raises:
        ValueError: landmarks of another shape or not finite, or without any extent.
    """
    mask = np.zeros(window.shape, dtype=np.float32)
    contour = _contour(landmarks, pixel_aspect)
    edge_px, feather_px = _edge(contour, feather, expand)
    needed = _support(contour, edge_px + feather_px / 2, pixel_aspect)
    part = needed.intersect(window)
    if part.is_empty:
        return mask
    distance = _signed_distance(contour, edge_px + feather_px / 2, part, pixel_aspect)
    distance -= np.float32(edge_px + feather_px / 2)
    distance *= np.float32(-1 / feather_px)
    ramp = np.clip(distance, 0, 1, out=distance)
    # Perlin's smootherstep: slope and curvature are 0 at both ends, so that no grade can bring an edge out.
    mask[part.slices_in(window)] = ramp * ramp * ramp * ((ramp * 6 - 15) * ramp + 10)
    return mask


def mask_window(
    landmarks: npt.ArrayLike, *, pixel_aspect: float = 1.0, feather: float = 0.12, expand: float = 0.0
) -> Window:
    """The plate pixels that :func:`face_mask` with the same arguments may make different from 0.

    Raises:
        ValueError: see :func:`face_mask`.
    """
    contour = _contour(landmarks, pixel_aspect)
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


def _contour(landmarks: npt.ArrayLike, pixel_aspect: float) -> _Contour:
    """The smooth outline in square coordinates.

    Rays from the middle meet the mesh's rim and its middle line; the outermost hits, as a function of the angle, are
    smoothed as a Fourier series.  Unlike a curve through the rim's points this holds in a profile too, where the rim
    folds and the nose reaches over it.
    """
    points = require_landmarks(landmarks, "landmarks") * (pixel_aspect, 1.0)
    rim = points[list(FACE_OVAL)]
    x, y = rim.T
    area = 0.5 * abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))))
    if area <= 0.0:
        raise ValueError("landmarks have no extent")
    size = float(np.sqrt(4 / np.pi * area))
    raised = _raised(points, size)
    rim, midline = np.asarray(raised[list(FACE_OVAL)]), np.asarray(raised[list(_MIDLINE)])
    centre = np.asarray(rim.mean(axis=0))
    angles = np.arange(_RAYS) * (2 * np.pi / _RAYS)
    radii = np.maximum(
        _outermost_hit(centre, angles, rim, np.roll(rim, -1, axis=0)),
        _outermost_hit(centre, angles, midline[:-1], midline[1:]),
    )
    orders = np.arange(_RAYS // 2 + 1)
    series = np.fft.rfft(radii) * np.exp(-0.5 * (orders * _ROUNDING_RADIANS) ** 2) * (_CONTOUR_POINTS / _RAYS)
    radius = np.fft.irfft(series, _CONTOUR_POINTS)
    slope = np.fft.irfft(series * 1j * orders, _CONTOUR_POINTS)
    fine = np.arange(_CONTOUR_POINTS) * (2 * np.pi / _CONTOUR_POINTS)
    outward = np.column_stack([np.cos(fine), np.sin(fine)])
    sideways = np.column_stack([-np.sin(fine), np.cos(fine)])
    normals = radius[:, None] * outward - slope[:, None] * sideways
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return _Contour(centre + radius[:, None] * outward, normals, size)


def _raised(points: Doubles, size: float) -> Doubles:
    """The landmarks with those above the eyes moved up, the topmost to the hairline."""
    up = points[_FOREHEAD_TOP] - points[_CHIN]
    up = up / max(float(np.linalg.norm(up)), 1e-9)
    eyes = points[list(_EYE_CORNERS)].mean(axis=0)
    height = (points - eyes) @ up
    share = np.clip(height / max(float(height[_FOREHEAD_TOP]), 1e-9), 0.0, 1.0)
    rise = share * share * (_HAIRLINE_RISE * size)
    return np.asarray(points + rise[:, None] * up)


def _outermost_hit(centre: Doubles, angles: Doubles, starts: Doubles, ends: Doubles) -> Doubles:
    """How far along each ray from ``centre`` the last of the segments is met, 0 where none is."""
    ray = np.column_stack([np.cos(angles), np.sin(angles)])[:, None, :]
    start, along = (starts - centre)[None], (ends - starts)[None]
    crossing = ray[..., 0] * along[..., 1] - ray[..., 1] * along[..., 0]
    crossing = np.where(np.abs(crossing) < 1e-12, np.nan, crossing)
    distance = (start[..., 0] * along[..., 1] - start[..., 1] * along[..., 0]) / crossing
    position = (start[..., 0] * ray[..., 1] - start[..., 1] * ray[..., 0]) / crossing
    hit = (position >= 0) & (position <= 1) & (distance > 0)
    return np.asarray(np.where(hit, distance, 0.0).max(axis=1))


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
    _, nearest = cKDTree(contour.points).query(samples)
    # Along the normal: unlike the distance to the nearest point it does not see how densely the points lie.
    distance = np.einsum("ij,ij->i", samples - contour.points[nearest], contour.normals[nearest])
    part_from_grid = np.array(
        [[pitch / pixel_aspect, 0.0, low[0] / pixel_aspect - part.x_min], [0.0, pitch, low[1] - part.y_min]]
    )
    raster = distance.reshape(rows, columns).astype(np.float32)
    return warp(raster, Window.of_shape(raster.shape), part_from_grid, part.shape, filter="cubic")
