"""Contact sheets: pictures in a grid, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import WorkingSpace

__all__ = ["captioned", "contact_sheet", "display_bytes", "even_rows", "fit", "lettered", "screen_bytes", "screen_rgb"]

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Item = TypeVar("Item")

_GAP_PX = 8
_CAPTION_PX = 26
_PAPER = 24


def display_bytes(encoded_rgb: npt.ArrayLike) -> Bytes:
    """A display-referred picture as bytes.

    Args:
        encoded_rgb: (H, W, 3) floats, sRGB-encoded; values outside 0 to 1 are cut off, NaN becomes black.

    Returns:
        (H, W, 3) uint8.
    """
    safe = np.nan_to_num(np.asarray(encoded_rgb, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.rint(np.clip(safe, 0.0, 1.0) * 255.0), np.uint8)


def screen_rgb(plate_rgb: Floats, space: WorkingSpace) -> Floats:
    """A plate as a viewer shows it, unbounded.

    Args:
        plate_rgb: (H, W, 3) float32 in the plate's own space.
        space: that space; scene-linear light and camera logs are shown as sRGB.

    Returns:
        (H, W, 3) float32; 0 to 1 is what a screen can show.
    """
    return DisplayCurve(knee=1.0).encode(space.to_linear_rec709(plate_rgb))


def screen_bytes(plate_rgb: Floats, space: WorkingSpace) -> Bytes:
    """:func:`screen_rgb` as (H, W, 3) uint8."""
    return display_bytes(screen_rgb(plate_rgb, space))


def fit(picture: Bytes, width_px: int, height_px: int) -> Bytes:
    """The picture scaled to fit into a cell and centred on the sheet's grey."""
    scale = min(width_px / picture.shape[1], height_px / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cell = np.full((height_px, width_px, 3), _PAPER, np.uint8)
    top, left = (height_px - size[1]) // 2, (width_px - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def lettered(picture: Bytes, left: str, right: str) -> Bytes:
    """A picture with a line of text in each of its lower corners, readable on any ground."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(22)
    height, width = picture.shape[:2]
    style: dict[str, Any] = {"font": font, "fill": (255, 255, 255), "stroke_width": 2, "stroke_fill": (0, 0, 0)}
    draw.text((16, height - 14), left, anchor="ls", **style)
    draw.text((width - 16, height - 14), right, anchor="rs", **style)
    return np.asarray(image, np.uint8)


def captioned(caption: str, picture: Bytes, size_px: tuple[int, int]) -> Bytes:
    """One picture with its caption below, on a sheet of its own."""
    return contact_sheet([[(caption, picture)]], size_px)


def even_rows(items: Sequence[Item], most: int) -> list[list[Item]]:
    """Items in as few rows of at most ``most`` as will do; rows differ by one item at most.

    >>> even_rows("abcdefg", 6)
    [['a', 'b', 'c', 'd'], ['e', 'f', 'g']]
    """
    count = -(-len(items) // most)
    starts = [-(-row * len(items) // count) for row in range(count + 1)] if count else [0]
    return [list(items[start:end]) for start, end in pairwise(starts)]


def contact_sheet(rows: Sequence[Sequence[tuple[str, Bytes]]], cell_px: tuple[int, int]) -> Bytes:
    """A grid of captioned pictures.

    Args:
        rows: rows of (caption, (H, W, 3) uint8 sRGB); rows may differ in length.
        cell_px: width and height of a picture on the sheet.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: there is no picture.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("a contact sheet needs at least one picture")
    width, height = cell_px
    step_x, step_y = width + _GAP_PX, height + _CAPTION_PX + _GAP_PX
    sheet = np.full((len(rows) * step_y + _GAP_PX, columns * step_x + _GAP_PX, 3), _PAPER, np.uint8)
    for y, row in enumerate(rows):
        for x, (_, picture) in enumerate(row):
            top, left = y * step_y + _GAP_PX, x * step_x + _GAP_PX
            sheet[top : top + height, left : left + width] = fit(picture, width, height)
    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(16)
    for y, row in enumerate(rows):
        for x, (caption, _) in enumerate(row):
            place = (x * step_x + _GAP_PX + 2, y * step_y + _GAP_PX + height + 3)
            draw.text(place, caption, fill=(210, 210, 210), font=font)
    return np.asarray(image, np.uint8)
