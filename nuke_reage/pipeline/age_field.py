"""The age that each pixel of the canvas is to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.ages import MAX_AGE_YEARS, MIN_AGE_YEARS
from nuke_reage.core.settings import AgeMapSettings
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.face_mask import face_size_px
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine
from nuke_reage.imaging.regions import region_field
from nuke_reage.imaging.sampling import warp
from nuke_reage.media.plate import Plate

__all__ = ["AgeField", "age_field"]

Image = npt.NDArray[np.float32]

# Blurs wider than this are made on a smaller picture.
_WIDEST_SIGMA_PX = 6.0


@dataclass(frozen=True)
class AgeField:
    """What a frame's regions and painted map make of a target age.

    Attributes:
        offset: (canvas, canvas) years to add; None = none.
        painted: (canvas, canvas) years that count instead, times ``share``; None = none.
        share: (canvas, canvas) how far they do, 0..1.
    """

    offset: Image | None = None
    painted: Image | None = None
    share: Image | None = None

    def at(self, target_age_years: float) -> float | Image:
        """The ages for one target age, 0 to 120 years: the number itself where nothing changes it.

        Args:
            target_age_years: of the whole face.
        """
        if self.offset is None and self.painted is None:
            return target_age_years
        ages = np.float32(target_age_years) + (self.offset if self.offset is not None else np.float32(0))
        if self.painted is not None and self.share is not None:
            ages = ages * (1 - self.share) + self.painted
        return np.asarray(np.clip(ages, MIN_AGE_YEARS, MAX_AGE_YEARS), np.float32)


def age_field(
    plate: Plate,
    face: TrackedFace,
    crop: CropFrame,
    canvas_px: int,
    region_years: Mapping[str, float],
    painted_years: Image | None,
    settings: AgeMapSettings,
) -> AgeField:
    """Bring region ages and the painted map onto the canvas.

    Args:
        plate: the frame.
        face: the face in it.
        crop: where the canvas lies.
        canvas_px: side of the canvas.
        region_years: years to add by region.
        painted_years: (h, w) over the plate's data window; None = no map.
        settings: how the map counts.
    """
    canvas_from_plate = crop.canvas_from_plate(canvas_px)
    landmarks = apply_affine(canvas_from_plate, face.landmarks[:, :2])
    offset = None
    if region_years:
        offset = region_field(region_years, landmarks, Window(0, 0, canvas_px, canvas_px))
    if painted_years is None:
        return AgeField(offset)
    sigma_px = settings.soften * face_size_px(landmarks)

    def on_canvas(values: Image) -> Image:
        warped = warp(values, plate.data_window, canvas_from_plate, (canvas_px, canvas_px), filter="linear")
        return _softened(warped, sigma_px)

    if settings.mode == "offset":
        painted = on_canvas(painted_years)
        return AgeField(painted if offset is None else offset + painted)
    instead = (painted_years > 0).astype(np.float32)
    return AgeField(offset, on_canvas(painted_years * instead), on_canvas(instead))


def _softened(values: Image, sigma_px: float) -> Image:
    if sigma_px <= 0:
        return values
    shrink = max(1.0, sigma_px / _WIDEST_SIGMA_PX)
    if shrink == 1.0:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px), np.float32)
    height, width = values.shape
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), sigma_px / shrink)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
