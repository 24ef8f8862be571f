"""A plate: one frame of pixels as its file holds them, with what is needed to write something beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.geometry import Window
from nuke_reage.media.metadata import Attribute

__all__ = ["FloatArray", "Plate"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plate:
    """One frame, untouched: no clamp, no colour conversion, no premultiplication, NaN and Inf as they are.

    Attributes:
        rgb: (h, w, 3) float32, C-contiguous, the pixels of the data window, top row first.  Floating-point files keep
            their values; integer files are scaled so that their largest code is 1.  A greyscale file has three equal
            channels.
        data_window: where ``rgb`` lies, in plate coordinates; may be smaller or larger than the display window.
        display_window: the picture's format, in plate coordinates.
        pixel_aspect: width of a pixel over its height, above 0.
        channels: the other channels that were asked for, by name, each (h, w) float32 over the data window.  The
            alpha that belongs to the colour is called ``A`` whatever the file calls it.
        metadata: header attributes to be passed on (timecode, keycode, camera, chromaticities, frame rate, ...).
        sample_type: how the file stores its colour: ``half``, ``float``, ``double``, ``uint8``, ``uint10``,
            ``uint12``, ``uint16`` or ``uint32``.
        layer: the layer that ``rgb`` was taken from, empty for the main one.

    Raises:
        ValueError: the arrays do not have the shape of the data window, or the pixel aspect is not above 0.
    """

    rgb: FloatArray
    data_window: Window
    display_window: Window
    pixel_aspect: float = 1.0
    channels: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))
    sample_type: str = "float"
    layer: str = ""

    def __post_init__(self) -> None:
        expected = (*self.data_window.shape, 3)
        if self.rgb.shape != expected or self.rgb.dtype != np.float32:
            raise ValueError(f"rgb is {self.rgb.dtype} {self.rgb.shape}, its data window asks for float32 {expected}")
        for name, channel in self.channels.items():
            if channel.shape != self.data_window.shape:
                raise ValueError(f"channel {name!r} has shape {channel.shape}, expected {self.data_window.shape}")
        if not (math.isfinite(self.pixel_aspect) and self.pixel_aspect > 0):
            raise ValueError(f"pixel aspect must be above 0, got {self.pixel_aspect}")

    @property
    def is_floating_point(self) -> bool:
        """Whether the file stores half, float or double rather than integer codes."""
        return self.sample_type in {"half", "float", "double"}
