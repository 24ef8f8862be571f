"""The network in two stages, for 16-bit floats: a deep stage that tolerates them and a surface stage that does not.

In bfloat16 (8 bits of mantissa) two things go wrong.  Most of the error is made in the last full-resolution layers;
with these in float32 the largest error falls from 0.9 % of the delta's range to under 0.3 %.  And an age of 50.0 to
50.3 years is one and the same number, so that a keyed age would move in steps; hence the input goes in as two numbers,
the rounded value and what rounding took away.

The surface stage recomputes the first two convolutions on its own window, so that only the narrow result of level 1 is
handed over.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from nuke_reage.models.fran import FranNet, cut
from nuke_reage.models.fran_plan import LevelPlan, PixelWindow, decoder_plan, surface_input

__all__ = ["DeepStage", "SurfaceStage", "split_first_convolution", "split_for_half"]


def split_for_half(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Two 16-bit numbers for each float32 number.

    Args:
        x: (N, C, H, W) float32.
        dtype: ``torch.bfloat16`` or ``torch.float16``.

    Returns:
        (N, 2C, H, W) float32: all rounded values, then all remainders; each exact in ``dtype``.
    """
    rounded = x.to(dtype).float()
    return torch.cat([rounded, (x - rounded).to(dtype).float()], dim=1)


class DeepStage(nn.Module):
    """From the split input, whole canvas, to level 1 as far as the surface stage needs it."""

    def __init__(self, net: FranNet, plan: list[LevelPlan]) -> None:
        super().__init__()
        self.net = net
        self.plan = plan
        self.first = split_first_convolution(net)

    def forward(self, split: Tensor) -> Tensor:
        surface = self.first(split)
        for layer in list(self.net.init_conv)[1:]:
            surface = layer(surface)
        return self.net.deep(surface, self.plan)


class SurfaceStage(nn.Module):
    """From the input around the window and level 1 to the delta.

    Attributes:
        input_window: the part of the canvas that :meth:`forward` wants.
    """

    def __init__(self, net: FranNet, height: int, width: int, asked: PixelWindow) -> None:
        super().__init__()
        self.net = net
        self.asked = asked
        self.level = decoder_plan(height, width, asked)[0]
        self.input_window = surface_input(height, width, asked)

    def forward(self, x: Tensor, deep: Tensor) -> Tensor:
        skip = cut(self.net.init_conv(x), self.level.here, origin=self.input_window)
        return self.net.surface(skip, deep, self.level, self.asked)


def split_first_convolution(net: FranNet) -> nn.Conv2d:
    """The first convolution for a split input: the same weights for a number and its remainder."""
    first = cast(nn.Conv2d, net.init_conv[0])
    doubled = nn.Conv2d(2 * first.in_channels, first.out_channels, 3, padding=1)
    with torch.no_grad():
        doubled.weight.copy_(torch.cat([first.weight, first.weight], dim=1))
        doubled.bias = first.bias
    return doubled
