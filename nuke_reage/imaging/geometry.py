"""Where things are: windows, crops of a face and the affine maps between their rasters.

Three coordinate systems, all continuous, x to the right, y down, pixel ``(i, j)`` covering ``[i, i+1) x [j, j+1)`` so
that its centre is at ``(i + 0.5, j + 0.5)``:

========  ==========================================================================================
plate     the EXR's own absolute raster; data and display windows live here, negative origins included
square    plate with x multiplied by the pixel aspect, so that a circle in the world is a circle here
canvas    the network's square input raster, ``[0, canvas_px]`` both ways
========  ==========================================================================================

Affine maps are ``(2, 3)`` float64 matrices that act on column vectors ``(x, y, 1)``.  A map that is called
``b_from_a`` takes coordinates of ``a`` to coordinates of ``b``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CropFrame",
    "Window",
    "apply_affine",
    "compose_affine",
    "invert_affine",
    "nuke_from_plate",
    "plate_from_nuke",
]

Affine = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """An integer rectangle of pixels in plate coordinates; the upper bounds are exclusive.

    Attributes:
        x_min: first column.
        y_min: first row, counted downwards.
        x_max: column after the last.
        y_max: row after the last.

    Raises:
        ValueError: an upper bound is below its lower bound.  A window without pixels is legal.

    >>> Window(-2, 0, 4, 3).shape
    (3, 6)
    """

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    def __post_init__(self) -> None:
        if self.x_max < self.x_min or self.y_max < self.y_min:
            raise ValueError(f"window upper bounds lie below its lower bounds: {self}")

    @classmethod
    def around(cls, points_xy: npt.ArrayLike, margin_px: float = 0.0) -> Window:
        """The smallest window that covers all finite points, grown by ``margin_px`` on every side.

        Args:
            points_xy: (N, 2) plate coordinates; points that are not finite are ignored.
            margin_px: plate pixels, may be fractional.

        Returns:
            A window; without any finite point the empty window at the origin.
        """
        points = _points(points_xy)
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return cls(0, 0, 0, 0)
        low = np.floor(points.min(axis=0) - margin_px).astype(int)
        high = np.ceil(points.max(axis=0) + margin_px).astype(int)
        high = np.maximum(low, high)
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @classmethod
    def of_shape(cls, shape: Sequence[int], x_min: int = 0, y_min: int = 0) -> Window:
        """The window of an array of ``shape`` (H, W, ...) whose first pixel is ``(x_min, y_min)``."""
        return cls(x_min, y_min, x_min + int(shape[1]), y_min + int(shape[0]))

    @property
    def width(self) -> int:
        return self.x_max - self.x_min

    @property
    def height(self) -> int:
        return self.y_max - self.y_min

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``, as an array has it."""
        return self.height, self.width

    @property
    def is_empty(self) -> bool:
        return self.width == 0 or self.height == 0

    def intersect(self, other: Window) -> Window:
        """The pixels that both have; an empty window where they do not meet."""
        x_min, y_min = max(self.x_min, other.x_min), max(self.y_min, other.y_min)
        return Window(x_min, y_min, max(x_min, min(self.x_max, other.x_max)), max(y_min, min(self.y_max, other.y_max)))

    def union(self, other: Window) -> Window:
        """The smallest window that holds both; an empty one adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Window(
            min(self.x_min, other.x_min),
            min(self.y_min, other.y_min),
            max(self.x_max, other.x_max),
            max(self.y_max, other.y_max),
        )

    def expanded(self, margin_px: int) -> Window:
        """Grown by ``margin_px`` whole pixels on each side; a negative margin shrinks it, at most to nothing."""
        x_min, y_min = self.x_min - margin_px, self.y_min - margin_px
        return Window(x_min, y_min, max(x_min, self.x_max + margin_px), max(y_min, self.y_max + margin_px))

    def contains(self, other: Window) -> bool:
        """Whether every pixel of ``other`` is one of this window's."""
        return other.is_empty or self.intersect(other) == other

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Index of this window's pixels in an array that covers ``outer``.

        Returns:
            ``(slice_y, slice_x)``; empty slices for an empty window.

        Raises:
            ValueError: this window reaches out of ``outer``.
        """
        if self.is_empty:
            return slice(0, 0), slice(0, 0)
        if not outer.contains(self):
            raise ValueError(f"{self} reaches out of {outer}")
        y, x = self.y_min - outer.y_min, self.x_min - outer.x_min
        return slice(y, y + self.height), slice(x, x + self.width)


@dataclass(frozen=True)
class CropFrame:
    """An upright square crop of a face: where a canvas lies on the plate.

    Attributes:
        centre_x: middle of the crop, square coordinates.
        centre_y: middle of the crop, square coordinates.
        side_px: length of a side in square pixels, above 0.
        angle_degrees: how far the head is rotated in the picture, positive = clockwise as seen on screen; the canvas
            shows it upright.
        pixel_aspect: width of a plate pixel over its height, above 0.

    Raises:
        ValueError: a value is not finite, or side or aspect is not above 0.
    """

    centre_x: float
    centre_y: float
    side_px: float
    angle_degrees: float
    pixel_aspect: float = 1.0

    def __post_init__(self) -> None:
        values = (self.centre_x, self.centre_y, self.side_px, self.angle_degrees, self.pixel_aspect)
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"crop frame has a value that is not finite: {self}")
        if self.side_px <= 0 or self.pixel_aspect <= 0:
            raise ValueError(f"crop frame needs a side and a pixel aspect above 0: {self}")

    def plate_from_canvas(self, canvas_px: float) -> Affine:
        """The (2, 3) float64 map from a canvas of ``canvas_px`` pixels a side to the plate."""
        scale = self.side_px / canvas_px
        angle = math.radians(self.angle_degrees)
        # With y down a positive mathematical rotation is clockwise on screen.
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        half = canvas_px / 2
        square = np.array(
            [
                [cosine, -sine, self.centre_x - (cosine - sine) * half],
                [sine, cosine, self.centre_y - (sine + cosine) * half],
            ]
        )
        square[0] /= self.pixel_aspect
        return square

    def canvas_from_plate(self, canvas_px: float) -> Affine:
        """The (2, 3) float64 map from the plate to a canvas of ``canvas_px`` pixels a side."""
        return invert_affine(self.plate_from_canvas(canvas_px))

    def plate_window(self) -> Window:
        """The plate pixels that the crop touches."""
        corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
        return Window.around(apply_affine(self.plate_from_canvas(1.0), corners))


def apply_affine(matrix: npt.ArrayLike, points_xy: npt.ArrayLike) -> Points:
    """Map points.

    Args:
        matrix: (2, 3) affine map.
        points_xy: (N, 2) coordinates.

    Returns:
        (N, 2) float64.

    >>> apply_affine([[2, 0, 1], [0, 2, -1]], [[3, 4]])
    array([[7., 7.]])
    """
    affine = _affine(matrix)
    return np.asarray(_points(points_xy) @ affine[:, :2].T + affine[:, 2])


def invert_affine(matrix: npt.ArrayLike) -> Affine:
    """The inverse map of a (2, 3) matrix, float64.

    Raises:
        ValueError: the map has no inverse.
    """
    affine = _affine(matrix)
    if not np.isfinite(affine).all() or np.linalg.det(affine[:, :2]) == 0:
        raise ValueError(f"affine map has no inverse: {affine.tolist()}")
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def compose_affine(outer: npt.ArrayLike, inner: npt.ArrayLike) -> Affine:
    """The (2, 3) float64 map that applies ``inner`` first and ``outer`` to its result."""
    second, first = _affine(outer), _affine(inner)
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def nuke_from_plate(points_xy: npt.ArrayLike, display: Window) -> Points:
    """Plate coordinates as Nuke counts them: origin at the display window's bottom left corner, y up.

    Args:
        points_xy: (N, 2) plate coordinates.
        display: the plate's display window, which Nuke's Read moves to ``(0, 0)``.

    Returns:
        (N, 2) float64; pixel centres stay at +0.5.

    >>> nuke_from_plate([[0.5, 0.5]], Window(0, 0, 1920, 1080)).tolist()
    [[0.5, 1079.5]]
    """
    points = _points(points_xy)
    return np.column_stack([points[:, 0] - display.x_min, display.y_max - points[:, 1]])


def plate_from_nuke(points_xy: npt.ArrayLike, display: Window) -> Points:
    """The inverse of :func:`nuke_from_plate`."""
    points = _points(points_xy)
    return np.column_stack([points[:, 0] + display.x_min, display.y_max - points[:, 1]])


def _affine(matrix: npt.ArrayLike) -> Affine:
    affine = np.asarray(matrix, dtype=np.float64)
    if affine.shape != (2, 3):
        raise ValueError(f"affine map must have shape (2, 3), got {affine.shape}")
    return affine


def _points(points_xy: npt.ArrayLike) -> Points:
    points: Any = np.asarray(points_xy, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have shape (N, 2), got {points.shape}")
    return np.asarray(points)
