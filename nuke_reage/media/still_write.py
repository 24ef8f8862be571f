"""Pictures for people: contact sheets, before / after stills.  Display-encoded, 8 or 16 bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import MediaError
from nuke_reage.media.atomic import atomic_path, write_error

__all__ = ["STILL_SUFFIXES", "holds_alpha", "write_still"]

STILL_SUFFIXES = {".png": ".png", ".jpg": ".jpg", ".jpeg": ".jpg", ".tif": ".tif", ".tiff": ".tif"}
_NO_SUBSAMPLING = 0x111111


def holds_alpha(path: str | os.PathLike[str]) -> bool:
    """Whether a still of this name can have alpha."""
    return STILL_SUFFIXES.get(Path(path).suffix.lower()) in {".png", ".tif"}


def write_still(
    path: str | os.PathLike[str],
    rgb: npt.NDArray[np.floating],
    *,
    alpha: npt.NDArray[np.floating] | None = None,
    bits: Literal[8, 16] = 8,
    jpeg_quality: int = 92,
) -> None:
    """Write a display-encoded picture; it appears under its name only when it is finished.

    Args:
        path: ``.png``, ``.jpg`` or ``.tif``.
        rgb: (h, w, 3) display-encoded, 0 to 1; values outside are clipped and NaN becomes black, the format has no
            codes for them.
        alpha: (h, w), 0 to 1, not multiplied in; None = none.
        bits: per channel; JPEG has 8.
        jpeg_quality: 1 to 100.

    Raises:
        MediaError: another kind of file, disk full, or not writable.
        ValueError: an array has another shape, or the format has no alpha.
    """
    target = Path(path)
    suffix = STILL_SUFFIXES.get(target.suffix.lower())
    if suffix is None:
        raise MediaError(
            "still-format", f"{target.name} is not a picture format written here", f"Use {', '.join(STILL_SUFFIXES)}."
        )
    if rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(f"expected a picture of shape (h, w, 3), got {rgb.shape}")
    if alpha is not None and (alpha.shape != rgb.shape[:2] or not holds_alpha(target)):
        raise ValueError(f"{target.name} of shape {rgb.shape} cannot have an alpha of shape {alpha.shape}")
    depth = 8 if suffix == ".jpg" else bits
    largest = 2**depth - 1
    # As OpenCV orders them.
    channels = rgb[..., ::-1] if alpha is None else np.dstack([rgb[..., ::-1], alpha])
    codes = np.clip(np.nan_to_num(channels, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0) * largest
    pixels = np.ascontiguousarray(np.round(codes).astype(np.uint8 if depth == 8 else np.uint16))
    # Encoded in memory: the JPEG library under OpenImageIO ends the whole process when the disk is full.
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _NO_SUBSAMPLING]
    done, encoded = cv2.imencode(suffix, pixels, options if suffix == ".jpg" else [])
    if not done:
        raise write_error(target, f"OpenCV cannot encode {suffix}")
    with atomic_path(target) as temporary:
        try:
            temporary.write_bytes(encoded.tobytes())
        except OSError as error:
            raise write_error(target, error) from error
