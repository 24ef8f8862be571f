"""State dicts of PyTorch: the files that it alone can read, and the way from its tensors to arrays and back."""

from __future__ import annotations

import pickle
import tarfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor

from nuke_reage.core.errors import ModelError
from nuke_reage.models.architectures import StateDict
from nuke_reage.models.descriptor import FETCH_HINT

__all__ = ["read_pth", "read_rare_safetensors", "to_arrays", "to_tensors"]

_UNSAFE_HINT = "Ask for a plain state dict or a safetensors file: torch.save(model.state_dict(), FILE)."
_WRAPPERS = ("state_dict", "model_state_dict", "params", "generator")
_ZIP_START, _PICKLE_START = b"PK\x03\x04", b"\x80"
_PARALLEL_PREFIX = "module."
_FLOATS_OF_NUMPY = (torch.float16, torch.float32, torch.float64)


def to_tensors(state: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """Arrays as float32 tensors on the CPU; those of float32 share their memory."""
    return {key: torch.from_numpy(value.astype(np.float32, copy=False)) for key, value in state.items()}


def to_arrays(state: Mapping[str, Tensor]) -> StateDict:
    """Tensors as arrays of the same numbers; those on the CPU share their memory, where NumPy has their type.

    Floats that NumPy has not, such as bfloat16, become float32.
    """
    return {key: _array(value) for key, value in state.items()}


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    rare = tensor.is_floating_point() and tensor.dtype not in _FLOATS_OF_NUMPY
    array: npt.NDArray[Any] = (tensor.float() if rare else tensor).numpy(force=True)
    return array


def read_rare_safetensors(path: Path) -> StateDict:
    """Read a safetensors file with numbers that NumPy has not.

    Raises:
        SafetensorError, OSError: the file is damaged or cannot be read.
    """
    return to_arrays(load_file(str(path), device="cpu"))


def read_pth(path: Path) -> StateDict:
    """Read a PyTorch state dict without executing anything that the file holds.

    Args:
        path: of a file that is there.  Tensors may lie one level down under a usual key (``state_dict``...) and carry a
            data-parallel wrapper's prefix.

    Raises:
        ModelError: ``corrupt-weights``, ``wrong-architecture``, or ``unsafe-weights`` when reading it whole would run
            code (pickled objects, TorchScript, archives).
    """
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
    if not isinstance(loaded, Mapping) or not all(_is_plain(value) for value in loaded.values()):
        raise ModelError("wrong-architecture", f"{path} holds no state dict.", _UNSAFE_HINT)
    return to_arrays({str(key).removeprefix(_PARALLEL_PREFIX): value for key, value in loaded.items()})


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor as NumPy has them, neither sparse nor quantised."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized
