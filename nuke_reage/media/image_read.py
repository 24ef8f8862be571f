"""Reading one picture file through OpenImageIO: EXR of any shape, and stills (tif, png, jpg, dpx, ...)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import OpenImageIO as oiio  # noqa: N813

from nuke_reage.imaging.geometry import Window
from nuke_reage.media.channels import ChannelRef, ColourChoice, PartNames, choose_colour, list_channels
from nuke_reage.media.image_open import (
    Samples,
    all_specs,
    data_window_of,
    display_window_of,
    is_exr,
    open_image,
    pixel_aspect_of,
    read_samples,
)
from nuke_reage.media.metadata import Attribute, inherited_metadata
from nuke_reage.media.plate import FloatArray, Plate

__all__ = ["PlateHeader", "channel_names_of", "read_header", "read_plate"]


@dataclass(frozen=True)
class PlateHeader:
    """What a file says about itself, without its pixels.

    Attributes:
        data_window: where the colour lies, in plate coordinates.
        display_window: the picture's format.
        pixel_aspect: width of a pixel over its height.
        channel_names: all channels in the file.
        metadata: attributes to be passed on.
        sample_type: as in :class:`~nuke_reage.media.plate.Plate`.
        layer: the layer that :func:`read_plate` would take.
    """

    data_window: Window
    display_window: Window
    pixel_aspect: float
    channel_names: tuple[str, ...]
    metadata: Mapping[str, Attribute]
    sample_type: str
    layer: str


def read_plate(
    path: str | os.PathLike[str], *, layer: str | None = None, channels: Collection[str] | None = None
) -> Plate:
    """Read one frame, its values untouched.

    Args:
        path: an EXR of any layout (scanline or tiled, one part or many, any data window), or a still that
            OpenImageIO reads.  A rotation noted in a still's EXIF header is applied; alpha is not multiplied in.
        layer: the layer to take the colour from, for example ``diffuse``; None for the main one.
        channels: names of the other channels to read, ``A`` for alpha; None for all of them.  Names that the file
            does not have are left out.

    Returns:
        The plate.

    Raises:
        MediaError: the file is missing, empty, deep, truncated, no picture, or was rewritten while it was read.
    """
    with open_image(path) as image:
        specs = all_specs(image)
        refs = list_channels(channel_names_of(specs))
        colour = choose_colour(refs, layer, path)
        extra = _other_channels(refs, colour, channels)
        spec = specs[colour.red.part]
        window = data_window_of(spec)
        picture = (colour.red, colour.green, colour.blue)
        blocks = _read_blocks(image, [*picture, *extra.values()], path)
        rgb = _joined(blocks, picture)
        others = {
            name: _placed(_joined(blocks, [ref])[..., 0], data_window_of(specs[ref.part]), window)
            for name, ref in extra.items()
        }
        plate = Plate(
            rgb=rgb,
            data_window=window,
            display_window=display_window_of(spec),
            pixel_aspect=pixel_aspect_of(spec),
            channels=MappingProxyType(others),
            metadata=inherited_metadata(spec, from_exr=is_exr(image)),
            sample_type=_sample_type(spec, colour.red),
            layer=colour.layer,
        )
        orientation = 1 if is_exr(image) else spec.get_int_attribute("Orientation", 1)
    return _upright(plate, orientation)


def read_header(path: str | os.PathLike[str], *, layer: str | None = None) -> PlateHeader:
    """Read what a file says about itself; costs no pixels.  Arguments and errors as :func:`read_plate`."""
    with open_image(path) as image:
        specs = all_specs(image)
        refs = list_channels(channel_names_of(specs))
        colour = choose_colour(refs, layer, path)
        spec = specs[colour.red.part]
        return PlateHeader(
            data_window=data_window_of(spec),
            display_window=display_window_of(spec),
            pixel_aspect=pixel_aspect_of(spec),
            channel_names=tuple(ref.name for ref in refs),
            metadata=inherited_metadata(spec, from_exr=is_exr(image)),
            sample_type=_sample_type(spec, colour.red),
            layer=colour.layer,
        )


def channel_names_of(specs: Sequence[oiio.ImageSpec]) -> list[PartNames]:
    """The names in a file's headers, part by part."""
    parts = []
    for spec in specs:
        formats = spec.channelformats or (spec.format,) * spec.nchannels
        parts.append(
            PartNames(
                name=spec.get_string_attribute("oiio:subimagename"),
                view=spec.get_string_attribute("view"),
                channels=tuple(spec.channelnames),
                formats=tuple(str(item) for item in formats),
            )
        )
    return parts


def _other_channels(
    refs: Sequence[ChannelRef], colour: ColourChoice, wanted: Collection[str] | None
) -> dict[str, ChannelRef]:
    used = {colour.red.name, colour.green.name, colour.blue.name}
    others = {"A": colour.alpha} if colour.alpha else {}
    for ref in refs:
        if ref.name not in used and ref != colour.alpha:
            others.setdefault(ref.name, ref)
    return others if wanted is None else {name: ref for name, ref in others.items() if name in wanted}


def _read_blocks(
    image: oiio.ImageInput, refs: Sequence[ChannelRef], path: object
) -> dict[ChannelRef, tuple[Samples, int]]:
    """Read channels in as few passes as possible.

    Returns:
        For each channel the (h, w, n) block that it came in and its index there.
    """
    blocks: dict[ChannelRef, tuple[Samples, int]] = {}
    for run in _runs(refs):
        block = read_samples(image, run[0].part, run[0].index, run[-1].index + 1, path)
        blocks.update({ref: (block, ref.index - run[0].index) for ref in run})
    return blocks


def _joined(blocks: Mapping[ChannelRef, tuple[Samples, int]], refs: Sequence[ChannelRef]) -> FloatArray:
    """Channels side by side as one C-contiguous (h, w, n) float32 array; no copy where they came that way."""
    block, first = blocks[refs[0]]
    if all(blocks[ref][0] is block and blocks[ref][1] == first + step for step, ref in enumerate(refs)):
        return np.ascontiguousarray(block[..., first : first + len(refs)], np.float32)
    return np.stack([blocks[ref][0][..., blocks[ref][1]] for ref in refs], axis=-1).astype(np.float32, copy=False)


def _runs(refs: Sequence[ChannelRef]) -> list[list[ChannelRef]]:
    """Neighbouring channels of one sample type, which one call can read."""
    ordered = sorted(set(refs), key=lambda ref: (ref.part, ref.index))
    runs: list[list[ChannelRef]] = []
    for ref in ordered:
        last = runs[-1][-1] if runs else None
        neighbours = last and (last.part, last.index + 1, last.sample_format) == (
            ref.part,
            ref.index,
            ref.sample_format,
        )
        if neighbours:
            runs[-1].append(ref)
        else:
            runs.append([ref])
    return runs


def _placed(channel: FloatArray, own: Window, window: Window) -> FloatArray:
    """A channel of one data window on another; zero where it has no pixels."""
    if own == window:
        return channel
    placed = np.zeros(window.shape, np.float32)
    common = own.intersect(window)
    placed[common.slices_in(window)] = channel[common.slices_in(own)]
    return placed


def _sample_type(spec: oiio.ImageSpec, ref: ChannelRef) -> str:
    if ref.sample_format not in {"uint8", "uint16", "uint", "uint32"}:
        return ref.sample_format
    bits = spec.get_int_attribute("oiio:BitsPerSample", 0)
    return f"uint{bits}" if bits in {10, 12} else "uint32" if ref.sample_format == "uint" else ref.sample_format


def _upright(plate: Plate, orientation: int) -> Plate:
    """Undo the camera's rotation that a still's header notes (EXIF orientation 2 to 8)."""
    if orientation not in range(2, 9):
        return plate

    def turn(image: FloatArray) -> FloatArray:
        turned = image.swapaxes(0, 1) if orientation >= 5 else image
        if orientation in {2, 3, 6, 7}:
            turned = turned[:, ::-1]
        if orientation in {3, 4, 7, 8}:
            turned = turned[::-1]
        return np.ascontiguousarray(turned)

    rgb = turn(plate.rgb)
    window = Window(0, 0, rgb.shape[1], rgb.shape[0])
    return Plate(
        rgb=rgb,
        data_window=window,
        display_window=window,
        pixel_aspect=1 / plate.pixel_aspect if orientation >= 5 else plate.pixel_aspect,
        channels=MappingProxyType({name: turn(channel) for name, channel in plate.channels.items()}),
        metadata=plate.metadata,
        sample_type=plate.sample_type,
        layer=plate.layer,
    )
