"""A matte of the hair of one portrait, from its own colours.

Mixtures of colours are taken from where there is little doubt: skin from the cheeks, hair from the top of the head,
clothes from below the chin, the backdrop from beyond the person.  Each pixel goes to whichever explains it best, given
where on the head it lies, and the matte is then brought to the picture's own edges.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.anatomy import CHEEKS, OVAL
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.head import HeadPoints, follow_head
from nuke_reage.imaging.mesh import blur, polygon_mask
from nuke_reage.imaging.skin import guided
from nuke_reage.training.statistics import log_colour, luminance

__all__ = ["hair_matte"]

_CHIN, _NOSE_TIP, _BROW_TOPS = 152, 4, (105, 334)
_MIN_SAMPLES, _MIN_OF_ONE_COLOUR = 40, 8
_COLOURS = 3
_LEAST_VARIANCE = np.diag(np.square([0.12, 0.05, 0.05, 0.15]))
_SHADE = np.diag(np.square([0.5, 0.0, 0.0, 0.0]))
_BALD_BELOW = 1.3
"""A colour of the top of the head that is nearer to skin, in standard deviations, is skin."""

_NOT_SEEN = -60.0
_FADE_SHORT_PX, _FADE_LONG_PX, _BESIDE_PX = 16.0, 80.0, 24.0
_SHORT_SHARE, _LONG_SHARE = 0.2, 0.35

Doubles = npt.NDArray[np.floating[Any]]


def hair_matte(rgb: FloatArray, landmarks: FloatArray, person: FloatArray) -> FloatArray:
    """Where the hair of the head is; hair that hangs beside the jaw as far as the canvas shows it.

    Args:
        rgb: (S, S, 3) encoded, 0..1.
        landmarks: (468, 2) canvas pixels.
        person: (S, S) in 0..1, see :class:`nuke_reage.faces.networks.PersonNetwork`.

    Returns:
        (S, S) in 0..1; neither brows nor beards; all 0 for a head without hair on its top.
    """
    size = rgb.shape[0]
    unit = size / 256.0
    head = follow_head(landmarks)
    row = np.arange(size, dtype=np.float32)[:, None]
    chin, brows = float(landmarks[_CHIN, 1]), float(landmarks[list(_BROW_TOPS), 1].min())
    oval = polygon_mask(landmarks[list(OVAL)], size, grow_px=1.0 * unit, soft_px=1.0 * unit)
    features = _features(rgb, unit)
    cheeks = np.maximum.reduce([polygon_mask(landmarks[list(one)], size) for one in CHEEKS])
    skin = _Colours(features[cheeks > 0.5], _LEAST_VARIANCE + _SHADE)
    hair = _Colours(features[_top_of_head(head, landmarks, size) * person > 0.9], _LEAST_VARIANCE).without(skin)
    if not hair.parts:
        return np.zeros((size, size), np.float32)
    clothed = (person > 0.9) & (oval < 0.1) & (row > min(chin + 30 * unit, size - 12 * unit))
    clothes = _Colours(features[clothed], _LEAST_VARIANCE)
    backdrop = _Colours(features[(person < 0.02) & (row < chin)], _LEAST_VARIANCE)
    likely = np.clip(_likely_places(head, landmarks, oval) * np.clip(person + 0.02, 0.0, 1.0), 1e-4, 0.9)
    clothes_likely = np.clip((row - chin) / (40.0 * unit) + 0.5, 0.005, 0.9) * (1.0 - likely)
    below_brows = blur(oval * np.clip((row - brows + 3 * unit) / (4 * unit), 0.0, 1.0), unit)
    allowed = (1.0 - below_brows) * np.clip(1.2 * person - 0.1, 0.0, 1.0)

    def told_from(clothes: _Colours) -> FloatArray:
        evidence = np.stack(
            [
                hair.log_likelihood(features) + np.log(likely),
                skin.log_likelihood(features) + np.log(1.0 - likely),
                clothes.log_likelihood(features) + np.log(clothes_likely),
                backdrop.log_likelihood(features) + np.log(np.clip(1.02 - person, 0.005, 1.0)),
            ]
        )
        odds = np.exp(evidence - evidence.max(axis=0))
        rough = blur(np.asarray(odds[0] / odds.sum(axis=0), np.float32), unit)
        slope, offset = guided(rgb, rough, round(4.0 * unit))
        matte = np.einsum("hwc,hwc->hw", slope, rgb) + offset
        return np.asarray(np.clip(1.1 * matte - 0.05, 0.0, 1.0) * allowed, np.float32)

    matte = told_from(clothes)
    hangs = _hanging(matte, landmarks, (oval < 0.1) & (person > 0.5))
    if hangs.any():
        # Where clothes were looked for there is hair too.
        matte = told_from(clothes.without(hair))
    fade_px = unit * (_FADE_SHORT_PX + hangs * (_FADE_LONG_PX - _FADE_SHORT_PX))
    return np.asarray(matte * np.clip(1.0 - (row - chin) / fade_px, 0.0, 1.0), np.float32)


def _hanging(matte: FloatArray, landmarks: FloatArray, beside: npt.NDArray[np.bool_]) -> FloatArray:
    """(S,) by column, alike on either side of the face: 1 where hair hangs beside the jaw, 0 where it is short.

    Only hair that hangs there goes on below; what has its colours below short hair is shade or a jacket.
    """
    size = matte.shape[0]
    chin, middle = landmarks[_CHIN, 1], float(landmarks[_NOSE_TIP, 0])
    rows = np.clip(np.array([chin - _BESIDE_PX * size / 256.0, chin]).astype(int), 0, size)
    hanging = np.empty(size, np.float32)
    for side in (slice(0, int(middle)), slice(int(middle), size)):
        band = np.s_[rows[0] : rows[1], side]
        share = float((matte[band] * beside[band]).sum()) / max(float(beside[band].sum()), 1.0)
        hanging[side] = np.clip((share - _SHORT_SHARE) / (_LONG_SHARE - _SHORT_SHARE), 0.0, 1.0)
    return hanging


class _Colours:
    """A mixture of Gaussians over the features of some pixels; of too few pixels it has no parts.

    Args:
        samples: (N, 4).
        variance: (4, 4) added to each part's own.
    """

    def __init__(self, samples: FloatArray, variance: Doubles) -> None:
        self.parts: list[tuple[Doubles, Doubles, float]] = []
        if len(samples) < _MIN_SAMPLES:
            return
        cv2.setRNGSeed(0)
        enough = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.01)
        labels = cv2.kmeans(samples, _COLOURS, None, enough, 2, cv2.KMEANS_PP_CENTERS)[1][:, 0]  # type: ignore[call-overload]
        for label in range(_COLOURS):
            alike = samples[labels == label].astype(np.float64)
            if len(alike) >= _MIN_OF_ONE_COLOUR:
                self.parts.append((alike.mean(axis=0), np.cov(alike.T) + variance, len(alike) / len(samples)))

    def without(self, other: _Colours) -> _Colours:
        """Without the parts that are colours of the other."""
        self.parts = [part for part in self.parts if other.distance(part[0]) >= _BALD_BELOW]
        return self

    def distance(self, colour: Doubles) -> float:
        """To the nearest part, in its standard deviations."""
        away = [(colour - mean, covariance) for mean, covariance, _ in self.parts]
        return min((float(np.sqrt(one @ np.linalg.solve(covariance, one))) for one, covariance in away), default=np.inf)

    def log_likelihood(self, features: FloatArray) -> Doubles:
        """(S, S, 4) to (S, S)."""
        total = np.full(features.shape[:2], _NOT_SEEN)
        for mean, covariance, share in self.parts:
            away = features - mean
            squared = np.einsum("yxi,ij,yxj->yx", away, np.linalg.inv(covariance), away)
            total = np.logaddexp(total, np.log(share) - 0.5 * (squared + np.linalg.slogdet(covariance)[1]))
        return np.asarray(total)


def _features(rgb: FloatArray, unit: float) -> FloatArray:
    """(S, S, 4): light, red against it, blue against it, texture."""
    logs = blur(log_colour(rgb), 0.7 * unit)
    light = luminance(logs)
    fine = light - blur(light, 2.0 * unit)
    texture = 0.5 * np.log(blur(fine**2, 3.0 * unit) + 1e-5)
    stacked = [0.6 * light, logs[..., 0] - light, logs[..., 2] - light, 0.4 * texture]
    return np.stack(stacked, axis=-1).astype(np.float32)


def _top_of_head(head: HeadPoints, landmarks: FloatArray, size: int) -> FloatArray:
    """Above the hairline, where even a receding one leaves hair."""
    skull = polygon_mask(np.asarray(cv2.convexHull(head.skull.astype(np.float32))[:, 0], np.float32), size, soft_px=0.5)
    line = head.hairline - [0.0, 0.10 * float(np.ptp(landmarks[list(OVAL), 1]))]
    (left, left_row), (right, right_row) = line[0], line[-1]
    corners = [
        [right + size, right_row],
        [right + size, 4.0 * size],
        [left - size, 4.0 * size],
        [left - size, left_row],
    ]
    below = polygon_mask(np.concatenate([line, corners]).astype(np.float32), size, soft_px=0.5)
    return np.asarray(skull * (1.0 - below), np.float32)


def _likely_places(head: HeadPoints, landmarks: FloatArray, oval: FloatArray) -> FloatArray:
    """How likely hair is by place alone, (S, S) in 0..1."""
    size = oval.shape[0]
    unit = size / 256.0
    row = np.arange(size, dtype=np.float32)[:, None]
    chin, brows = float(landmarks[_CHIN, 1]), float(landmarks[list(_BROW_TOPS), 1].min())
    share_down = (row - brows) / (chin - brows)
    by_height = np.select([share_down > 1.0, share_down > 0.65, share_down > 0.35], [0.2, 0.35, 0.6], 0.9)
    hairline = np.concatenate([head.hairline, landmarks[[_CHIN]]]).astype(np.float32)
    forehead = polygon_mask(hairline, size, soft_px=3.0 * unit)
    low = oval * np.clip((row - brows + 4 * unit) / (4 * unit), 0.0, 1.0)
    ears = np.zeros((size, size), np.float32)
    for ear in np.split(head.ears, 2):
        (x, y), height = ear.mean(axis=0), float(np.ptp(ear[:, 1]))
        outwards = np.sign(x - landmarks[_NOSE_TIP, 0])
        centre = int(x + 0.2 * height * outwards), int(y + 0.1 * height)
        cv2.ellipse(ears, centre, (int(0.4 * height), int(0.65 * height)), 0, 0, 360, 1.0, -1)
    below = [np.roll(oval, round(step * unit), axis=0) for step in (10.0, 25.0, 40.0)]
    throat = np.maximum.reduce([oval, *below]) - oval
    throat *= np.clip((row - brows) / (chin - brows) * 4.0 - 3.0, 0.0, 1.0)
    likely = (
        by_height
        * (1.0 - 0.93 * throat)
        * (1.0 - 0.75 * forehead)
        * (1.0 - 0.8 * oval)
        * (1.0 - 0.95 * low)
        * (1.0 - 0.9 * blur(ears, 2.0 * unit))
    )
    return np.asarray(likely, np.float32)
