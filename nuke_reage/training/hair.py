"""Hair and brows that lose or regain their colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from nuke_reage.imaging.anatomy import CHEEKS, OVAL, FaceParts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import blur, polygon_mask
from nuke_reage.training.statistics import log_colour, luminance

__all__ = ["Hair", "find_hair", "recolour"]

_ONSET_YEARS, _SPAN_YEARS = 44.0, 30.0
_GRABCUT_ROUNDS = 3
_WORK_PX = 128
_GREY_TINT = np.array([1.0, 0.985, 0.965], np.float32)
_BROWN_TINT = np.array([1.0, 0.80, 0.64], np.float32)


@dataclass(frozen=True, eq=False)
class Hair:
    """Where hair grows, (S, S) in 0..1 each.

    Attributes:
        head: hair of the head.
        brows: eyebrows.
        faded: how little colour the hair has already, 0 = fully coloured or dark, 1 = white.
    """

    head: FloatArray
    brows: FloatArray
    faded: FloatArray


def find_hair(rgb: FloatArray, landmarks: FloatArray, parts: FaceParts) -> Hair:
    """Find hair: part of the person, outside the face, unlike the cheeks in colour.

    Args:
        rgb: (S, S, 3) encoded, 0..1.
        landmarks: (468, 2) canvas pixels.
        parts: of the same face.
    """
    canvas_px = rgb.shape[0]
    unit = canvas_px / 256.0
    person = _person(rgb, landmarks)
    logs = log_colour(rgb)
    cheeks = sum(polygon_mask(landmarks[list(one)], canvas_px) for one in CHEEKS)
    weight = np.asarray(cheeks, np.float32)[..., None] / np.sum(cheeks)
    away = (logs * weight).sum(axis=(0, 1)) - logs
    darker = luminance(away)
    chroma = np.linalg.norm(away - darker[..., None], axis=2)
    oval = polygon_mask(landmarks[list(OVAL)], canvas_px, grow_px=1.0 * unit, soft_px=1.5 * unit)
    # Skin in shade is darker than the cheeks too, but of their hue.
    unlike_skin = 1.0 / (1.0 + np.exp(-((darker - 0.6) * 7.0 + (chroma - 0.22) * 9.0)))
    # Hair that hangs down beside the face is kept down to the chin; clothes are not.
    row = np.arange(canvas_px, dtype=np.float32)[:, None]
    chin = float(landmarks[152, 1])
    above_chin = 1.0 / (1.0 + np.exp((row - (chin - 14 * unit)) / (4.0 * unit)))
    light_hair = _streaky(luminance(rgb), unit)
    outside = person * (1.0 - oval) * above_chin * np.maximum(unlike_skin, light_hair * 0.8)
    brow_row = float(min(landmarks[105, 1], landmarks[334, 1]))
    over_brows = 1.0 / (1.0 + np.exp((row - (brow_row - 9 * unit)) / (3.0 * unit)))
    fringe = oval * over_brows / (1.0 + np.exp(-(darker - 0.65) * 10.0))
    head = blur(np.clip(outside + fringe, 0.0, 1.0).astype(np.float32), 1.2 * unit)
    brows = parts.brows * np.clip((darker - 0.12) / 0.3, 0.0, 1.0)
    return Hair(head, blur(np.asarray(brows, np.float32), 0.7 * unit), _faded(rgb, unit))


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
        goal = (0.40 + 0.54 * light + 0.55 * strands)[..., None] * _GREY_TINT
        amount = 0.85 * step * where
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


def _streaky(light: FloatArray, unit: float) -> FloatArray:
    """High where there is texture, as in white hair, which skin and backdrops lack."""
    band = light - blur(light, 2.0 * unit)
    return np.asarray(np.clip(np.sqrt(blur(band**2, 4.0 * unit)) / 0.035 - 0.35, 0.0, 1.0), np.float32)


def _person(rgb: FloatArray, landmarks: FloatArray) -> FloatArray:
    """The person against the backdrop, by GrabCut from the face outwards, (S, S) in 0..1."""
    canvas_px = rgb.shape[0]
    small = cv2.resize(
        np.asarray(np.clip(rgb * 255, 0, 255), np.uint8), (_WORK_PX, _WORK_PX), interpolation=cv2.INTER_AREA
    )
    points = landmarks * (_WORK_PX / canvas_px)
    oval = points[list(OVAL)]
    centre, top = oval.mean(axis=0), float(oval[:, 1].min())
    half_width = float(np.ptp(oval[:, 0])) / 2
    labels = np.full((_WORK_PX, _WORK_PX), cv2.GC_PR_BGD, np.uint8)
    reach = (centre + (oval - centre) * [1.35, 1.5]).astype(np.int32)
    cv2.fillPoly(labels, [reach], cv2.GC_PR_FGD)
    cv2.fillPoly(labels, [oval.astype(np.int32)], cv2.GC_FGD)
    chin = int(oval[:, 1].max())
    labels[chin:, int(centre[0] - half_width * 0.6) : int(centre[0] + half_width * 0.6)] = cv2.GC_FGD
    edge = 5
    upper = int(min(max(top + 0.25 * (chin - top), edge), _WORK_PX))
    labels[:edge] = labels[:upper, :edge] = labels[:upper, -edge:] = cv2.GC_BGD
    if top < edge:  # the head fills the picture: nothing is known to be backdrop there
        labels[:edge, int(centre[0] - half_width) : int(centre[0] + half_width)] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, labels, None, background, foreground, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    mask = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return blur(np.asarray(cv2.resize(mask, (canvas_px, canvas_px), interpolation=cv2.INTER_LINEAR), np.float32), 1.5)
