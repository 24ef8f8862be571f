"""Weights in, weights out, and nothing that could execute code in between.

Two formats are read: safetensors, and PyTorch state dicts (``.pth``) through ``weights_only=True``.  Both are checked
against the layout of the network before a single number is used.  PyTorch is imported only for what it alone can read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nuke_reage.core.errors import ModelError
from nuke_reage.core.strict import canonical_json
from nuke_reage.models.architectures import Architecture, StateDict
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import FETCH_HINT, ModelDescriptor

__all__ = ["check_layout", "load_weights", "read_checkpoint", "save_weights"]

_FLOATS_OF_NUMPY = frozenset({"F16", "F32", "F64"})


def load_weights(descriptor: ModelDescriptor, family: Architecture, *, verify: bool = True) -> StateDict:
    """Read the weights of an installed model.

    Args:
        descriptor: of the model.
        family: its architecture.
        verify: compare the file's SHA-256 with the descriptor's, where one is recorded.

    Returns:
        Arrays by name, float32.

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
    return {key: value.astype(np.float32, copy=False) for key, value in state.items()}


def read_checkpoint(path: Path) -> StateDict:
    """Read a safetensors file or a PyTorch state dict without executing anything that it holds.

    Tensors may lie one level down under a usual key (``state_dict``...) and carry a data-parallel wrapper's prefix.

    Returns:
        Arrays by name, of the floats that the file holds; such as NumPy has not, bfloat16 for one, as float32.

    Raises:
        ModelError: ``missing-weights``, ``corrupt-weights``, or ``unsafe-weights`` when reading it whole would run
            code (pickled objects, TorchScript, archives).
    """
    if not path.is_file():
        raise ModelError("missing-weights", f"There is no weights file {path}.", "Check the path.")
    if path.stat().st_size == 0:
        raise ModelError("corrupt-weights", f"{path} is empty.", FETCH_HINT)
    if path.suffix == ".safetensors":
        state = _read_safetensors(path)
    else:
        from nuke_reage.models.torch_state import read_pth

        state = read_pth(path)
    # Batch normalisation counts its batches in integers; nothing that is computed depends on them.
    state = {key: value for key, value in state.items() if not key.endswith(".num_batches_tracked")}
    for key, value in state.items():
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            raise ModelError("corrupt-weights", f"{key} in {path} holds values that are no numbers.", FETCH_HINT)
    return state


def check_layout(state: Mapping[str, npt.NDArray[Any]], family: Architecture, width: int | None, path: Path) -> int:
    """Compare names and shapes with those of the network.

    Args:
        state: arrays by name.
        family: the network.
        width: its width; None = found from the shapes.
        path: named in messages.

    Returns:
        The width.

    Raises:
        ModelError: ``wrong-architecture`` or ``wrong-layout``, which names the first arrays that differ.
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
        if state[key].shape != shape:
            message = f"{key} in {path} has shape {state[key].shape}; {family.name!r} needs {shape}."
            raise ModelError("wrong-layout", message, hint)
    return found_width


def save_weights(
    state: Mapping[str, npt.NDArray[Any]],
    path: Path,
    *,
    dtype: Literal["float32", "float16"],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        state: arrays by name.
        path: the file.
        dtype: of the parameters; blur kernels stay float32.
        metadata: goes into the header, as JSON under the key ``reage``.  Equal arguments give equal bytes.

    Raises:
        ModelError: ``half-overflow`` when a value does not fit float16, ``unwritable``.
    """
    arrays = {}
    for key, value in state.items():
        with np.errstate(over="ignore"):
            arrays[key] = np.asarray(value, np.float32 if key.endswith(".filt") else dtype, order="C")
        if not np.isfinite(arrays[key]).all():
            raise ModelError("half-overflow", f"{key} does not fit {dtype}.", "Save it as float32.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of several keys the library writes any one first, and the file would have another SHA-256 each time.
        header = {"reage": canonical_json(dict(metadata))} if metadata else {}
        save_file(arrays, str(temporary), metadata=header)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        hint = "Check the folder, its rights and the free space."
        raise ModelError("unwritable", f"Cannot write {path}: {error}.", hint) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _read_safetensors(path: Path) -> StateDict:
    try:
        with safe_open(str(path), framework="numpy") as file:
            names = list(file.keys())
            if all(file.get_slice(name).get_dtype() in _FLOATS_OF_NUMPY for name in names):
                return {name: file.get_tensor(name) for name in names}
        from nuke_reage.models.torch_state import read_rare_safetensors

        return read_rare_safetensors(path)
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise ModelError("corrupt-weights", f"{path} is not a whole safetensors file: {error}.", FETCH_HINT) from None
