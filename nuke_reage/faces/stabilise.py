"""From what was seen in single frames to one steady face over the shot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nuke_reage.faces.association import Observation
from nuke_reage.faces.canonical import head_from_square, square_from_head
from nuke_reage.faces.smoothing import isolated_outliers, smooth_path, unwrap_degrees
from nuke_reage.faces.types import LANDMARK_COUNT, Pose, TrackedFace

__all__ = ["Smoothing", "stabilise"]

Path = npt.NDArray[np.float64]

_SMALLEST_LEAP = 0.12
_MIN_TRUST = 0.05


@dataclass(frozen=True)
class Smoothing:
    """How a face is made steady.

    Attributes:
        strength: 0 = as detected, 1 = usual, larger = stiffer.
        max_gap_frames: a face that is lost for up to this many frames is interpolated; it is missing if longer.
        pose_period_frames: while the head is quiet, swings of place, size and angle shorter than this are removed.
        landmark_period_frames: the same for the landmarks within the head.

    Raises:
        ValueError: a value is out of range.
    """

    strength: float = 1.0
    max_gap_frames: int = 12
    pose_period_frames: float = 12.0
    landmark_period_frames: float = 7.0

    def __post_init__(self) -> None:
        if not (0 <= self.strength <= 100) or self.max_gap_frames < 0:
            raise ValueError(f"smoothing needs strength 0..100 and max_gap_frames >= 0, got {self}")
        if self.pose_period_frames < 2 or self.landmark_period_frames < 2:
            raise ValueError(f"smoothing periods must be at least 2 frames, got {self}")


def stabilise(
    observations: Sequence[Observation], frames: Sequence[int], smoothing: Smoothing, *, pixel_aspect: float = 1.0
) -> dict[int, TrackedFace]:
    """Reject leaps, fill short gaps and smooth, over all frames at once.

    Args:
        observations: of one identity, at most one a frame.
        frames: all frame numbers of the shot.
        smoothing: how.
        pixel_aspect: width of a plate pixel over its height.

    Returns:
        A face for each of ``frames``.
    """
    ordered = sorted(frames)
    seen = {one.frame: one for one in observations}
    step = math.gcd(*np.diff(ordered).tolist()) if len(ordered) > 1 else 1
    result = {frame: TrackedFace.missing() for frame in ordered}
    for stretch in _stretches(sorted(seen), step, smoothing.max_gap_frames):
        for frame, face in _stretch(seen, stretch, step, smoothing, pixel_aspect).items():
            if frame in result:
                result[frame] = face
    return result


def _stretches(seen: list[int], step: int, max_gap_frames: int) -> list[tuple[int, int]]:
    """First and last frame of each stretch without a long gap."""
    stretches: list[tuple[int, int]] = []
    for frame in seen:
        if stretches and frame - stretches[-1][1] <= (max_gap_frames + 1) * step:
            stretches[-1] = (stretches[-1][0], frame)
        else:
            stretches.append((frame, frame))
    return stretches


def _stretch(
    seen: Mapping[int, Observation], ends: tuple[int, int], step: int, smoothing: Smoothing, pixel_aspect: float
) -> dict[int, TrackedFace]:
    frames = list(range(ends[0], ends[1] + 1, step))
    there = np.array([frame in seen for frame in frames])
    trust = np.array([max(_MIN_TRUST, seen[one].detection.confidence) if one in seen else 0.0 for one in frames])
    path = _pose_path(seen, frames)
    for column in (3, 4, 5):
        path[:, column] = unwrap_degrees(path[:, column], there)
    leapt = isolated_outliers(_in_head_units(path, there), there, smallest=_SMALLEST_LEAP)
    trust[leapt] = 0.0
    steady = smooth_path(path, trust, strength=smoothing.strength, period_frames=smoothing.pose_period_frames)

    offsets = np.zeros((len(frames), LANDMARK_COUNT * 2))
    for index, frame in enumerate(frames):
        if trust[index] > 0:
            square = seen[frame].detection.landmarks[:, :2] * np.array([pixel_aspect, 1.0])
            offsets[index] = head_from_square(seen[frame].pose, square).ravel()
    offsets = smooth_path(offsets, trust, strength=smoothing.strength, period_frames=smoothing.landmark_period_frames)

    faces = {}
    for index, frame in enumerate(frames):
        x, y, log_scale, roll, yaw, pitch = (float(value) for value in steady[index])
        pose = Pose(x, y, math.exp(log_scale), (roll + 180.0) % 360.0 - 180.0, yaw, pitch)
        square = square_from_head(pose, offsets[index].reshape(LANDMARK_COUNT, 2))
        landmarks = (square / np.array([pixel_aspect, 1.0])).astype(np.float32)
        confidence = seen[frame].detection.confidence if trust[index] > 0 else 0.0
        faces[frame] = TrackedFace(landmarks, pose, confidence, "detected" if trust[index] > 0 else "interpolated")
    return faces


def _pose_path(seen: Mapping[int, Observation], frames: Sequence[int]) -> Path:
    path = np.zeros((len(frames), 6))
    for index, frame in enumerate(frames):
        if frame in seen:
            path[index] = seen[frame].pose.as_tuple()
            path[index, 2] = math.log(path[index, 2])
    return path


def _in_head_units(path: Path, there: npt.NDArray[np.bool_]) -> Path:
    """The path with places in distances between the eyes and angles in radians, so that leaps compare."""
    unit = math.exp(float(np.median(path[there, 2])))
    return np.asarray(path * np.array([1 / unit, 1 / unit, 1.0, *([math.pi / 180] * 3)]))
