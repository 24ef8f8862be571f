"""The hue of shadows that a network lays on skin.

How dark a fold is a small network learns well, which colour it has it learns badly: it takes nearly the same red, green
and blue from every skin, so that folds turn grey or purple on pale skin and red on dark skin.  But what a shadow does
to the colour of skin is known: red is darkened less than green, and blue more, in light skin as in dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_rgb, require_same_size
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import LUMA_WEIGHTS
from nuke_reage.imaging.skin import skin_matte

__all__ = ["SHADE_OF_SKIN", "SkinShade"]

SHADE_OF_SKIN = np.array([0.74, 1.15, 1.42], np.float32)
"""How much of a shadow each of red, green and blue gets: light that has been under the skin fills shadows with red.

Measured by ``python -m benchmarks shade`` in the lines of 92 portraits of people of 62 and older.
"""

_LUMA = np.array(LUMA_WEIGHTS, np.float32)
# Light below which a channel has no colour to speak of, and the fall, as a natural logarithm, that counts in full.
_BLACK = 1e-3
_FULL_FALL = 0.15
# The matte is drawn by a filter and comes near to 0 and 1, not to them.
_NO_SKIN, _ALL_SKIN = 0.05, 0.95


class SkinShade:
    """The skin of one face in one frame; what does not depend on ages is done once.

    Args:
        encoded: (H, W, 3) display-like picture of the face, 0..1 for ordinary light, unbounded, finite.
        landmarks: (468, 2) or (468, 3) pixels of that picture.
        share: how red shadows get, as a share of what lines are (:data:`SHADE_OF_SKIN`).
        curve: how light became display-like values.

    Raises:
        ValueError: a shape is wrong, or landmarks are not finite or have no extent.
    """

    def __init__(self, encoded: Any, landmarks: npt.ArrayLike, share: float, curve: DisplayCurve) -> None:
        picture = require_rgb(encoded, "encoded")
        self._shape = picture.shape
        self._exponents = np.float32(1.0) + np.float32(share) * (SHADE_OF_SKIN - np.float32(1.0))
        self._curve = curve
        matte = skin_matte(picture, landmarks, features=False)
        skin = np.clip((matte - np.float32(_NO_SKIN)) / np.float32(_ALL_SKIN - _NO_SKIN), 0.0, 1.0)
        light = curve.decode(picture[skin > 0])
        usable = (_least(light) > _BLACK) & np.isfinite(light @ _LUMA)
        self._place = skin > 0
        self._place[self._place] = usable
        # From here on of the skin's pixels only.
        self._encoded, self._skin = picture[self._place], skin[self._place]
        self._light = light[usable]
        self._luma = self._light @ _LUMA

    def shaded(self, delta: Any, amount: float = 1.0) -> FloatArray:
        """A change of the picture, with the hue of shadows where it darkens skin.

        Args:
            delta: (H, W, 3) change of the encoded picture.
            amount: how far its hue goes towards that of shadows, 0..1.

        Returns:
            (H, W, 3) float32: as dark in linear Rec.709 as before.  Bit for bit the same where nothing gets darker and
            beside the skin.

        Raises:
            ValueError: the shape is not that of the picture.
        """
        change = require_rgb(delta, "delta")
        require_same_size(change, "delta", self._shape)
        own = change[self._place]
        after = self._curve.decode(self._encoded + own)
        luma = after @ _LUMA
        darker = (luma < self._luma) & (_least(after) > _BLACK)
        before, after, luma = self._light[darker], after[darker], luma[darker]
        fall = np.log(luma / self._luma[darker])[:, None]
        share = (
            np.float32(amount) * self._skin[darker, None] * np.minimum(-fall / np.float32(_FULL_FALL), np.float32(1.0))
        )
        # From the network's colour towards a shadow's, before * exp(exponents * fall); how light it is comes after.
        mixed = after * np.exp(share * (np.log(before / after) + self._exponents * fall))
        mixed *= (luma / (mixed @ _LUMA))[:, None]
        own[darker] = self._curve.encode(mixed) - self._encoded[darker]
        result = change.copy()
        result[self._place] = own
        return result


def _least(light: FloatArray) -> FloatArray:
    """(N,) the least of three channels, without numpy's slow way along so short an axis."""
    return np.asarray(np.minimum(np.minimum(light[:, 0], light[:, 1]), light[:, 2]))
