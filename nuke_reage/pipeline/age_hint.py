"""How old a tracked face looks: a hint for the source age, never a setting."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import cv2
import numpy as np

from nuke_reage.core.errors import MediaError
from nuke_reage.core.job import JobSpec
from nuke_reage.faces.age_estimate import AgeEstimator
from nuke_reage.faces.trackfile import FaceTrack
from nuke_reage.faces.types import FloatArray
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import open_plate
from nuke_reage.pipeline.plan import plan_space
from nuke_reage.pipeline.shot import encoding_of

__all__ = ["AgeHint", "hint_age"]

_READINGS = 9
_MARGIN = 0.6
_LEAST_READINGS_FOR_SPREAD = 2


@dataclass(frozen=True)
class AgeHint:
    """What an estimator read off a shot.

    Attributes:
        years: median of the readings; one value for the whole shot.
        low: lowest reading.
        high: highest reading.
        frames: where it was read.
        estimator: who read it.
    """

    years: float
    low: float
    high: float
    frames: tuple[int, ...]
    estimator: str

    def __str__(self) -> str:
        spread = f", {self.low:.0f} to {self.high:.0f}" if len(self.frames) >= _LEAST_READINGS_FOR_SPREAD else ""
        count = f"{len(self.frames)} frame{'' if len(self.frames) == 1 else 's'}"
        return f"looks about {self.years:.0f} ({count}{spread}; {self.estimator})"


def hint_age(job: JobSpec, face: FaceTrack, estimator: AgeEstimator) -> AgeHint | None:
    """Read the age of one face off up to nine frames, spread over the shot, those that face the camera first.

    Args:
        job: whose plate it is.
        face: the face, tracked.
        estimator: reads one picture.

    Returns:
        The hint, or None where the face was detected in no frame that can be read.

    Raises:
        ReageError: the plate or its colour space does not exist.
    """
    source = open_plate(job.plate.path, layer=job.plate.layer or None)
    encoding = encoding_of(job, plan_space(job, source), face)
    readings: dict[int, float] = {}
    for frame in _best_frames(face):
        try:
            plate = source.read(frame)
        except MediaError:
            continue
        readings[frame] = _read(plate, face.frames[frame].landmarks, encoding, estimator)
    if not readings:
        return None
    values = list(readings.values())
    return AgeHint(statistics.median(values), min(values), max(values), tuple(sorted(readings)), estimator.name)


def _best_frames(face: FaceTrack) -> list[int]:
    """The most frontal frame of each of nine stretches of the shot."""
    seen = [frame for frame in face.present_frames if face.frames[frame].state == "detected"]
    stretches = np.array_split(np.array(seen, int), min(_READINGS, len(seen))) if seen else []
    return [min((int(frame) for frame in one), key=lambda frame: _turned(face, frame)) for one in stretches]


def _turned(face: FaceTrack, frame: int) -> float:
    pose = face.frames[frame].pose
    return abs(pose.yaw_degrees) + abs(pose.pitch_degrees)


def _read(plate: Plate, landmarks: FloatArray, encoding: NetworkEncoding, estimator: AgeEstimator) -> float:
    """The age in one frame, from the face as the network would see it, in square pixels."""
    margin = round(_MARGIN * float(np.ptp(landmarks[:, 1])))
    window = Window.around(landmarks, margin).intersect(plate.data_window)
    shown = np.nan_to_num(encoding.encode(plate.rgb[window.slices_in(plate.data_window)]))
    places = landmarks - np.array([window.x_min, window.y_min], np.float32)
    if plate.pixel_aspect != 1.0:
        size = (max(1, round(window.width * plate.pixel_aspect)), window.height)
        shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_LINEAR), np.float32)
        places = places * np.array([size[0] / window.width, 1.0], np.float32)
    return estimator.estimate(shown, places)
