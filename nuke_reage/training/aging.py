"""One portrait at any age: the statistics of aging, applied to the person's own face.

The person's skin, light and identity stay.  What changes: the low frequencies of log colour by the regression; the
face's *own* detail by the ratio of energies (wrinkles that are there deepen or fade); new lines from wrinkle maps;
hair and brows; and the shape, by moving landmarks.  The same portrait and age always give the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.anatomy import FaceParts, face_parts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import FaceMesh, MeshMap, blur, faded_to_rim
from nuke_reage.imaging.relief import DISPLAY_GAMMA, Relief, ReliefOnFace, fit_light
from nuke_reage.training.complexion import Complexion, tinted
from nuke_reage.training.hair import Hair, HairFinder, recolour
from nuke_reage.training.portraits import Portrait
from nuke_reage.training.statistics import (
    AgingStatistics,
    DetailBands,
    align,
    detail_bands,
    encoded_colour,
    log_colour,
    luminance,
)
from nuke_reage.training.wrinkles import WrinkleMaps

__all__ = ["Ager", "Strengths"]

_DEAD_YEARS = 2.0
_MAX_STRENGTH = 3.0
# In pixels of a 256 canvas.
_RIM_PX, _BROAD_PX = 14.0, 5.0
_SHINE_SHARE = 0.35


@dataclass(frozen=True)
class Strengths:
    """How much of each effect is applied; 1 = as measured.

    Attributes:
        tone: luminance of the low frequencies, towards age.
        youth_tone: the same towards youth.
        highlights: share of what gets brighter with age, beside folds, that the low frequencies keep.
        hue: colour of the low frequencies.
        own_detail: exponent on the ratio of detail energies.
        smoothing: share of detail that a change of 35 years towards youth takes away.
        furrows: share of broad dark folds that it fills.
        wrinkles: new lines from the maps.
        relief: new lines as drawn and lit.
        shape: movement of the landmarks.

    Raises:
        UsageError: a strength is negative or above 3.
    """

    tone: float = 1.25
    youth_tone: float = 1.25
    highlights: float = 1.0
    hue: float = 0.5
    own_detail: float = 1.5
    smoothing: float = 0.85
    furrows: float = 0.5
    wrinkles: float = 1.0
    relief: float = 1.0
    shape: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= _MAX_STRENGTH:
                raise UsageError(
                    "bad-strength", f"Strength {name} is {value:g}.", f"It goes from 0 to {_MAX_STRENGTH:g}."
                )


@dataclass(frozen=True, eq=False)
class _Face:
    portrait: Portrait
    parts: FaceParts
    hair: Hair
    logs: FloatArray
    luminance: FloatArray
    bands: DetailBands
    exemplars: tuple[int, ...]
    from_mean: MeshMap
    relief: ReliefOnFace
    calm_rim: FloatArray
    complexion: Complexion


class Ager:
    """Makes pictures of a person at other ages.

    Args:
        statistics: of aging.
        wrinkles: maps of new lines, on the same mean face; of several the mean effect is taken.
        strengths: of the effects.
        exemplars: by sex, whose lines of each of the maps everybody gets; None = those that a face's own resemble.
    """

    def __init__(
        self,
        statistics: AgingStatistics,
        wrinkles: Sequence[WrinkleMaps] = (),
        strengths: Strengths | None = None,
        exemplars: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._statistics = statistics
        self._wrinkles = tuple(wrinkles)
        self._exemplars = exemplars
        self._strengths = strengths or Strengths()
        self._mesh = FaceMesh(statistics.mean_landmarks, statistics.canvas_px)
        self._relief = Relief(self._mesh)
        self._hair = HairFinder()
        self._mean_skin = face_parts(self._mesh.mean, statistics.canvas_px).skin
        self._unit = statistics.canvas_px / 256.0

    def at_ages(self, portrait: Portrait, ages_years: tuple[float, ...]) -> list[FloatArray]:
        """The person at these ages.

        Args:
            portrait: on a canvas of the statistics' size.
            ages_years: wanted.

        Returns:
            (S, S, 3) encoded, 0..1, each aligned with the portrait pixel by pixel.
        """
        face = self._study(portrait)
        return [self._at(face, float(age)) for age in ages_years]

    def resembling(self, portrait: Portrait) -> tuple[int, ...]:
        """Whose lines, of each of the maps, lie most where the portrait has its own."""
        coarse = detail_bands(luminance(log_colour(portrait.crop.rgb))).coarse
        on_mean = self._mesh.to_mean(portrait.crop.landmarks)(coarse)
        return tuple(one.resembling(on_mean, self._mean_skin, portrait.age_years) for one in self._wrinkles)

    def _study(self, portrait: Portrait) -> _Face:
        crop = portrait.crop
        parts = face_parts(crop.landmarks, self._statistics.canvas_px)
        logs = log_colour(crop.rgb)
        light = luminance(logs)
        lit = fit_light(crop.rgb, parts.skin, crop.landmarks)
        relief = self._relief.on_face(crop.landmarks, self._statistics.canvas_px, lit)
        exemplars = tuple((self._exemplars or {}).get(portrait.sex) or self.resembling(portrait))
        calm_rim = faded_to_rim((parts.face > 0.5).astype(np.uint8), _RIM_PX * self._unit)
        hair = self._hair.find(crop.rgb, crop.landmarks, parts)
        bare = np.asarray(parts.skin * calm_rim * (1.0 - np.clip(hair.head, 0.0, 1.0)), np.float32)
        complexion = Complexion.of(crop.rgb, logs, parts, bare)
        bands = detail_bands(light)
        return _Face(portrait, parts, hair, logs, light, bands, exemplars, relief.to_face, relief, calm_rim, complexion)

    def _at(self, face: _Face, years: float) -> FloatArray:
        gap = years - face.portrait.age_years
        if abs(gap) <= _DEAD_YEARS:
            return face.portrait.crop.rgb
        change = self._low_frequencies(face, years)
        detail = self._younger_detail(face, -gap) if gap < 0 else self._older_detail(face, years)
        lines = face.parts.skin * np.clip(detail, -0.6, 0.5)
        if gap > 0:
            # A younger face loses lines that it has, never lines as drawn: those would leave scars.
            lines += self._relief_lines(face, years)
        if self._wrinkles:
            lines += self._new_lines(face, years)
        change = face.complexion.settled(change + tinted(lines)) if gap > 0 else change + face.complexion.cleared(lines)
        change = face.complexion.without_glow(change, spare_features=gap > 0)
        aged = encoded_colour(np.asarray(face.logs + change))
        aged = recolour(aged, face.hair, face.portrait.age_years, years)
        return np.clip(self._reshape(aged, face, years), 0.0, 1.0)

    def _low_frequencies(self, face: _Face, years: float) -> FloatArray:
        portrait, unit, strengths = face.portrait, self._unit, self._strengths
        shift = self._statistics.change(self._statistics.colour, portrait.sex, portrait.age_years, years)
        shift = blur(face.from_mean(shift), 2.0 * unit)
        tone = luminance(shift)
        hue = shift - tone[..., None]
        local = tone - blur(tone, 30.0 * unit)
        older = years > portrait.age_years
        brightens = local > 0 if older else local < 0
        local = np.where(brightens, strengths.highlights * local, local)
        kept = face.parts.face * face.calm_rim * (1.0 - 0.6 * face.parts.features)
        strength = strengths.tone if older else strengths.youth_tone
        # As it was measured it has its own hue; what is more than that is shaded as skin is.
        shaded = local[..., None] + (strength - 1.0) * tinted(local)
        return np.asarray(kept[..., None] * (shaded + strengths.hue * hue), np.float32)

    def _older_detail(self, face: _Face, years: float) -> FloatArray:
        """The face's own lines, deeper."""
        total = np.zeros_like(face.luminance)
        for coefficients, band in (
            (self._statistics.fine, face.bands.fine),
            (self._statistics.coarse, face.bands.coarse),
        ):
            energy = self._statistics.change(coefficients, face.portrait.sex, face.portrait.age_years, years)
            # Energy is amplitude squared, hence the half.
            gain = np.exp(np.clip(0.5 * self._strengths.own_detail * face.from_mean(energy), -0.7, 0.9))
            # Wrinkles are shadows: what shines between them stays nearly as it is.
            total += np.where(band < 0.0, band, _SHINE_SHARE * band) * (gain - 1.0)
        return total

    def _younger_detail(self, face: _Face, years_less: float) -> FloatArray:
        """Less of the face's own lines; dark folds more than highlights, because wrinkles are shadows."""
        share = self._strengths.smoothing * min(1.0, years_less / 35.0)
        coarse = np.where(face.bands.coarse < 0, face.bands.coarse, 0.7 * face.bands.coarse)
        smoother = -share * (coarse + 0.45 * face.bands.fine)
        broad = blur(face.luminance, 6.0 * self._unit) - blur(face.luminance, 14.0 * self._unit)
        filled = np.maximum(0.0, -broad) * self._strengths.furrows * share
        return np.asarray(smoother + filled, np.float32)

    def _relief_lines(self, face: _Face, years: float) -> FloatArray:
        lines = face.relief.log_shading(face.portrait.age_years, years)
        return np.asarray(self._strengths.relief * self._bare_skin(face) * lines / DISPLAY_GAMMA, np.float32)

    def _bare_skin(self, face: _Face) -> FloatArray:
        parts = face.parts
        kept = parts.face * (1.0 - np.maximum(parts.eyes, np.maximum(parts.lips, 0.6 * parts.brows)))
        return np.asarray(kept * (1.0 - np.clip(face.hair.head, 0.0, 1.0)), np.float32)

    def _new_lines(self, face: _Face, years: float) -> FloatArray:
        own_years = face.portrait.age_years
        sources = zip(self._wrinkles, face.exemplars, strict=True)
        shares = [one.between(index, own_years, years) for one, index in sources]
        lines = np.asarray(sum(shares), np.float32) / np.float32(len(shares))
        if years < face.portrait.age_years:
            # The lines of another face, taken away from this one, would leave bright scars: only their broad part goes.
            lines = blur(lines, 4.0 * self._unit) * 0.7
        # Hue of their lines is the hue of their skin: on another it is a stain.
        laid = face.from_mean(luminance(lines))
        # What they change broadly, a lower forehead say, would end at the outline of the mesh like a cap.
        broad = blur(laid, _BROAD_PX * self._unit)
        laid = laid - (1.0 - face.calm_rim) * broad
        # Wrinkles are shadows.  What got brighter beside them is mostly another face's light, worst on its lids.
        around_eyes = np.minimum(1.0, 3.0 * blur(face.parts.eyes, 4.0 * self._unit))
        laid = np.where(laid > 0, laid * (0.7 - 0.6 * around_eyes), laid)
        return np.asarray(self._strengths.wrinkles * self._bare_skin(face) * laid, np.float32)

    def _reshape(self, rgb: FloatArray, face: _Face, years: float) -> FloatArray:
        statistics, landmarks = self._statistics, face.portrait.crop.landmarks
        away = statistics.change(statistics.shape, face.portrait.sex, face.portrait.age_years, years)
        mean = statistics.mean_landmarks
        moved = align(mean + away * self._strengths.shape, landmarks) - align(mean, landmarks)
        size, unit = statistics.canvas_px, self._unit
        field = np.zeros((size, size, 2), np.float32)
        amount = np.zeros((size, size), np.float32)
        cells = np.floor(landmarks).astype(int)
        inside = ((cells >= 0) & (cells < size)).all(axis=1)
        np.add.at(field, (cells[inside, 1], cells[inside, 0]), moved[inside])
        np.add.at(amount, (cells[inside, 1], cells[inside, 0]), 1.0)
        spread = blur(amount, 7.0 * unit)
        field = blur(field, 7.0 * unit) / (spread + 0.06 * spread.max())[..., None]
        x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
        return np.asarray(
            cv2.remap(rgb, x - field[..., 0], y - field[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101),
            np.float32,
        )
