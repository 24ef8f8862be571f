"""Opening picture files through OpenImageIO, with its many ways to fail told apart."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window

__all__ = [
    "Samples",
    "all_specs",
    "complaint_of",
    "data_window_of",
    "display_window_of",
    "is_exr",
    "open_image",
    "pixel_aspect_of",
    "read_samples",
]

Samples = npt.NDArray[Any]


@contextmanager
def open_image(path: str | os.PathLike[str]) -> Iterator[oiio.ImageInput]:
    """Open a picture file, and make sure that it is the same file at the end.

    Args:
        path: the file.

    Yields:
        The open input.

    Raises:
        MediaError: the file is missing, not a file, not readable, empty, not a picture, deep, or was rewritten.
    """
    file = Path(path)
    before = _stat(file)
    if before.st_size == 0:
        raise MediaError(
            "empty-file",
            f"{path} is empty (0 bytes)",
            "The render may have failed or still be running; render it again.",
        )
    # Integer stills keep the colour that was painted, not the colour multiplied by alpha after a gamma curve.
    config = oiio.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    image = oiio.ImageInput.open(str(file), config)
    if image is None:
        raise MediaError(
            "not-an-image",
            f"{path} is not a picture that can be read: {_first_line(complaint_of(oiio))}",
            "The file may be damaged, cut short or of another kind; render or copy it again.",
        )
    try:
        if image.spec().deep:
            raise MediaError("deep", f"{path} is a deep EXR", "Flatten it first (DeepToImage in Nuke).")
        yield image
    finally:
        image.close()
    after = _stat(file)
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise MediaError(
            "changed-while-reading",
            f"{path} was rewritten while it was being read",
            "Wait until the render that writes it is finished, then run again.",
        )


def read_samples(image: oiio.ImageInput, part: int, first: int, end: int, path: object) -> Samples:
    """Read the channels ``first`` to ``end`` (exclusive) of a part.

    Args:
        image: open input.
        part: index of the part.
        first: first channel.
        end: channel after the last; all of one sample type.
        path: the file, for messages.

    Returns:
        (h, w, n): of an EXR in its own type (float16, float32 or uint32), so that values stay what they are; of
        other formats float32 with the largest integer code scaled to 1.

    Raises:
        MediaError: pixels are missing or damaged.
    """
    samples = image.read_image(part, 0, first, end, oiio.UNKNOWN if is_exr(image) else oiio.FLOAT)
    message = complaint_of(image)
    # JPEG hands out a half-grey picture together with its complaint; stray bytes at the end are harmless.
    if samples is None or (message and "extraneous bytes" not in message):
        raise MediaError(
            "truncated",
            f"{path} is cut short or damaged: {_first_line(message)}",
            "The render or copy may have stopped midway or still be running; render or copy the frame again.",
        )
    return samples if samples.ndim == 3 else samples[..., np.newaxis]


def data_window_of(spec: oiio.ImageSpec) -> Window:
    """The pixels that a part holds."""
    return Window(spec.x, spec.y, spec.x + spec.width, spec.y + spec.height)


def display_window_of(spec: oiio.ImageSpec) -> Window:
    """The format that a part is meant for."""
    return Window(spec.full_x, spec.full_y, spec.full_x + spec.full_width, spec.full_y + spec.full_height)


def pixel_aspect_of(spec: oiio.ImageSpec) -> float:
    """Width of a pixel over its height; 1 where the header holds nonsense."""
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
    return aspect if math.isfinite(aspect) and aspect > 0 else 1.0


def all_specs(image: oiio.ImageInput) -> list[oiio.ImageSpec]:
    """Headers of all parts of an EXR; of other formats the first picture's alone."""
    specs = [image.spec().copy()]
    # Further pictures in a TIFF, GIF or PSD are pages, thumbnails and frames, not layers of the first.
    while is_exr(image) and image.seek_subimage(len(specs), 0):
        specs.append(image.spec().copy())
    complaint_of(image)
    return specs


def complaint_of(source: Any) -> str:
    """What OpenImageIO, or an open input of it, has to say; asking clears it."""
    try:
        return str(source.geterror())
    except UnicodeDecodeError:
        # It quotes the damaged file's own bytes.
        return "its header is damaged"


def is_exr(image: oiio.ImageInput) -> bool:
    """Whether an open input is an EXR."""
    return str(image.format_name()) == "openexr"


def _stat(file: Path) -> os.stat_result:
    try:
        status = file.stat()
        if file.is_dir():
            raise IsADirectoryError
        with file.open("rb"):
            return status
    except FileNotFoundError as error:
        raise MediaError("missing-file", f"{file} does not exist", "Check the path and the frame number.") from error
    except IsADirectoryError as error:
        raise MediaError(
            "is-folder", f"{file} is a folder, not a picture", "Name a file, or a sequence such as shot.####.exr."
        ) from error
    except OSError as error:
        raise MediaError(
            "unreadable", f"{file} cannot be opened: {error.strerror}", "Check that you may read it."
        ) from error


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0] if message.strip() else "the reader gives no reason"
