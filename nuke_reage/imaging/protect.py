"""Mattes of what should not age: eyeballs, lips, teeth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import PROTECTED
from nuke_reage.imaging.arrays import FloatArray, require_landmarks
from nuke_reage.imaging.face_mask import face_size_px
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.surface import Raster, blurred

__all__ = ["protect_mattes"]

Doubles = npt.NDArray[np.floating[Any]]
Points = tuple[Doubles, Doubles]

# Upper and lower line of each opening, from left to right on screen.
# fmt: off
_EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263)),
)
_LIP_OUTER_TOP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_LIP_INNER_TOP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LIP_INNER_LOW = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_LIP_OUTER_LOW = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
# fmt: on

_SIGMA = 0.007
_PITCH = _SIGMA / 2
_ALONG, _ACROSS = 72, 20
# Mean gap over length of an opening: shut up to the first, a matte of full strength from the second on.  Landmarks of
# closed lids and lips never quite meet.
_EYE_OPENS = (0.07, 0.12)
_MOUTH_OPENS = (0.02, 0.045)


def protect_mattes(landmarks: npt.ArrayLike, window: Window, *, pixel_aspect: float = 1.0) -> FloatArray:
    """The mattes to hold out.

    Eyeballs and teeth fade out as lids and lips close and are exactly 0 when they are shut.

    Args:
        landmarks: (468, 2) or (468, 3) plate coordinates.
        window: the plate pixels to make.
        pixel_aspect: width of a plate pixel over its height.

    Returns:
        (window height, window width, 3) float32, 0..1, in the order of
        :data:`~nuke_reage.core.adjust.PROTECTED`: the eyeballs between the lids, the lips' red, what is seen of the
        mouth's inside.

    Raises:
        ValueError: landmarks of another shape or not finite, without any extent, or an empty window.
    """
    size_px = face_size_px(landmarks, pixel_aspect=pixel_aspect)
    points = require_landmarks(landmarks, "landmarks") * (pixel_aspect, 1.0)
    patches = {
        "eyes": [(_strip(points, *lines), _opened(points, *lines, _EYE_OPENS)) for lines in _EYES],
        "lips": [
            (_strip(points, _LIP_OUTER_TOP, _LIP_INNER_TOP), 1.0),
            (_strip(points, _LIP_INNER_LOW, _LIP_OUTER_LOW), 1.0),
        ],
        "teeth": [
            (
                _strip(points, _LIP_INNER_TOP, _LIP_INNER_LOW),
                _opened(points, _LIP_INNER_TOP, _LIP_INNER_LOW, _MOUTH_OPENS),
            )
        ],
    }
    mattes = np.zeros((*window.shape, len(PROTECTED)), np.float32)
    for channel, name in enumerate(PROTECTED):
        for (places, areas), strength in patches[name]:
            if strength > 0:
                _add(mattes[..., channel], places, areas * strength, size_px, window, pixel_aspect)
    return np.clip(mattes, 0.0, 1.0, out=mattes)


def _add(
    matte: FloatArray, places: Doubles, areas: Doubles, size_px: float, window: Window, pixel_aspect: float
) -> None:
    """Lay a patch's soft matte onto a matte."""
    # Where the raster ends, the Gaussian has fallen below what half float can hold beside 1.
    raster = Raster.around(places, 6 * _SIGMA * size_px, _PITCH * size_px)
    part = raster.plate_window(pixel_aspect).intersect(window)
    if part.is_empty:
        return
    density = blurred(raster, places, areas, _SIGMA * size_px).astype(np.float32)
    matte[part.slices_in(window)] += np.maximum(raster.to_plate(density, part, pixel_aspect), 0.0)


def _strip(points: Doubles, upper: tuple[int, ...], lower: tuple[int, ...]) -> Points:
    """The patch between two lines: cell centres (N, 2) and areas (N,), 0 where the lines have crossed."""
    top, low = _along(points[list(upper)]), _along(points[list(lower)])
    shares = np.linspace(0.0, 1.0, _ACROSS + 1)[:, None, None]
    grid = top + shares * (low - top)
    across, down = grid[:-1, 1:] - grid[:-1, :-1], grid[1:, :-1] - grid[:-1, :-1]
    across_low, down_right = grid[1:, 1:] - grid[1:, :-1], grid[1:, 1:] - grid[:-1, 1:]
    areas = (_cross(across, down) + _cross(across_low, down_right)) / 2
    centres = (grid[:-1, :-1] + grid[:-1, 1:] + grid[1:, :-1] + grid[1:, 1:]) / 4
    return centres.reshape(-1, 2), np.maximum(areas, 0.0).ravel()


def _along(line: Doubles) -> Doubles:
    """A line of a few landmarks as a smooth curve of many points."""
    from scipy.interpolate import CubicSpline  # slow to import; a bake without protection saves it

    return np.asarray(CubicSpline(np.linspace(0, 1, len(line)), line)(np.linspace(0, 1, _ALONG + 1)))


def _cross(one: Doubles, other: Doubles) -> Doubles:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


def _opened(points: Doubles, upper: tuple[int, ...], lower: tuple[int, ...], limits: tuple[float, float]) -> float:
    """How far an opening is open, 0..1, smooth at both ends."""
    top, low = points[list(upper)], points[list(lower)]
    along = top[-1] - top[0]
    length = max(float(np.hypot(*along)), 1e-9)
    gap = float(np.mean(_cross(along / length, low - top)))
    share = min(max((gap / length - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)
    return share * share * (3 - 2 * share)
