"""Three ways to run a network behind one protocol.

==============  ======================  ========================================================
backend         devices                 number formats
==============  ======================  ========================================================
``openvino``    cpu                     exact = float32, fast = bfloat16 where the CPU has it
``torch``       cpu, cuda, mps          exact = float32, fast = bfloat16 (cpu) or float16
``onnxruntime`` cpu                     float32
==============  ======================  ========================================================
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from nuke_reage.core.errors import DeviceError
from nuke_reage.core.strict import nearest
from nuke_reage.models.architectures import architecture
from nuke_reage.models.backends.base import Image, Predictor
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.weights import load_weights

__all__ = ["BACKENDS", "Image", "Predictor", "available_backends", "available_devices", "create_predictor"]

BACKENDS: Mapping[str, tuple[str, ...]] = {
    "openvino": ("cpu",),
    "torch": ("cpu", "cuda", "mps"),
    "onnxruntime": ("cpu",),
}
"""Backends, the preferred first, and the devices that each can use."""


def available_devices() -> tuple[str, ...]:
    """Devices of this machine that PyTorch can use, the fastest first.

    PyTorch is imported, which takes seconds, only where it was built for a GPU and so may find one.
    """
    if not _built_for_gpu():
        return ("cpu",)
    import torch

    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    return tuple(found)


def available_backends() -> tuple[str, ...]:
    """Backends whose packages are installed, the preferred first."""
    return tuple(name for name in BACKENDS if importlib.util.find_spec(name) is not None)


def create_predictor(
    descriptor: ModelDescriptor,
    *,
    device: str = "auto",
    precision: Literal["exact", "fast"] = "exact",
    backend: str = "auto",
    threads: int | None = None,
) -> Predictor:
    """Load a model and make it ready to run.

    Args:
        descriptor: of an installed model.
        device: ``auto`` (cuda, else mps, else cpu), ``cpu``, ``cuda`` or ``mps``.
        precision: ``exact`` = within 1e-4 of PyTorch in float32; ``fast`` = 16-bit floats where the device has them.
        backend: ``auto`` (the preferred one that is installed and can use the device), or a name.
        threads: of the CPU for openvino and onnxruntime; None = they decide.  PyTorch's are set for the whole process
            (``OMP_NUM_THREADS``).

    Raises:
        DeviceError: ``unknown-device``, ``no-device``, ``unknown-backend``, ``missing-backend``, ``wrong-device``,
            ``unknown-precision``; each names what is there.
        ModelError: the weights are missing, damaged or of another network.
    """
    if precision not in ("exact", "fast"):
        raise DeviceError("unknown-precision", f"There is no precision {precision!r}.", "Choose exact or fast.")
    chosen_backend, chosen_device = _choose(backend, device)
    if chosen_backend == "openvino":
        from nuke_reage.models.backends.openvino_backend import OpenVinoPredictor

        weights = load_weights(descriptor, architecture(descriptor.architecture))
        return OpenVinoPredictor(weights, descriptor, precision=precision, threads=threads)
    from nuke_reage.models.loading import load_network

    net = load_network(descriptor)
    if chosen_backend == "onnxruntime":
        from nuke_reage.models.backends.onnx_backend import OnnxPredictor

        return OnnxPredictor(net, descriptor, threads=threads)
    from nuke_reage.models.backends.torch_backend import TorchPredictor

    return TorchPredictor(net, descriptor, device=chosen_device, precision=precision)


def _built_for_gpu() -> bool:
    """Whether the installed PyTorch was built for CUDA, ROCm or Metal, as its own ``version.py`` says."""
    if sys.platform == "darwin":
        return True
    package = importlib.util.find_spec("torch")
    if package is None or package.origin is None:
        return False
    version = runpy.run_path(str(Path(package.origin).with_name("version.py")))
    return any(version.get(kind) is not None for kind in ("cuda", "hip"))


def _choose(backend: str, device: str) -> tuple[str, str]:
    # Whoever wants the CPU need not wait for PyTorch to look for a GPU.
    devices = ("cpu",) if device == "cpu" else available_devices()
    backends = available_backends()
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise DeviceError(
            "unknown-device", f"There is no device {device!r}.", nearest(device, ("auto", "cpu", "cuda", "mps"))
        )
    if backend != "auto" and backend not in BACKENDS:
        raise DeviceError("unknown-backend", f"There is no backend {backend!r}.", nearest(backend, BACKENDS))
    if device != "auto" and device not in devices:
        hint = f"Devices here: {', '.join(devices)}. Use --device auto."
        raise DeviceError("no-device", f"This machine has no {device!r} device that PyTorch can use.", hint)
    if backend != "auto" and backend not in backends:
        extra = {"openvino": "openvino", "onnxruntime": "onnx"}.get(backend, backend)
        hint = f"Run: pip install 'nuke-reage[{extra}]', or use one of: {', '.join(backends)}."
        raise DeviceError("missing-backend", f"The backend {backend!r} is not installed.", hint)
    wanted = [device] if device != "auto" else list(devices)
    candidates = [backend] if backend != "auto" else list(backends)
    for one_device in wanted:
        for one_backend in candidates:
            if one_device in BACKENDS[one_backend]:
                return one_backend, one_device
    hint = f"{backend} runs on: {', '.join(BACKENDS[backend])}."
    raise DeviceError("wrong-device", f"The backend {backend!r} cannot use the device {device!r}.", hint)
