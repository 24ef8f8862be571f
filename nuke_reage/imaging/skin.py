"""Where in a face skin is seen, and where hair, glasses or a hand of another colour lie in front of it.

From one frame alone: the colour of the face's own skin is measured inside the mesh, each pixel is rated by how far it
is from that, and a guided filter draws the rating to the picture's edges (K. He, J. Sun, X. Tang, *Guided Image
Filtering*, PAMI 35, 2013; K. He, J. Sun, *Fast Guided Filter*, arXiv 1505.00996).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_landmarks, require_rgb
from nuke_reage.imaging.face_mask import face_size_px

__all__ = ["guided", "skin_matte"]

Doubles = npt.NDArray[np.floating[Any]]

# Outlines of bare skin: both cheeks, nose, between the brows, mid forehead, chin.
# fmt: off
_SKIN = (
    (50, 101, 36, 205, 187, 123), (280, 330, 266, 425, 411, 352), (168, 193, 122, 196, 3, 195, 248, 419, 351, 417),
    (8, 55, 107, 9, 336, 285), (108, 151, 337, 336, 9, 107), (83, 201, 200, 421, 313, 18),
)
# What belongs to a face without always having its skin's colour: eyes, brows, mouth, nostrils, deep shadows.
_FEATURES = (
    (226, 130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25),
    (446, 359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255),
    # The corner between eye, brow and nose: a shadow lies in it as soon as the head turns or the eyes look down.
    (55, 65, 52, 222, 28, 56, 190, 243, 244, 189), (285, 295, 282, 442, 258, 286, 414, 463, 464, 413),
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    # The mouth with the shadows at its corners and under the lower lip, which come and go as it moves.
    (57, 185, 40, 39, 37, 0, 267, 269, 270, 409, 287, 273, 406, 313, 18, 83, 182, 43),
    (98, 97, 2, 326, 327, 294, 344, 1, 115, 64),
    # The creases beside the nose and the folds from there to the mouth: as dark as hair, and what ages most.
    (209, 49, 203, 206, 216, 212, 57, 186, 92, 165, 98), (429, 279, 423, 426, 436, 432, 287, 410, 322, 391, 327),
)
# fmt: on
_FACE_PX = 224.0
"""Size of the face on the raster on which the rating is made."""

_SUBPIXEL_BITS = 4
_BLACK = 0.02
_ROUNDS = 3
# Standard deviation over median absolute deviation, of a normal distribution.
_SPREAD_OF_MEDIAN = 1.4826
# Least spread of skin: of the logarithm of its brightness, and of the shares of red and green in it.
_LEAST_SPREAD = (0.25, 0.0125, 0.0105)
# Squared distances in spreads from which a pixel is half and hardly skin.
_HALF, _SOFTNESS = 13.5, 2.2
_GUIDE_RADIUS = 0.022
_GUIDE_EPSILON = 0.03**2


def skin_matte(encoded: Any, landmarks: npt.ArrayLike, *, features: bool = True) -> FloatArray:
    """Rate each pixel of a face as skin.

    Args:
        encoded: (H, W, 3) display-like picture of square pixels, 0..1 for ordinary light, unbounded, finite.
        landmarks: (468, 2) or (468, 3) pixels of that picture.
        features: count eyes, brows, lips and mouth as skin too, whatever their colour.

    Returns:
        (H, W) float32, 0..1: 1 on skin, 0 on what has another colour.  Beyond the face it means little.

    Raises:
        ValueError: wrong shapes, landmarks that are not finite or without any extent.
    """
    picture = require_rgb(encoded, "encoded")
    points = require_landmarks(landmarks, "landmarks")
    shrink = min(1.0, _FACE_PX / face_size_px(points))
    height, width = picture.shape[:2]
    small_size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = np.asarray(cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA), np.float32)
    scale = np.array(small_size) / (width, height)
    placed = points * scale
    unit_px = face_size_px(placed)
    rating = _rated(small, placed)
    if features:
        rating = np.maximum(rating, _filled(_FEATURES, placed, small.shape[:2], 0.012 * unit_px))
    slope, offset = guided(small, rating, max(1, round(_GUIDE_RADIUS * unit_px)))
    full = (width, height)
    slope = np.asarray(cv2.resize(slope, full, interpolation=cv2.INTER_LINEAR), np.float32)
    offset = np.asarray(cv2.resize(offset, full, interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(np.clip(np.einsum("hwc,hwc->hw", slope, np.clip(picture, 0, 1.5)) + offset, 0.0, 1.0), np.float32)


def _rated(picture: FloatArray, points: Doubles) -> FloatArray:
    """How much each pixel's colour is that of the skin inside the mesh, 0..1."""
    features = _features(picture)
    inside = _filled(_SKIN, points, picture.shape[:2], 0.0) > 0.5
    if inside.sum() < 4 * features.shape[2]:
        return np.ones(picture.shape[:2], np.float32)
    samples = features[inside].astype(np.float64)
    floor = np.diag(np.square(_LEAST_SPREAD))
    middle = np.median(samples, axis=0)
    spread = np.diag(np.median(np.abs(samples - middle), axis=0) ** 2) * _SPREAD_OF_MEDIAN**2 + floor
    for _ in range(_ROUNDS):
        # Strands of hair and shine inside the outlines count the less, the less they look like the rest.
        away = samples - middle
        weights = np.exp(-0.125 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(spread), away))
        middle = weights @ samples / weights.sum()
        away = samples - middle
        spread = (weights[:, None] * away).T @ away / weights.sum() + floor
    away = features - middle
    inverse = np.linalg.inv(spread)
    distance = (away @ inverse * away).sum(axis=-1)
    return np.asarray(1 / (1 + np.exp(np.clip((distance - _HALF) / _SOFTNESS, -30, 30))), np.float32)


def _features(picture: FloatArray) -> Doubles:
    """Logarithm of the brightness, share of red, share of green."""
    light = np.maximum(picture, _BLACK).astype(np.float64)
    total = light.sum(axis=2)
    return np.stack([np.log(total), light[..., 0] / total, light[..., 1] / total], axis=-1)


def _filled(
    outlines: tuple[tuple[int, ...], ...], points: Doubles, shape: tuple[int, ...], soft_px: float
) -> FloatArray:
    """Hulls of landmarks as one matte, 0..1, softened and grown by ``soft_px``."""
    mask = np.zeros(shape, np.uint8)
    # OpenCV counts from pixel centres.
    fixed = np.round((points - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    for outline in outlines:
        cv2.fillConvexPoly(mask, cv2.convexHull(fixed[list(outline)]), 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    matte: Doubles = mask.astype(np.float32) / 255
    if soft_px > 0:
        matte = np.minimum(2 * cv2.GaussianBlur(matte, (0, 0), soft_px), 1)
    return np.asarray(matte, np.float32)


def guided(guide: FloatArray, values: FloatArray, radius_px: int) -> tuple[FloatArray, FloatArray]:
    """The guided filter's local linear model.

    Args:
        guide: (H, W, 3) encoded, 0..1.
        values: (H, W), to be brought to the guide's edges.
        radius_px: of the windows.

    Returns:
        (H, W, 3) slopes and (H, W) offsets that give values from the guide.
    """
    side = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(image: Doubles) -> Doubles:
        return np.asarray(cv2.boxFilter(image, -1, side, borderType=cv2.BORDER_REFLECT_101))

    planes = np.clip(np.moveaxis(guide, -1, 0), 0, 1.5).astype(np.float64)
    amount = values.astype(np.float64)
    means, amount_mean = [mean(plane) for plane in planes], mean(amount)
    covariance = [
        mean(planes[one] * planes[other]) - means[one] * means[other] + (_GUIDE_EPSILON if one == other else 0.0)
        for one, other in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    ]
    together = [mean(plane * amount) - its_mean * amount_mean for plane, its_mean in zip(planes, means, strict=True)]
    slopes = _solved(covariance, together)
    offset = amount_mean - sum(slope * its_mean for slope, its_mean in zip(slopes, means, strict=True))
    return np.stack([mean(slope) for slope in slopes], axis=-1).astype(np.float32), mean(offset).astype(np.float32)


def _solved(upper: Sequence[Doubles], right: Sequence[Doubles]) -> tuple[Doubles, Doubles, Doubles]:
    """Solve many symmetric 3 x 3 systems at once, by Cramer's rule.

    Args:
        upper: the rows of the upper triangle, each (H, W).
        right: the right side, likewise.
    """
    xx, xy, xz, yy, yz, zz = upper
    x, y, z = right
    of_x, of_y, of_z = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    second, third, mixed = xx * zz - xz * xz, xx * yy - xy * xy, xy * xz - xx * yz
    shared = 1 / (xx * of_x + xy * of_y + xz * of_z)
    return (
        (of_x * x + of_y * y + of_z * z) * shared,
        (of_y * x + second * y + mixed * z) * shared,
        (of_z * x + mixed * y + third * z) * shared,
    )
