"""Crops that an artist gives by hand, keyed on frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.canonical import (
    FFHQ,
    crop_frame,
    framing_from_spec,
    head_from_square,
    pose_of_crop,
    project_mesh,
    square_from_head,
)
from nuke_reage.faces.types import FloatArray, TrackedFace
from nuke_reage.imaging.geometry import CropFrame

__all__ = ["ManualCrop", "crop_of_face", "crops_at", "face_in_crop"]


@dataclass(frozen=True)
class ManualCrop:
    """A square around a head, framed as FFHQ does: eyes a little above the middle, side = four distances of the eyes.

    Attributes:
        centre_x: plate coordinates.
        centre_y: plate coordinates, y down.
        side_px: length of a side in square pixels, above 0.
        angle_degrees: rotation of the head in the picture, positive = clockwise on screen.

    Raises:
        FaceError: a value is not finite, or the side is not above 0.
    """

    centre_x: float
    centre_y: float
    side_px: float
    angle_degrees: float = 0.0

    def __post_init__(self) -> None:
        values = (self.centre_x, self.centre_y, self.side_px, self.angle_degrees)
        if not all(math.isfinite(value) for value in values) or self.side_px <= 0:
            raise FaceError(
                "bad-crop",
                f"A crop needs finite numbers and a side above 0, got {values}.",
                "Correct centre_x, centre_y, side_px and angle_degrees of that key.",
            )

    def crop_frame(self, pixel_aspect: float) -> CropFrame:
        """The same square in square coordinates."""
        return CropFrame(self.centre_x * pixel_aspect, self.centre_y, self.side_px, self.angle_degrees, pixel_aspect)


def crops_at(keys: Mapping[int, ManualCrop], frame: int) -> ManualCrop:
    """The crop of a frame: keys interpolated, the first and last one held.

    Centre and angle go linearly, the angle the shorter way round, the side by equal factors.

    Args:
        keys: at least one key frame.
        frame: any frame number.

    Raises:
        FaceError: there is no key.
    """
    if not keys:
        raise FaceError("no-crop-keys", "There is no crop key to interpolate.", "Give at least one frame a crop.")
    frames = sorted(keys)
    ordered = [keys[one] for one in frames]
    angles = np.unwrap([one.angle_degrees for one in ordered], period=360.0)

    def at(values: list[float]) -> float:
        return float(np.interp(frame, frames, values))

    return ManualCrop(
        at([one.centre_x for one in ordered]),
        at([one.centre_y for one in ordered]),
        math.exp(at([math.log(one.side_px) for one in ordered])),
        at([float(angle) for angle in angles]),
    )


def crop_of_face(face: TrackedFace, pixel_aspect: float) -> ManualCrop:
    """The crop that a tracked face has now, as a start for an artist's correction.

    Raises:
        ValueError: the face is missing.
    """
    if not face.is_present:
        raise ValueError("a missing face has no crop")
    crop = crop_frame(face.pose, framing_from_spec(FFHQ), pixel_aspect)
    return ManualCrop(crop.centre_x / pixel_aspect, crop.centre_y, crop.side_px, crop.angle_degrees)


def face_in_crop(crop: ManualCrop, *, pixel_aspect: float = 1.0, like: TrackedFace | None = None) -> TrackedFace:
    """A face placed where an artist wants it.

    Args:
        crop: where.
        pixel_aspect: width of a plate pixel over its height.
        like: the face tracked there, whose expression and turn out of the plane are kept; the canonical face looking
            straight ahead otherwise.
    """
    square = crop.crop_frame(pixel_aspect)
    framing = framing_from_spec(FFHQ)
    landmarks: FloatArray
    if like is not None and like.is_present:
        turn = {"yaw_degrees": like.pose.yaw_degrees, "pitch_degrees": like.pose.pitch_degrees}
        pose = pose_of_crop(square, framing, **turn)
        offsets = head_from_square(like.pose, like.landmarks * np.array([pixel_aspect, 1.0]))
        landmarks = (square_from_head(pose, offsets) / [pixel_aspect, 1.0]).astype(np.float32)
    else:
        pose = pose_of_crop(square, framing)
        landmarks = project_mesh(pose, pixel_aspect=pixel_aspect)[:, :2]
    return TrackedFace(np.ascontiguousarray(landmarks), pose, 1.0, "manual")
