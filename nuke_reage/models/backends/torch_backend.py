"""PyTorch: the reference on the CPU, and the way to CUDA and Metal devices."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch

from nuke_reage.models.backends.base import Ages, Image, pack_input, unpack_delta
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran import FranNet, cut
from nuke_reage.models.fran_plan import PixelWindow, decoder_plan
from nuke_reage.models.staged import DeepStage, SurfaceStage, split_for_half

__all__ = ["TorchPredictor", "cpu_has_bfloat16"]

Placed = TypeVar("Placed", bound=torch.nn.Module)


class TorchPredictor:
    """Runs the network with PyTorch.

    Args:
        net: the network, float32, on the CPU.
        descriptor: of the model.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"exact"`` = float32 throughout (TF32 off); ``"fast"`` = the deep stage in bfloat16 (CPU) or float16
            (CUDA, MPS).  A CPU without bfloat16 instructions stays in float32, where bfloat16 would be slower.
    """

    def __init__(
        self, net: FranNet, descriptor: ModelDescriptor, *, device: str, precision: Literal["exact", "fast"]
    ) -> None:
        self.descriptor = descriptor
        self._device = torch.device(device)
        self._half: torch.dtype | None = None
        if precision == "fast":
            self._half = torch.float16 if device != "cpu" else torch.bfloat16 if cpu_has_bfloat16() else None
        number = {None: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}[self._half]
        self.name = f"torch {device} {number}"
        self._net = _place(net.eval().requires_grad_(False), self._device)

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """See :meth:`nuke_reage.models.backends.base.Predictor.predict`."""
        packed, asked = pack_input(rgb, source_age, target_age, window)
        x = torch.from_numpy(packed).to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=self._half is not None):
            delta = self._net(x, asked) if self._half is None else self._staged(x, asked, self._half)
        return unpack_delta(delta.float().cpu().numpy())

    def _staged(self, x: torch.Tensor, asked: PixelWindow, half: torch.dtype) -> torch.Tensor:
        height, width = x.shape[-2:]
        deep = _place(DeepStage(self._net, decoder_plan(height, width, asked)), self._device)
        with torch.autocast(self._device.type, half):
            level_one = deep(split_for_half(x, half))
        surface = SurfaceStage(self._net, height, width, asked)
        result: torch.Tensor = surface(cut(x, surface.input_window), level_one.float())
        return result


def _place(module: Placed, device: torch.device) -> Placed:
    module.to(device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
    return module


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(bool(known.get(flag)) for flag in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))
