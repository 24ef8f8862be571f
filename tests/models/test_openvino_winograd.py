"""The convolution that multiplies less, against OpenVINO's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ov = pytest.importorskip("openvino")
import openvino.opset13 as ops  # noqa: E402

from nuke_reage.models.backends.openvino_backend import _core  # noqa: E402
from nuke_reage.models.backends.openvino_winograd import winograd_convolution, winograd_factors  # noqa: E402

SIDES = st.integers(1, 37)
CHANNELS = st.integers(1, 9)


def convolved(picture: np.ndarray, build) -> np.ndarray:
    parameter = ops.parameter(list(picture.shape), np.float32)
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = _core().compile_model(ov.Model([build(parameter)], [parameter]), "CPU", options)
    return np.array(model([picture])[0])


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, CHANNELS, CHANNELS, st.sampled_from([10**9, 4000, 300]), st.integers(0, 2**32 - 1))
def test_it_is_the_convolution_at_any_size_and_in_any_strips(height, width, inputs, outputs, strip_sums, seed):
    rng = np.random.default_rng(seed)
    picture = rng.standard_normal((1, inputs, height, width)).astype(np.float32)
    kernels = (rng.standard_normal((outputs, inputs, 3, 3)) / np.sqrt(9 * inputs)).astype(np.float32)
    expected = convolved(picture, lambda x: ops.convolution(x, ops.constant(kernels), [1, 1], [1, 1], [1, 1], [1, 1]))
    found = convolved(picture, lambda x: winograd_convolution(x, winograd_factors(kernels), strip_sums=strip_sums))
    assert found.shape == expected.shape == (1, outputs, height, width)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5)
    assert height * width * outputs < 20 or np.ptp(expected) > 0.1
