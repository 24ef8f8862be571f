"""Checkpoints of every kind of badness, made by the programs that make them in the wild."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from nuke_reage.core.errors import ModelError
from nuke_reage.models.architectures import architecture
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.loading import load_network
from nuke_reage.models.torch_state import to_tensors
from nuke_reage.models.weights import check_layout, read_checkpoint, save_weights

FRAN = architecture("fran")


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch '{self.target}'",)


def code_of(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check_layout(read_checkpoint(path), FRAN, None, path)
    assert caught.value.hint and path.name in caught.value.message
    return caught.value.slug


@pytest.mark.parametrize("kind", ["zip", "legacy", "raw", "nested", "module", "tar", "torchscript"])
def test_what_could_run_code_is_refused_and_does_not_run(tmp_path: Path, kind: str):
    path, fuse = tmp_path / "bad.pth", tmp_path / "it-ran"
    state = to_tensors(formula_state_dict(1))
    match kind:
        case "zip":
            torch.save(Bomb(fuse), path)
        case "legacy":
            torch.save({**state, "x": Bomb(fuse)}, path, _use_new_zipfile_serialization=False)
        case "raw":
            path.write_bytes(pickle.dumps({"state_dict": Bomb(fuse)}))
        case "nested":
            torch.save({"state_dict": state, "optimizer": {"hook": Bomb(fuse)}}, path)
        case "module":
            torch.save(torch.nn.Linear(2, 2), path)
        case "tar":
            torch.save(Bomb(fuse), tmp_path / "inner")
            with tarfile.open(path, "w") as archive:
                archive.add(tmp_path / "inner", "inner")
        case "torchscript":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    assert code_of(path) == "unsafe-weights"
    assert not fuse.exists()


def test_the_bomb_of_these_tests_is_live(tmp_path: Path):
    torch.save(Bomb(tmp_path / "it-ran"), tmp_path / "bad.pth")
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("cut", [0, 1, 40, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_called_corrupt(tmp_path: Path, suffix: str, cut: float):
    path = tmp_path / f"cut{suffix}"
    save_weights(formula_state_dict(1), tmp_path / "whole.safetensors", dtype="float32", metadata={})
    torch.save(to_tensors(formula_state_dict(1)), tmp_path / "whole.pth")
    data = (tmp_path / f"whole{suffix}").read_bytes()
    path.write_bytes(data[: cut if isinstance(cut, int) else int(cut * len(data))])
    assert code_of(path) == "corrupt-weights"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_called_corrupt(tmp_path: Path, suffix: str):
    path = tmp_path / f"other{suffix}"
    for data in (b"hello, I am a text", bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n" + bytes(100)):
        path.write_bytes(data)
        assert code_of(path) == "corrupt-weights"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/code.py", "import os")
    path.write_bytes(buffer.getvalue())
    assert code_of(path) == "corrupt-weights"


def test_numbers_that_are_none_are_called_corrupt(tmp_path: Path):
    state = formula_state_dict(1)
    state["final_conv.bias"][1] = float("nan")
    torch.save(to_tensors(state), tmp_path / "nan.pth")
    assert code_of(tmp_path / "nan.pth") == "corrupt-weights"
    state["final_conv.bias"] = np.zeros(3, np.int32)
    save_arrays(state, tmp_path / "whole_numbers.safetensors")
    assert code_of(tmp_path / "whole_numbers.safetensors") == "corrupt-weights"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bfloat16_is_read_as_the_same_numbers(tmp_path: Path, suffix: str):
    path = tmp_path / f"rare{suffix}"
    rare = {key: value.bfloat16() for key, value in to_tensors(formula_state_dict(2)).items()}
    torch.save(rare, path) if suffix == ".pth" else save_file(rare, path)
    read = read_checkpoint(path)
    assert check_layout(read, FRAN, None, path) == 2
    assert all(read[key].dtype == np.float32 and np.array_equal(read[key], rare[key].float()) for key in rare)


def test_other_networks_are_told_apart(tmp_path: Path):
    path = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.rand(64, 3, 7, 7)}, path)
    assert code_of(path) == "wrong-architecture"
    torch.save([1, 2, 3], path)
    assert code_of(path) == "wrong-architecture"
    torch.save({"init_conv.0.weight": torch.eye(3).to_sparse()}, path)
    assert code_of(path) == "wrong-architecture"
    state = to_tensors(formula_state_dict(2))
    del state["up3.layer.2.bias"]
    torch.save(state, path)
    assert code_of(path) == "wrong-layout"
    state = to_tensors(formula_state_dict(2))
    state["up3.layer.2.bias"] = torch.zeros(7)
    torch.save(state, path)
    assert code_of(path) == "wrong-layout"


def test_width_is_found_and_compared(tmp_path: Path):
    state = formula_state_dict(3)
    assert check_layout(state, FRAN, None, tmp_path) == 3
    with pytest.raises(ModelError, match=r"width 3.*says 20"):
        check_layout(state, FRAN, 20, tmp_path)


@pytest.mark.parametrize("wrapping", ["plain", "state_dict", "parallel"])
def test_usual_wrappings_are_read(tmp_path: Path, wrapping: str):
    state = to_tensors(formula_state_dict(1))
    path = tmp_path / "good.pth"
    wrapped = {"state_dict": state, "epoch": 3} if wrapping == "state_dict" else state
    torch.save({f"module.{key}": value for key, value in state.items()} if wrapping == "parallel" else wrapped, path)
    read = read_checkpoint(path)
    assert all(np.array_equal(read[key], value) for key, value in state.items()) and len(read) == len(state)


def test_half_keeps_values_to_half_precision_and_refuses_what_does_not_fit(tmp_path: Path):
    state = formula_state_dict(2)
    save_weights(state, tmp_path / "half.safetensors", dtype="float16", metadata={})
    save_weights(state, tmp_path / "full.safetensors", dtype="float32", metadata={})
    half, full = read_checkpoint(tmp_path / "half.safetensors"), read_checkpoint(tmp_path / "full.safetensors")
    assert all(np.array_equal(full[key], value) for key, value in state.items())
    assert all(np.allclose(half[key], value, rtol=1e-3, atol=1e-7) for key, value in state.items())
    assert half["final_conv.weight"].dtype == np.float16 and half["down1.layer.1.filt"].dtype == np.float32
    state["final_conv.bias"][0] = 1e6
    before = (tmp_path / "half.safetensors").read_bytes()
    with pytest.raises(ModelError, match=r"final_conv\.bias"):
        save_weights(state, tmp_path / "half.safetensors", dtype="float16", metadata={})
    assert (tmp_path / "half.safetensors").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["full.safetensors", "half.safetensors"]


def test_the_same_weights_make_the_same_file(tmp_path: Path):
    state, header = formula_state_dict(1), {"name": "tiny", "reage": "0.1.0", "about": "a test", "width": "1"}
    for index in range(12):
        save_weights(state, tmp_path / f"{index}.safetensors", dtype="float32", metadata=header)
    assert len({sha256_of(path) for path in tmp_path.iterdir()}) == 1
    with safe_open(str(tmp_path / "0.safetensors"), framework="numpy") as file:
        assert json.loads(file.metadata()["reage"]) == header


def test_a_header_of_several_keys_is_read_as_well(tmp_path: Path):
    state = formula_state_dict(1)
    save_arrays(state, tmp_path / "old.safetensors", metadata={"reage": "0.1.0", "name": "old"})
    assert all(
        np.array_equal(value, state[key]) for key, value in read_checkpoint(tmp_path / "old.safetensors").items()
    )


def test_a_changed_file_fails_its_checksum(make_model):
    descriptor = make_model()
    load_network(descriptor)
    data = bytearray(descriptor.weights_path.read_bytes())
    data[-1] ^= 1
    descriptor.weights_path.write_bytes(data)
    with pytest.raises(ModelError, match=sha256_of(descriptor.weights_path)) as caught:
        load_network(descriptor)
    assert caught.value.code == "model.checksum"


def test_missing_weights_say_what_to_run(make_model):
    descriptor = make_model()
    descriptor.weights_path.unlink()
    with pytest.raises(ModelError) as caught:
        load_network(descriptor)
    assert caught.value.code == "model.not-installed" and "reage models" in caught.value.hint
