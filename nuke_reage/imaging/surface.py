"""Soft mattes of patches of the face: the mesh's own surface, projected and blurred.

A patch is a cloud of points with the area that each stands for, as seen from the camera; what faces away has none.  A
matte is that area blurred by a Gaussian.  No polygon is filled and no distance is measured, so there is nothing that
could jump: a matte is a smooth function of the landmarks, vanishes with its patch, and moves by half a pixel when they
do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.sampling import warp

__all__ = ["Raster", "areas_of_triangles", "blurred"]

Doubles = npt.NDArray[np.floating[Any]]
Triangles = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Raster:
    """A coarse raster that hangs on the face, never on the plate's pixels.

    Attributes:
        low: its first corner, square coordinates.
        pitch_px: distance of its samples, square pixels.
        shape: rows and columns.
    """

    low: tuple[float, float]
    pitch_px: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, points: Doubles, margin_px: float, pitch_px: float) -> Raster:
        """Cover (N, 2) points and a margin."""
        low, high = points.min(axis=0) - margin_px, points.max(axis=0) + margin_px
        columns, rows = (max(int(np.ceil(extent / pitch_px)), 1) for extent in high - low)
        return cls((float(low[0]), float(low[1])), pitch_px, (rows, columns))

    @property
    def centres(self) -> tuple[Doubles, Doubles]:
        """The columns' x and the rows' y, square coordinates."""
        rows, columns = self.shape
        return (
            self.low[0] + self.pitch_px * (np.arange(columns) + 0.5),
            self.low[1] + self.pitch_px * (np.arange(rows) + 0.5),
        )

    def plate_window(self, pixel_aspect: float) -> Window:
        """The plate pixels that it touches."""
        rows, columns = self.shape
        high = (self.low[0] + columns * self.pitch_px, self.low[1] + rows * self.pitch_px)
        return Window.around(np.array([self.low, high]) / (pixel_aspect, 1.0))

    def to_plate(self, values: FloatArray, window: Window, pixel_aspect: float) -> FloatArray:
        """Its samples, (rows, columns) or with channels, in the pixels of a window; the edge goes on beyond it."""
        matrix = np.array(
            [
                [self.pitch_px / pixel_aspect, 0.0, self.low[0] / pixel_aspect - window.x_min],
                [0.0, self.pitch_px, self.low[1] - window.y_min],
            ]
        )
        return warp(values, Window.of_shape(values.shape), matrix, window.shape, filter="cubic")


def areas_of_triangles(points: Doubles, triangles: Triangles) -> Doubles:
    """(T,) areas of triangles seen from the front, 0 for those that face away.

    Args:
        points: (N, 2) positions, y down.
        triangles: (T, 3) indices, clockwise on screen.
    """
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    one, other = second - first, third - first
    return np.asarray(np.maximum(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], 0.0) / 2)


def blurred(raster: Raster, points: Doubles, amounts: Doubles, sigma_px: float) -> Doubles:
    """The density of a cloud of points after a Gaussian blur; a Gaussian is a product, so two matrices do it.

    Args:
        raster: where to sample it.
        points: (N, 2) square coordinates.
        amounts: (N,) what each point carries, for example its area.
        sigma_px: of the Gaussian, square pixels.

    Returns:
        (rows, columns) float64; 1 deep inside a patch whose amounts are its areas.
    """
    x, y = raster.centres
    across = np.exp(-0.5 * ((x[None, :] - points[:, :1]) / sigma_px) ** 2)
    down = np.exp(-0.5 * ((y[None, :] - points[:, 1:]) / sigma_px) ** 2)
    down *= amounts[:, None] / (2 * np.pi * sigma_px**2)
    return np.asarray(down.T @ across)
