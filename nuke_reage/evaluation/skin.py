"""What becomes of the colour and the light of the skin: a cast, and folds that turn grey."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import LUMA_WEIGHTS

__all__ = ["SkinChange", "SkinScore", "skin_change", "skin_score"]

Image = npt.NDArray[np.float32]

_LUMA = np.array(LUMA_WEIGHTS, np.float32)
_BLACK = 0.002
_FOLDS_SHARE = 0.1
_LEAST_GAP_YEARS = 15.0


@dataclass(frozen=True)
class SkinChange:
    """A result against its source, in linear light; 0.02 = 2 % more than before.

    Attributes:
        redder: red over green of all skin.
        bluer: blue over green of all skin.
        lighter: luminance of all skin.
        folds_redder: red over green of the tenth of the skin that darkened most, each pixel weighted by how much it
            did; 0 where none did.  Shadows on skin are redder than the skin beside them, so folds that come should
            have this above 0.
        folds_bluer: likewise blue over green, which should be below 0: grey and purple folds have it above.
    """

    redder: float
    bluer: float
    lighter: float
    folds_redder: float
    folds_bluer: float


@dataclass(frozen=True)
class SkinScore:
    """Skin at the oldest and at the youngest age that was asked for, where that is far from the source's.

    Attributes:
        oldest: means over the pictures.
        youngest: likewise; folds mean nothing there, for they go.
        strongest_cast: ``redder`` of the picture at its oldest in which it is farthest from 0.
        bluest_folds: greatest ``folds_bluer`` of a picture at its oldest.
        by_picture: change of each picture by the age asked for.
    """

    oldest: SkinChange
    youngest: SkinChange
    strongest_cast: float
    bluest_folds: float
    by_picture: dict[str, dict[str, SkinChange]]


def skin_change(source: Image, result: Image, skin: Image) -> SkinChange | None:
    """Compare the skin of two pictures of one face.

    Args:
        source: (H, W, 3) float32 as a screen shows it, unbounded.
        result: the same shape.
        skin: (H, W) weights of the face's skin, 0..1.

    Returns:
        None where no skin is seen.
    """
    seen = skin > 0.05
    if not seen.any():
        return None
    share = skin[seen].astype(np.float64)
    share /= share.sum()
    curve = DisplayCurve()
    before, after = (np.maximum(curve.decode(one[seen]), _BLACK).astype(np.float64) for one in (source, result))
    was, now = share @ before, share @ after
    fall = np.maximum(np.log(before @ _LUMA) - np.log(after @ _LUMA), 0.0)
    folds = np.where(fall >= np.quantile(fall, 1.0 - _FOLDS_SHARE), share * fall, 0.0)
    ratio = now / was
    darkened = folds @ np.log(after / before) / folds.sum() if folds.any() else np.zeros(3)
    return SkinChange(
        float(ratio[0] / ratio[1] - 1.0),
        float(ratio[2] / ratio[1] - 1.0),
        float((now @ _LUMA) / (was @ _LUMA) - 1.0),
        float(np.expm1(darkened[0] - darkened[1])),
        float(np.expm1(darkened[2] - darkened[1])),
    )


def skin_score(pictures: Mapping[str, tuple[float, Mapping[float, SkinChange]]]) -> SkinScore | None:
    """Sum up.

    Args:
        pictures: by name, the source's age and the change by target age.

    Returns:
        None where no picture was asked to become much older or younger.
    """
    oldest, youngest = [], []
    for years, changes in pictures.values():
        last, first = max(changes), min(changes)
        if last - years >= _LEAST_GAP_YEARS:
            oldest.append(changes[last])
        if years - first >= _LEAST_GAP_YEARS:
            youngest.append(changes[first])
    if not oldest and not youngest:
        return None
    return SkinScore(
        _mean(oldest),
        _mean(youngest),
        max((one.redder for one in oldest), key=abs, default=float("nan")),
        max((one.folds_bluer for one in oldest), default=float("nan")),
        {name: {f"{age:g}": one for age, one in changes.items()} for name, (_, changes) in pictures.items()},
    )


def _mean(changes: Iterable[SkinChange]) -> SkinChange:
    rows = [[getattr(one, field.name) for field in fields(SkinChange)] for one in changes]
    return SkinChange(*(map(float, np.mean(rows, axis=0)) if rows else [float("nan")] * len(fields(SkinChange))))
