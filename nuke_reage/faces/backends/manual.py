"""Crops given by hand instead of a detector: for masks, make-up, backs of heads and drawings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.canonical import FFHQ, framing_from_spec, pose_of_crop, project_mesh
from nuke_reage.faces.crops import ManualCrop, crops_at, face_in_crop
from nuke_reage.faces.types import Detection, FloatArray, TrackedFace, check_image

__all__ = ["ManualBackend"]


class ManualBackend:
    """Answers with the canonical face in the crop that the artist keyed; pictures are not looked at.

    Args:
        keys: crop of each key frame; frames between are interpolated, before and after the keys are held.

    Raises:
        FaceError: there is no key.
    """

    name = "manual"

    def __init__(self, keys: Mapping[int, ManualCrop]) -> None:
        if not keys:
            raise FaceError("no-crop-keys", "No crop was given by hand.", "Key centre, size and angle on a frame.")
        self.keys = dict(keys)

    def detect(self, image_rgb_display: FloatArray) -> list[Detection]:
        """The face of a still, which has one key.

        Args:
            image_rgb_display: (H, W, 3) floating point; only its shape is looked at, its top left pixel is (0, 0).

        Raises:
            FaceError: there are several keys, so that the frame must be known; use :meth:`face_at`.
        """
        check_image(image_rgb_display)
        if len(self.keys) > 1:
            raise FaceError(
                "frame-unknown",
                f"Crops are keyed on {len(self.keys)} frames, but a picture has no frame number.",
                "Track the shot, or key one frame only.",
            )
        crop = next(iter(self.keys.values())).crop_frame(1.0)
        mesh = project_mesh(pose_of_crop(crop, framing_from_spec(FFHQ)))
        return [Detection.from_landmarks(np.ascontiguousarray(mesh), 1.0)]

    def face_at(self, frame: int, *, pixel_aspect: float = 1.0) -> TrackedFace:
        """The face of a frame, plate coordinates."""
        return face_in_crop(crops_at(self.keys, frame), pixel_aspect=pixel_aspect)
