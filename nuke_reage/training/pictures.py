"""Eight-bit pictures in, eight-bit pictures out: what training data is made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.media.atomic import atomic_path, write_error

__all__ = ["PICTURE_SUFFIXES", "list_pictures", "read_picture", "to_bytes", "write_picture"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted by name; empty where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())


def read_picture(path: Path) -> FloatArray:
    """Read a picture as (H, W, 3) float32 RGB, 0..1, in the file's own encoding (sRGB).

    Raises:
        MediaError: the file is missing, damaged or no picture.
    """
    hint = "Replace the file, or take it out of the folder."
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise MediaError("unreadable", f"Cannot read {path}: {error.strerror}.", hint) from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise MediaError("not-a-picture", f"{path} is damaged or no picture.", hint)
    return np.ascontiguousarray(image[:, :, ::-1], dtype=np.float32) / np.float32(255.0)


def to_bytes(rgb: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Encoded RGB, 0..1, as rounded bytes; this is training data, so it is clipped."""
    return np.asarray(np.clip(rgb * 255.0 + 0.5, 0, 255), np.uint8)


def write_picture(path: Path, rgb: FloatArray, *, jpeg_quality: int = 95) -> None:
    """Write (H, W, 3) RGB, 0..1, whole or not at all; the name's ending tells the format.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if path.suffix.lower() != ".png" else []
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(to_bytes(rgb)[:, :, ::-1]), options)
    if not done:
        raise write_error(path, "the picture cannot be encoded")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
