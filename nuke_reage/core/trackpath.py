"""A tracked face as Nuke sees it: what the worker tells the host about a track, without landmarks.

All coordinates are Nuke's: pixels of the full-resolution plate, origin at the display window's bottom left, y up, pixel
centres at +0.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nuke_reage.core.errors import UsageError

__all__ = ["POINTS", "TrackPath", "TrackStep"]

Point = tuple[float, float]

POINTS = ("left eye", "right eye", "nose", "mouth", "chin")
"""Points of the face in a :class:`TrackStep`; left and right are the viewer's."""


@dataclass(frozen=True)
class TrackStep:
    """The face in one frame.

    Args:
        frame: frame number.
        pivot: middle between the eyes.
        scale_px: distance between the eyes as if seen from the front, in pixels of the plate's height.
        rotate_degrees: of the head in the picture, positive = anticlockwise, as Nuke has it.
        corners: the square around the head that a crop is: bottom left, bottom right, top right, top left of the head.
        points: one for each of :data:`POINTS`.
        face_size_px: diameter of the circle with the area of the landmarks' convex hull.
    """

    frame: int
    pivot: Point
    scale_px: float
    rotate_degrees: float
    corners: tuple[Point, ...]
    points: tuple[Point, ...]
    face_size_px: float


@dataclass(frozen=True)
class TrackPath:
    """One face over the shot.

    Args:
        width: pixels of the display window.
        height: likewise.
        pixel_aspect: width of a pixel over its height.
        steps: the frames in which the face is there, in order.
        luma_weights: luminance of the plate's red, green and blue.
    """

    width: int
    height: int
    pixel_aspect: float
    steps: tuple[TrackStep, ...]
    luma_weights: tuple[float, float, float] = (0.2126, 0.7152, 0.0722)

    def near(self, frame: int) -> TrackStep:
        """The face in the frame that lies nearest.

        Raises:
            UsageError: the face is in no frame.
        """
        if not self.steps:
            raise UsageError("empty-track", "The face is in no frame of the track.", "Track the shot, or key a crop.")
        return min(self.steps, key=lambda one: (abs(one.frame - frame), one.frame))

    def only(self, frames: Iterable[int]) -> TrackPath:
        """The same with these frames alone."""
        wanted = set(frames)
        steps = tuple(one for one in self.steps if one.frame in wanted)
        return TrackPath(self.width, self.height, self.pixel_aspect, steps, self.luma_weights)
