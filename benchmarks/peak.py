"""How fast the network could be at best here: its multiplications against what the processor can do of them.

The peak is the best of several large matrix products in OpenVINO, which are nothing but multiplications. No way to
do so many can be faster than "at best"; what is between a measured time and that is all that is left to gain.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn

from benchmarks.network import processor_name, region_of
from nuke_reage.models.backends.base import pack_input
from nuke_reage.models.backends.openvino_winograd import saves_time
from nuke_reage.models.fran import FranNet
from nuke_reage.models.fran_plan import decoder_plan
from nuke_reage.models.staged import DeepStage, SurfaceStage

__all__ = ["main"]

_SIDE = 2048


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peak", description=__doc__)
    parser.add_argument("--canvas", type=int, default=1024, help="side of the canvas in pixels, a multiple of 64")
    parser.add_argument("--rows", type=float, default=0.79, help="rows that the mask reaches, as a share")
    parser.add_argument("--columns", type=float, default=0.63, help="columns that the mask reaches, as a share")
    parser.add_argument("--width", type=int, default=64, help="of the network; 64 = full size, 20 = fran-lite")
    options = parser.parse_args(arguments)

    side = options.canvas
    _, asked = pack_input(np.zeros((side, side, 3), np.float32), 0.0, 0.0, region_of(options))
    with torch.device("meta"):
        net = FranNet(options.width)
        half = side // 2
        nine = 9 * flops(net, torch.empty(1, 5, half, half), (0, half, 0, half))
        whole = torch.empty(1, 5, side, side)
        direct, exact = flops(net, whole, asked), flops(net, whole, asked, few_products=True)
        deep = flops(DeepStage(net, decoder_plan(side, side, asked)), torch.empty(1, 10, side, side))
        level = decoder_plan(side, side, asked)[0]
        surface_stage = SurfaceStage(net, side, side, asked)
        seen, below = surface_stage.input_window, level.below
        surface = flops(
            surface_stage,
            torch.empty(1, 5, seen[1] - seen[0], seen[3] - seen[2]),
            torch.empty(1, 2 * options.width, below[1] - below[0], below[3] - below[2]),
        )
    fp32, bf16 = peak("f32"), peak("bf16")
    print(f"{processor_name()}: float32 {fp32 / 1e9:.0f}, bfloat16 {bf16 / 1e9:.0f} billion operations a second")
    print(f"{'':32}{'operations':>14}{'at best':>12}")
    for title, count, seconds in (
        ("nine windows, float32", nine, nine / fp32),
        ("region, float32, as it stands", direct, direct / fp32),
        ("exact: fewer products", exact, exact / fp32),
        ("fast: bfloat16 deep", deep + surface, deep / bf16 + surface / fp32),
        ("region wholly in bfloat16", direct, direct / bf16),
    ):
        print(f"{title:32}{count / 1e12:>12.2f} T{seconds:>10.2f} s")
    return 0


def flops(module: nn.Module, *inputs: object, few_products: bool = False) -> int:
    """Multiplications and additions of the convolutions, counted on tensors without memory.

    Args:
        module: made of convolutions.
        *inputs: of it.
        few_products: count those of many channels as :mod:`nuke_reage.models.backends.openvino_winograd` runs them.
    """
    total = 0

    def count(layer: nn.Module, _given: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        per_pixel = layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        if isinstance(layer, nn.ConvTranspose2d):
            # Stride 2: each output pixel sees one input pixel.
            per_pixel //= layer.stride[0] * layer.stride[1]
        if few_products and isinstance(layer, nn.Conv2d) and saves_time(tuple(layer.weight.shape)):
            inputs, outputs, tiles = layer.in_channels, layer.out_channels, output.shape[2] * output.shape[3] / 16
            total += int(2 * 36 * tiles * (inputs * outputs + 36 * inputs + 16 * outputs))
            return
        total += 2 * per_pixel * output.numel()

    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def peak(precision: str) -> float:
    """Operations a second of the best of ten products of two large matrices."""
    import openvino as ov
    import openvino.opset13 as ops

    given = ops.parameter([_SIDE, _SIDE], np.float32)
    weights = ops.constant(np.random.default_rng(0).standard_normal((_SIDE, _SIDE)).astype(np.float32))
    model = ov.Model([ops.matmul(given, weights, False, False)], [given])
    request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision}).create_infer_request()
    matrix = np.random.default_rng(1).standard_normal((_SIDE, _SIDE)).astype(np.float32)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        request.infer([matrix], share_inputs=True, share_outputs=True)
        seconds.append(time.perf_counter() - start)
    return 2.0 * _SIDE**3 / min(seconds)
