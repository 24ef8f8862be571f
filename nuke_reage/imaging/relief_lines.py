"""Where the lines of age run: curves through places of the face mesh, with width, depth and the ages they come at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GROUPS", "Group", "Line"]

Place = tuple[int, int, float] | int
"""A landmark, or the share of the way from one to another; of the side of the face that is left in the picture."""


@dataclass(frozen=True)
class Line:
    """A furrow.

    Attributes:
        through: places, in order.
        width: sigma across, in pixels of a 256 canvas.
        depth: in pixels of a 256 canvas.
        fade_in: share of the length over which it comes in.
        fade_out: share of the length over which it runs out.
        across: it runs over the middle of the face; others are there on both sides.
    """

    through: tuple[Place, ...]
    width: float
    depth: float
    fade_in: float = 0.25
    fade_out: float = 0.35
    across: bool = False


@dataclass(frozen=True)
class Group:
    """Lines that come together.

    Attributes:
        name: what they are called.
        from_years: before this age there are none.
        full_years: at this age they are as drawn; they go on for a few years.
        lines: one side, or across.
    """

    name: str
    from_years: float
    full_years: float
    lines: tuple[Line, ...]


_BROW_TO_HAIR = ((63, 54), (105, 103), (66, 67), (107, 109), (9, 10), (336, 338), (296, 297), (334, 332), (293, 284))


def _forehead(height: float, depth: float, fade: float, dip: float) -> Line:
    middle = len(_BROW_TO_HAIR) // 2
    shares = [height - dip * (1.0 - abs(index - middle) / middle) for index in range(len(_BROW_TO_HAIR))]
    through = tuple((low, high, share) for (low, high), share in zip(_BROW_TO_HAIR, shares, strict=True))
    return Line(through, 1.25, depth, fade, fade, across=True)


def _between(upper: Sequence[int], lower: Sequence[int], share: float) -> tuple[Place, Place]:
    """Two places, one on each of two rows, at the same share of the rows' length."""
    position = share * (len(upper) - 1)
    index = min(int(position), len(upper) - 2)
    rest = position - index
    return (upper[index], upper[index + 1], rest), (lower[index], lower[index + 1], rest)


_ABOVE_LIP, _LIP_TOP = (92, 165, 167, 164), (185, 40, 37, 0)
_LIP_BOTTOM, _BELOW_LIP = (146, 91, 84, 17), (43, 106, 83, 18)

GROUPS = (
    Group("forehead", 30, 70, (
        _forehead(0.26, 1.0, 0.30, 0.03), _forehead(0.44, 1.2, 0.16, 0.04),
        _forehead(0.61, 1.1, 0.18, 0.03), _forehead(0.77, 0.8, 0.28, 0.02),
    )),
    Group("glabella", 33, 70, (
        Line(((107, 151, 0.25), (107, 9, 0.35), (55, 8, 0.42), (189, 168, 0.25)), 1.1, 1.05, 0.4, 0.45),
        Line(((193, 168, 0.3), 168, (417, 168, 0.3)), 1.0, 0.8, 0.3, 0.3, across=True),
    )),
    Group("crow's feet", 32, 72, (
        Line(((247, 113, 0.7), (113, 124, 0.8), (156, 139, 0.5)), 0.85, 0.9, 0.2, 0.6),
        Line(((226, 113, 0.45), (124, 143, 0.25), (139, 34, 0.25)), 0.9, 1.1, 0.15, 0.6),
        Line(((226, 35, 0.2), (35, 143, 0.35), (143, 34, 0.6)), 0.9, 1.15, 0.15, 0.6),
        Line(((31, 226, 0.35), (35, 111, 0.35), (143, 116, 0.45)), 0.9, 1.0, 0.15, 0.6),
        Line(((31, 228, 0.4), (111, 31, 0.45), (111, 116, 0.5)), 0.85, 0.8, 0.2, 0.6),
    )),
    Group("lids", 35, 75, (
        Line((243, (232, 128, 0.35), (231, 120, 0.3), (230, 119, 0.32), (229, 118, 0.25), (228, 117, 0.1)),
             1.9, 1.7, 0.15, 0.35),
        Line(((112, 233, 0.5), (22, 231, 0.55), (23, 230, 0.55), (24, 229, 0.6), (110, 228, 0.7)), 0.8, 0.75),
        Line(((26, 232, 0.7), (22, 231, 0.95), (23, 230, 0.9), (24, 229, 0.95)), 0.75, 0.55),
        Line(((190, 221, 0.35), (157, 222, 0.3), (159, 223, 0.32), (160, 224, 0.3), (246, 225, 0.35),
              (33, 113, 0.6)), 1.1, 1.0, 0.3, 0.3),
    )),
    Group("nasolabial", 27, 74, (
        Line(((209, 142, 0.5), (49, 36, 0.3), (203, 64, 0.2), (206, 92, 0.3), (216, 186, 0.5), (57, 212, 0.35),
              (212, 202, 0.2)), 2.3, 2.0, 0.12, 0.25),
        Line(((49, 36, 0.22), (203, 64, 0.25), (206, 92, 0.35), (216, 186, 0.55), (57, 212, 0.45)), 1.0, 1.4, 0.2, 0.3),
    )),
    Group("marionette", 38, 78, (
        Line(((61, 57, 0.3), (43, 202, 0.3), (202, 204, 0.4), (210, 211, 0.55)), 1.5, 1.7, 0.2, 0.45),
        Line(((57, 212, 0.5), (202, 43, 0.05), (210, 211, 0.2), (169, 211, 0.2)), 1.2, 0.8, 0.3, 0.4),
    )),
    Group("lips", 50, 82, (
        *(Line(_between(_ABOVE_LIP, _LIP_TOP, share), 0.6, 0.45, 0.4, 0.3) for share in (0.12, 0.3, 0.47, 0.63, 0.8)),
        *(Line(_between(_LIP_BOTTOM, _BELOW_LIP, share), 0.65, 0.45, 0.3, 0.6) for share in (0.25, 0.5, 0.75)),
    )),
    Group("cheeks", 46, 82, (
        Line(((36, 101, 0.2), (205, 206, 0.4), (216, 207, 0.45), (214, 212, 0.45)), 1.3, 0.3, 0.35, 0.35),
        Line(((50, 205, 0.3), (187, 207, 0.5), (192, 214, 0.5), (135, 210, 0.35)), 1.5, 0.35, 0.35, 0.35),
        Line(((123, 50, 0.45), (147, 187, 0.6), (213, 192, 0.5), (138, 172, 0.3)), 1.3, 0.22, 0.35, 0.35),
        Line(((117, 118, 0.3), (50, 101, 0.3), (205, 203, 0.15)), 1.0, 0.12, 0.35, 0.35),
    )),
    Group("chin", 34, 72, (
        Line(((106, 182, 0.4), (83, 182, 0.25), 18, (313, 406, 0.25), (335, 406, 0.4)),
             1.8, 1.2, 0.3, 0.3, across=True),
    )),
)  # fmt: skip
"""All of them."""
