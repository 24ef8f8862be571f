"""The FRAN network as an OpenVINO graph, built operation by operation.

Going through PyTorch's exporter gives the same graph but costs about two seconds at the start of every process; this
takes milliseconds, and fixed windows and the two-stage form come for free.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from torch import nn

from nuke_reage.models.fran import IN_CHANNELS, BlurPool, FranNet, LevelPlan, PixelWindow, Up, decoder_plan, grow
from nuke_reage.models.staged import split_first_convolution

__all__ = ["deep_graph", "surface_graph", "whole_graph"]

Node = Any


def whole_graph(net: FranNet, height: int, width: int, asked: PixelWindow) -> Any:
    """Input (1, 5, H, W), output (1, 3, h, w): the exact form."""
    x = ops.parameter([1, IN_CHANNELS, height, width], np.float32)
    plan = decoder_plan(height, width, asked)
    surface = _sequence(x, net.init_conv)
    deep = _deep(net, surface, plan, height, width)
    skip = _cut(surface, plan[0].here, (0, height, 0, width))
    return ov.Model([_surface(net, skip, deep, plan[0], asked)], [x])


def deep_graph(net: FranNet, height: int, width: int, asked: PixelWindow) -> Any:
    """Input split (1, 10, H, W), output level 1 cut to the plan; see :mod:`nuke_reage.models.staged`."""
    x = ops.parameter([1, 2 * IN_CHANNELS, height, width], np.float32)
    surface = _convolution(x, split_first_convolution(net))
    for layer in list(net.init_conv)[1:]:
        surface = _layer(surface, layer)
    return ov.Model([_deep(net, surface, decoder_plan(height, width, asked), height, width)], [x])


def surface_graph(net: FranNet, height: int, width: int, asked: PixelWindow) -> Any:
    """Inputs (1, 5, h', w') of the window grown as the plan says, and level 1; output (1, 3, h, w)."""
    level = decoder_plan(height, width, asked)[0]
    seen = grow(level.here, 2, height, width)
    x = ops.parameter([1, IN_CHANNELS, seen[1] - seen[0], seen[3] - seen[2]], np.float32)
    below = level.below
    deep = ops.parameter([1, 2 * net.width, below[1] - below[0], below[3] - below[2]], np.float32)
    skip = _cut(_sequence(x, net.init_conv), level.here, seen)
    return ov.Model([_surface(net, skip, deep, level, asked)], [x, deep])


def _deep(net: FranNet, surface: Node, plan: list[LevelPlan], height: int, width: int) -> Node:
    skips = [surface]
    for down in (net.down1, net.down2, net.down3, net.down4):
        skips.append(_sequence(skips[-1], down.layer))
    out = skips.pop()
    depth = len(plan)
    held: PixelWindow = (0, height >> depth, 0, width >> depth)
    for number, up in ((3, net.up1), (2, net.up2), (1, net.up3)):
        level = plan[number]
        skip = _cut(skips.pop(), level.here, (0, height >> number, 0, width >> number))
        out = _up(up, _cut(out, level.below, held), skip, level)
        held = level.here
    return _cut(out, plan[0].below, held)


def _surface(net: FranNet, skip: Node, deep: Node, level: LevelPlan, asked: PixelWindow) -> Node:
    out = _up(net.up4, deep, skip, level)
    return _convolution(_cut(out, asked, level.here), net.final_conv)


def _up(up: Up, below: Node, skip: Node, level: LevelPlan) -> Node:
    upsampled = _sequence(below, up.blur_upsample)
    origin = cast(PixelWindow, tuple(2 * bound for bound in level.below))
    return _sequence(ops.concat([_cut(upsampled, level.here, origin), skip], 1), up.layer)


def _cut(x: Node, window: PixelWindow, held: PixelWindow) -> Node:
    if window == held:
        return x
    start = [window[0] - held[0], window[2] - held[2]]
    stop = [window[1] - held[0], window[3] - held[2]]
    one = ops.constant(np.array([1, 1], np.int64))
    axes = ops.constant(np.array([2, 3], np.int64))
    return ops.slice(x, ops.constant(np.array(start, np.int64)), ops.constant(np.array(stop, np.int64)), one, axes)


def _sequence(x: Node, layers: nn.Module) -> Node:
    for layer in cast(nn.Sequential, layers):
        x = _layer(x, layer)
    return x


def _layer(x: Node, layer: nn.Module) -> Node:
    match layer:
        case nn.Conv2d():
            return _convolution(x, layer)
        case nn.LeakyReLU():
            return ops.prelu(x, ops.constant(np.array([layer.negative_slope], np.float32)))
        case nn.MaxPool2d():
            pooled = ops.max_pool(x, [1, 1], [1, 1], [0, 0], [0, 0], [2, 2])
            return pooled.output(0)
        case nn.ConvTranspose2d():
            weight = ops.constant(_numpy(layer.weight), shared_memory=True)
            return ops.add(ops.convolution_backprop_data(x, weight, strides=[2, 2]), _bias(layer))
        case BlurPool():
            padded = ops.pad(x, [0, 0, 1, 1], [0, 0, 2, 2], "reflect")
            kernel = ops.constant(_numpy(layer.filt)[:, None])
            stride = [layer.stride, layer.stride]
            return ops.group_convolution(padded, kernel, stride, [0, 0], [0, 0], [1, 1])
    raise TypeError(f"no OpenVINO form of {type(layer).__name__}")


def _convolution(x: Node, layer: nn.Conv2d) -> Node:
    weight = ops.constant(_numpy(layer.weight), shared_memory=True)
    padding = [int(side) for side in layer.padding]
    return ops.add(ops.convolution(x, weight, [1, 1], padding, padding, [1, 1]), _bias(layer))


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Node:
    assert layer.bias is not None
    return ops.constant(_numpy(layer.bias).reshape(1, -1, 1, 1))


def _numpy(tensor: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return cast("np.ndarray[Any, np.dtype[np.float32]]", tensor.detach().float().cpu().numpy())
