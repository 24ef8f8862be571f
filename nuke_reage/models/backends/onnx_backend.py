"""ONNX Runtime on the CPU, float32."""

from __future__ import annotations

from typing import Any

import onnxruntime

from nuke_reage.models.backends.base import Ages, CompiledCache, Image, pack_input, unpack_delta
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.export import onnx_bytes
from nuke_reage.models.fran import FranNet, FranWindow
from nuke_reage.models.fran_plan import PixelWindow

__all__ = ["OnnxPredictor"]


class OnnxPredictor:
    """Runs the network with ONNX Runtime, exported once for each canvas shape and window.

    Args:
        net: the network, float32.
        descriptor: of the model.
        threads: of the CPU; None = ONNX Runtime decides.
    """

    def __init__(self, net: FranNet, descriptor: ModelDescriptor, *, threads: int | None = None) -> None:
        self.descriptor = descriptor
        self.name = "onnxruntime cpu fp32"
        self._net = net.eval().requires_grad_(False)
        self._threads = threads
        self._sessions: CompiledCache[Any] = CompiledCache()

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """See :meth:`nuke_reage.models.backends.base.Predictor.predict`."""
        packed, asked = pack_input(rgb, source_age, target_age, window)
        key = (packed.shape[2], packed.shape[3], asked)
        session = self._sessions.get(key, lambda: self._session(*key))
        return unpack_delta(session.run(None, {session.get_inputs()[0].name: packed})[0])

    def _session(self, height: int, width: int, asked: PixelWindow) -> Any:
        options = onnxruntime.SessionOptions()
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        data = onnx_bytes(FranWindow(self._net, asked), height, width)
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
