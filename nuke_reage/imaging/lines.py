"""Lines of age in the light of a plate: what a network of a small canvas cannot draw, drawn on the tracked mesh.

The relief of :mod:`nuke_reage.imaging.relief` is laid on the face by its landmarks and shaded by the light that falls
on it.  The result is a factor on linear light, so it holds at any brightness, and it is as sharp as its raster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_landmarks, require_rgb
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.head import canonical_mesh
from nuke_reage.imaging.mesh import FaceMesh
from nuke_reage.imaging.protect import protect_mattes
from nuke_reage.imaging.relief import Relief, fit_light
from nuke_reage.imaging.skin import skin_matte

__all__ = ["SHADE_OF_SKIN", "line_shading"]

SHADE_OF_SKIN = np.array([0.85, 1.03, 1.12], np.float32)
"""How much of a line each of red, green and blue gets: light that has been under the skin fills shadows with red."""

_MEAN_PX = 512
_LIGHT_PX = 128
_MATTE_PX = 256
# The canonical mesh in the crop of FFHQ: eyes a quarter of the side apart, and where its middle lies.
_SIZE, _MIDDLE = 0.25, (0.5, 0.47)


def line_shading(
    encoded: Any, landmarks: npt.ArrayLike, side_px: int, source_age_years: float, target_age_years: float | FloatArray
) -> FloatArray:
    """What lines of age do to the light on a face.

    Args:
        encoded: (S, S, 3) display-like picture of the face, 0..1 for ordinary light, unbounded, finite.
        landmarks: (468, 2) or (468, 3) pixels of that picture.
        side_px: side of the result, which covers the same square.
        source_age_years: age in the plate.
        target_age_years: age wanted, one for all, or a square of any side.

    Returns:
        (side, side) float32, natural logarithm of a factor on linear light, for each channel times
        :data:`SHADE_OF_SKIN`.  0 beyond the face, on eyes, lips, brows, hair and glasses, and where nothing ages.

    Raises:
        ValueError: a shape is wrong, or landmarks are not finite or have no extent.
    """
    picture = require_rgb(encoded, "encoded")
    scale = side_px / picture.shape[0]
    points = np.asarray(require_landmarks(landmarks, "landmarks"), np.float32)
    years = _at_least(target_age_years, source_age_years, side_px)
    skin = skin_matte(picture, points, features=False)
    small = (_LIGHT_PX, _LIGHT_PX)
    light = fit_light(
        np.clip(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), 0.0, 1.0),
        np.asarray(
            cv2.resize(skin, small, interpolation=cv2.INTER_AREA) * _inside(points, picture.shape[0]), np.float32
        ),
        points * np.float32(_LIGHT_PX / picture.shape[0]),
    )
    lines = _relief().log_shading(points * np.float32(scale), side_px, light, source_age_years, years)
    kept = _resized(skin, side_px)
    features = protect_mattes(points * np.float32(_MATTE_PX / picture.shape[0]), Window(0, 0, _MATTE_PX, _MATTE_PX))
    kept *= 1 - _resized(features.max(axis=2), side_px)
    return np.asarray(lines * kept, np.float32)


def _at_least(years: float | FloatArray, source_age_years: float, side_px: int) -> float | FloatArray:
    """Lines come, they never go: what a face has of its own is for the network to take away."""
    if isinstance(years, np.ndarray):
        return np.maximum(_resized(years, side_px), np.float32(source_age_years))
    return max(years, source_age_years)


def _resized(values: FloatArray, side_px: int) -> FloatArray:
    return np.asarray(cv2.resize(values, (side_px, side_px), interpolation=cv2.INTER_LINEAR), np.float32)


def _inside(points: FloatArray, canvas_px: int) -> FloatArray:
    """(_LIGHT_PX, _LIGHT_PX) 1 inside the landmarks' hull."""
    inside = np.zeros((_LIGHT_PX, _LIGHT_PX), np.uint8)
    hull = cv2.convexHull(points * np.float32(_LIGHT_PX / canvas_px))
    cv2.fillConvexPoly(inside, np.round(hull - 0.5).astype(np.int32), 1)
    return inside.astype(np.float32)


@lru_cache(maxsize=1)
def _relief() -> Relief:
    mesh = canonical_mesh()[:, :2] * np.float32(_SIZE) + np.array(_MIDDLE, np.float32)
    return Relief(FaceMesh(np.asarray(mesh, np.float32), _MEAN_PX))
