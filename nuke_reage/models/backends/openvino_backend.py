"""OpenVINO on the CPU: the fastest of the three there, on Intel and on AMD."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
import openvino as ov

from nuke_reage.models.backends.base import Ages, CompiledCache, Image, pack_input, unpack_delta
from nuke_reage.models.backends.openvino_graph import deep_graph, surface_graph, whole_graph
from nuke_reage.models.bfloat16 import split_for_bfloat16
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran_plan import PixelWindow, decoder_plan, grow

__all__ = ["OpenVinoPredictor"]


class OpenVinoPredictor:
    """Runs the network with OpenVINO, compiled once for each canvas shape and window.

    Args:
        weights: of the network by name, float32; graphs share their memory until they are compiled.
        descriptor: of the model.
        precision: ``"exact"`` = float32; ``"fast"`` = the deep stage in bfloat16 where the CPU has it.
        threads: of the CPU; None = OpenVINO decides.
    """

    def __init__(
        self,
        weights: Mapping[str, Image],
        descriptor: ModelDescriptor,
        *,
        precision: Literal["exact", "fast"],
        threads: int | None = None,
    ) -> None:
        self.descriptor = descriptor
        self._weights = weights
        self._core = _core()
        self._bfloat16 = precision == "fast" and "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.name = f"openvino cpu {'bf16' if self._bfloat16 else 'fp32'}"
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._compiled: CompiledCache[tuple[Any, ...]] = CompiledCache()

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """See :meth:`nuke_reage.models.backends.base.Predictor.predict`."""
        packed, asked = pack_input(rgb, source_age, target_age, window)
        key = (packed.shape[2], packed.shape[3], asked)
        stages = self._compiled.get(key, lambda: self._compile(*key))
        if not self._bfloat16:
            return unpack_delta(_run(stages[0], packed))
        level_one = _run(stages[0], split_for_bfloat16(packed))
        seen = grow(decoder_plan(*key)[0].here, 2, packed.shape[2], packed.shape[3])
        around = np.ascontiguousarray(packed[:, :, seen[0] : seen[1], seen[2] : seen[3]])
        return unpack_delta(_run(stages[1], around, level_one))

    def _compile(self, height: int, width: int, asked: PixelWindow) -> tuple[Any, ...]:
        if not self._bfloat16:
            return (self._request(whole_graph(self._weights, height, width, asked), "f32"),)
        return (
            self._request(deep_graph(self._weights, height, width, asked), "bf16"),
            self._request(surface_graph(self._weights, height, width, asked), "f32"),
        )

    def _request(self, graph: Any, precision: str) -> Any:
        options = {**self._options, "INFERENCE_PRECISION_HINT": precision}
        return self._core.compile_model(graph, "CPU", options).create_infer_request()


@cache
def _core() -> Any:
    """One for the process.

    Each core gives the thread an alternate signal stack and puts the former one back when it is freed.  Two that are
    not freed in the opposite order leave a stack that is no longer there, and the next Ctrl-C is a segmentation fault.
    """
    return ov.Core()


def _run(request: Any, *inputs: Image) -> Image:
    # Neither copied in nor out: the tensors are only alive until the request runs again.
    results = request.infer(list(inputs), share_inputs=True, share_outputs=True)
    delta: Image = results[0]
    return delta
