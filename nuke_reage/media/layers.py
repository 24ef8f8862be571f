"""Layer files: what ReAge writes beside a plate, part by part, and how it is read back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.image_open import (
    all_specs,
    complaint_of,
    data_window_of,
    display_window_of,
    is_exr,
    open_image,
    pixel_aspect_of,
    read_samples,
)
from nuke_reage.media.metadata import Attribute, inherited_metadata

__all__ = ["Layers", "Part", "blank_part", "part_names", "read_layer_metadata", "read_layers"]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a multi-part EXR.

    Attributes:
        name: name of the part, unique in its file, for example ``delta``.
        channels: (h, w) float32, or to be written also float16, by full channel name, for example ``reage_delta.red``.
        data_window: where the channels lie, in plate coordinates; at least one pixel.
        sample_type: ``half`` or ``float`` for this part; empty = that of the file.

    Raises:
        ValueError: no name, no channel, no pixel, or a channel that does not fit the data window.
    """

    name: str
    channels: Mapping[str, npt.NDArray[Any]]
    data_window: Window
    sample_type: Literal["", "half", "float"] = ""

    def __post_init__(self) -> None:
        if not self.name or not self.channels:
            raise ValueError(f"a part needs a name and a channel, got {self.name!r} with {len(self.channels)}")
        if self.data_window.is_empty:
            raise ValueError(f"part {self.name!r} has no pixel; an EXR needs one, see blank_part")
        for name, channel in self.channels.items():
            if channel.shape != self.data_window.shape or channel.dtype not in (np.float32, np.float16):
                raise ValueError(
                    f"channel {name!r} of part {self.name!r} is {channel.dtype} {channel.shape}, "
                    f"its data window asks for float32 or float16 {self.data_window.shape}"
                )


@dataclass(frozen=True, eq=False)
class Layers:
    """A layer file in memory.

    Attributes:
        parts: parts by name, in file order.
        display_window: the plate's format.
        pixel_aspect: width of a pixel over its height.
        metadata: attributes of the file, the plate's and the ``reage/*`` ones.
        sample_types: how each part is stored: ``half`` or ``float``, by part name.
    """

    parts: Mapping[str, Part]
    display_window: Window
    pixel_aspect: float
    metadata: Mapping[str, Attribute]
    sample_types: Mapping[str, str]


def blank_part(name: str, channels: Sequence[str], display_window: Window) -> Part:
    """The part of a frame without a face: one pixel of zero, the least that the format allows.

    Args:
        name: name of the part.
        channels: full channel names.
        display_window: the plate's; the pixel lies in its first corner.

    Returns:
        A part with a 1 x 1 data window.
    """
    x, y = display_window.x_min, display_window.y_min
    return Part(name, {channel: np.zeros((1, 1), np.float32) for channel in channels}, Window(x, y, x + 1, y + 1))


def part_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The named parts of a file; costs no pixels, and a movie or a still has none.

    Raises:
        MediaError: the file is missing, empty or damaged.
    """
    if Path(path).suffix.lower() != ".exr":
        return ()
    with open_image(path) as image:
        names = (spec.get_string_attribute("oiio:subimagename") for spec in all_specs(image))
        return tuple(name for name in names if name)


def read_layers(path: str | os.PathLike[str]) -> Layers:
    """Read a layer file whole; parts and channels are found by name, their order means nothing.

    Args:
        path: an EXR, of one part or many.

    Returns:
        The layers.  A part without a name is called ``part0``, ``part1``, ...

    Raises:
        MediaError: the file is missing, empty, deep, truncated or not an EXR.
    """
    with open_image(path) as image:
        if not is_exr(image):
            raise MediaError("not-an-exr", f"{path} is not an EXR", "Layers live in EXR files only.")
        specs = all_specs(image)
        parts: dict[str, Part] = {}
        sample_types: dict[str, str] = {}
        for index, spec in enumerate(specs):
            name = spec.get_string_attribute("oiio:subimagename") or f"part{index}"
            block = np.moveaxis(read_samples(image, index, 0, spec.nchannels, path), -1, 0)
            channels = {
                channel: np.ascontiguousarray(pixels, np.float32)
                for channel, pixels in zip(spec.channelnames, block, strict=True)
            }
            parts[name] = Part(name, MappingProxyType(channels), data_window_of(spec))
            sample_types[name] = str(spec.format)
        return Layers(
            parts=MappingProxyType(parts),
            display_window=display_window_of(specs[0]),
            pixel_aspect=pixel_aspect_of(specs[0]),
            metadata=inherited_metadata(specs[0], from_exr=True),
            sample_types=MappingProxyType(sample_types),
        )


def read_layer_metadata(path: str | os.PathLike[str], *, to_the_end: bool = False) -> Mapping[str, Attribute]:
    """The attributes of a layer file's first part; costs next to no pixels.

    Args:
        path: the file.
        to_the_end: make sure that nothing is cut off, by reading the last line of each part.

    Raises:
        MediaError: the file is missing, empty, truncated or not an image.
    """
    with open_image(path) as image:
        for index, spec in enumerate(all_specs(image) if to_the_end else ()):
            last = spec.y + spec.height - 1
            if image.read_scanlines(index, 0, last, last + 1, 0, 0, spec.nchannels, oiio.UNKNOWN) is None:
                reason = complaint_of(image) or "its end is missing"
                raise MediaError("truncated", f"{path} is cut short: {reason}", "Bake it again.")
        image.seek_subimage(0, 0)
        return inherited_metadata(image.spec(), from_exr=is_exr(image))
