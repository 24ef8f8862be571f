"""Which face is whose from frame to frame: predicted place, size and looks, matched by the Hungarian method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nuke_reage.faces.canonical import FFHQ, crop_frame, framing_from_spec
from nuke_reage.faces.pyramid import ImagePyramid, SquareCrop
from nuke_reage.faces.types import Detection, FloatArray, Pose

__all__ = ["Observation", "Tracklet", "assign", "face_portrait"]

PORTRAIT_PX = 16
_PORTRAIT_OF_CROP = 0.6
_PORTRAIT_DOWN_OF_CROP = 0.1
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_GALLERY_SIZE = 12
_GALLERY_NEW = 0.08
# How far a face may be from where it is expected, in distances between the eyes, and its change of size in natural
# logarithms; both grow with the frames since it was last seen.
_REACH, _REACH_PER_FRAME = 1.5, 0.4
_GROWTH, _GROWTH_PER_FRAME = 0.25, 0.03
_UNLIKE = 0.9
_LOST_AFTER_FRAMES = 12
_LOST_GROWTH = 1.6
_LOST_UNLIKE = 0.55
_SAME_LOOKS = 0.2
_REACH_FOR_SAME_LOOKS = 3.0
_VELOCITY_MEMORY_FRAMES = 3
_FORBIDDEN = 1e6


@dataclass(frozen=True, eq=False)
class Observation:
    """A face seen in a frame.

    Attributes:
        frame: frame number.
        detection: plate coordinates.
        pose: fitted to it.
        portrait: see :func:`face_portrait`.
        skin: brightness measured by the caller, or None.
    """

    frame: int
    detection: Detection
    pose: Pose
    portrait: FloatArray
    skin: float | None = None


@dataclass(eq=False)
class Tracklet:
    """All observations of one identity so far, in the order of frames."""

    observations: list[Observation] = field(default_factory=list)
    gallery: list[FloatArray] = field(default_factory=list)

    @property
    def last(self) -> Observation:
        return self.observations[-1]

    def add(self, observation: Observation) -> None:
        """Take the next observation; looks that are new join the gallery."""
        self.observations.append(observation)
        if not self.gallery or self.unlikeness(observation.portrait) > _GALLERY_NEW:
            self.gallery = [*self.gallery[-_GALLERY_SIZE + 1 :], observation.portrait]

    def unlikeness(self, portrait: FloatArray) -> float:
        """0 = has looked exactly like this, about 1 = nothing in common."""
        return min(1.0 - float(np.mean(one * portrait)) for one in self.gallery)

    def predicted_centre(self, frame: int) -> tuple[float, float]:
        """Where the face should be by its recent velocity; a lost face is expected to wait where it was."""
        last = self.last
        recent = [one for one in self.observations[-_VELOCITY_MEMORY_FRAMES:] if one.frame != last.frame]
        gap = frame - last.frame
        if not recent or gap > _LOST_AFTER_FRAMES:
            return last.pose.centre_x, last.pose.centre_y
        first = recent[0]
        steps = gap / (last.frame - first.frame)
        return (
            last.pose.centre_x + (last.pose.centre_x - first.pose.centre_x) * steps,
            last.pose.centre_y + (last.pose.centre_y - first.pose.centre_y) * steps,
        )


def face_portrait(image_rgb_display: FloatArray, pose: Pose) -> FloatArray:
    """What a face looks like, whatever its size, angle and exposure.

    Args:
        image_rgb_display: (H, W, 3) float32, 0..1, square pixels.
        pose: in that picture's pixels.

    Returns:
        (256,) float32 luminance of a small upright crop, mean 0 and variance 1.
    """
    crop = crop_frame(pose, framing_from_spec(FFHQ))
    angle = math.radians(crop.angle_degrees)
    down = crop.side_px * _PORTRAIT_DOWN_OF_CROP
    x, y = crop.centre_x - math.sin(angle) * down, crop.centre_y + math.cos(angle) * down
    side = crop.side_px * _PORTRAIT_OF_CROP
    # Only the neighbourhood: halving a whole UHD picture for 16 pixels would take longer than finding the face.
    height, width = image_rgb_display.shape[:2]
    left, top = (int(min(max(0.0, middle - side), size - 1)) for middle, size in ((x, width), (y, height)))
    part = image_rgb_display[top : max(top + 1, int(y + side)), left : max(left + 1, int(x + side))]
    square = SquareCrop(x - left, y - top, side, crop.angle_degrees)
    luma = (ImagePyramid(part).crop(square, PORTRAIT_PX) @ _LUMA).ravel()
    return np.asarray((luma - luma.mean()) / max(float(luma.std()), 1e-4), dtype=np.float32)


def assign(tracklets: Sequence[Tracklet], seen: Sequence[Observation]) -> dict[int, int]:
    """Match a frame's observations to the identities known so far.

    Args:
        tracklets: known identities, none empty.
        seen: observations of one frame.

    Returns:
        Index of the tracklet for each index of ``seen`` that has one.
    """
    if not tracklets or not seen:
        return {}
    costs = np.array([[_cost(one, observation) for observation in seen] for one in tracklets])
    return {column: row for row, column in _cheapest(costs) if costs[row, column] < _FORBIDDEN}


def _cheapest(costs: FloatArray) -> list[tuple[int, int]]:
    """Rows and columns, each once, that cost least together."""
    if 1 in costs.shape:
        row, column = np.unravel_index(np.argmin(costs), costs.shape)
        return [(int(row), int(column))]
    from scipy.optimize import linear_sum_assignment  # slow to import, and most shots have one face

    return [(int(row), int(column)) for row, column in zip(*linear_sum_assignment(costs), strict=True)]


def _cost(tracklet: Tracklet, observation: Observation) -> float:
    last = tracklet.last
    gap = observation.frame - last.frame
    unlikeness = tracklet.unlikeness(observation.portrait)
    growth = abs(math.log(observation.pose.scale_px / last.pose.scale_px))
    x, y = tracklet.predicted_centre(observation.frame)
    unit = max(observation.pose.scale_px, last.pose.scale_px)
    distance = math.hypot(observation.pose.centre_x - x, observation.pose.centre_y - y) / unit
    if gap > _LOST_AFTER_FRAMES:
        # A face that comes back may come back anywhere; only its looks tell who it is.
        if unlikeness > _LOST_UNLIKE or growth > _LOST_GROWTH:
            return _FORBIDDEN
        return 2.0 + unlikeness / _LOST_UNLIKE + 0.02 * min(distance, 20.0)
    reach = _REACH + _REACH_PER_FRAME * (gap - 1)
    growth_limit = _GROWTH + _GROWTH_PER_FRAME * (gap - 1)
    if unlikeness < _SAME_LOOKS:
        reach, growth_limit = reach * _REACH_FOR_SAME_LOOKS, growth_limit * 2.0
    if distance > reach or growth > growth_limit or unlikeness > _UNLIKE:
        return _FORBIDDEN
    return distance / reach + growth / growth_limit + unlikeness / _UNLIKE
