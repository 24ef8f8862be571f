"""The FRAN U-Net: a face, its age and the age wanted go in; the light to be added comes out.

Re-implemented from the description in Zoss et al., *Production-Ready Face Re-Aging for Visual Effects*, ACM TOG 41(6),
2022, with the parameter names of the published checkpoint, so that its state dict loads unchanged.  Width is a
parameter: 64 is the published network (31.0 M parameters), 20 the bundled light one.  Its sizes and windows are in
:mod:`nuke_reage.models.fran_plan`.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn

from nuke_reage.models.fran_plan import (
    IN_CHANNELS,
    NEGATIVE_SLOPE,
    OUT_CHANNELS,
    LevelPlan,
    PixelWindow,
    decoder_plan,
)

__all__ = ["BlurPool", "Down", "FranNet", "FranWindow", "Up", "cut", "he_init", "whole_or"]


class BlurPool(nn.Module):
    """Binomial 4×4 low-pass, reflect padding 1 before and 2 after, then every ``stride``-th pixel (Zhang 2019)."""

    filt: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        row = (1.0, 3.0, 3.0, 1.0)
        kernel = [[one * other / 64.0 for other in row] for one in row]
        self.register_buffer("filt", torch.tensor([[kernel]] * channels))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 2, 1, 2), mode="reflect")
        return F.conv2d(padded, self.filt, stride=self.stride, groups=self.channels)


def _two_convolutions(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.LeakyReLU(NEGATIVE_SLOPE),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.LeakyReLU(NEGATIVE_SLOPE),
    ]


class Down(nn.Module):
    """One level down: maximum over 2×2, blur, halve, two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.MaxPool2d(2, stride=1), BlurPool(inputs, 2), *_two_convolutions(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layer(x))


class Up(nn.Module):
    """One level up: transposed convolution, blur, the skip beside it, two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.blur_upsample = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 2, stride=2), BlurPool(outputs, 1))
        self.layer = nn.Sequential(*_two_convolutions(inputs, outputs))

    def forward(self, x: Tensor, skip: Tensor, plan: LevelPlan) -> Tensor:
        """Computes ``plan.here`` of this level from ``plan.below`` of the level underneath and the skip."""
        origin = tuple(2 * bound for bound in plan.below)
        upsampled = cut(self.blur_upsample(x), plan.here, origin=cast(PixelWindow, origin))
        return cast(Tensor, self.layer(torch.cat([upsampled, skip], dim=1)))


def cut(x: Tensor, window: PixelWindow, origin: PixelWindow = (0, 0, 0, 0)) -> Tensor:
    """The window out of (N, C, H, W), whose own first pixel lies at the origin's lower bounds."""
    top, bottom = window[0] - origin[0], window[1] - origin[0]
    left, right = window[2] - origin[2], window[3] - origin[2]
    if (top, left, bottom, right) == (0, 0, x.shape[-2], x.shape[-1]):
        return x
    return x[:, :, top:bottom, left:right]


def whole_or(window: PixelWindow | None, x: Tensor) -> PixelWindow:
    """The window, or that of the whole picture."""
    return window or (0, x.shape[-2], 0, x.shape[-1])


class FranNet(nn.Module):
    """The U-Net.

    Args:
        width: channels at full resolution; doubled at each level down.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.init_conv = nn.Sequential(*_two_convolutions(IN_CHANNELS, width))
        self.down1 = Down(width, 2 * width)
        self.down2 = Down(2 * width, 4 * width)
        self.down3 = Down(4 * width, 8 * width)
        self.down4 = Down(8 * width, 16 * width)
        self.up1 = Up(16 * width, 8 * width)
        self.up2 = Up(8 * width, 4 * width)
        self.up3 = Up(4 * width, 2 * width)
        self.up4 = Up(2 * width, width)
        self.final_conv = nn.Conv2d(width, OUT_CHANNELS, 1)

    def forward(self, x: Tensor, window: PixelWindow | None = None) -> Tensor:
        """Computes the delta.

        Args:
            x: (N, 5, H, W): red, green, blue, sRGB-encoded in [0, 1], source age / 100, target age / 100; H and W
                multiples of 16 and at least 64.
            window: compute this part of the canvas only; the values are those of the whole canvas, the decoder's
                work outside is saved.

        Returns:
            (N, 3, H, W), or (N, 3, h, w) of the window: what has to be added to the encoded picture.
        """
        asked = whole_or(window, x)
        plan = decoder_plan(x.shape[-2], x.shape[-1], asked)
        surface = self.init_conv(x)
        deep = self.deep(surface, plan)
        return self.surface(cut(surface, plan[0].here), deep, plan[0], asked)

    def deep(self, surface: Tensor, plan: list[LevelPlan]) -> Tensor:
        """Everything below the canvas: down to the bottleneck and up again to level 1."""
        skips = [surface]
        for down in (self.down1, self.down2, self.down3, self.down4):
            skips.append(down(skips[-1]))
        out = skips.pop()
        held = (0, out.shape[-2], 0, out.shape[-1])
        for up, level in zip((self.up1, self.up2, self.up3), reversed(plan[1:]), strict=True):
            out = up(cut(out, level.below, origin=held), cut(skips.pop(), level.here), level)
            held = level.here
        return cut(out, plan[0].below, origin=held)

    def surface(self, skip: Tensor, deep: Tensor, level: LevelPlan, asked: PixelWindow) -> Tensor:
        """The last level: from level 1 and the skip, both cut to the plan, to the delta."""
        out = self.up4(deep, skip, level)
        return cast(Tensor, self.final_conv(cut(out, asked, origin=level.here)))


class FranWindow(nn.Module):
    """A :class:`FranNet` with its window fixed, which is what exporters and compilers want."""

    def __init__(self, net: FranNet, window: PixelWindow | None) -> None:
        super().__init__()
        self.net = net
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(x, self.window))


def he_init(net: FranNet, *, age_gain: float = 4.0, last_layer_gain: float = 0.1, seed: int = 0) -> FranNet:
    """Initialise for training, in place: PyTorch's default stalls a network of this depth without normalisation.

    Args:
        net: the network.
        age_gain: factor on the first layer's weights for the two age channels; ages are constant over the picture and
            would else drown in the picture's own variation.
        last_layer_gain: factor on the last layer, so that training starts near "nothing changes".
        seed: of the generator used for the weights.

    Returns:
        The same network.

    Source:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015.
    """
    generator = torch.Generator().manual_seed(seed)
    rectifier_gain = math.sqrt(2.0 / (1.0 + NEGATIVE_SLOPE**2))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                # Each output pixel of a 2×2 transposed convolution of stride 2 sees one input pixel: fan-in = channels.
                transposed = isinstance(module, nn.ConvTranspose2d)
                fan_in = module.in_channels if transposed else module.weight[0].numel()
                module.weight.normal_(0.0, rectifier_gain / math.sqrt(fan_in), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        cast(nn.Conv2d, net.init_conv[0]).weight[:, 3:] *= age_gain
        net.final_conv.weight *= last_layer_gain
    return net
