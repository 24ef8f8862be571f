"""OpenVINO on the CPU: the fastest of the three there, on Intel and on AMD."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
import openvino as ov

from nuke_reage.models.backends.base import Ages, CompiledCache, Image, pack_input, unpack_delta
from nuke_reage.models.backends.openvino_graph import deep_graph, surface_graph, whole_graph, with_fewer_products
from nuke_reage.models.bfloat16 import split_for_bfloat16
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran_plan import PixelWindow, decoder_plan, strips, surface_input

__all__ = ["OpenVinoPredictor"]

_STRIP_PX = 2**18


class OpenVinoPredictor:
    """Runs the network with OpenVINO, compiled once for each canvas shape and window.

    Args:
        weights: of the network by name, float32; graphs share their memory.
        descriptor: of the model.
        precision: ``"exact"`` = float32; ``"fast"`` = the deep stage in bfloat16 where the CPU has it.
        threads: of the CPU; None = OpenVINO decides.
        strip_px: the surface stage of ``"fast"``, in float32 and twice as many channels as the network is wide, goes
            over larger windows in strips of about so many pixels.
    """

    def __init__(
        self,
        weights: Mapping[str, Image],
        descriptor: ModelDescriptor,
        *,
        precision: Literal["exact", "fast"],
        threads: int | None = None,
        strip_px: int = _STRIP_PX,
    ) -> None:
        self.descriptor = descriptor
        self._strip_px = strip_px
        self._core = _core()
        self._bfloat16 = precision == "fast" and "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.name = f"openvino cpu {'bf16' if self._bfloat16 else 'fp32'}"
        self._weights = weights if self._bfloat16 else with_fewer_products(weights)
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._compiled: CompiledCache[Any] = CompiledCache()
        self._surfaces: CompiledCache[Any] = CompiledCache()

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """See :meth:`nuke_reage.models.backends.base.Predictor.predict`."""
        packed, asked = pack_input(rgb, source_age, target_age, window)
        height, width = packed.shape[2:]
        request = self._compiled.get((height, width, asked), lambda: self._compile(height, width, asked))
        if not self._bfloat16:
            return unpack_delta(_run(request, packed))
        level_one = _run(request, split_for_bfloat16(packed))
        held = decoder_plan(height, width, asked)[0].below
        delta = np.empty((asked[1] - asked[0], asked[3] - asked[2], 3), np.float32)
        for strip in strips(asked, self._strip_px):
            seen, below = surface_input(height, width, strip), decoder_plan(height, width, strip)[0].below
            surface = self._surface(height, width, strip)
            found = _run(surface, _cut(packed, seen, (0, height, 0, width)), _cut(level_one, below, held))
            delta[strip[0] - asked[0] : strip[1] - asked[0]] = found[0].transpose(1, 2, 0)
        return delta

    def _compile(self, height: int, width: int, asked: PixelWindow) -> Any:
        if self._bfloat16:
            return self._request(deep_graph(self._weights, height, width, asked), "bf16")
        return self._request(whole_graph(self._weights, height, width, asked), "f32")

    def _surface(self, height: int, width: int, strip: PixelWindow) -> Any:
        """The surface stage of a strip; strips that lie alike within what they need share one."""
        seen, plan = surface_input(height, width, strip), decoder_plan(height, width, strip)[0]
        doubled_below = (2 * plan.below[0], 2 * plan.below[1], 2 * plan.below[2], 2 * plan.below[3])
        key = tuple(_relative(part, seen) for part in (seen, plan.here, doubled_below, strip))
        return self._surfaces.get(key, lambda: self._request(surface_graph(self._weights, height, width, strip), "f32"))

    def _request(self, graph: Any, precision: str) -> Any:
        options = {**self._options, "INFERENCE_PRECISION_HINT": precision}
        return self._core.compile_model(graph, "CPU", options).create_infer_request()


def _relative(window: PixelWindow, origin: PixelWindow) -> PixelWindow:
    """The window in a picture that begins where another does."""
    return window[0] - origin[0], window[1] - origin[0], window[2] - origin[2], window[3] - origin[2]


def _cut(packed: Image, window: PixelWindow, held: PixelWindow) -> Image:
    """The window out of (1, C, H, W), contiguous."""
    top, bottom, left, right = _relative(window, held)
    return np.ascontiguousarray(packed[:, :, top:bottom, left:right])


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
