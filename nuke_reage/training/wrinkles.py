"""Lines that come with age, as changes of log colour over the mean face.

Two sources: a file of maps made from rendered heads, or pictures of people who are there at many ages
(``person/AGE.png``), of which the maps are measured.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from nuke_reage.core.errors import UsageError
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import FaceMesh, blur, masked_blur
from nuke_reage.training.hair import HairFinder
from nuke_reage.training.layout import Person
from nuke_reage.training.pictures import read_picture
from nuke_reage.training.portraits import crop_face
from nuke_reage.training.statistics import detail_bands, log_colour, luminance

__all__ = ["WrinkleMaps", "load_wrinkles", "measure_wrinkles"]

_TONE_PX = 14.0
_TONE_SHARE = 0.9
_CHROMA_SHARE = 0.35
_MAX_YAW_DEGREES = 20.0
_LOW, _HIGH = -0.7, 0.22


@dataclass(frozen=True, eq=False)
class WrinkleMaps:
    """How the skin of some people changes with age.

    Attributes:
        ages: (K,) years, rising; the first is the reference, where nothing has changed yet.
        maps: (N, K, S, S, 3) change of log colour against the reference age, tone taken out; the first is 0.
        coarse: (N, K, S, S) coarse detail of each at each age, to find out whom a face resembles; None = not known.
    """

    ages: tuple[float, ...]
    maps: FloatArray
    coarse: FloatArray | None

    def between(self, index: int, from_years: float, to_years: float) -> FloatArray:
        """The change of one person's skin between two ages, (S, S, 3); ages beyond the ends are held."""
        return self._at(index, to_years) - self._at(index, from_years)

    def resembling(self, coarse: FloatArray, skin: FloatArray, years: float) -> int:
        """The one whose coarse detail at an age lies most where a face has its own.

        A deterministic choice from the picture itself, which a network can learn to follow.

        Args:
            coarse: (S, S) detail of the face on the mean face.
            skin: (S, S) where to compare, 0..1.
            years: age of the face.
        """
        nearest = int(np.argmin([abs(age - years) for age in self.ages]))
        others = self.maps[:, nearest].mean(axis=-1) if self.coarse is None else self.coarse[:, nearest]
        own = coarse * skin
        scores = [
            float((own * one * skin).sum() / (np.linalg.norm(own) * np.linalg.norm(one * skin) + 1e-6))
            for one in others
        ]
        return int(np.argmax(scores))

    def _at(self, index: int, years: float) -> FloatArray:
        held = min(max(years, self.ages[0]), self.ages[-1])
        upper = int(np.searchsorted(self.ages, held, side="left"))
        if upper == 0:
            return np.asarray(self.maps[index, 0])
        low, high = self.ages[upper - 1], self.ages[upper]
        share = np.float32((held - low) / (high - low))
        return np.asarray(self.maps[index, upper - 1] * (1 - share) + self.maps[index, upper] * share, np.float32)


def load_wrinkles(path: str | os.PathLike[str], canvas_px: int) -> WrinkleMaps:
    """Read maps from a ``.npz`` with ``log_ratio`` (N, K, S, S, 3), ``ages`` (K,) and ``reference_age``.

    Raises:
        UsageError: the file is missing, damaged or holds something else.
    """
    hint = "Give a .npz with log_ratio (N, K, S, S, 3), ages (K,) and reference_age, or a folder person/AGE.png."
    try:
        with np.load(path, allow_pickle=False) as data:
            ratio = np.asarray(data["log_ratio"], np.float32)
            ages = (float(data["reference_age"]), *(float(age) for age in data["ages"]))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError("bad-wrinkles", f"Cannot read wrinkle maps from {path}: {error}.", hint) from None
    square = ratio.ndim == 5 and ratio.shape[2] == ratio.shape[3] and ratio.shape[4] == 3
    if not square or ratio.shape[1] + 1 != len(ages) or list(ages) != sorted(set(ages)):
        raise UsageError("bad-wrinkles", f"{path} has log_ratio {ratio.shape} and {len(ages)} ages.", hint)
    if ratio.shape[2] != canvas_px:
        flat = ratio.reshape(-1, *ratio.shape[2:])
        ratio = np.stack([cv2.resize(one, (canvas_px, canvas_px)) for one in flat]).reshape(
            *ratio.shape[:2], canvas_px, canvas_px, 3
        )
    # Rendered heads are alike left and right only by chance of their light; both sides get the mean of both.
    ratio = 0.5 * (ratio + ratio[:, :, :, ::-1])
    return WrinkleMaps(ages, np.concatenate([np.zeros_like(ratio[:, :1]), ratio], axis=1), None)


def measure_wrinkles(people: Sequence[Person], mesh: FaceMesh) -> WrinkleMaps:
    """Measure the maps on people who are there at many ages.

    Ages that not everybody has are left out, and so are people who look aside, unless there is nobody else.

    Args:
        people: at least one, with at least two common ages.
        mesh: the mean face.

    Raises:
        UsageError: fewer than two ages in common, or a picture without a face.
    """
    common = sorted(set.intersection(*(set(person.ages) for person in people))) if people else []
    if len(common) < 2:
        raise UsageError(
            "no-common-ages", "The people to learn wrinkles from have fewer than two ages in common.",
            "Give folders person/AGE.png with the same ages for everybody.",
        )  # fmt: skip
    parts = face_parts(mesh.mean, mesh.canvas_px)
    weight = np.clip(parts.face - np.maximum(parts.eyes, parts.lips), 0.0, 1.0)
    backend, hair = MediapipeBackend(), HairFinder()
    measured = [_measure_person(person, common, mesh, weight, backend, hair) for person in people]
    frontal = [one for one in measured if one.yaw_degrees <= _MAX_YAW_DEGREES] or measured
    filled = _fill_from_others(np.stack([one.maps for one in frontal]), np.stack([one.seen for one in frontal]))
    filled *= np.asarray(weight, np.float32)[..., None]
    return WrinkleMaps(tuple(float(age) for age in common), filled, np.stack([one.coarse for one in frontal]))


@dataclass(frozen=True, eq=False)
class _Measured:
    maps: FloatArray
    coarse: FloatArray
    seen: FloatArray
    yaw_degrees: float


def _measure_person(
    person: Person,
    ages: Sequence[int],
    mesh: FaceMesh,
    weight: FloatArray,
    backend: MediapipeBackend,
    hair: HairFinder,
) -> _Measured:
    series, covered, yaws = [], [], []
    for age in ages:
        path = person.picture(age)
        crop = crop_face(read_picture(path), mesh.canvas_px, backend)
        if crop is None:
            raise UsageError("no-face-in-set", f"No face was found in {path}.", "Take the picture out.")
        to_mean = mesh.to_mean(crop.landmarks)
        series.append(to_mean(log_colour(crop.rgb)))
        yaws.append(abs(crop.yaw_degrees))
        if age in (ages[0], ages[-1]):
            found = hair.find(crop.rgb, crop.landmarks, face_parts(crop.landmarks, mesh.canvas_px))
            covered += [to_mean(found.head), 1.0 - _turned_to_camera(mesh, crop.yaw_degrees)]
    maps = np.stack([_without_tone(one - series[0], weight, mesh.canvas_px) for one in series])
    coarse = np.stack([detail_bands(luminance(one)).coarse for one in series])
    seen = weight * (1.0 - np.clip(blur(np.maximum.reduce(covered), 2.0), 0.0, 1.0))
    return _Measured(maps, coarse, np.asarray(seen, np.float32), float(np.median(yaws)))


def _turned_to_camera(mesh: FaceMesh, yaw_degrees: float) -> FloatArray:
    """(S, S) in 0..1: what a turned head still shows well enough to measure."""
    middle, half = mesh.mean[:, 0].mean(), np.ptp(mesh.mean[:, 0]) / 2
    # The side that the nose points to is foreshortened, and soon hidden.
    side = (np.arange(mesh.canvas_px, dtype=np.float32) - middle) / half * np.sign(yaw_degrees)
    limit = 1.0 - (abs(yaw_degrees) - 8.0) / 25.0
    row = 1.0 / (1.0 + np.exp((side - limit) * 10.0))
    return np.asarray(np.broadcast_to(row, (mesh.canvas_px, mesh.canvas_px)), np.float32)


def _fill_from_others(maps: FloatArray, seen: FloatArray) -> FloatArray:
    """Where hair or the pose hides a face, take its other half, then what the others have there."""
    mirrored, mirrored_seen = maps[:, :, :, ::-1], seen[:, :, ::-1]
    everybody = np.concatenate([seen, mirrored_seen])[:, None, ..., None]
    mean = (np.concatenate([maps, mirrored]) * everybody).sum(axis=0) / (everybody.sum(axis=0) + 0.05)
    own = seen[:, None, ..., None]
    other_half = mirrored_seen[:, None, ..., None] * (1.0 - own)
    return np.asarray(own * maps + other_half * mirrored + (1.0 - own - other_half) * mean, np.float32)


def _without_tone(ratio: FloatArray, weight: FloatArray, canvas_px: int) -> FloatArray:
    """Keep lines, folds and blotches; leave out that the whole face became paler or warmer."""
    tone = masked_blur(ratio, weight, _TONE_PX * canvas_px / 256.0)
    # A whole-face change of hue would be a colour cast on somebody else's skin.
    light = luminance(ratio - tone * _TONE_SHARE)[..., None]
    chroma = (ratio - tone) - luminance(ratio - tone)[..., None]
    return np.asarray(np.clip(light + _CHROMA_SHARE * blur(chroma, 1.0), _LOW, _HIGH) * weight[..., None], np.float32)
