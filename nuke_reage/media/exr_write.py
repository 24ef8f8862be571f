"""Writing layered EXR files, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.atomic import atomic_path, write_error
from nuke_reage.media.layers import Part
from nuke_reage.media.metadata import MetadataValue, apply_metadata, without_malformed

__all__ = ["COMPRESSIONS", "HALF_MAX", "WriteReport", "write_layers"]

HALF_MAX = 65504.0
COMPRESSIONS = ("none", "rle", "zip", "zips", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")

Samples = npt.NDArray[np.float16] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class WriteReport:
    """What became of a write.

    Attributes:
        path: the finished file.
        size_bytes: its size.
        promoted_parts: parts that were written as float because a value would have become infinite as half.
        notes: sentences for the artist, empty when all is as asked.
    """

    path: Path
    size_bytes: int
    promoted_parts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_layers(
    path: str | os.PathLike[str],
    parts: Sequence[Part],
    *,
    display_window: Window,
    pixel_aspect: float = 1.0,
    metadata: Mapping[str, MetadataValue] | None = None,
    compression: str = "zips",
    sample_type: Literal["half", "float"] = "half",
    on_overflow: Literal["float", "error"] = "float",
) -> WriteReport:
    """Write an EXR with one part per layer; the file appears under its name only when it is finished.

    Values are not clamped.  NaN, Inf and negative values are stored as they are; a finite value above 65504, the
    largest that half can hold, never turns into Inf silently.

    Args:
        path: the file; its folder is created, an existing file replaced.
        parts: at least one; several make a multi-part file.
        display_window: the plate's, in plate coordinates.
        pixel_aspect: the plate's width of a pixel over its height.
        metadata: attributes for every part: the plate's, and ``reage/*``.
        compression: one of :data:`COMPRESSIONS`; ``dwaa`` and ``dwab`` take a level, as in ``dwaa:45``.
        sample_type: ``half`` or ``float``.
        on_overflow: for a part whose values half cannot hold: write that part as ``float``, or raise an ``error``.

    Returns:
        What was written, with a note for each part that had to be written as float and each attribute left out.

    Raises:
        MediaError: disk full, not writable, unknown compression, or overflow where that is an error.
        ValueError: no parts, or two of one name.
    """
    names = [part.name for part in parts]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"expected parts with different names, got {names}")
    if compression.partition(":")[0] not in COMPRESSIONS:
        raise MediaError(
            "unknown-compression",
            f"EXR compression {compression!r} does not exist",
            f"Use one of {', '.join(COMPRESSIONS)}.",
        )
    blocks: list[Samples] = []
    specs: list[oiio.ImageSpec] = []
    attributes, notes = without_malformed(metadata or {})
    promoted: list[str] = []
    for part in parts:
        block = _samples(part, part.sample_type or sample_type)
        if block is None:
            peak = _peak(part)
            if on_overflow == "error":
                raise MediaError(
                    "half-overflow",
                    f"part {part.name!r} of {path} reaches {peak:g}, above the {HALF_MAX:g} that half can hold",
                    "Write float instead of half, or lower the exposure of the plate.",
                )
            block = _samples(part, "float")
            assert block is not None
            promoted.append(part.name)
            notes.append(f"part {part.name!r} reaches {peak:g}, more than half can hold, and was written as float")
        blocks.append(block)
        specs.append(_spec(part, block, display_window, pixel_aspect, compression, attributes))
    with atomic_path(path) as temporary:
        _write(Path(path), temporary, specs, blocks)
        size_bytes = temporary.stat().st_size
    return WriteReport(Path(path), size_bytes, tuple(promoted), tuple(notes))


def _samples(part: Part, sample_type: str) -> Samples | None:
    """The part as (h, w, n) in its stored type, None where a finite value would become infinite."""
    dtype = np.float16 if sample_type == "half" else np.float32
    block = np.empty((*part.data_window.shape, len(part.channels)), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for index, channel in enumerate(part.channels.values()):
            block[..., index] = channel
            # Few pictures have any Inf: the second look is paid only by those.
            stored = np.isinf(block[..., index])
            if dtype == np.float16 and stored.any() and np.isfinite(channel[stored]).any():
                return None
    return block


def _peak(part: Part) -> float:
    """The finite value of the largest magnitude."""
    finite = (channel[np.isfinite(channel)] for channel in part.channels.values())
    return max((float(values[np.abs(values).argmax()]) for values in finite if values.size), key=abs)


def _spec(
    part: Part,
    block: Samples,
    display_window: Window,
    pixel_aspect: float,
    compression: str,
    metadata: Mapping[str, MetadataValue],
) -> oiio.ImageSpec:
    spec = oiio.ImageSpec(part.data_window.width, part.data_window.height, len(part.channels), str(_oiio_type(block)))
    spec.x, spec.y = part.data_window.x_min, part.data_window.y_min
    spec.full_x, spec.full_y = display_window.x_min, display_window.y_min
    spec.full_width, spec.full_height = display_window.width, display_window.height
    spec.channelnames = tuple(part.channels)
    apply_metadata(spec, metadata)
    spec.attribute("PixelAspectRatio", float(pixel_aspect))
    spec.attribute("compression", compression)
    spec.attribute("oiio:subimagename", part.name)
    return spec


def _oiio_type(block: Samples) -> str:
    return "half" if block.dtype == np.float16 else "float"


def _write(path: Path, temporary: Path, specs: Sequence[oiio.ImageSpec], blocks: Sequence[Samples]) -> None:
    output = oiio.ImageOutput.create("openexr")
    if output is None:
        raise write_error(path, f"this OpenImageIO cannot write EXR: {oiio.geterror()}")
    opened = output.open(str(temporary), tuple(specs)) if len(specs) > 1 else output.open(str(temporary), specs[0])
    ok = bool(opened)
    for index, (spec, block) in enumerate(zip(specs, blocks, strict=True)):
        if ok and index:
            ok = bool(output.open(str(temporary), spec, "AppendSubimage"))
        ok = ok and bool(output.write_image(block))
    message = output.geterror()
    ok = bool(output.close()) and ok
    message = message or output.geterror()
    if ok and not message:
        message = _missing_end(temporary, specs)
    if not ok or message:
        raise write_error(path, message or "the writer gives no reason", temporary=temporary)


def _missing_end(temporary: Path, specs: Sequence[oiio.ImageSpec]) -> str:
    """What is wrong with the end of the file, empty where all is there.

    The library writes through a buffer whose last flush may fail without a word when the disk is full.  Reading the
    last line of each part costs next to nothing and finds that.
    """
    image = oiio.ImageInput.open(str(temporary))
    if image is None:
        return oiio.geterror() or "the file cannot be opened again"
    try:
        for index, spec in enumerate(specs):
            last = spec.y + spec.height - 1
            line = image.read_scanlines(index, 0, last, last + 1, 0, 0, spec.nchannels, oiio.UNKNOWN)
            if line is None:
                return image.geterror() or "its end is missing"
    finally:
        image.close()
    return ""
