"""Skin at any age: a young texture of MakeHuman, aged by what tells its older textures from young ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nuke_reage.core.errors import UsageError
from nuke_reage.training.pictures import list_pictures, read_picture
from nuke_reage.training.render.raster import Floats, floats

__all__ = ["HEAD_UV", "Skin", "SkinSet", "wrinkle_heights"]

HEAD_UV = (0.586, 0.146, 1.0, 0.88)
"""Left, top, right, bottom of the head in the texture, as shares of its sides, v down."""

_STAGES = ("young", "middleage", "old")
_DARK = 0.02
_TONE_SHARE, _DETAIL_SHARE = 0.8, 1.2
_CHART_PX, _CHART_SPAN = 512, 6.0


@dataclass(frozen=True)
class _File:
    path: Path
    stage: str
    dark: bool
    female: bool


class SkinSet:
    """A folder of MakeHuman skins, ``STAGE_TONE_SEX_diffuse.png``.

    Args:
        folder: where they lie.

    Raises:
        UsageError: ``no-skins``, a stage of life is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._files = []
        for path in list_pictures(folder):
            words = path.stem.split("_")
            if words[0] in _STAGES:
                self._files.append(_File(path, words[0], "darkskinned" in words, "female" in words))
        if {one.stage for one in self._files} != set(_STAGES):
            raise UsageError(
                "no-skins",
                f"{folder} does not hold young_, middleage_ and old_ skins.",
                "Give a folder of MakeHuman's own skins (CC0), such as young_lightskinned_male_diffuse.png.",
            )

    def choose(self, *, dark: bool, female: bool, rng: np.random.Generator) -> Skin:
        """A skin for a person: what fits best, and small random differences."""
        chosen = []
        for stage in _STAGES:
            of_stage = [one for one in self._files if one.stage == stage]
            fit = [2 * (one.dark == dark) + (one.female == female) for one in of_stage]
            best = [one for one, own in zip(of_stage, fit, strict=True) if own == max(fit)]
            chosen.append(best[int(rng.integers(len(best)))])
        shift = rng.normal(0.0, 0.07) + rng.normal(0.0, 0.025, 3)
        young, middle, old = (np.log(_head(one.path) + _DARK) for one in chosen)
        # Another sex's or tone's old skin lends its lines, not its beard or colour.
        lent = 0.8 if chosen[2].female != female else 1.0
        return Skin(floats(young + shift), _ageing(middle - young), floats(lent * _ageing(old - young)))


@dataclass(frozen=True, eq=False)
class Skin:
    """One person's skin.

    Attributes:
        young: (H, W, 3) logarithm of the head's texture at 25.
        middle: what 50 adds to it.
        old: what 80 adds.
    """

    young: Floats
    middle: Floats
    old: Floats

    def at(self, age_years: float) -> Floats:
        """(H, W, 3) float32 linear reflectance of the head."""
        to_middle = float(np.clip((age_years - 27.0) / 23.0, 0.0, 1.0))
        to_old = float(np.clip((age_years - 50.0) / 28.0, 0.0, 1.1))
        log = self.young + to_middle * (1.0 - min(to_old, 1.0)) * self.middle + to_old * self.old
        return np.asarray(np.clip(np.exp(log) - _DARK, 0.0, 1.0) ** 2.2, np.float32)


def wrinkle_heights(age_years: float, rng: np.random.Generator) -> Floats:
    """Lines of a face seen from the front.

    Args:
        age_years: they deepen with it; each begins at an age of its own.
        rng: the person's; the same at all ages.

    Returns:
        (512, 512) float32, 0 = smooth, negative = a furrow; six eye distances a side around the middle of the eyes.
    """
    chart = np.zeros((_CHART_PX, _CHART_PX), np.float32)

    def line(points: list[tuple[float, float]], width: float, depth: float, onset_years: float) -> None:
        strength = depth * float(np.clip((age_years - onset_years) / 25.0, 0.0, 1.2))
        if strength == 0.0:
            return
        steps = np.linspace(0.0, 1.0, len(points))
        fine = np.linspace(0.0, 1.0, 48)
        smooth = np.polynomial.Polynomial.fit
        degree = min(3, len(points) - 1)
        x, y = (smooth(steps, [one[axis] for one in points], degree)(fine) for axis in (0, 1))
        at = np.stack([x, -y], axis=1) * (_CHART_PX / _CHART_SPAN) + _CHART_PX / 2
        own = np.zeros_like(chart)
        for i in range(len(at) - 1):
            fade = float(np.sin(np.pi * (i + 0.5) / (len(at) - 1)) ** 0.6)
            ends = [tuple(round(float(16 * value)) for value in point) for point in at[i : i + 2]]
            cv2.line(own, ends[0], ends[1], fade, 1, cv2.LINE_AA, 4)
        np.add(chart, -strength * cv2.GaussianBlur(own, (0, 0), width), out=chart)

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    for index in range(int(rng.integers(3, 6))):
        y, wide, bow = 0.55 + 0.17 * index + between(-0.03, 0.03), between(0.45, 0.85), between(0.0, 0.08)
        line(
            [(-wide, y - bow), (-wide / 3, y), (wide / 3, y), (wide, y - bow)], 0.9, between(0.4, 1.0), between(36, 58)
        )
    for side in (-1.0, 1.0):
        line([(side * 0.09, 0.12), (side * 0.08, 0.3), (side * 0.1, 0.42)], 0.9, between(0.2, 0.9), between(36, 60))
        for _ in range(int(rng.integers(3, 7))):
            angle, long = between(-0.8, 0.7), between(0.15, 0.4)
            x, y = side * between(0.92, 0.98), between(-0.06, 0.05)
            end = (x + side * long * np.cos(angle), y + long * np.sin(angle))
            line([(x, y), ((x + end[0]) / 2, (y + end[1]) / 2 + 0.02), end], 0.7, between(0.4, 0.9), between(34, 58))
        for index in range(int(rng.integers(1, 4))):
            y = -0.22 - 0.08 * index
            line(
                [(side * 0.25, y + 0.06), (side * 0.5, y), (side * 0.8, y + 0.08)],
                0.8,
                between(0.3, 0.8),
                between(38, 62),
            )
        line([(side * 0.3, -0.6), (side * 0.42, -0.85), (side * 0.52, -1.15)], 1.5, between(0.8, 1.6), between(28, 44))
        line([(side * 0.5, -1.22), (side * 0.53, -1.4), (side * 0.5, -1.55)], 1.2, between(0.4, 1.1), between(42, 60))
    return chart


def _head(path: Path) -> Floats:
    picture = read_picture(path)
    height, width = picture.shape[:2]
    left, top, right, bottom = HEAD_UV
    return picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def _ageing(log_ratio: Floats) -> Floats:
    """Little change of tone, most of the change of detail."""
    tone = cv2.GaussianBlur(log_ratio, (0, 0), 25.0)
    detail = np.clip(log_ratio - tone, -0.8, 0.8)
    return np.asarray(_TONE_SHARE * np.clip(tone, -0.3, 0.12) + _DETAIL_SHARE * detail, np.float32)
