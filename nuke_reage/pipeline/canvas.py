"""The network's raster: how large it is, where it lies, and the face on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.core.settings import MaskSettings
from nuke_reage.faces.canonical import Framing, crop_frame
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.face_mask import mask_window
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine
from nuke_reage.imaging.sampling import warp
from nuke_reage.media.plate import Plate

__all__ = ["CanvasPlan", "canvas_image", "face_window", "faded_at_border", "outline_of", "plan_canvas"]

Image = npt.NDArray[np.float32]

_MULTIPLE = 16
_FILTER_REACH_PX = 4


@dataclass(frozen=True)
class CanvasPlan:
    """The network's raster, the same for every frame of a shot.

    Its size and reach follow from the whole track, never from the frames that happen to be baked together, so that
    neither steps within a shot nor differs between chunks.

    Attributes:
        framing: square crop around the face, in units of the face.
        canvas_px: side of the canvas.
        rows: rows of the canvas that the mask can reach.
        columns: columns of the canvas that the mask can reach.
    """

    framing: Framing
    canvas_px: int
    rows: slice
    columns: slice


def plan_canvas(
    faces: list[TrackedFace],
    framing: Framing,
    pixel_aspect: float,
    mask: MaskSettings,
    canvas_px: int,
    max_canvas_px: int,
) -> CanvasPlan:
    """Lay out the canvas for a shot.

    Args:
        faces: the face in every frame of the track in which it was found, at least one.
        framing: the model's crop.
        pixel_aspect: width of a pixel over its height.
        mask: mask settings; they decide how far the mask reaches.
        canvas_px: the model's own canvas.
        max_canvas_px: largest canvas that the model can be tiled to; the canvas grows to the largest face's native
            scale, so that close-ups keep their detail.

    Returns:
        The plan.
    """
    crops = [crop_frame(face.pose, framing, pixel_aspect) for face in faces]
    native_px = int(np.ceil(max(crop.side_px for crop in crops) / _MULTIPLE)) * _MULTIPLE
    size = int(np.clip(native_px, canvas_px, max_canvas_px))
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for face, crop in zip(faces, crops, strict=True):
        # Measured on the canvas itself: the plate's own window would grow with the roll of the head.
        on_canvas = apply_affine(crop.canvas_from_plate(size), face.landmarks)
        reach = mask_window(on_canvas, **outline_of(mask))
        low = np.minimum(low, (reach.x_min, reach.y_min))
        high = np.maximum(high, (reach.x_max, reach.y_max))
    first = np.clip(np.floor(low) - _FILTER_REACH_PX, 0, size).astype(int)
    last = np.clip(np.ceil(high) + _FILTER_REACH_PX, 0, size).astype(int)
    return CanvasPlan(framing, size, slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0])))


def face_window(face: TrackedFace, plan: CanvasPlan, pixel_aspect: float) -> Window:
    """The pixels of the plate that the model's crop covers."""
    return crop_frame(face.pose, plan.framing, pixel_aspect).plate_window()


def canvas_image(plate: Plate, crop: CropFrame, canvas_px: int, encoding: NetworkEncoding) -> Image:
    """The face as the network sees it, (canvas_px, canvas_px, 3) float32; the plate's edge goes on where it ends."""
    side = float(canvas_px)
    corners = np.array([(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)])
    quad = apply_affine(crop.plate_from_canvas(canvas_px), corners)
    margin = int(np.ceil(_FILTER_REACH_PX * max(1.0, crop.side_px / canvas_px)))
    needed = Window.around(quad, margin).intersect(plate.data_window)
    if needed.is_empty:
        needed = plate.data_window
    encoded = encoding.encode(plate.rgb[needed.slices_in(plate.data_window)])
    return warp(encoded, needed, crop.canvas_from_plate(canvas_px), (canvas_px, canvas_px))


def faded_at_border(mask: Image, crop: CropFrame, window: Window, fade: float) -> Image:
    """The mask run out softly where the canvas ends: beyond there is no delta, and its end must not be seen.

    Args:
        mask: (h, w) float32, 0 to 1.
        crop: where the canvas lies.
        window: the plate pixels that the mask covers.
        fade: over which distance, in sides of the canvas, above 0.

    Returns:
        (h, w) float32: the mask itself where it is further inside than that, 0 outside the canvas.
    """
    across = crop.canvas_from_plate(1.0)
    x = np.arange(window.x_min, window.x_max) + 0.5
    y = (np.arange(window.y_min, window.y_max) + 0.5)[:, None]
    for by_x, by_y, start in across:
        place = by_x * x + by_y * y + start
        ramp = np.clip(np.minimum(place, 1 - place) / fade, 0, 1)
        if ramp.min() < 1:
            mask = np.asarray(mask * (ramp * ramp * (3 - 2 * ramp)), np.float32)
    return mask


def outline_of(mask: MaskSettings) -> dict[str, Any]:
    """The settings of the mask's outline, as :func:`~nuke_reage.imaging.face_mask.face_mask` takes them."""
    return {"feather": mask.feather, "expand": mask.expand, "hair": mask.hair, "neck": mask.neck}
