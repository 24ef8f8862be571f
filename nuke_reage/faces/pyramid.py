"""Square, rotated crops out of a picture of any size, for small networks.

A chain of halved pictures keeps a crop free of aliasing at the cost of a fixed number of reads: a landmark network that
sees aliased hair and lashes answers with jitter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from nuke_reage.faces.types import FloatArray, check_image

__all__ = ["ImagePyramid", "SquareCrop"]

_OVERSAMPLING = 2


@dataclass(frozen=True)
class SquareCrop:
    """A square of the picture, possibly rotated and reaching over its edges.

    Attributes:
        centre_x: picture pixels, centres at +0.5.
        centre_y: picture pixels, y down.
        side_px: length of a side in picture pixels, above 0.
        angle_degrees: rotation of the content, positive = clockwise on screen; the crop shows it upright.
    """

    centre_x: float
    centre_y: float
    side_px: float
    angle_degrees: float = 0.0

    def to_image(self, points: Any) -> FloatArray:
        """Points of the crop in picture pixels.

        Args:
            points: (..., 2) or (..., 3) in units of the side, 0..1 from the top left; a third coordinate (depth) is
                scaled by the side and not moved.

        Returns:
            float32 of the same shape.
        """
        unit = np.asarray(points, dtype=np.float64)
        cosine, sine = self._rotation()
        x, y = unit[..., 0] - 0.5, unit[..., 1] - 0.5
        moved = unit * self.side_px
        moved[..., 0] = (cosine * x - sine * y) * self.side_px + self.centre_x
        moved[..., 1] = (sine * x + cosine * y) * self.side_px + self.centre_y
        return moved.astype(np.float32)

    def _rotation(self) -> tuple[float, float]:
        angle = math.radians(self.angle_degrees)
        return math.cos(angle), math.sin(angle)


class ImagePyramid:
    """A picture and its halved versions, made when they are asked for.

    Args:
        image_rgb_display: (H, W, 3) floating point, 0..1; values that are not finite count as black.

    Raises:
        ValueError: wrong shape or type.
    """

    def __init__(self, image_rgb_display: FloatArray) -> None:
        image = check_image(image_rgb_display)
        # One sum is far quicker than a test of each value and NaN or Inf cannot hide from it.
        if not math.isfinite(float(image.sum())):
            image = np.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0)
        self._levels = [image]

    @property
    def width_px(self) -> int:
        return int(self._levels[0].shape[1])

    @property
    def height_px(self) -> int:
        return int(self._levels[0].shape[0])

    def adjusted(self, black: float, white: float, gamma: float) -> ImagePyramid:
        """The same picture with levels stretched so that ``black``..``white`` is 0..1, then raised to ``gamma``."""
        base = self._level(self._useful_level())
        span = max(white - black, 1e-6)
        return ImagePyramid(np.clip((base - black) / span, 0.0, 1.0) ** np.float32(gamma))

    def thumbnail(self, longest_px: int) -> FloatArray:
        """The coarsest level that is still at least ``longest_px`` long (or the picture itself)."""
        level = 0
        while max(self._level(level).shape[:2]) >= 2 * longest_px:
            level += 1
        return self._level(level)

    def crop(self, square: SquareCrop, size_px: int, *, replicate_edge: bool = True) -> FloatArray:
        """Sample a square.

        Args:
            square: which part of the picture.
            size_px: pixels of the result, above 0.
            replicate_edge: whether the picture goes on beyond its edges with its last pixels; black otherwise.

        Returns:
            (size_px, size_px, 3) float32, clipped to 0..1.
        """
        fine_px = size_px * _OVERSAMPLING
        step_px = square.side_px / fine_px
        level = self._level(max(0, math.ceil(math.log2(step_px) - 1e-6)) if step_px > 0 else 0)
        scale = np.array([level.shape[1] / self.width_px, level.shape[0] / self.height_px])
        cosine, sine = square._rotation()
        linear = np.array([[cosine, -sine], [sine, cosine]]) * step_px * scale[:, None]
        offset = np.array([square.centre_x, square.centre_y]) * scale - linear @ np.full(2, fine_px / 2)
        # OpenCV counts from pixel centres: both rasters shift by half a pixel.
        offset += linear @ np.full(2, 0.5) - 0.5
        fine = cv2.warpAffine(
            level,
            np.column_stack([linear, offset]),
            (fine_px, fine_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if replicate_edge else cv2.BORDER_CONSTANT,
        )
        small = cv2.resize(fine, (size_px, size_px), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(small, 0.0, 1.0), dtype=np.float32)

    def _useful_level(self) -> int:
        # Above 2048 pixels a retry with other levels gains nothing from more resolution.
        return max(0, math.ceil(math.log2(max(self.width_px, self.height_px) / 2048)))

    def _level(self, index: int) -> FloatArray:
        while len(self._levels) <= index and min(self._levels[-1].shape[:2]) > 1:
            last = self._levels[-1]
            half = (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))
            self._levels.append(np.asarray(cv2.resize(last, half, interpolation=cv2.INTER_AREA), dtype=np.float32))
        return self._levels[min(index, len(self._levels) - 1)]
