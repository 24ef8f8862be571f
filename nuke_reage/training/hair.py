"""Hair and brows that lose or regain their colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nuke_reage.faces.networks import PersonNetwork
from nuke_reage.imaging.anatomy import CHEEKS, FaceParts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.face_mask import face_mask
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.mesh import blur, polygon_mask
from nuke_reage.training.hair_matte import hair_matte
from nuke_reage.training.statistics import log_colour, luminance

__all__ = ["Hair", "HairFinder", "recolour"]

_ONSET_YEARS, _SPAN_YEARS = 44.0, 30.0
# Red, green, blue of grey hair over its luminance, towards black and towards white: those of the greyest quarter of old
# people, `python -m benchmarks shade`.
_DARK_GREY = np.array([1.13, 0.975, 0.86], np.float32)
_WHITE_GREY = np.array([1.02, 0.995, 0.97], np.float32)
# How far within the hairline hair is not believed in, in face sizes.
_WITHIN, _SOFT = 0.05, 0.08
_BROWN_TINT = np.array([1.0, 0.80, 0.64], np.float32)


@dataclass(frozen=True, eq=False)
class Hair:
    """Where hair grows, (S, S) in 0..1 each.

    Attributes:
        head: hair of the head.
        brows: eyebrows.
        faded: how little colour the hair has already, 0 = fully coloured or dark, 1 = white; 0 on the forehead.
    """

    head: FloatArray
    brows: FloatArray
    faded: FloatArray


class HairFinder:
    """Finds hair on portraits; loads the network that knows people from backdrops.

    Raises:
        FaceError: see :class:`nuke_reage.faces.networks.PersonNetwork`.
    """

    def __init__(self) -> None:
        self._network = PersonNetwork()

    def find(self, rgb: FloatArray, landmarks: FloatArray, parts: FaceParts) -> Hair:
        """The hair of a face.

        Args:
            rgb: (S, S, 3) encoded, 0..1.
            landmarks: (468, 2) canvas pixels.
            parts: of the same face.
        """
        unit = rgb.shape[0] / 256.0
        head = hair_matte(rgb, landmarks, self._network.matte(rgb))
        light = luminance(log_colour(rgb))
        cheeks = np.maximum.reduce([polygon_mask(landmarks[list(one)], rgb.shape[0]) for one in CHEEKS])
        darker = float((light * cheeks).sum() / cheeks.sum()) - light
        brows = parts.brows * np.clip((darker - 0.12) / 0.3, 0.0, 1.0)
        brows = blur(np.asarray(brows, np.float32), 0.7 * unit)
        # A bare forehead shines as pale as white hair, so what hangs into it stays white towards youth.
        forehead = face_mask(landmarks, Window.of_shape(rgb.shape), expand=-_WITHIN, feather=_SOFT)
        faded = _faded(rgb, unit) * (1.0 - forehead * (1.0 - np.minimum(1.0, 2.0 * brows)))
        return Hair(head, brows, np.asarray(faded, np.float32))


def recolour(rgb: FloatArray, hair: Hair, from_years: float, to_years: float) -> FloatArray:
    """Let hair go grey, or give grey hair its colour back.

    Args:
        rgb: (S, S, 3) encoded, 0..1 or a little outside.
        hair: of the face.
        from_years: age now.
        to_years: age wanted.

    Returns:
        (S, S, 3); the same picture where both ages lie before greying.
    """
    step = _grey_share(to_years) - _grey_share(from_years)
    if step == 0.0:
        return rgb
    unit = rgb.shape[0] / 256.0
    light = luminance(rgb)
    strands = light - blur(light, 3.0 * unit)
    where = np.maximum(hair.head, 0.5 * hair.brows)
    if step > 0.0:
        grey = (0.18 + 0.74 * np.sqrt(np.maximum(light, 0.0)) + 0.5 * strands)[..., None]
        goal = grey * (_DARK_GREY + np.clip(grey, 0.0, 1.0) * (_WHITE_GREY - _DARK_GREY))
        amount = 0.9 * step * where
    else:
        goal = np.maximum(0.03 + 0.34 * light + 0.25 * strands, 0.0)[..., None] * _BROWN_TINT
        amount = np.minimum(-1.2 * step, 1.0) * where * hair.faded
    return np.asarray(rgb + amount[..., None] * (goal - rgb), np.float32)


def _grey_share(years: float) -> float:
    return min(max((years - _ONSET_YEARS) / _SPAN_YEARS, 0.0), 1.0)


def _faded(rgb: FloatArray, unit: float) -> FloatArray:
    smooth = blur(rgb, 1.5 * unit)
    peak = smooth.max(axis=2)
    saturation = (peak - smooth.min(axis=2)) / (peak + 0.02)
    pale = np.clip((peak - 0.16) / 0.2, 0.0, 1.0)
    return np.asarray(pale * np.clip((0.48 - saturation) / 0.22, 0.0, 1.0), np.float32)
