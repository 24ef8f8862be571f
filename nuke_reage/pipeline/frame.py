"""One frame, pure: plate, face and ages in, delta and mask out.

Nothing here depends on any other frame, so that a frame alone, in a chunk and in the shot has the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nuke_reage.core.settings import MaskSettings
from nuke_reage.faces.canonical import Framing, crop_frame
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.face_mask import face_mask, mask_window
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine
from nuke_reage.imaging.sampling import warp, warp_back
from nuke_reage.media.plate import Plate

if TYPE_CHECKING:
    from nuke_reage.models.backends import Predictor

__all__ = ["CanvasPlan", "FrameLayers", "face_window", "plan_canvas", "reage_frame", "reage_ladder"]

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


@dataclass(frozen=True)
class FrameLayers:
    """What a bake gives for one frame.

    Attributes:
        window: the pixels that the arrays cover, inside the plate's data window.
        delta: (h, w, 3) float32, added light in the plate's own space, not multiplied by the mask.
        mask: (h, w) float32, 0 to 1.
    """

    window: Window
    delta: Image
    mask: Image


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
        reach = mask_window(on_canvas, feather=mask.feather, expand=mask.expand)
        low = np.minimum(low, (reach.x_min, reach.y_min))
        high = np.maximum(high, (reach.x_max, reach.y_max))
    first = np.clip(np.floor(low) - _FILTER_REACH_PX, 0, size).astype(int)
    last = np.clip(np.ceil(high) + _FILTER_REACH_PX, 0, size).astype(int)
    return CanvasPlan(framing, size, slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0])))


def reage_frame(
    plate: Plate,
    face: TrackedFace,
    plan: CanvasPlan,
    source_age_years: float,
    target_age_years: float,
    predictor: Predictor,
    encoding: NetworkEncoding,
    mask: MaskSettings,
    tiling: str = "single",
) -> FrameLayers | None:
    """Re-age a face in one frame: a ladder of one step, see :func:`reage_ladder`."""
    steps = reage_ladder(plate, face, plan, source_age_years, [target_age_years], predictor, encoding, mask, tiling)
    return next(steps)


def reage_ladder(
    plate: Plate,
    face: TrackedFace,
    plan: CanvasPlan,
    source_age_years: float,
    target_ages_years: Sequence[float],
    predictor: Predictor,
    encoding: NetworkEncoding,
    mask: MaskSettings,
    tiling: str = "single",
) -> Iterator[FrameLayers | None]:
    """Re-age a face in one frame to a row of ages; what does not depend on the age is done once.

    Args:
        plate: the frame.
        face: the face in it, from the trackfile.
        plan: the canvas of this shot.
        source_age_years: age in the plate.
        target_ages_years: ages to show.
        predictor: the network.
        encoding: plate pixels to network pixels and back.
        mask: mask settings.
        tiling: ``single`` or ``windows``.

    Yields:
        The layers for each age, or None where the mask does not touch the plate's data window.
    """
    # Whoever has a predictor has paid for PyTorch; who only lays out a canvas should not.
    from nuke_reage.models.inference import predict_ladder

    aspect = plate.pixel_aspect
    reach = mask_window(face.landmarks, pixel_aspect=aspect, feather=mask.feather, expand=mask.expand)
    window = reach.intersect(plate.data_window)
    if window.is_empty:
        yield from (None for _ in target_ages_years)
        return
    soft = face_mask(face.landmarks, window, pixel_aspect=aspect, feather=mask.feather, expand=mask.expand)
    # As the file will hold it: where the stored mask is 0 nothing may be added, not even a hair's breadth.
    soft = soft.astype(np.float16).astype(np.float32)
    crop = crop_frame(face.pose, plan.framing, aspect)
    canvas = _canvas_image(plate, crop, plan.canvas_px, encoding)
    pixels = plate.rgb[window.slices_in(plate.data_window)]
    region = (plan.rows, plan.columns)
    corner = Window(plan.columns.start, plan.rows.start, plan.columns.stop, plan.rows.stop)
    for change in predict_ladder(predictor, canvas, source_age_years, target_ages_years, region=region, tiling=tiling):
        encoded_delta = warp_back(change[region], crop.plate_from_canvas(plan.canvas_px), window, canvas_window=corner)
        encoded_delta[soft == 0.0] = 0.0
        yield FrameLayers(window, encoding.delta(pixels, encoded_delta), soft)


def face_window(face: TrackedFace, plan: CanvasPlan, pixel_aspect: float) -> Window:
    """The pixels of the plate that the model's crop covers."""
    return crop_frame(face.pose, plan.framing, pixel_aspect).plate_window()


def _canvas_image(plate: Plate, crop: CropFrame, canvas_px: int, encoding: NetworkEncoding) -> Image:
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
