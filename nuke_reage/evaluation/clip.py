"""Does the change hold still?  The delta's own change from frame to frame, beside that of the plate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nuke_reage.core.errors import FaceError
from nuke_reage.evaluation.measures import mean_difference, motion_between, moved_by, ratio
from nuke_reage.evaluation.sitting import Image, ModelRunner, Sitting
from nuke_reage.faces.age_estimate import AgeEstimator
from nuke_reage.imaging.geometry import Window
from nuke_reage.pipeline.canvas import face_window
from nuke_reage.pipeline.reporting import Silent

__all__ = ["CLIP_AGES_YEARS", "ClipScore", "score_clip"]

CLIP_AGES_YEARS = (25.0, 70.0)
"""Ages that a clip is shown at."""


@dataclass(frozen=True)
class ClipScore:
    """How steady the delta is, mean of :data:`CLIP_AGES_YEARS`.

    Attributes:
        frames: how many pairs of neighbours were compared.
        against_plate: change of the delta along the motion, over that of the plate; below 1 the plate's own grain and
            motion hide it.
        against_delta: the same change over the size of the delta.
        plate_255: change of the plate along the motion, in 1/255.
    """

    frames: int
    against_plate: float
    against_delta: float
    plate_255: float


def score_clip(
    runner: ModelRunner,
    clip: Path,
    source_years: float,
    most_frames: int,
    estimator: AgeEstimator | None,
    progress: Callable[[str, int, int], None],
    warn: Callable[[str], None],
) -> ClipScore:
    """Re-age a clip and compare neighbouring frames.

    Both the plate and the masked delta of a frame are brought along the plate's optical flow to the next frame, and
    compared with what is there, inside the mask.

    Args:
        runner: the model.
        clip: a movie, or a sequence's pattern.
        source_years: age of the person; NaN = read off the first frame.
        most_frames: how many frames from the first on that shows the face.
        estimator: reads ages; None = nobody does.
        progress: called with stage, done, total.
        warn: called with a sentence.

    Raises:
        FaceError: no two neighbouring frames show the face, or the age is neither given nor can be read.
        ReageError: the clip cannot be read.
    """
    shot = runner.open(clip, name="clip", reporter=_Stages(progress, warn))
    present = set(shot.face.present_frames)
    frames = [frame for frame in shot.frames if frame in present][:most_frames]
    aspect, canvas = shot.track.plate.pixel_aspect, shot.canvas
    if canvas is None or len(frames) < 2:
        raise FaceError("no-motion", f"{clip} has no two frames with the face.", "Give a clip of a face.")
    window = Window(0, 0, 0, 0)
    for frame in frames:
        window = window.union(face_window(shot.face.frames[frame], canvas, aspect))
    before: tuple[int, Image, list[Image]] | None = None
    plate_changes, delta_changes, deltas_sizes = [], [], []
    for index, frame in enumerate(frames):
        sitting = Sitting(shot, frame, window)
        if math.isnan(source_years):
            source_years = _read_age(sitting, estimator, clip)
        deltas = [picture - sitting.source for picture in sitting.reage(source_years, CLIP_AGES_YEARS)]
        if before is not None and before[0] == frame - 1:
            flow = motion_between(sitting.source, before[1])
            plate_changes.append(mean_difference(sitting.source, moved_by(before[1], flow), sitting.mask))
            for delta, old in zip(deltas, before[2], strict=True):
                delta_changes.append(mean_difference(delta, moved_by(old, flow), sitting.mask))
                deltas_sizes.append(mean_difference(delta, delta * 0, sitting.mask))
        before = frame, sitting.source, deltas
        progress("clip", index + 1, len(frames))
    if not plate_changes:
        raise FaceError("no-motion", f"{clip} has no two neighbouring frames with the face.", "Give a clip of a face.")
    change, size = sum(delta_changes) / len(delta_changes), sum(deltas_sizes) / len(deltas_sizes)
    plate = sum(plate_changes) / len(plate_changes)
    return ClipScore(len(plate_changes), ratio(change, plate), ratio(change, size), 255.0 * plate)


def _read_age(sitting: Sitting, estimator: AgeEstimator | None, clip: Path) -> float:
    if estimator is None:
        raise FaceError(
            "age-unknown",
            f"How old the person in {clip} is was not said, and no age estimator is installed.",
            "Write FILE:AGE, such as clip.mp4:35, or pip install 'nuke-reage[evaluate]'.",
        )
    return estimator.estimate(sitting.source, sitting.landmarks)


class _Stages(Silent):
    """Passes tracking on."""

    def __init__(self, progress: Callable[[str, int, int], None], warn: Callable[[str], None]) -> None:
        self._progress, self._warn = progress, warn

    def progress(self, stage: str, done: int, total: int) -> None:
        self._progress(stage, done, total)

    def warn(self, text: str) -> None:
        self._warn(text)
