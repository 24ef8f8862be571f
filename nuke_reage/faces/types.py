"""What the rooms say to each other about faces: detections, poses and the tracked face of a frame.

Coordinates are those of :mod:`nuke_reage.imaging.geometry`: *plate* (absolute raster, y down, pixel centres at +0.5)
and *square* (plate with x multiplied by the pixel aspect).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = [
    "LANDMARK_COUNT",
    "Detection",
    "FaceBackend",
    "FloatArray",
    "FollowingBackend",
    "Pose",
    "TrackState",
    "TrackedFace",
    "check_image",
    "check_landmarks",
]

LANDMARK_COUNT = 468
"""Points of the MediaPipe face mesh, without the ten iris points of its later version."""

FloatArray = npt.NDArray[np.float32]
TrackState = Literal["detected", "interpolated", "manual", "missing"]


@dataclass(frozen=True, eq=False)
class Detection:
    """A face that a backend found in one picture.

    Attributes:
        landmarks: (468, 3) float32; x and y in pixels of the picture (plate coordinates once the tracker has moved
            them there), z in square pixels, negative towards the camera.
        confidence: 0..1.
        box: ``(x_min, y_min, x_max, y_max)`` around the landmarks, same coordinates.
    """

    landmarks: FloatArray
    confidence: float
    box: tuple[float, float, float, float]

    @classmethod
    def from_landmarks(cls, landmarks: npt.ArrayLike, confidence: float) -> Detection:
        """A detection whose box is the smallest around its landmarks.

        Args:
            landmarks: (468, 3).
            confidence: 0..1.

        Raises:
            ValueError: wrong shape, or a value that is not finite.
        """
        points = check_landmarks(landmarks, columns=3)
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        return cls(points, float(confidence), (float(low[0]), float(low[1]), float(high[0]), float(high[1])))

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@runtime_checkable
class FaceBackend(Protocol):
    """Something that finds faces in a picture."""

    @property
    def name(self) -> str:
        """The name that job files use."""

    def detect(self, image_rgb_display: FloatArray) -> list[Detection]:
        """Find faces.

        Args:
            image_rgb_display: (H, W, 3) float32, 0..1, sRGB-like, square pixels.

        Returns:
            The faces, largest first, in that picture's pixels; an empty list where there is none.
        """


@runtime_checkable
class FollowingBackend(FaceBackend, Protocol):
    """A backend that can also look near the places where the last frame had faces."""

    def follow(self, image_rgb_display: FloatArray, previous: Sequence[FloatArray]) -> list[Detection]:
        """Find the faces of the last frame again, and new ones.

        Args:
            image_rgb_display: as for :meth:`detect`.
            previous: landmarks of the last frame's faces, each (468, 2) or (468, 3) in the picture's pixels.

        Returns:
            As :meth:`detect`.
        """


@dataclass(frozen=True)
class Pose:
    """Where a head is, as a weak-perspective view of the canonical mesh.

    Rotations apply as ``Rz(roll) Rx(pitch) Ry(yaw)``, so that roll is the direction of the head's vertical axis in the
    picture, well defined in a profile too.

    Attributes:
        centre_x: where the canonical origin (middle of the eyes) projects to, square coordinates.
        centre_y: the same, y down.
        scale_px: square pixels per canonical unit (one distance between the eyes' centres); does not shrink with yaw.
        roll_degrees: positive = clockwise as seen on screen.
        yaw_degrees: positive = the nose points to the right of the screen.
        pitch_degrees: positive = the nose points down.
    """

    centre_x: float
    centre_y: float
    scale_px: float
    roll_degrees: float
    yaw_degrees: float = 0.0
    pitch_degrees: float = 0.0

    def as_tuple(self) -> tuple[float, float, float, float, float, float]:
        """All six values in the order of the fields."""
        return (
            self.centre_x,
            self.centre_y,
            self.scale_px,
            self.roll_degrees,
            self.yaw_degrees,
            self.pitch_degrees,
        )


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """One face in one frame of a tracked shot.

    Attributes:
        landmarks: (468, 2) float32 plate coordinates, smoothed; NaN where the face is missing.
        pose: smoothed; NaN where the face is missing.
        confidence: 0..1 of the detection; 0 where there was none.
        state: where the numbers come from.
    """

    landmarks: FloatArray
    pose: Pose
    confidence: float
    state: TrackState

    def __post_init__(self) -> None:
        if self.state not in get_args(TrackState):
            raise ValueError(f"track state must be one of {get_args(TrackState)}, got {self.state!r}")
        if self.landmarks.shape != (LANDMARK_COUNT, 2):
            raise ValueError(f"landmarks must have shape ({LANDMARK_COUNT}, 2), got {self.landmarks.shape}")
        numbers = (*self.pose.as_tuple(), float(self.landmarks.sum()))
        if self.is_present and not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"a face that is {self.state} needs finite landmarks and pose")

    @classmethod
    def missing(cls) -> TrackedFace:
        """A frame in which the face is not there."""
        nothing = np.full((LANDMARK_COUNT, 2), np.nan, np.float32)
        return cls(nothing, Pose(*(math.nan,) * 6), 0.0, "missing")

    @property
    def is_present(self) -> bool:
        """Whether the face can be worked on in this frame."""
        return self.state != "missing"


def check_landmarks(landmarks: npt.ArrayLike, columns: int | Sequence[int] = (2, 3)) -> FloatArray:
    """Landmarks as float32, refused when they cannot be a face mesh.

    Args:
        landmarks: (468, 2) or (468, 3).
        columns: how many values a point may have.

    Raises:
        ValueError: wrong shape, or a value that is not finite.
    """
    legal = (columns,) if isinstance(columns, int) else tuple(columns)
    points = np.asarray(landmarks, dtype=np.float32)
    if points.ndim != 2 or points.shape[0] != LANDMARK_COUNT or points.shape[1] not in legal:
        wanted = " or ".join(f"({LANDMARK_COUNT}, {one})" for one in legal)
        raise ValueError(f"landmarks must have shape {wanted}, got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("landmarks must be finite")
    return points


def check_image(image_rgb_display: npt.ArrayLike) -> FloatArray:
    """A display-referred picture as float32.

    Args:
        image_rgb_display: (H, W, 3), at least one pixel.

    Raises:
        ValueError: wrong shape, or a type that is not floating point (8-bit pictures must be scaled to 0..1 first).
    """
    image = np.asarray(image_rgb_display)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"picture must have shape (H, W, 3), got {image.shape}")
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"picture must be floating point in 0..1, got {image.dtype}")
    return np.ascontiguousarray(image, dtype=np.float32)
