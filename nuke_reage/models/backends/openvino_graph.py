"""The FRAN network as an OpenVINO graph, built operation by operation from its weights.

Going through PyTorch and its exporter gives the same graph but costs seconds at the start of every process; this takes
milliseconds, and fixed windows and the two-stage form come for free.  The layers are those of
:mod:`nuke_reage.models.fran`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from nuke_reage.models.backends.base import Image
from nuke_reage.models.backends.openvino_winograd import saves_time, winograd_convolution, winograd_factors
from nuke_reage.models.fran_plan import IN_CHANNELS, NEGATIVE_SLOPE, LevelPlan, PixelWindow, decoder_plan, surface_input

__all__ = ["deep_graph", "surface_graph", "whole_graph", "with_fewer_products"]

Node: TypeAlias = Any
Weights: TypeAlias = Mapping[str, Image]


def with_fewer_products(weights: Weights) -> dict[str, Image]:
    """The weights with the factors of :mod:`nuke_reage.models.backends.openvino_winograd` where they save time.

    For graphs that run in float32; all graphs that are made from them share their memory.
    """
    return {name: winograd_factors(one) if saves_time(one.shape) else one for name, one in weights.items()}


def whole_graph(weights: Weights, height: int, width: int, asked: PixelWindow) -> Any:
    """Input (1, 5, H, W), output (1, 3, h, w): the exact form.

    Args:
        weights: of the network by name, float32, as they are or :func:`with_fewer_products`.
        height: of the canvas, pixels.
        width: of the canvas, pixels.
        asked: window of the canvas that comes out.
    """
    x = ops.parameter([1, IN_CHANNELS, height, width], np.float32)
    plan = decoder_plan(height, width, asked)
    network = _Network(weights)
    surface = network.two_convolutions(x, "init_conv.0", "init_conv.2")
    deep = network.deep(surface, plan, height, width)
    skip = _cut(surface, plan[0].here, (0, height, 0, width))
    return ov.Model([network.surface(skip, deep, plan[0], asked)], [x])


def deep_graph(weights: Weights, height: int, width: int, asked: PixelWindow) -> Any:
    """Input split (1, 10, H, W), output level 1 cut to the plan; see :mod:`nuke_reage.models.staged`."""
    x = ops.parameter([1, 2 * IN_CHANNELS, height, width], np.float32)
    # The same weights for a number and its remainder.
    first = np.concatenate([weights["init_conv.0.weight"]] * 2, axis=1)
    network = _Network({**weights, "init_conv.0.weight": first})
    surface = network.two_convolutions(x, "init_conv.0", "init_conv.2")
    return ov.Model([network.deep(surface, decoder_plan(height, width, asked), height, width)], [x])


def surface_graph(weights: Weights, height: int, width: int, asked: PixelWindow) -> Any:
    """Inputs (1, 5, h', w') of the window grown as the plan says, and level 1; output (1, 3, h, w)."""
    level = decoder_plan(height, width, asked)[0]
    seen = surface_input(height, width, asked)
    x = ops.parameter([1, IN_CHANNELS, seen[1] - seen[0], seen[3] - seen[2]], np.float32)
    below = level.below
    channels = weights["up4.blur_upsample.0.weight"].shape[0]
    deep = ops.parameter([1, channels, below[1] - below[0], below[3] - below[2]], np.float32)
    network = _Network(weights)
    skip = _cut(network.two_convolutions(x, "init_conv.0", "init_conv.2"), level.here, seen)
    return ov.Model([network.surface(skip, deep, level, asked)], [x, deep])


class _Network:
    """The layers, with their weights, as they are or :func:`with_fewer_products`."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def deep(self, surface: Node, plan: list[LevelPlan], height: int, width: int) -> Node:
        """From the canvas at full resolution to what level 1 hands up."""
        skips = [surface]
        for name in ("down1", "down2", "down3", "down4"):
            skips.append(self._down(name, skips[-1]))
        out = skips.pop()
        depth = len(plan)
        held: PixelWindow = (0, height >> depth, 0, width >> depth)
        for number, name in ((3, "up1"), (2, "up2"), (1, "up3")):
            level = plan[number]
            skip = _cut(skips.pop(), level.here, (0, height >> number, 0, width >> number))
            out = self._up(name, _cut(out, level.below, held), skip, level)
            held = level.here
        return _cut(out, plan[0].below, held)

    def surface(self, skip: Node, deep: Node, level: LevelPlan, asked: PixelWindow) -> Node:
        """The last level, and the delta."""
        out = self._top(deep, skip, level)
        return self._convolution(_cut(out, asked, level.here), "final_conv")

    def two_convolutions(self, x: Node, first: str, second: str) -> Node:
        """Two convolutions, each with its rectifier."""
        return self._rectified(self._convolution(self._rectified(self._convolution(x, first)), second))

    def _rectified(self, x: Node) -> Node:
        return ops.prelu(x, ops.constant(np.array([NEGATIVE_SLOPE], np.float32)))

    def _down(self, name: str, x: Node) -> Node:
        pooled = ops.max_pool(x, [1, 1], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
        halved = _blur(pooled, self._weights[f"{name}.layer.1.filt"], 2)
        return self.two_convolutions(halved, f"{name}.layer.2", f"{name}.layer.4")

    def _up(self, name: str, below: Node, skip: Node, level: LevelPlan) -> Node:
        from_below = self._doubled(name, below, level, slice(None))
        joined = ops.concat([from_below, skip], 1)
        return self.two_convolutions(joined, f"{name}.layer.0", f"{name}.layer.2")

    def _top(self, below: Node, skip: Node, level: LevelPlan) -> Node:
        """Level 0: half of the channels at a time, for its pictures are the largest and would fill the memory."""
        kernels = self._weights["up4.layer.0.weight"]
        width = kernels.shape[1] // 2
        total = _convolved(skip, kernels[:, width:])
        for half in (slice(0, width // 2), slice(width // 2, width)):
            total = ops.add(total, _convolved(self._doubled("up4", below, level, half), kernels[:, half]))
        first = self._rectified(ops.add(total, self._bias("up4.layer.0")))
        return self._rectified(self._convolution(first, "up4.layer.2"))

    def _doubled(self, name: str, below: Node, level: LevelPlan, channels: slice) -> Node:
        """What comes up from the level below, some of its channels."""
        kernels = np.ascontiguousarray(self._weights[f"{name}.blur_upsample.0.weight"][:, channels])
        doubled = ops.convolution_backprop_data(below, ops.constant(kernels, shared_memory=True), strides=[2, 2])
        doubled = ops.add(doubled, self._bias(f"{name}.blur_upsample.0", channels))
        upsampled = _blur(doubled, self._weights[f"{name}.blur_upsample.1.filt"][channels], 1)
        return _cut(upsampled, level.here, cast(PixelWindow, tuple(2 * bound for bound in level.below)))

    def _convolution(self, x: Node, name: str) -> Node:
        weight = self._weights[f"{name}.weight"]
        if weight.ndim == 3:
            return ops.add(winograd_convolution(x, weight), self._bias(name))
        return ops.add(_convolved(x, weight), self._bias(name))

    def _bias(self, name: str, channels: slice = slice(None)) -> Node:
        return ops.constant(self._weights[f"{name}.bias"][channels].reshape(1, -1, 1, 1))


def _cut(x: Node, window: PixelWindow, held: PixelWindow) -> Node:
    if window == held:
        return x
    start = [window[0] - held[0], window[2] - held[2]]
    stop = [window[1] - held[0], window[3] - held[2]]
    one = ops.constant(np.array([1, 1], np.int64))
    axes = ops.constant(np.array([2, 3], np.int64))
    return ops.slice(x, ops.constant(np.array(start, np.int64)), ops.constant(np.array(stop, np.int64)), one, axes)


def _convolved(x: Node, kernels: Image) -> Node:
    padding = [side // 2 for side in kernels.shape[2:]]
    constant = ops.constant(np.ascontiguousarray(kernels), shared_memory=True)
    return ops.convolution(x, constant, [1, 1], padding, padding, [1, 1])


def _blur(x: Node, kernels: Image, stride: int) -> Node:
    padded = ops.pad(x, [0, 0, 1, 1], [0, 0, 2, 2], "reflect")
    return ops.group_convolution(padded, ops.constant(kernels[:, None]), [stride] * 2, [0, 0], [0, 0], [1, 1])
