"""Putting parts together: tiles of a canvas, and the delta onto the plate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nuke_reage.imaging.arrays import FloatArray, all_finite, require_image, require_mask, require_same_size
from nuke_reage.imaging.geometry import Window

__all__ = ["Tile", "blend", "comp", "plan_tiles"]

# Ramp weights are whole multiples of this, so that products and sums of them are exact in float32.
_WEIGHT_STEP = 2.0**-12


@dataclass(frozen=True)
class Tile:
    """A part of a canvas that the network sees alone.

    Attributes:
        window: its pixels in canvas coordinates.
        weight: (h, w) float32, its share in the blend; the shares of all tiles sum to exactly 1 at every pixel.
    """

    window: Window
    weight: FloatArray


def plan_tiles(height: int, width: int, tile_px: int, overlap_px: int, multiple: int = 16) -> list[Tile]:
    """Cover a canvas with equal tiles that overlap.

    Args:
        height: canvas rows, a multiple of ``multiple``.
        width: canvas columns, likewise.
        tile_px: longest side of a tile; rounded down to ``multiple``.
        overlap_px: least overlap of neighbours, over which one fades into the next; rounded up to ``multiple``.
        multiple: what the network divides its input by; tiles start at and measure whole multiples of it.

    Returns:
        Tiles in reading order, all of one size and no larger than it takes.

    Raises:
        ValueError: the canvas is no multiple, or tiles are not at least three times as long as their overlap.
    """
    if multiple < 1 or height < 1 or width < 1 or height % multiple or width % multiple:
        raise ValueError(f"canvas of {height} x {width} is not made of whole blocks of {multiple} pixels")
    tile, overlap = tile_px // multiple, math.ceil(overlap_px / multiple)
    if overlap < 0 or tile < 1 or tile < 3 * overlap:
        raise ValueError(f"tiles of {tile_px} px cannot overlap by {overlap_px} px in blocks of {multiple}")
    rows = _spans(height // multiple, tile, overlap, multiple)
    columns = _spans(width // multiple, tile, overlap, multiple)
    return [
        Tile(Window(x, y, x + len(across), y + len(down)), np.outer(down, across).astype(np.float32))
        for y, down in rows
        for x, across in columns
    ]


def blend(pieces: Iterable[tuple[Tile, Any]], height: int, width: int) -> FloatArray:
    """Sum pictures of tiles with their weights.

    Args:
        pieces: each tile with its (h, w, C) or (h, w) float32 picture.
        height: canvas rows.
        width: canvas columns.

    Returns:
        (height, width, C) or (height, width) float32.

    Raises:
        ValueError: no pieces, or a picture that does not fill its tile.
    """
    canvas = Window(0, 0, width, height)
    result: FloatArray | None = None
    for tile, picture in pieces:
        pixels = require_image(picture, "picture of a tile")
        require_same_size(pixels, "picture of a tile", tile.window.shape)
        if result is None:
            result = np.zeros((height, width, *pixels.shape[2:]), dtype=np.float32)
        weight = tile.weight if pixels.ndim == 2 else tile.weight[:, :, None]
        result[tile.window.slices_in(canvas)] += pixels * weight
    if result is None:
        raise ValueError("there are no tiles to blend")
    return result


def comp(plate: Any, mask: Any, delta: Any, gain: float = 1.0) -> FloatArray:
    """``plate + gain * mask * delta``, and the plate bit for bit where that adds nothing.

    Args:
        plate: (H, W, C) in the plate's own space, unbounded.
        mask: (H, W), 0..1.
        delta: (H, W, C), light to add, same space as the plate.
        gain: factor on the delta.

    Returns:
        (H, W, C) float32.  Where mask or gain is 0, where the plate is not finite and where the delta is not finite,
        the plate's own bits, minus zeros and NaN payloads included.

    Raises:
        ValueError: the shapes do not go together, or the gain is not finite.
    """
    source, light = require_image(plate, "plate"), require_image(delta, "delta")
    matte = require_mask(mask, "mask")
    if source.ndim != 3 or light.shape != source.shape:
        raise ValueError(f"plate and delta must both have shape (H, W, C), got {source.shape} and {light.shape}")
    require_same_size(matte, "mask", source.shape)
    if not math.isfinite(gain):
        raise ValueError(f"gain must be finite, got {gain}")
    if gain == 0 or not matte.any():
        return source.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        added = light * (matte * np.float32(gain))[:, :, None]
        result = np.asarray(source + added)
    # Not even 0 may be added: -0 + 0 is +0, and a NaN that goes through arithmetic may come out as another one.
    kept = added == 0
    if not (all_finite(result) and all_finite(added)):
        kept |= ~np.isfinite(source) | ~np.isfinite(added) | (matte == 0)[:, :, None]
    np.copyto(result, source, where=kept)
    return result


def _spans(length: int, tile: int, overlap: int, multiple: int) -> list[tuple[int, FloatArray]]:
    """Along one axis, given in blocks: where each tile starts and its ramp of weights, in pixels."""
    count = 1 if length <= tile else math.ceil((length - overlap) / (tile - overlap))
    size = math.ceil((length + (count - 1) * overlap) / count)
    starts = [index * (length - size) // max(count - 1, 1) for index in range(count)]
    spans = [(start * multiple, np.ones(size * multiple, dtype=np.float64)) for start in starts]
    for (first, fading), (second, rising) in itertools.pairwise(spans):
        # In the middle of what both cover, and no wider than asked: then no third tile has a say there, and what lies
        # next to a tile's edge, where the network sees too little around it, has no weight.
        fade = overlap * multiple
        begin = (second + first + len(fading) - fade) // 2
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(fade, 1))
        ramp = np.round(ramp / _WEIGHT_STEP) * _WEIGHT_STEP
        rising[: begin - second] = 0.0
        rising[begin - second : begin - second + fade] = ramp
        fading[begin - first : begin - first + fade] = 1.0 - ramp
        fading[begin - first + fade :] = 0.0
    return [(start, weights.astype(np.float32)) for start, weights in spans]
