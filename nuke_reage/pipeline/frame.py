"""One frame, pure: plate, face and ages in, delta, mask and mattes out.

Nothing here depends on any other frame, so that a frame alone, in a chunk and in the shot has the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import tee

import numpy as np
import numpy.typing as npt

from nuke_reage.core.settings import AgeMapSettings, MaskSettings, ModelSettings
from nuke_reage.faces.canonical import crop_frame
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.face_mask import face_mask, face_size_px, mask_window
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine
from nuke_reage.imaging.lines import FaceLines
from nuke_reage.imaging.protect import protect_mattes
from nuke_reage.imaging.regions import region_mattes, region_weights
from nuke_reage.imaging.sampling import warp_back
from nuke_reage.imaging.shade import SHADE_OF_SKIN, SkinShade
from nuke_reage.imaging.skin import skin_matte
from nuke_reage.media.plate import Plate
from nuke_reage.models.backends import Predictor
from nuke_reage.models.inference import predict_ladder
from nuke_reage.pipeline.age_field import age_field
from nuke_reage.pipeline.canvas import CanvasPlan, canvas_image, faded_at_border, outline_of
from nuke_reage.pipeline.maps import FrameMaps

__all__ = [
    "NOTHING_MORE",
    "FrameExtras",
    "FrameLayers",
    "LadderStep",
    "as_half",
    "reage_frame",
    "reage_ladder",
]

Image = npt.NDArray[np.float32]
Delta = npt.NDArray[np.float16] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameLayers:
    """What a bake gives for one frame.

    Attributes:
        window: the pixels that the arrays cover, inside the plate's data window.
        delta: (h, w, 3) float32, added light in the plate's own space, not multiplied by the mask.
        mask: (h, w) float32, 0 to 1.
        regions: (h, w, 8) float32 mattes, see :func:`~nuke_reage.imaging.regions.region_mattes`; None = not asked for.
        protect: (h, w, 3) float32 mattes, see :func:`~nuke_reage.imaging.protect.protect_mattes`; likewise.
        ladder: the deltas for further ages.
        face_size_px: the face size in this frame, in rows of the plate, above 0: the unit of radii and widths.
    """

    window: Window
    delta: Image
    mask: Image
    regions: Image | None = None
    protect: Image | None = None
    ladder: tuple[LadderStep, ...] = ()
    face_size_px: float = 1.0


@dataclass(frozen=True)
class LadderStep:
    """The delta for one age of the ladder.

    Attributes:
        age_years: target age.
        delta: (h, w, 3), as :attr:`FrameLayers.delta`; half float where that holds it, for there are many.
    """

    age_years: float
    delta: Delta


@dataclass(frozen=True)
class FrameExtras:
    """What a frame may have beyond one age and a mask.

    Attributes:
        regions: make the region mattes.
        protect: make the protect mattes.
        ladder: further target ages.
        region_years: years to add to the target ages by region.
        age_map: how the painted ages count.
        maps: painted ages and roto.
    """

    regions: bool = False
    protect: bool = False
    ladder: tuple[float, ...] = ()
    region_years: Mapping[str, float] = field(default_factory=dict)
    age_map: AgeMapSettings = field(default_factory=AgeMapSettings)
    maps: FrameMaps = field(default_factory=FrameMaps)


NOTHING_MORE = FrameExtras()
_DEFAULT_MODEL = ModelSettings()
# Finer than the canvas of a small network: lines are to be as sharp as the plate.
_LINES_PX = 1024


def reage_frame(
    plate: Plate,
    face: TrackedFace,
    plan: CanvasPlan,
    source_age_years: float,
    target_age_years: float,
    predictor: Predictor,
    encoding: NetworkEncoding,
    mask: MaskSettings,
    model: ModelSettings = _DEFAULT_MODEL,
    extras: FrameExtras = NOTHING_MORE,
) -> FrameLayers | None:
    """Re-age a face in one frame, and to the ages of ``extras.ladder``; see :func:`reage_ladder`."""
    ages = [target_age_years, *(age for age in extras.ladder if age != target_age_years)]
    steps = reage_ladder(plate, face, plan, source_age_years, ages, predictor, encoding, mask, model, extras)
    first = next(steps)
    if first is None or not extras.ladder:
        return first
    made = {target_age_years: as_half(first.delta)}
    # One after the other, so that at most one delta is held at full precision beside the first.
    made |= {age: as_half(step.delta) for age, step in zip(ages[1:], steps, strict=True) if step is not None}
    return replace(first, ladder=tuple(LadderStep(age, made[age]) for age in extras.ladder))


def reage_ladder(
    plate: Plate,
    face: TrackedFace,
    plan: CanvasPlan,
    source_age_years: float,
    target_ages_years: Sequence[float],
    predictor: Predictor,
    encoding: NetworkEncoding,
    mask: MaskSettings,
    model: ModelSettings = _DEFAULT_MODEL,
    extras: FrameExtras = NOTHING_MORE,
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
        model: tiling, drawn lines, hue of shadows.
        extras: mattes, region ages and maps; its ladder does not count.

    Yields:
        The layers for each age, or None where the mask does not touch the plate's data window.
    """
    aspect = plate.pixel_aspect
    crop = crop_frame(face.pose, plan.framing, aspect)
    reach = mask_window(face.landmarks, pixel_aspect=aspect, **outline_of(mask))
    window = reach.intersect(crop.plate_window()).intersect(plate.data_window)
    if window.is_empty:
        yield from (None for _ in target_ages_years)
        return
    canvas = canvas_image(plate, crop, plan.canvas_px, encoding)
    # The landmarks on it, which goes with the head, so that no raster of what is measured there shows in a move.
    placed = apply_affine(crop.canvas_from_plate(plan.canvas_px), face.landmarks[:, :2])
    size_px = face_size_px(face.landmarks, pixel_aspect=aspect)
    drawn = face_mask(face.landmarks, window, pixel_aspect=aspect, **outline_of(mask))
    bare = _as_stored(faded_at_border(drawn, crop, window, max(mask.feather * size_px / 2, 1.0) / crop.side_px))
    soft = _by_hand(bare, plate, window, extras.maps)
    back = crop.plate_from_canvas(plan.canvas_px)
    if mask.refine > 0:
        # Resampling swings a hair beyond 0 and 1.
        skin = np.clip(warp_back(skin_matte(canvas, placed), back, window, filter="linear"), 0, 1)
        soft = soft * (1 - np.float32(mask.refine) * (1 - skin))
    layers = FrameLayers(
        window,
        np.zeros((*window.shape, 3), np.float32),
        _as_stored(soft),
        face_size_px=size_px,
    )
    field_of_ages = age_field(plate, face, crop, plan.canvas_px, extras.region_years, extras.maps.ages, extras.age_map)
    ages, ages_again = tee(field_of_ages.at(age) for age in target_ages_years)
    gain = predictor.descriptor.lines * model.lines
    lines_of_face = cache(partial(FaceLines, canvas, placed, max(plan.canvas_px, _LINES_PX)))
    to_delta = encoding.delta_maker(plate.rgb[window.slices_in(plate.data_window)])
    region = (plan.rows, plan.columns)
    corner = Window(plan.columns.start, plan.rows.start, plan.columns.stop, plan.rows.stop)
    with ThreadPoolExecutor(1, "reage-mattes") as beside:
        # They need the landmarks only, and the network leaves a thread of Python idle.
        mattes = beside.submit(_mattes, face, window, bare, aspect, extras)
        share = predictor.descriptor.shade if model.shade else 0.0
        on_part = placed - (corner.x_min, corner.y_min)
        shade = beside.submit(SkinShade, canvas[region], on_part, share, encoding.curve) if share else None
        changes = predict_ladder(predictor, canvas, source_age_years, ages, region=region, tiling=model.tiling)
        for wanted in ages_again:
            lines = beside.submit(_shading, lines_of_face, crop, window, source_age_years, wanted, gain)
            change = next(changes)[region]
            if shade is not None:
                change = shade.result().shaded(change, model.shade)
            encoded_delta = warp_back(change, back, window, canvas_window=corner)
            # What refinement and roto take away stays in the delta: they may be done again by hand.
            encoded_delta[bare == 0.0] = 0.0
            shading = lines.result()
            if shading is not None:
                shading[bare == 0.0] = 1.0
            regions, protect = mattes.result()
            yield replace(layers, delta=to_delta(encoded_delta, shading), regions=regions, protect=protect)


def _mattes(
    face: TrackedFace, window: Window, mask: Image, aspect: float, extras: FrameExtras
) -> tuple[Image | None, Image | None]:
    """Region and protect mattes, where they are asked for."""
    points = face.landmarks
    return (
        region_mattes(region_weights(points, window, pixel_aspect=aspect), mask) if extras.regions else None,
        protect_mattes(points, window, pixel_aspect=aspect) if extras.protect else None,
    )


def _shading(
    lines_of_face: Callable[[], FaceLines],
    crop: CropFrame,
    window: Window,
    source_age_years: float,
    target_age_years: float | Image,
    gain: float,
) -> Image | None:
    """(h, w, 3) what drawn lines of age multiply linear light by; None = there are none."""
    if gain == 0 or np.max(target_age_years) <= source_age_years:
        return None
    lines = lines_of_face().log_shading(source_age_years, target_age_years)
    laid = warp_back(lines, crop.plate_from_canvas(lines.shape[0]), window)
    return np.asarray(np.exp(np.float32(gain) * laid[..., None] * SHADE_OF_SKIN), np.float32)


def _as_stored(matte: Image) -> Image:
    """As the file will hold it: where the stored mask is 0 nothing may be added, not even a hair's breadth."""
    return matte.astype(np.float16).astype(np.float32)


def as_half(pixels: Image) -> Delta:
    """Pixels as a part of the file holds them: half float, or as they are where half would turn one infinite.

    Args:
        pixels: float32 of any shape.
    """
    with np.errstate(over="ignore"):
        half = pixels.astype(np.float16)
    return pixels if np.isinf(half).any() else half


def _by_hand(mask: Image, plate: Plate, window: Window, maps: FrameMaps) -> Image:
    """The mask under matte and holdout."""
    part = window.slices_in(plate.data_window)
    if maps.matte is not None:
        mask = mask * maps.matte[part]
    if maps.holdout is not None:
        mask = mask * (1 - maps.holdout[part])
    return mask
