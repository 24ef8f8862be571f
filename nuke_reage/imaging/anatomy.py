"""Parts of a face as soft masks, from its landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import polygon_mask

__all__ = ["CHEEKS", "OVAL", "FaceParts", "face_parts"]

OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
"""The outline of the mesh, from the forehead's middle clockwise."""

CHEEKS = ((117, 118, 50, 205, 187), (346, 347, 280, 425, 411))
"""Skin that nothing covers, on both sides."""

_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
_LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
_RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
_NOSTRILS = (98, 97, 2, 326, 327, 294, 278, 344, 440, 275, 4, 45, 220, 115, 48, 64)


@dataclass(frozen=True, eq=False)
class FaceParts:
    """Masks of one face, each (S, S) in 0..1.

    Attributes:
        face: inside of the outline, fading out before it.
        skin: the face without eyes, lips, brows and most of the nostrils.
        eyes: eyeballs and lids' edges.
        lips: with the mouth.
        brows: both.
    """

    face: FloatArray
    skin: FloatArray
    eyes: FloatArray
    lips: FloatArray
    brows: FloatArray

    @property
    def features(self) -> FloatArray:
        """Eyes, lips and brows, (S, S) in 0..1."""
        return np.asarray(np.maximum.reduce([self.eyes, self.lips, self.brows]), np.float32)


def face_parts(landmarks: FloatArray, canvas_px: int) -> FaceParts:
    """The parts of a face on a canvas.

    Args:
        landmarks: (468, 2) canvas pixels.
        canvas_px: side of the canvas; widths scale with it.
    """
    unit = canvas_px / 256.0

    def area(indices: tuple[int, ...], grow: float, soft: float) -> FloatArray:
        return polygon_mask(landmarks[list(indices)], canvas_px, grow_px=grow * unit, soft_px=soft * unit)

    face = area(OVAL, -3.0, 4.0)
    lips = area(_LIPS, 2.0, 1.5)
    eyes = np.maximum(area(_LEFT_EYE, 1.0, 1.2), area(_RIGHT_EYE, 1.0, 1.2))
    brows = np.maximum(area(_LEFT_BROW, 2.0, 1.8), area(_RIGHT_BROW, 2.0, 1.8))
    covered = np.maximum.reduce([lips, eyes, brows])
    skin = np.clip(face - covered, 0.0, 1.0) * (1.0 - 0.6 * area(_NOSTRILS, 0.0, 3.0))
    return FaceParts(face, np.asarray(skin, np.float32), eyes, lips, brows)
