"""What is known of the FRAN U-Net without running it: its sizes, its tensors, and what a window of it needs.

Any backend can build on this; :mod:`nuke_reage.models.fran` is the network itself, in PyTorch.

Levels are numbered by how often the picture has been halved: 0 is the canvas, 4 the bottleneck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "IN_CHANNELS",
    "LEVELS",
    "MULTIPLE",
    "NEGATIVE_SLOPE",
    "OUT_CHANNELS",
    "RECEPTIVE_RADIUS_PX",
    "LevelPlan",
    "PixelWindow",
    "decoder_plan",
    "grow",
    "layout",
    "strips",
    "surface_input",
]

LEVELS = 4
"""How often the picture is halved."""

MULTIPLE = 2**LEVELS
"""Canvas height and width must be multiples of this, or skip connections would not line up."""

RECEPTIVE_RADIUS_PX = 176
"""No output pixel depends on an input pixel farther away than this (found: 137 px before, 167 after)."""

IN_CHANNELS = 5
"""Red, green, blue, source age, target age."""

OUT_CHANNELS = 3
"""What is added to red, green and blue."""

NEGATIVE_SLOPE = 0.01
"""Of the rectifier after every 3×3 convolution."""

PixelWindow: TypeAlias = tuple[int, int, int, int]
"""(y_min, y_max, x_min, x_max) in pixels of one level, upper bounds exclusive."""

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class LevelPlan:
    """What the decoder does at one level.

    Attributes:
        here: window to compute, in pixels of this level.
        below: window that it takes from the level below, in that level's pixels.
    """

    here: PixelWindow
    below: PixelWindow


def grow(window: PixelWindow, margin_px: int, height: int, width: int) -> PixelWindow:
    """The window, wider by a margin on every side but no wider than the picture."""
    top, bottom, left, right = window
    return (
        max(top - margin_px, 0),
        min(bottom + margin_px, height),
        max(left - margin_px, 0),
        min(right + margin_px, width),
    )


def _halve(window: PixelWindow) -> PixelWindow:
    top, bottom, left, right = window
    return top // 2, -(-bottom // 2), left // 2, -(-right // 2)


def decoder_plan(height: int, width: int, window: PixelWindow) -> list[LevelPlan]:
    """What to compute at levels 0 to 3 so that ``window`` of the canvas comes out as if all had been computed.

    Two 3×3 convolutions on a cut-out go wrong in its outermost 2 pixels, the blur in 1 before and 2 after.  So both
    margins are 2.
    """
    plan = []
    for level in range(LEVELS):
        h, w = height >> level, width >> level
        here = grow(window, 2, h, w)
        window = _halve(grow(here, 2, h, w))
        plan.append(LevelPlan(here, window))
    return plan


def surface_input(height: int, width: int, window: PixelWindow) -> PixelWindow:
    """What of the canvas the surface stage needs to give the window: two 3×3 convolutions before, two after."""
    return grow(decoder_plan(height, width, window)[0].here, 2, height, width)


def strips(window: PixelWindow, max_px: int) -> list[PixelWindow]:
    """Cut a window into strips of rows, as few as keep each to a number of pixels, give or take a multiple of 16 rows.

    All are equally high, so that one compiled graph serves them; therefore the last may overlap the one before.
    """
    top, bottom, left, right = window
    height = bottom - top
    count = -(-height * (right - left) // max_px)
    each = min(-(-height // (count * MULTIPLE)) * MULTIPLE, height)
    starts = [min(top + index * each, bottom - each) for index in range(-(-height // each))]
    return [(start, start + each, left, right) for start in starts]


def layout(width: int) -> dict[str, Shape]:
    """Names and shapes of the weights, in the order of the state dict of a network of that width."""
    shapes = _two_convolutions("init_conv.0", "init_conv.2", IN_CHANNELS, width)
    for level in range(1, LEVELS + 1):
        name, above, here = f"down{level}.layer", width << (level - 1), width << level
        shapes[f"{name}.1.filt"] = _blur(above)
        shapes |= _two_convolutions(f"{name}.2", f"{name}.4", above, here)
    for number in range(1, LEVELS + 1):
        name, below, here = f"up{number}", width << (LEVELS + 1 - number), width << (LEVELS - number)
        shapes[f"{name}.blur_upsample.0.weight"] = (below, here, 2, 2)
        shapes[f"{name}.blur_upsample.0.bias"] = (here,)
        shapes[f"{name}.blur_upsample.1.filt"] = _blur(here)
        # What came up and the skip beside it, which together are as many channels as there are below.
        shapes |= _two_convolutions(f"{name}.layer.0", f"{name}.layer.2", below, here)
    return shapes | _convolution("final_conv", width, OUT_CHANNELS, 1)


def _two_convolutions(first: str, second: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return _convolution(first, inputs, outputs, 3) | _convolution(second, outputs, outputs, 3)


def _convolution(name: str, inputs: int, outputs: int, side: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def _blur(channels: int) -> Shape:
    return channels, 1, 4, 4
