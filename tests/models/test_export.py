"""Exported files, run by the runtimes that they are for."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from nuke_reage.core.errors import ModelError
from nuke_reage.models.export import EXPORT_TOLERANCE, export
from nuke_reage.models.loading import load_network


def run(path: Path, x: torch.Tensor) -> np.ndarray:
    if path.suffix == ".onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(path))(x).numpy()


@pytest.mark.parametrize(("to", "name"), [("onnx", "net.onnx"), ("torchscript", "net.pt")])
def test_the_file_gives_what_torch_gives_at_any_size(
    make_model, tmp_path: Path, to: str, name: str, capfd: pytest.CaptureFixture[str]
):
    if to == "onnx":
        pytest.importorskip("onnxscript")
    model, path = make_model(width=3), tmp_path / "out" / name
    assert export(model, to, path) <= EXPORT_TOLERANCE
    for height, width in ((64, 160), (208, 80)):
        x = torch.rand(1, 5, height, width, generator=torch.Generator().manual_seed(height))
        expected = load_network(model)(x).numpy()
        assert np.ptp(expected) > 0.5
        assert np.abs(run(path, x) - expected).max() < EXPORT_TOLERANCE
    assert [file.name for file in path.parent.iterdir()] == [name]
    assert capfd.readouterr() == ("", "")


def test_errors(make_model, tmp_path: Path):
    model = make_model()
    with pytest.raises(ModelError, match="tflite") as caught:
        export(model, "tflite", tmp_path / "net.tflite")
    assert caught.value.slug == "unknown-format"
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError) as caught:
        export(model, "torchscript", tmp_path / "file" / "net.pt")
    assert caught.value.slug == "unwritable"
    model.weights_path.unlink()
    with pytest.raises(ModelError) as caught:
        export(model, "torchscript", tmp_path / "net.pt")
    assert caught.value.slug == "not-installed"
