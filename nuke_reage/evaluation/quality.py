"""Quality of a baked shot: what to look at before anybody else does.

Everything is read back from the files that the bake wrote, the trackfile and the plate; no network runs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.core.job import JobSpec
from nuke_reage.evaluation.measures import mean_difference, motion_between, moved_by, ratio
from nuke_reage.faces.trackfile import FaceTrack, Track
from nuke_reage.imaging.blending import comp
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.media.exr import read_layers
from nuke_reage.media.layers import Layers
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource, output_path
from nuke_reage.pipeline.plan import plan_shot
from nuke_reage.pipeline.shot import encoding_of

__all__ = ["FrameQuality", "ShotQuality", "measure_quality"]

Image = npt.NDArray[np.float32]

_CONFIDENCE = 0.5
_JUMP = 0.04
_TIMES_USUAL = 4.0
_LEAST_FLICKER = 0.3
_LEAK_ABOVE_USUAL = 0.15
_SIDE_PX = 512


@dataclass(frozen=True)
class FrameQuality:
    """One frame.

    Attributes:
        frame: frame number.
        state: ``baked``, ``no-face``, or ``missing`` where there is no readable file.
        face: ``detected``, ``interpolated``, ``manual`` or ``missing``; ``unknown`` without a trackfile.
        confidence: of the detection, 0..1.
        jump: how far the crop is from the middle between its neighbours, in distances between the eyes.
        mean_delta: mean absolute change inside the mask, in encoded values, where 1 is white.
        peak_delta: largest absolute change inside the mask, likewise.
        leak: share of the delta's light that lies where the mask is not full.
        delta_change: change of the delta since the frame before, along the plate's motion; NaN at a cut or gap.
        plate_change: change of the plate itself, likewise.
        source_age: of the plate, years, as the file says; NaN where it says nothing.
        target_age: of the result, likewise.
        reasons: why somebody should look at it, worst first; empty = nothing was noticed.
    """

    frame: int
    state: str
    face: str = "unknown"
    confidence: float = 0.0
    jump: float = 0.0
    mean_delta: float = 0.0
    peak_delta: float = 0.0
    leak: float = 0.0
    delta_change: float = math.nan
    plate_change: float = math.nan
    source_age: float = math.nan
    target_age: float = math.nan
    reasons: tuple[str, ...] = ()

    @property
    def flicker(self) -> float:
        """Change of the delta over the delta, NaN where unknown."""
        return ratio(self.delta_change, self.mean_delta)


@dataclass(frozen=True)
class ShotQuality:
    """A shot.

    Attributes:
        job: what was baked.
        frames: every frame that the job asks for.
        thumbnails: by frame, the plate's and the comp's face side by side, (H, W, 3) uint8: the frames to look at
            first, and some others.
    """

    job: JobSpec
    frames: tuple[FrameQuality, ...]
    thumbnails: dict[int, npt.NDArray[np.uint8]]

    @property
    def attention(self) -> tuple[FrameQuality, ...]:
        """The frames to look at first, those with the most reasons before the others."""
        return tuple(sorted((one for one in self.frames if one.reasons), key=lambda one: -len(one.reasons)))

    def count(self, **wanted: str) -> int:
        """How many frames have these values, for example ``count(face="interpolated")``."""
        return sum(all(getattr(one, name) == value for name, value in wanted.items()) for one in self.frames)


def measure_quality(
    job: JobSpec, *, frames: str = "", progress: Callable[[int, int], None] = lambda done, total: None
) -> ShotQuality:
    """Measure what a bake has left.

    Args:
        job: as it was baked; its trackfile must be there, unless the plate is a single still.
        frames: frame range that counts instead of the job's own.
        progress: called with done, total.

    Raises:
        UsageError: what was baked has no delta and mask.
        ReageError: the plate cannot be opened, or there is no track.
    """
    plan = plan_shot(job, frames)
    job = plan.job
    face, encoding = None, NetworkEncoding(plan.space)
    if len(plan.source.frames) > 1 or plan.track.path.exists():
        face = Track.load(plan.track.path).face(job.face.select)
        encoding = encoding_of(job, plan.space, face)
    reader = _Reader(job, plan.source, encoding)
    rows: list[FrameQuality] = []
    pictures: dict[int, npt.NDArray[np.uint8]] = {}
    for index, frame in enumerate(plan.frames):
        row, thumbnail = reader.measure(frame)
        rows.append(_with_track(row, face))
        if thumbnail is not None:
            pictures[frame] = thumbnail
        progress(index + 1, len(plan.frames))
    if reader.without_layers and all(row.state == "missing" for row in rows):
        raise UsageError(
            "no-layers",
            f"{job.output.exr or job.output.path} has no layers to check.",
            "Bake with the layers delta and mask.",
        )
    judged = _judge(rows)
    shown = {one.frame for one in judged if one.reasons} | set(list(pictures)[:: max(1, len(pictures) // 8)])
    return ShotQuality(job, judged, {frame: picture for frame, picture in pictures.items() if frame in shown})


@dataclass(frozen=True)
class _Seen:
    """What the next frame is compared with."""

    frame: int
    place: tuple[int, int, int, int]
    before: Image
    delta: Image


class _Reader:
    """Reads frames in order and remembers the last one."""

    def __init__(self, job: JobSpec, source: PlateSource, encoding: NetworkEncoding) -> None:
        self._job, self._source, self._encoding = job, source, encoding
        self._last: _Seen | None = None
        self.without_layers = False
        """Whether a file was there that has no delta and mask."""

    def measure(self, frame: int) -> tuple[FrameQuality, npt.NDArray[np.uint8] | None]:
        last, self._last = self._last, None
        try:
            layers = read_layers(output_path(self._job.output.exr or self._job.output.path, frame))
            plate = self._source.read(frame)
        except MediaError:
            return FrameQuality(frame, "missing"), None
        if not {"delta", "mask"} <= set(layers.parts):
            self.without_layers = True
            return FrameQuality(frame, "missing"), None
        delta, mask, window = _laid_out(layers, plate)
        source_age, target_age = _number(layers, "reage/source_age"), _number(layers, "reage/target_age")
        if not mask.any():
            return FrameQuality(frame, "no-face", source_age=source_age, target_age=target_age), None
        part = np.nan_to_num(plate.rgb[window], nan=0.0, posinf=0.0, neginf=0.0)
        before = self._encoding.encode(part)
        after = self._encoding.encode(comp(part, mask, delta))
        change = np.nan_to_num(after - before)
        size = np.abs(change).max(axis=2)
        light = np.abs(delta).sum(axis=2, dtype=np.float64)
        row = FrameQuality(
            frame,
            "baked",
            mean_delta=mean_difference(change, np.zeros_like(change), mask),
            peak_delta=float(size.max()),
            leak=ratio(float((light * (1.0 - mask)).sum()), float(light.sum())) if light.any() else 0.0,
            source_age=source_age,
            target_age=target_age,
        )
        place = (window[0].start, window[0].stop, window[1].start, window[1].stop)
        self._last = _Seen(frame, place, before, change)
        if last is not None and last.frame == frame - 1:
            row = _with_change(row, last, self._last, mask)
        pair = np.concatenate([before, after], axis=1)
        return row, _thumbnail(pair)


def _number(layers: Layers, key: str) -> float:
    """A number from the file's header, NaN where there is none."""
    try:
        return float(layers.metadata[key].value)
    except (KeyError, TypeError, ValueError):
        return math.nan


def _laid_out(layers: Layers, plate: Plate) -> tuple[Image, Image, tuple[slice, slice]]:
    """Delta, mask, and where they lie in the plate's pixels."""
    part = layers.parts["delta"]
    delta = np.stack([part.channels[f"reage_delta.{name}"] for name in ("red", "green", "blue")], axis=-1)
    mask = layers.parts["mask"].channels["reage_mask.alpha"]
    return delta, np.clip(mask, 0.0, 1.0), part.data_window.slices_in(plate.data_window)


def _with_change(row: FrameQuality, last: _Seen, now: _Seen, mask: Image) -> FrameQuality:
    """Compare two neighbours on the pixels that both have."""
    top, bottom = max(last.place[0], now.place[0]), min(last.place[1], now.place[1])
    left, right = max(last.place[2], now.place[2]), min(last.place[3], now.place[3])
    if min(bottom - top, right - left) < 16:
        return row
    scale = min(1.0, _SIDE_PX / max(bottom - top, right - left))

    def common(picture: Image, place: tuple[int, int, int, int]) -> Image:
        part = picture[top - place[0] : bottom - place[0], left - place[2] : right - place[2]]
        size = (round((right - left) * scale), round((bottom - top) * scale))
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else part
        return np.ascontiguousarray(small, np.float32)

    inside = common(mask, now.place)
    if not inside.any():
        return row
    here, there = common(now.before, now.place), common(last.before, last.place)
    flow = motion_between(here, there)
    delta, old = common(now.delta, now.place), moved_by(common(last.delta, last.place), flow)
    return replace(
        row,
        delta_change=mean_difference(delta, old, inside),
        plate_change=mean_difference(here, moved_by(there, flow), inside),
    )


def _thumbnail(pair: Image) -> npt.NDArray[np.uint8]:
    scale = min(1.0, 220 / pair.shape[0])
    size = (max(1, round(pair.shape[1] * scale)), max(1, round(pair.shape[0] * scale)))
    small = cv2.resize(np.nan_to_num(pair), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(np.clip(small, 0.0, 1.0) * 255.0), np.uint8)


def _with_track(row: FrameQuality, face: FaceTrack | None) -> FrameQuality:
    if face is None or row.frame not in face.frames:
        return row
    here = face.frames[row.frame]
    return replace(row, face=here.state, confidence=here.confidence, jump=_jump(face, row.frame))


def _jump(face: FaceTrack, frame: int) -> float:
    near = [face.at(number) for number in (frame - 1, frame, frame + 1)]
    if any(one is None for one in near):
        return 0.0
    before, here, after = (np.array([one.pose.centre_x, one.pose.centre_y]) for one in near if one is not None)
    scale = near[1].pose.scale_px if near[1] is not None else 1.0
    return float(np.linalg.norm(here - (before + after) / 2.0)) / max(scale, 1e-6)


def _judge(rows: Sequence[FrameQuality]) -> tuple[FrameQuality, ...]:
    """Say what is unusual, each measure against the shot's own usual value."""
    baked = [row for row in rows if row.state == "baked"]

    def usual(values: Sequence[float]) -> float:
        known = [value for value in values if math.isfinite(value)]
        return statistics.median(known) if known else 0.0

    peak, leak = usual([row.peak_delta for row in baked]), usual([row.leak for row in baked])
    jump, flicker = usual([row.jump for row in baked]), usual([row.flicker for row in baked])

    def reasons(row: FrameQuality) -> tuple[str, ...]:
        found = [
            (row.state == "missing", "not baked"),
            (row.state == "no-face" or (row.state == "baked" and row.face == "missing"), "no face"),
            (row.face == "interpolated", "face not seen, filled from its neighbours"),
            (row.face == "detected" and row.confidence < _CONFIDENCE, f"low confidence {row.confidence:.2f}"),
            (row.jump > max(_JUMP, _TIMES_USUAL * jump), f"track jumps by {row.jump:.2f} eye distances"),
            (row.peak_delta > _TIMES_USUAL * peak > 0, f"delta reaches {row.peak_delta:.2f}"),
            (row.leak > leak + _LEAK_ABOVE_USUAL, f"{row.leak:.0%} of the delta lies at the mask's edge"),
            (
                row.flicker > max(_LEAST_FLICKER, 2.0 * flicker) and row.delta_change > row.plate_change,
                f"delta changes by {row.flicker:.0%} of itself, the plate holds still",
            ),
        ]
        return tuple(text for true, text in found if true)

    return tuple(replace(row, reasons=reasons(row)) for row in rows)
