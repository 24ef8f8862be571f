"""What the tests look at in the files that the stand-in has written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio

__all__ = ["pixels"]


def pixels(path: str | Path) -> np.ndarray:
    """All channels of a flat EXR."""
    return np.asarray(oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT))
