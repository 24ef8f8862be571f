"""Weights in, weights out, and nothing that could execute code in between.

Two formats are read: safetensors, and PyTorch state dicts (``.pth``) through ``weights_only=True``.  Both are checked
against the layout of the network before a single tensor is used.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tarfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nuke_reage.core.errors import ModelError
from nuke_reage.models.architectures import Architecture
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import FETCH_HINT, ModelDescriptor

__all__ = ["StateDict", "check_layout", "load_weights", "read_checkpoint", "save_weights"]

StateDict = dict[str, torch.Tensor]

_UNSAFE_HINT = "Ask for a plain state dict or a safetensors file: torch.save(model.state_dict(), FILE)."
_WRAPPERS = ("state_dict", "model_state_dict", "params", "generator")
_ZIP_START, _PICKLE_START = b"PK\x03\x04", b"\x80"
_PARALLEL_PREFIX = "module."


def load_weights(descriptor: ModelDescriptor, family: Architecture, *, verify: bool = True) -> StateDict:
    """Read the weights of an installed model.

    Args:
        descriptor: of the model.
        family: its architecture.
        verify: compare the file's SHA-256 with the descriptor's, where one is recorded.

    Returns:
        Tensors by name, float32, on the CPU.

    Raises:
        ModelError: ``not-installed``, ``checksum``, ``corrupt-weights``, ``wrong-architecture``, ``wrong-layout``.
    """
    path = descriptor.require_weights()
    if verify and descriptor.sha256:
        found = sha256_of(path)
        if found != descriptor.sha256:
            raise ModelError(
                "checksum", f"{path} has SHA-256 {found}, the descriptor says {descriptor.sha256}.", FETCH_HINT
            )
    state = read_checkpoint(path)
    check_layout(state, family, descriptor.width, path)
    return {key: value.float() for key, value in state.items()}


def read_checkpoint(path: Path) -> StateDict:
    """Read a safetensors file or a PyTorch state dict without executing anything that it holds.

    Tensors may lie one level down under a usual key (``state_dict``...) and carry a data-parallel wrapper's prefix.

    Raises:
        ModelError: ``missing-weights``, ``corrupt-weights``, or ``unsafe-weights`` when reading it whole would run
            code (pickled objects, TorchScript, archives).
    """
    if not path.is_file():
        raise ModelError("missing-weights", f"There is no weights file {path}.", "Check the path.")
    if path.stat().st_size == 0:
        raise ModelError("corrupt-weights", f"{path} is empty.", FETCH_HINT)
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    # Batch normalisation counts its batches in integers; nothing that is computed depends on them.
    state = {key: value for key, value in state.items() if not key.endswith(".num_batches_tracked")}
    for key, value in state.items():
        if not value.is_floating_point() or not _is_finite(value):
            raise ModelError("corrupt-weights", f"{key} in {path} holds values that are no numbers.", FETCH_HINT)
    return state


def check_layout(state: Mapping[str, torch.Tensor], family: Architecture, width: int | None, path: Path) -> int:
    """Compare names and shapes with those of the network.

    Args:
        state: tensors by name.
        family: the network.
        width: its width; None = found from the shapes.
        path: named in messages.

    Returns:
        The width.

    Raises:
        ModelError: ``wrong-architecture`` or ``wrong-layout``, which names the first tensors that differ.
    """
    found_width = family.width_of(state, path.name)
    hint = "Choose the descriptor that belongs to these weights, or import them under a new name."
    if width is not None and found_width != width:
        message = f"{path} holds a network of width {found_width}; the descriptor says {width}."
        raise ModelError("wrong-layout", message, hint)
    expected = family.layout(found_width)
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        message = f"{path} is not a whole {family.name!r} network: missing {missing[:3]}, unknown {extra[:3]}."
        raise ModelError("wrong-layout", message, hint)
    for key, shape in expected.items():
        if tuple(state[key].shape) != shape:
            message = f"{key} in {path} has shape {tuple(state[key].shape)}; {family.name!r} needs {shape}."
            raise ModelError("wrong-layout", message, hint)
    return found_width


def save_weights(
    state: Mapping[str, torch.Tensor], path: Path, *, dtype: Literal["float32", "float16"], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        state: tensors by name.
        path: the file.
        dtype: of the parameters; blur kernels stay float32.
        metadata: goes into the file's header.

    Raises:
        ModelError: ``half-overflow`` when a value does not fit float16, ``unwritable``.
    """
    target = torch.float16 if dtype == "float16" else torch.float32
    tensors = {}
    for key, value in state.items():
        tensors[key] = value.detach().cpu().to(torch.float32 if key.endswith(".filt") else target).contiguous()
        if not _is_finite(tensors[key]):
            raise ModelError("half-overflow", f"{key} does not fit {dtype}.", "Save it as float32.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(temporary), metadata=dict(metadata))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        hint = "Check the folder, its rights and the free space."
        raise ModelError("unwritable", f"Cannot write {path}: {error}.", hint) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _is_finite(tensor: torch.Tensor) -> bool:
    # By NumPy: on a machine whose cores are taken, PyTorch's threads wait for each other at every small tensor.
    return bool(np.isfinite(tensor.float().numpy()).all())


def _read_safetensors(path: Path) -> StateDict:
    try:
        return load_file(str(path), device="cpu")
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise ModelError("corrupt-weights", f"{path} is not a whole safetensors file: {error}.", FETCH_HINT) from None


def _read_pth(path: Path) -> StateDict:
    if tarfile.is_tarfile(path):
        raise ModelError("unsafe-weights", f"{path} is a tar archive, which is not read.", _UNSAFE_HINT)
    with path.open("rb") as stream:
        start = stream.read(4)
    if start != _ZIP_START and start[:1] != _PICKLE_START:
        raise ModelError("corrupt-weights", f"{path} is neither a PyTorch nor a safetensors file.", FETCH_HINT)
    try:
        with warnings.catch_warnings():
            # torch warns about odd pickles and TorchScript before it refuses them; the error says it better.
            warnings.simplefilter("ignore")
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Refused by the restricted unpickler: an object that is no tensor.  (Damage raises the errors below.)
        message = f"{path} holds more than tensors; reading it could run code, so it is refused."
        raise ModelError("unsafe-weights", message, _UNSAFE_HINT) from None
    except Exception as error:
        # A damaged file can fail anywhere in the zip reader or the unpickler, with any exception.
        if "TorchScript" in str(error):
            message = f"{path} is a TorchScript archive, which carries code."
            raise ModelError("unsafe-weights", message, _UNSAFE_HINT) from None
        message = f"{path} is no checkpoint, is damaged or was cut short ({type(error).__name__})."
        raise ModelError("corrupt-weights", message, FETCH_HINT) from None
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ModelError("wrong-architecture", f"{path} holds no state dict.", _UNSAFE_HINT)
    return {str(key).removeprefix(_PARALLEL_PREFIX): value for key, value in loaded.items()}
