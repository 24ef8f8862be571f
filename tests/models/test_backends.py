"""Every backend against PyTorch in float32, on a real face."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nuke_reage.core.errors import DeviceError
from nuke_reage.models.backends import available_backends, available_devices, create_predictor
from nuke_reage.models.bfloat16 import split_for_bfloat16
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.registry import Registry
from nuke_reage.models.staged import split_for_half

BACKENDS = ["torch", "openvino", "onnxruntime"]
WINDOW = (slice(24, 87), slice(0, 101))


@pytest.fixture(autouse=True)
def backend_is_installed(request: pytest.FixtureRequest):
    name = request.node.callspec.params.get("backend") if hasattr(request.node, "callspec") else None
    if name in BACKENDS and name not in available_backends():
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def small(face: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(face[40:168, 60:204])


@pytest.mark.parametrize("backend", BACKENDS)
def test_exact_is_torch_to_1e_4_on_the_whole_and_in_a_window(make_model, small: np.ndarray, backend: str):
    model = make_model(width=8)
    expected = create_predictor(model, backend="torch", device="cpu").predict(small, 30.0, 70.0)
    predictor = create_predictor(model, backend=backend, threads=1)
    assert predictor.name.startswith(backend) and predictor.descriptor == model
    found, part = predictor.predict(small, 30.0, 70.0), predictor.predict(small, 30.0, 70.0, window=WINDOW)
    assert np.ptp(expected) > 0.5
    assert found.dtype == np.float32 and found.flags.c_contiguous and found.shape == small.shape
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(part - expected[WINDOW]).max() < 1e-4


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_fast_stays_within_its_error_on_the_bundled_width(make_model, face: np.ndarray, backend: str):
    model = make_model(width=20)
    expected = create_predictor(model, backend="torch", device="cpu").predict(face, 30.0, 70.0)
    predictor = create_predictor(model, backend=backend, precision="fast", device="cpu", threads=1)
    found = predictor.predict(face, 30.0, 70.0)
    error = np.abs(found - expected) / np.ptp(expected)
    assert error.max() < 0.006 and error.mean() < 0.001
    if "bf16" in predictor.name:
        assert error.max() > 1e-5, "a fast mode without any error would be the exact one"


@pytest.mark.parametrize("window", [None, (slice(37, 214), slice(51, 202)), (slice(64, 224), slice(48, 208))])
def test_strips_of_a_large_window_join_without_a_seam(make_model, face: np.ndarray, window):
    backend = pytest.importorskip("nuke_reage.models.backends.openvino_backend")
    model = make_model(width=8)
    whole, in_strips = (
        backend.OpenVinoPredictor(formula_state_dict(8), model, precision="fast", threads=1, strip_px=strip_px).predict(
            face, 30.0, 70.0, window=window
        )
        for strip_px in (2**20, 2**12)
    )
    assert np.ptp(whole) > 0.5
    assert np.abs(in_strips - whole).max() < 1e-5


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_keyed_age_moves_without_steps(face: np.ndarray, backend: str):
    """bfloat16 alone cannot tell 50.0 from 50.2 years; with the input split in two, a tenth of a year is even steps."""
    model = Registry.from_environment({}).get("fran-lite")
    exact = create_predictor(model, device="cpu", threads=1)
    way = exact.predict(face, 30.0, 50.8) - exact.predict(face, 30.0, 50.0)
    predictor = create_predictor(model, backend=backend, precision="fast", device="cpu", threads=1)
    deltas = [predictor.predict(face, 30.0, 50.0 + 0.2 * step) for step in range(5)]
    # How far along the true way each delta lies: 0, 1/4, ... 1; all of it may be a little longer or shorter.
    places = [float(((delta - deltas[0]) * way).sum() / (way * way).sum()) for delta in deltas]
    # Inner layers round as well, by up to a tenth of that way; without the split the steps are off by 0.22.
    assert np.abs(np.diff(places) - 1 / 4).max() < 0.15
    assert places[-1] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("backend", "precision"),
    [("torch", "exact"), ("torch", "fast"), ("openvino", "exact"), ("openvino", "fast"), ("onnxruntime", "exact")],
)
def test_same_input_same_bits_and_results_do_not_alias(make_model, small: np.ndarray, backend: str, precision: str):
    model = make_model(width=4)
    predictor = create_predictor(model, backend=backend, precision=precision, device="cpu", threads=1)
    first = predictor.predict(small, 30.0, 70.0)
    kept = first.copy()
    other = predictor.predict(np.ascontiguousarray(small[::-1]), 60.0, 20.0)
    assert not np.array_equal(other, kept)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(predictor.predict(small, 30.0, 70.0), kept)
    if backend == "onnxruntime":
        return  # a second export would take seconds and prove the exporter, not the runtime
    fresh = create_predictor(model, backend=backend, precision=precision, device="cpu", threads=1)
    np.testing.assert_array_equal(fresh.predict(small, 30.0, 70.0), kept)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_age_maps_are_per_pixel(make_model, small: np.ndarray, backend: str):
    predictor = create_predictor(make_model(width=4), backend=backend, device="cpu", threads=1)
    years = np.full(small.shape[:2], 70.0, np.float32)
    flat = predictor.predict(small, 30.0, 70.0)
    np.testing.assert_array_equal(predictor.predict(small, 30.0, years), flat)
    years[:, 120:] = 20.0
    mixed = predictor.predict(small, 30.0, years)
    assert np.abs(mixed[:, 130:] - flat[:, 130:]).mean() > 10 * np.abs(mixed[:, :20] - flat[:, :20]).mean()
    source = np.full(small.shape[:2], 30.0, np.float32)
    np.testing.assert_array_equal(predictor.predict(small, source, 70.0), flat)


def test_values_beyond_one_are_not_clamped(make_model, small: np.ndarray):
    predictor = create_predictor(make_model(width=4), device="cpu")
    bright = small.copy()
    bright[60:64, 60:64] = 3.0
    clamped = np.minimum(bright, 1.0)
    assert np.abs(predictor.predict(bright, 30.0, 70.0) - predictor.predict(clamped, 30.0, 70.0)).max() > 0.1


@pytest.mark.parametrize(
    ("shape", "dtype", "window", "words"),
    [
        ((100, 128, 3), np.float32, None, "multiples of 16"),
        ((48, 128, 3), np.float32, None, "at least 64"),
        ((128, 128, 4), np.float32, None, "float32"),
        ((128, 128, 3), np.float64, None, "float64"),
        ((128, 128, 3), np.float32, (slice(5, 5), slice(0, 9)), "window"),
        ((128, 128, 3), np.float32, (slice(0, 9, 2), slice(0, 9)), "window"),
    ],
)
def test_wrong_input_is_named(make_model, shape, dtype, window, words: str):
    predictor = create_predictor(make_model(), device="cpu", backend="torch")
    with pytest.raises(ValueError, match=words):
        predictor.predict(np.zeros(shape, dtype), 30.0, 70.0, window=window)
    with pytest.raises(ValueError, match="age"):
        predictor.predict(np.zeros((64, 64, 3), np.float32), 30.0, np.zeros((3, 3), np.float32))


@pytest.mark.parametrize(
    ("settings", "slug"),
    [
        ({"device": "tpu"}, "unknown-device"),
        ({"backend": "tensorrt"}, "unknown-backend"),
        ({"precision": "fastest"}, "unknown-precision"),
        ({"device": "cuda"}, "no-device"),
        ({"device": "mps"}, "no-device"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(make_model, settings: dict[str, str], slug: str):
    if settings.get("device") in available_devices():
        pytest.skip("this machine has it")
    with pytest.raises(DeviceError) as caught:
        create_predictor(make_model(), **settings)
    assert caught.value.slug == slug and caught.value.exit_code == 6
    assert "cpu" in caught.value.hint or slug != "no-device"
    assert caught.value.hint


@pytest.mark.skipif(sys.platform == "darwin", reason="Metal needs no build of its own")
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("cuda = None\nhip = None", "cpu, not imported"),
        ("cuda = '12.8'\nhip = None", "cuda cpu, imported"),
        ("cuda = None\nhip = '6.4'", "cuda cpu, imported"),
    ],
    ids=["cpu", "cuda", "rocm"],
)
def test_torch_is_asked_for_devices_only_where_it_may_have_some(tmp_path: Path, build: str, expected: str):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "version.py").write_text(f"from typing import Optional\n{build}\n")
    (package / "__init__.py").write_text(
        "from types import SimpleNamespace as N\n"
        "cuda, backends = N(is_available=lambda: True), N(mps=N(is_available=lambda: False))\n"
    )
    code = (
        "import sys\nfrom nuke_reage.models.backends import available_devices\n"
        "print(*available_devices(), end=', imported' if 'torch' in sys.modules else ', not imported')\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root)))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.stdout == expected, done.stderr


@given(arrays(np.float32, (1, 2, 3, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_bfloat16_of_numpy_is_that_of_torch(x: np.ndarray):
    expected = split_for_half(torch.from_numpy(x), torch.bfloat16).numpy()
    np.testing.assert_array_equal(split_for_bfloat16(x).view(np.uint32), expected.view(np.uint32))


def test_bfloat16_ties_go_to_the_even_neighbour():
    upper = np.arange(0x3F80, 0x3F90, dtype=np.uint32)[:, None] << 16
    x = (upper | np.array([0x7FFF, 0x8000, 0x8001], np.uint32)).view(np.float32)[None, None]
    expected = split_for_half(torch.from_numpy(x), torch.bfloat16).numpy()
    np.testing.assert_array_equal(split_for_bfloat16(x), expected)


def test_auto_prefers_the_fastest(make_model):
    name = create_predictor(make_model()).name
    if available_devices() == ("cpu",):
        assert name.startswith(available_backends()[0])
    else:
        assert available_devices()[0] in name


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_gpu_agrees_with_the_cpu(make_model, face: np.ndarray, precision: str):
    device = available_devices()[0]
    if device == "cpu":
        pytest.skip("no CUDA or Metal device")
    model = make_model(width=20)
    expected = create_predictor(model, backend="torch", device="cpu").predict(face, 30.0, 70.0)
    found = create_predictor(model, device=device, precision=precision).predict(face, 30.0, 70.0)
    error = np.abs(found - expected).max()
    assert error < 1e-4 if precision == "exact" else error < 0.006 * np.ptp(expected)
