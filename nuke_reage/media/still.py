"""Writing finished pictures as PNG, TIFF, JPEG or DPX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import OpenImageIO as oiio  # noqa: N813

from nuke_reage.core.errors import MediaError
from nuke_reage.core.strict import nearest
from nuke_reage.media.atomic import atomic_path, write_error
from nuke_reage.media.plate import Plate

__all__ = ["STILL_SUFFIXES", "write_still"]

_FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        ".png": ("uint8", "uint16"),
        ".tif": ("uint8", "uint16", "float"),
        ".tiff": ("uint8", "uint16", "float"),
        ".jpg": ("uint8",),
        ".jpeg": ("uint8",),
        ".dpx": ("uint8", "uint16"),
    }
)
STILL_SUFFIXES = frozenset(_FORMATS)
_DTYPES: Mapping[str, Any] = MappingProxyType({"uint8": np.uint8, "uint16": np.uint16, "float": np.float32})


def write_still(path: str | os.PathLike[str], picture: Plate) -> tuple[str, ...]:
    """Write the data window of a picture, whole or not at all.

    Args:
        path: ``.png``, ``.tif``, ``.jpg`` or ``.dpx``; its folder is created.
        picture: RGB as it is to be stored, 0 to 1 for integer files; alpha is kept where the format has it.  The depth
            is that of the picture's own file where the format has it, else the next deeper one.

    Returns:
        Notes for the artist: what the format could not hold.

    Raises:
        MediaError: unknown ending, unwritable folder, full disk.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in _FORMATS:
        raise MediaError("still-format", f"{file} has an unknown ending.", nearest(suffix, [*_FORMATS, ".exr"]))
    sample_type = _depth(picture.sample_type, _FORMATS[suffix])
    pixels = picture.rgb
    if "A" in picture.channels and suffix not in {".jpg", ".jpeg"}:
        pixels = np.concatenate([pixels, picture.channels["A"][..., None]], axis=2)
    notes = []
    if sample_type != "float":
        with np.errstate(invalid="ignore"):
            outside = int((~((pixels >= 0.0) & (pixels <= 1.0))).any(axis=2).sum())
        if outside:
            notes.append(f"{outside} pixels lie outside 0 to 1, which {suffix[1:]} cannot hold")
        largest = np.iinfo(_DTYPES[sample_type]).max
        pixels = np.rint(np.clip(np.nan_to_num(pixels), 0.0, 1.0).astype(np.float64) * largest)
    stored = np.ascontiguousarray(pixels, dtype=_DTYPES[sample_type])
    spec = oiio.ImageSpec(stored.shape[1], stored.shape[0], stored.shape[2], sample_type)
    spec.attribute("PixelAspectRatio", picture.pixel_aspect)
    spec.attribute("CompressionQuality", 97)
    with atomic_path(file) as temporary:
        # The format must be named, for the temporary name ends otherwise.
        output = oiio.ImageOutput.create(suffix[1:])
        if output is None or not output.open(str(temporary), spec):
            raise write_error(file, output.geterror() if output else "no such format", temporary=temporary)
        written = output.write_image(stored)
        message = "" if written else output.geterror()
        if not output.close() or not written:
            raise write_error(file, message or output.geterror(), temporary=temporary)
    return tuple(notes)


def _depth(own: str, possible: tuple[str, ...]) -> str:
    wanted = {"uint8": 0, "uint10": 1, "uint12": 1, "uint16": 1}.get(own, 2)
    return possible[min(wanted, len(possible) - 1)]
