"""The colour of a face while its shading changes: redder in shadow, yet hardly redder than the person's own skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nuke_reage.imaging.anatomy import FaceParts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import blur
from nuke_reage.imaging.shade import SHADE_OF_SKIN
from nuke_reage.training.statistics import luminance

__all__ = ["Complexion", "tinted"]

_WHITE, _HEADROOM = 0.97, 0.35
_FEATURES_HELD = 0.85
_REDDEST_PERCENTILE = 95.0
# Log of red over green that any shadow may add: without it folds of pale, even skin are grey.
_LEAST_RED = 0.06
# Log of luminance that no fold gets darker by, approached softly: beyond it one sees dirt.
_DARKEST_FOLD = 0.5
# How much of what happens to the skin on the whole is taken back: folds deepen a face, they do not change its light.
_LIGHT_BACK, _HUE_BACK = 0.2, 0.4


@dataclass(frozen=True, eq=False)
class Complexion:
    """What a face can take of a change of colour; changes are (S, S, 3) of log colour, luminances (S, S).

    Attributes:
        bare: skin without features, hair and rim, (S, S) in 0..1.
        face: the face, (S, S) in 0..1.
        near_features: eyes, brows, lips and nostrils with what is around them, (S, S) in 0..1.
        brightest: largest of the three encoded channels, (S, S).
        more_red: log of red over green that is left to the reddest of the bare skin, and always a little, (S, S).
    """

    bare: FloatArray
    face: FloatArray
    near_features: FloatArray
    brightest: FloatArray
    more_red: FloatArray

    @classmethod
    def of(cls, rgb: FloatArray, logs: FloatArray, parts: FaceParts, bare: FloatArray) -> Complexion:
        """The complexion of a face.

        Args:
            rgb: (S, S, 3) encoded, 0..1.
            logs: its log colour.
            parts: of the same face.
            bare: skin without hair and rim, (S, S) in 0..1.
        """
        unit = rgb.shape[0] / 256.0
        redness = blur(np.asarray(logs[..., 0] - logs[..., 1], np.float32), 3.0 * unit)
        skin = bare >= 0.5 * bare.max()
        more_red = np.maximum(_LEAST_RED, np.percentile(redness[skin], _REDDEST_PERCENTILE) - redness)
        near_features = np.minimum(1.0, 3.0 * blur(parts.features, 4.0 * unit))
        return cls(bare, parts.face, near_features, rgb.max(axis=2), np.asarray(more_red, np.float32))

    def cleared(self, lines: FloatArray) -> FloatArray:
        """(S, S, 3) of a luminance: towards youth what gets brighter is a shadow that goes, and its redness with it.

        Shadows of lashes and rims of glasses are not red: near features all channels change alike.
        """
        away = 1.0 - self.near_features[..., None]
        return np.asarray(lines[..., None] * (1.0 + away * (SHADE_OF_SKIN - 1.0)), np.float32)

    def settled(self, change: FloatArray) -> FloatArray:
        """A change towards age with soft ends: no fold black, hardly any skin redder than it was, less of a cast."""
        light = luminance(change)
        hue = change - light[..., None]
        darkening = np.maximum(-light, 1e-4)
        softer = 1.0 - self.face * (1.0 - _DARKEST_FOLD * np.tanh(darkening / _DARKEST_FOLD) / darkening)
        light, hue = np.asarray(light * softer, np.float32), np.asarray(hue * softer[..., None], np.float32)
        redder = np.maximum(hue[..., 0] - hue[..., 1], 0.0)
        kept = np.minimum(1.0, self.more_red / np.maximum(redder, 1e-4))
        hue *= (1.0 - self.face * (1.0 - kept))[..., None]
        settled = light[..., None] + hue
        back = _LIGHT_BACK * self._mean(light[..., None]) + _HUE_BACK * self._mean(hue)
        return np.asarray(settled - self.bare[..., None] * back, np.float32)

    def _mean(self, change: FloatArray) -> FloatArray:
        weights = self.bare[..., None]
        return np.asarray((change * weights).sum(axis=(0, 1)) / max(float(weights.sum()), 1e-6), np.float32)

    def without_glow(self, change: FloatArray, *, spare_features: bool) -> FloatArray:
        """A change whose brighter parts do not clip, nor turn lashes and lips orange."""
        room = np.clip((_WHITE - self.brightest) / _HEADROOM, 0.0, 1.0)
        if spare_features:
            room *= 1.0 - _FEATURES_HELD * self.near_features
        return np.asarray(np.where(change > 0.0, change * room[..., None], change), np.float32)


def tinted(change: FloatArray) -> FloatArray:
    """(H, W, 3) of a change of log luminance (H, W): what gets darker gets redder, at about the same luminance."""
    return np.maximum(change, 0.0)[..., None] + np.minimum(change, 0.0)[..., None] * SHADE_OF_SKIN
