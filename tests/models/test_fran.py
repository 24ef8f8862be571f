"""The network against numbers that other code computed."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.fran import FranNet, he_init
from nuke_reage.models.fran_plan import MULTIPLE, RECEPTIVE_RADIUS_PX, layout, strips
from nuke_reage.models.torch_state import to_tensors

REFERENCE = Path(__file__).parent / "data" / "formula_width_2.json"


def formula_net(width: int) -> FranNet:
    net = FranNet(width)
    net.load_state_dict(to_tensors(formula_state_dict(width)))
    return net.eval().requires_grad_(False)


def waves(height: int, width: int) -> np.ndarray:
    """(5, H, W) float64: smooth colours in [0, 1] and the ages 0.35 and 0.70."""
    y, x = np.arange(height)[:, None] / height, np.arange(width)[None, :] / width
    red, green, blue = 0.5 + 0.5 * np.sin(7 * x + 3 * y), 0.5 + 0.5 * np.cos(11 * y - 2 * x), x * y
    return np.stack([red, green, blue, np.full_like(blue, 0.35), np.full_like(blue, 0.70)])


class Naive:
    """The network once more, in plain numpy and float64, from the paper's description and nothing of the project."""

    def __init__(self, state: dict[str, np.ndarray]) -> None:
        self.state = {key: value.astype(np.float64) for key, value in state.items()}

    def convolution(self, x: np.ndarray, key: str) -> np.ndarray:
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        size = weight.shape[-1]
        padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
        height, width = x.shape[1:]
        out = np.zeros((weight.shape[0], height, width)) + bias[:, None, None]
        for row in range(size):
            for column in range(size):
                taps = padded[:, row : row + height, column : column + width]
                out += np.einsum("oi,ihw->ohw", weight[:, :, row, column], taps)
        return out

    def convolutions(self, x: np.ndarray, first: str, second: str) -> np.ndarray:
        for key in (first, second):
            x = self.convolution(x, key)
            x = np.where(x < 0, 0.01 * x, x)
        return x

    @staticmethod
    def blur(x: np.ndarray, stride: int) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (1, 2), (1, 2)), mode="reflect")
        taps = np.array([1, 3, 3, 1]) / 8
        height, width = padded.shape[1] - 3, padded.shape[2] - 3
        rows = sum(tap * padded[:, i : i + height] for i, tap in enumerate(taps))
        return sum(tap * rows[:, :, i : i + width] for i, tap in enumerate(taps))[:, ::stride, ::stride]

    def down(self, x: np.ndarray, key: str) -> np.ndarray:
        pooled = np.maximum.reduce([x[:, :-1, :-1], x[:, 1:, :-1], x[:, :-1, 1:], x[:, 1:, 1:]])
        return self.convolutions(self.blur(pooled, 2), f"{key}.layer.2", f"{key}.layer.4")

    def up(self, x: np.ndarray, skip: np.ndarray, key: str) -> np.ndarray:
        weight = self.state[f"{key}.blur_upsample.0.weight"]
        doubled = np.einsum("iokl,ihw->ohkwl", weight, x).reshape(weight.shape[1], 2 * x.shape[1], 2 * x.shape[2])
        doubled += self.state[f"{key}.blur_upsample.0.bias"][:, None, None]
        joined = np.concatenate([self.blur(doubled, 1), skip])
        return self.convolutions(joined, f"{key}.layer.0", f"{key}.layer.2")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        levels = [self.convolutions(x, "init_conv.0", "init_conv.2")]
        for number in (1, 2, 3, 4):
            levels.append(self.down(levels[-1], f"down{number}"))
        out = levels.pop()
        for number in (1, 2, 3, 4):
            out = self.up(out, levels.pop(), f"up{number}")
        return self.convolution(out, "final_conv")


def test_network_agrees_with_plain_numpy():
    x = waves(64, 96)
    expected = Naive(formula_state_dict(3))(x)
    found = formula_net(3)(torch.from_numpy(x).float()[None])[0].numpy()
    assert np.ptp(expected) > 0.5, "a flat reference would prove nothing"
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_network_gives_the_recorded_numbers():
    reference = json.loads(REFERENCE.read_text())
    found = formula_net(2)(torch.from_numpy(waves(64, 80)).float()[None])[0].numpy()
    for channel, row, column, value in reference["points"]:
        assert found[channel, row, column] == pytest.approx(value, abs=2e-6)
    assert found.mean(axis=(1, 2)) == pytest.approx(reference["mean"], abs=2e-6)


def test_recorded_numbers_are_those_of_plain_numpy():
    found = Naive(formula_state_dict(2))(waves(64, 80))
    for channel, row, column, value in json.loads(REFERENCE.read_text())["points"]:
        assert found[channel, row, column] == pytest.approx(value, abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize("size", ["256x256", "256x384"])
def test_full_size_network_reproduces_the_published_layout_and_numbers(shared_dir: Path, size: str):
    golden = json.loads((shared_dir / "fran" / "golden.json").read_text())
    assert [[key, list(shape)] for key, shape in layout(64).items()] == golden["layout"]
    height, width = map(int, size.split("x"))
    found = formula_net(64)(torch.from_numpy(waves(height, width)).float()[None])[0].numpy()
    expected = golden["outputs"][size]
    for channel, row, column, value in expected["points"]:
        assert found[channel, row, column] == pytest.approx(value, abs=1e-4)
    assert found.mean(axis=(1, 2)) == pytest.approx(expected["mean"], abs=1e-4)
    assert (found.min(), found.max()) == pytest.approx((expected["min"], expected["max"]), abs=1e-4)


@pytest.mark.shared
def test_formula_weights_are_those_of_the_reference_script(shared_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(shared_dir / "fran"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import reference_weights

    expected, found = reference_weights.reference_state_dict(), formula_state_dict(64)
    assert list(expected) == list(found)
    assert all(np.allclose(expected[key], found[key], rtol=1e-5, atol=1e-5) for key in expected)


@pytest.mark.parametrize("width", [1, 20])
def test_the_layout_is_that_of_the_network(width: int):
    state = FranNet(width).state_dict()
    assert list(layout(width).items()) == [(key, tuple(value.shape)) for key, value in state.items()]


def test_width_64_has_the_published_number_of_parameters():
    count = sum(int(np.prod(shape)) for key, shape in layout(64).items() if not key.endswith(".filt"))
    assert count == 31_033_027


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_window_has_the_values_of_the_whole(data: st.DataObject):
    height, width = (data.draw(st.sampled_from([64, 96, 144])) for _ in range(2))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    net = formula_net(2)
    x = torch.rand(1, 5, height, width, generator=torch.Generator().manual_seed(height + width))
    whole, part = net(x), net(x, (top, bottom, left, right))
    torch.testing.assert_close(part, whole[:, :, top:bottom, left:right], atol=1e-6, rtol=0)


def test_receptive_radius_bounds_what_an_output_pixel_sees():
    net = formula_net(1).double()
    x = torch.rand(1, 5, 384, 384, dtype=torch.float64, requires_grad=True)
    seen = []
    for place in (188, 189, 195, 196):  # either side of the network's 16-pixel grid, where it sees farthest
        (gradient,) = torch.autograd.grad(net(x)[0, :, place, place].sum(), x)
        rows = gradient.abs().sum((0, 1, 3)).nonzero()
        seen.append(max(place - int(rows.min()), int(rows.max()) - place))
    assert RECEPTIVE_RADIUS_PX - 16 < max(seen) <= RECEPTIVE_RADIUS_PX


def test_he_init_keeps_signal_and_gradient_alive_and_starts_near_nothing():
    net = he_init(FranNet(8), seed=3)
    x = torch.rand(2, 5, 64, 64, generator=torch.Generator().manual_seed(0))
    sizes = []
    net.down4.register_forward_hook(lambda _module, _inputs, output: sizes.append(float(output.detach().std())))
    delta = net(x)
    delta.square().mean().backward()
    default = FranNet(8)
    default.down4.register_forward_hook(lambda _module, _inputs, output: sizes.append(float(output.detach().std())))
    default(x)
    assert sizes[0] > 0.3 > 20 * sizes[1], "the default initialisation loses the picture on the way down"
    assert 0.0 < float(delta.detach().abs().mean()) < 0.3
    assert float(net.init_conv[0].weight.grad.abs().max()) > 0
    weight = net.init_conv[0].weight.detach()
    colour, age = weight[:, :3].std(), weight[:, 3:].std()
    assert float(age / colour) == pytest.approx(4.0, rel=0.3)
    assert torch.equal(he_init(FranNet(8), seed=3).up2.layer[0].weight, net.up2.layer[0].weight)


@given(top=st.integers(0, 90), height=st.integers(1, 700), width=st.integers(1, 700), strip_px=st.integers(2**8, 2**18))
def test_strips_cover_a_window_row_by_row_and_are_equally_high(top, height, width, strip_px):
    window = (top, top + height, 3, 3 + width)
    found = strips(window, strip_px)
    assert {(left, right) for _, _, left, right in found} == {(3, 3 + width)}
    assert found[0][0] == top and found[-1][1] == top + height
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(found))
    heights = {bottom - start for start, bottom, _, _ in found}
    assert len(heights) == 1
    assert heights.pop() < strip_px / width + MULTIPLE + 1
