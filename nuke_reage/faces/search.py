"""Where to look for faces, cheapest places first.

The short-range detector sees faces of about a fifth to all of a 128 px square.  So small faces need closer squares,
faces that fill or leave the frame need a wider one, rolled ones need a turned one and badly exposed ones need other
levels.  A search goes through these stages and ends with the first that finds a face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nuke_reage.faces.pyramid import ImagePyramid, SquareCrop

__all__ = ["FINEST_LEVEL", "SearchStage", "is_blank", "level_squares", "search_stages", "tone_variants"]

FINEST_LEVEL = 4
_SMALLEST_FACE_OF_SQUARE = 0.145
_WIDE = 1.8
_BLANK = 1e-3
_SIDEWAYS_DEGREES = (90.0, 180.0, -90.0)


@dataclass(frozen=True)
class SearchStage:
    """Squares to look at together.

    Attributes:
        squares: of one picture.
        is_fine: many small squares; left out where a doubtful face has been seen already.
    """

    squares: list[SquareCrop]
    is_fine: bool = False


def level_squares(width_px: int, height_px: int, level: int, angle_degrees: float = 0.0) -> list[SquareCrop]:
    """Squares that cover the picture.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        level: -1 = one square of 1.8 times the longer side, 0 = one of the longer side, 1 = squares of the shorter
            side (at most three quarters of the longer one), each further level at half the side, overlapping by half.
        angle_degrees: how much faces are turned clockwise.
    """
    longest, shortest = max(width_px, height_px), min(width_px, height_px)
    if level <= 0:
        side = longest * (_WIDE if level < 0 else 1.0)
        return [SquareCrop(width_px / 2, height_px / 2, side, angle_degrees)]
    side = min(shortest, 0.75 * longest) * 0.5 ** (level - 1)
    xs, ys = (_centres(length, side) for length in (width_px, height_px))
    return [SquareCrop(x, y, side, angle_degrees) for y in ys for x in xs]


def search_stages(width_px: int, height_px: int, min_face_px: float) -> Iterator[SearchStage]:
    """Groups of squares to look at, in the order in which they pay off.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        min_face_px: faces smaller than this are not looked for.
    """

    def squares(level: int, *angles: float) -> list[SquareCrop]:
        return [one for angle in angles or (0.0,) for one in level_squares(width_px, height_px, level, angle)]

    def is_worthwhile(level: int) -> bool:
        # A level pays while the one before it could not see the smallest wanted face.
        before_px = min(width_px, height_px, 0.75 * max(width_px, height_px)) * 0.5 ** (level - 2)
        return before_px * _SMALLEST_FACE_OF_SQUARE > min_face_px

    is_wide = max(width_px, height_px) > 1.25 * min(width_px, height_px)
    yield SearchStage(squares(0) + (squares(1) if is_wide else []))
    yield SearchStage(squares(-1) + ([] if is_wide else squares(1)))
    yield SearchStage(squares(0, *_SIDEWAYS_DEGREES))
    for level in range(2, FINEST_LEVEL + 1):
        if is_worthwhile(level):
            yield SearchStage(squares(level), is_fine=True)
    yield SearchStage(squares(-1, *_SIDEWAYS_DEGREES) + squares(1, *_SIDEWAYS_DEGREES))
    if is_worthwhile(2):
        yield SearchStage(squares(2, *_SIDEWAYS_DEGREES), is_fine=True)


def is_blank(pyramid: ImagePyramid) -> bool:
    """Whether a picture has no contrast at all, so that looking for faces is of no use."""
    return float(np.ptp(pyramid.thumbnail(256))) < _BLANK


def tone_variants(pyramid: ImagePyramid) -> Iterator[ImagePyramid]:
    """The picture with other levels, for faces that are too dark, too bright or too flat to be found."""
    luma = pyramid.thumbnail(256) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    black, middle, white = (float(value) for value in np.percentile(luma, [1, 50, 99]))
    if white - black < _BLANK:
        return
    level = min(max((middle - black) / (white - black), 1e-3), 0.999)
    for target in (0.45, 0.25, 0.65):
        gamma = min(max(math.log(target) / math.log(level), 0.2), 4.0)
        yield pyramid.adjusted(black, white, gamma)


def _centres(length_px: int, side_px: float) -> list[float]:
    if length_px <= side_px:
        return [length_px / 2]
    count = math.ceil((length_px - side_px) / (side_px / 2)) + 1
    return [float(value) for value in np.linspace(side_px / 2, length_px - side_px / 2, count)]
