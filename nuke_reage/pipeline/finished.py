"""The finished picture: the plate with the adjusted delta, and how a screen is shown it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.adjust import adjusted_comp
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.plate import Plate
from nuke_reage.pipeline.frame import FrameLayers

__all__ = ["finished_picture", "on_display_window", "on_screen", "square_pixels"]

Image = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_SRGB = DisplayCurve(knee=1.0)


def finished_picture(plate: Plate, layers: FrameLayers | None, adjust: AdjustSettings, space: WorkingSpace) -> Plate:
    """The plate with the adjusted delta added through the adjusted mask; everything else stays bit for bit.

    Args:
        plate: the frame.
        layers: what was baked; None = no face, the plate as it is.
        adjust: gain and all the rest.
        space: of the plate; it gives the weights of luminance.

    Raises:
        UsageError: a region's gain or protection is set, and the layers have no such mattes.
    """
    if layers is None:
        return plate
    if layers.regions is None and adjust.regions != RegionGains():
        raise UsageError("no-mattes", "There are no region mattes for the region gains.", "Leave --region-gain out.")
    if layers.protect is None and adjust.protect != Protection():
        raise UsageError("no-mattes", "There are no mattes to protect anything with.", "Leave --protect out.")
    rgb = plate.rgb.copy()
    inside = layers.window.slices_in(plate.data_window)
    around, own = plate.data_window, layers.window
    rgb[inside] = adjusted_comp(
        plate.rgb[inside],
        layers.mask,
        layers.delta,
        adjust,
        layers.face_size_px,
        regions=layers.regions,
        protect=layers.protect,
        luma_weights=space.luma_weights,
        margins_px=(
            own.y_min - around.y_min,
            around.y_max - own.y_max,
            own.x_min - around.x_min,
            around.x_max - own.x_max,
        ),
        pixel_aspect=plate.pixel_aspect,
    )
    return replace(plate, rgb=rgb)


def on_display_window(picture: Plate) -> Image:
    """The picture on its display window: overscan cut off, black where it has no pixels.

    Args:
        picture: any frame.

    Returns:
        (H, W, 3) float32 in the shape of the display window and the picture's own space.
    """
    if picture.data_window == picture.display_window:
        return picture.rgb
    common = picture.data_window.intersect(picture.display_window)
    rgb = np.zeros((*picture.display_window.shape, 3), np.float32)
    if not common.is_empty:
        rgb[common.slices_in(picture.display_window)] = picture.rgb[common.slices_in(picture.data_window)]
    return rgb


def on_screen(picture: Plate, space: WorkingSpace) -> Image:
    """:func:`on_display_window` as a screen wants it.

    Scene-linear light becomes sRGB, anything else stays as the plate has it.

    Args:
        picture: in its own space.
        space: that space.

    Returns:
        (H, W, 3) float32 in the shape of the display window, not clipped.
    """
    rgb = on_display_window(picture)
    return _SRGB.encode(space.to_linear_rec709(rgb)) if space.is_linear else rgb


def square_pixels(shown: Bytes, pixel_aspect: float) -> Bytes:
    """A picture for a screen, stretched sideways to square pixels.

    Args:
        shown: (H, W, 3) uint8.
        pixel_aspect: width of its pixels over their height, above 0.

    Returns:
        (H, round(W * pixel_aspect), 3) uint8; the picture itself where its pixels are square.
    """
    height, width = shown.shape[:2]
    stretched = max(1, round(width * pixel_aspect))
    if stretched == width:
        return shown
    method = cv2.INTER_LINEAR if stretched > width else cv2.INTER_AREA
    return np.asarray(cv2.resize(shown, (stretched, height), interpolation=method), np.uint8)
