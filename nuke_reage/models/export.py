"""Writes a network for other runtimes, and checks what was written against the original."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from nuke_reage.core.errors import DeviceError, ModelError
from nuke_reage.models.architectures import architecture
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran import FranNet
from nuke_reage.models.fran_plan import IN_CHANNELS
from nuke_reage.models.loading import load_network

__all__ = ["EXPORT_TOLERANCE", "export", "onnx_bytes"]

EXPORT_TOLERANCE = 1e-4
"""Largest difference that an exported file may have from PyTorch, in the units of the delta."""

_CHECK_SIDES_PX = ((96, 96), (64, 128))


def export(descriptor: ModelDescriptor, to: Literal["onnx", "torchscript"], path: Path) -> float:
    """Write an installed model as ONNX or TorchScript.

    The file takes (1, 5, H, W) float32 (red, green, blue, source age / 100, target age / 100) and gives the delta
    (1, 3, H, W); H and W are free, in multiples of 16.

    Args:
        descriptor: of the model.
        to: format.
        path: file to write; an existing one is replaced only by a file that has passed the check.

    Returns:
        The largest difference from PyTorch that was found.

    Raises:
        ModelError: ``export-differs``, ``unwritable``, ``unknown-format``, or those of loading the weights.
        DeviceError: ``missing-backend`` when the packages for the format are not installed.
    """
    if to not in ("onnx", "torchscript"):
        raise ModelError("unknown-format", f"There is no export to {to!r}.", "Choose onnx or torchscript.")
    net = load_network(descriptor)
    plain = _WholeCanvas(net)
    family = architecture(descriptor.architecture)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            if to == "onnx":
                temporary.write_bytes(onnx_bytes(plain, 96, 96, free_sides=True))
            else:
                with _quiet_exporters():
                    traced = torch.jit.trace(plain, torch.rand(1, IN_CHANNELS, 96, 96))  # type: ignore[no-untyped-call]
                    torch.jit.save(traced, str(temporary))
            difference = max(_difference(plain, temporary, to, sides) for sides in _CHECK_SIDES_PX)
            if not difference <= EXPORT_TOLERANCE:
                message = f"The {to} file of {descriptor.name!r} ({family.name}) is off by {difference:.2g}."
                raise ModelError("export-differs", message, "Report this with the versions of torch and onnxruntime.")
            temporary.replace(path)
    except OSError as error:
        hint = "Check the folder, its rights and the free space."
        raise ModelError("unwritable", f"Cannot write {path}: {error}.", hint) from None
    return difference


def onnx_bytes(module: nn.Module, height: int, width: int, *, free_sides: bool = False) -> bytes:
    """A module that takes (1, 5, H, W) as an ONNX file.

    Args:
        module: to export.
        height: of the example input, a multiple of 16.
        width: likewise.
        free_sides: leave height and width open, in multiples of 16.

    Raises:
        DeviceError: ``missing-backend``.
    """
    _require("onnx", "onnxscript")
    example = torch.zeros(1, IN_CHANNELS, height, width)
    shapes = None
    if free_sides:
        sides = {
            2: 16 * torch.export.Dim("rows", min=4, max=1024),
            3: 16 * torch.export.Dim("columns", min=4, max=1024),
        }
        shapes = (sides,)
    with _quiet_exporters():
        program = cast(
            Any, torch.onnx.export(module.eval(), (example,), dynamo=True, dynamic_shapes=shapes, verbose=False)
        )
        data: bytes = program.model_proto.SerializeToString()
    return data


class _WholeCanvas(nn.Module):
    """The network without windows, so that nothing of the example's shape is frozen into the file."""

    def __init__(self, net: FranNet) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, x: Tensor) -> Tensor:
        net = self.net
        skips = [net.init_conv(x)]
        for down in (net.down1, net.down2, net.down3, net.down4):
            skips.append(down(skips[-1]))
        out = skips.pop()
        for up in (net.up1, net.up2, net.up3, net.up4):
            out = up.layer(torch.cat([up.blur_upsample(out), skips.pop()], dim=1))
        return cast(Tensor, net.final_conv(out))


def _difference(plain: nn.Module, path: Path, to: str, sides: tuple[int, int]) -> float:
    x = torch.rand(1, IN_CHANNELS, *sides, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = plain(x).numpy()
        if to == "onnx":
            _require("onnxruntime")
            import onnxruntime

            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            found = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        else:
            with _quiet_exporters():
                found = torch.jit.load(str(path))(x).numpy()  # type: ignore[no-untyped-call]
    return float(np.abs(found - expected).max()) if np.isfinite(found).all() else float("inf")


def _require(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        message = f"ONNX needs the Python package {' and '.join(missing)}."
        raise DeviceError("missing-backend", message, "Run: pip install 'nuke-reage[onnx]'")


@contextlib.contextmanager
def _quiet_exporters() -> Iterator[None]:
    # The exporters warn about their own internals and about torchvision; none of it concerns this network, and what
    # they write is checked afterwards.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings(), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            with contextlib.redirect_stdout(nowhere):
                yield
        finally:
            logger.setLevel(level)
