"""Lines of age in the light of a plate: what a network of a small canvas cannot draw, drawn on the tracked mesh.

The relief of :mod:`nuke_reage.imaging.relief` is laid on the face by its landmarks and shaded by the light that falls
on it.  The result is a factor on linear light, so it holds at any brightness.  It is as soft as the plate shows the
face, out of focus or blurred by motion, and otherwise as sharp as its raster.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.arrays import FloatArray, require_landmarks, require_rgb
from nuke_reage.imaging.gamut import LUMA_WEIGHTS
from nuke_reage.imaging.head import canonical_mesh
from nuke_reage.imaging.mesh import FaceMesh, blur
from nuke_reage.imaging.relief import Relief, fit_light
from nuke_reage.imaging.sharpness import edge_blur_px
from nuke_reage.imaging.skin import skin_matte

__all__ = ["FaceLines"]

_MEAN_PX = 512
_SMALL_PX = 256
# The canonical mesh in the crop of FFHQ: eyes a quarter of the side apart, and where its middle lies.
_SIZE, _MIDDLE = 0.25, (0.5, 0.47)
_LEAST_BLUR_PX = 0.4
# Eyes and lips in a sharp picture are about so soft for a face of that size, in pixels of a 512 crop.
_SHARP_PX = 0.7


class FaceLines:
    """The lines of age on one face in one frame; what does not depend on ages is done once.

    Args:
        encoded: (S, S, 3) display-like picture of the face, 0..1 for ordinary light, unbounded, finite.
        landmarks: (468, 2) or (468, 3) pixels of that picture.
        side_px: side of the results, which cover the same square.

    Raises:
        ValueError: a shape is wrong, or landmarks are not finite or have no extent.
    """

    def __init__(self, encoded: Any, landmarks: npt.ArrayLike, side_px: int) -> None:
        picture = require_rgb(encoded, "encoded")
        # Where skin is and how it is lit changes slowly: a small picture will do.
        small = np.asarray(cv2.resize(picture, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA), np.float32)
        points = np.asarray(require_landmarks(landmarks, "landmarks") / picture.shape[0], np.float32)
        placed = points * np.float32(_SMALL_PX)
        skin = skin_matte(small, placed, features=False)
        parts = face_parts(placed, _SMALL_PX)
        light = fit_light(np.clip(small, 0.0, 1.0), skin * parts.face, placed)
        self._side_px = side_px
        self._soft_px = _softness(picture, parts.features) * side_px
        self._relief = _relief().on_face(points * np.float32(side_px), side_px, light)
        self._free = _resized(skin * (1 - np.maximum(parts.eyes, parts.lips)), side_px)

    def log_shading(self, source_age_years: float, target_age_years: float | FloatArray) -> FloatArray:
        """What the lines do to the light.

        Lines come, they never go: what a face has of its own is for the network to take away.

        Args:
            source_age_years: age in the plate.
            target_age_years: age wanted, one for all, or a square of any side.

        Returns:
            (side, side) float32, natural logarithm of a factor on linear light, for each channel times
            :data:`~nuke_reage.imaging.shade.SHADE_OF_SKIN`.  0 beyond the face, on eyes, lips, brows, hair and
            glasses, and where nothing ages.
        """
        if isinstance(target_age_years, np.ndarray):
            years: float | FloatArray = np.maximum(_resized(target_age_years, self._side_px), source_age_years)
        else:
            years = max(target_age_years, source_age_years)
        lines = self._relief.log_shading(source_age_years, years)
        return (blur(lines, self._soft_px) if self._soft_px >= _LEAST_BLUR_PX else lines) * self._free


def _softness(picture: FloatArray, features: FloatArray) -> float:
    """How much softer than a sharp one the picture is: standard deviation as a share of its side."""
    side = int(picture.shape[0])
    found_px = edge_blur_px(np.asarray(picture @ np.array(LUMA_WEIGHTS, np.float32)), _resized(features, side))
    sharp_px = _SHARP_PX * side / 512.0
    return math.sqrt(max(found_px**2 - sharp_px**2, 0.0)) / side


def _resized(values: FloatArray, side_px: int) -> FloatArray:
    return np.asarray(cv2.resize(values, (side_px, side_px), interpolation=cv2.INTER_LINEAR), np.float32)


@lru_cache(maxsize=1)
def _relief() -> Relief:
    mesh = canonical_mesh()[:, :2] * np.float32(_SIZE) + np.array(_MIDDLE, np.float32)
    return Relief(FaceMesh(np.asarray(mesh, np.float32), _MEAN_PX))
