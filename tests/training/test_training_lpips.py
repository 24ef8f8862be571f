"""LPIPS as a loss: the numbers of the package that published it, and runs that learn with it."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.training.loop import train
from nuke_reage.training.lpips import read_lpips

# fmt: off
CONVOLUTIONS = {
    "alex": {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)},
    "vgg": {
        0: (64, 3, 3), 2: (64, 64, 3), 5: (128, 64, 3), 7: (128, 128, 3), 10: (256, 128, 3), 12: (256, 256, 3),
        14: (256, 256, 3), 17: (512, 256, 3), 19: (512, 512, 3), 21: (512, 512, 3), 24: (512, 512, 3),
        26: (512, 512, 3), 28: (512, 512, 3),
    },
}
CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
# fmt: on


def write_network(path, kind, seed=5):
    rng = np.random.default_rng(seed)
    state = {}
    for place, (outputs, inputs, side) in CONVOLUTIONS[kind].items():
        gain = np.float32((2 / (inputs * side * side)) ** 0.5)
        weight = rng.standard_normal((outputs, inputs, side, side), np.float32) * gain
        state[f"features.{place}.weight"] = torch.from_numpy(weight)
        state[f"features.{place}.bias"] = torch.from_numpy(rng.standard_normal(outputs, np.float32) * np.float32(0.1))
    state["classifier.1.weight"] = torch.zeros(2, 2)
    torch.save(state, path)
    return path


def write_heads(path, kind):
    rng = np.random.default_rng(6)
    heads = {
        f"lin{number}.model.1.weight": torch.from_numpy(rng.random((1, channels, 1, 1), np.float32))
        for number, channels in enumerate(CHANNELS[kind])
    }
    torch.save(heads, path)
    return path


@pytest.fixture
def alex(tmp_path):
    return write_network(tmp_path / "alexnet.pth", "alex"), write_heads(tmp_path / "alex.pth", "alex")


# By lpips 0.1.4, LPIPS(net=...)(one, other, normalize=True).mean() with these weights.
@pytest.mark.parametrize(("kind", "published"), [("alex", 0.25278383), ("vgg", 0.21618924)])
def test_it_is_the_distance_that_the_published_package_measures(tmp_path, kind, published):
    lpips = read_lpips(write_network(tmp_path / "network.pth", kind), write_heads(tmp_path / "heads.pth", kind))
    rng = np.random.default_rng(7)
    one, other = (torch.from_numpy(rng.random((2, 3, 64, 80), np.float32)) for _ in range(2))
    other = one * 0.6 + other * 0.4
    everywhere = torch.ones(2, 1, 64, 80)
    assert float(lpips(one, other, everywhere)) == pytest.approx(published, rel=1e-5)
    assert float(lpips(one, other, 3 * everywhere)) == pytest.approx(3 * published, rel=1e-5)


def test_pixels_without_weight_do_not_count_and_nothing_to_see_has_a_gradient(alex):
    lpips = read_lpips(*alex)
    one = torch.rand((1, 3, 128, 128), generator=torch.Generator().manual_seed(1))
    other = one.clone()
    other[..., :16, :16] = 1 - other[..., :16, :16]
    far = torch.zeros(1, 1, 128, 128)
    far[..., 112:, 112:] = 1
    near = far.flip((2, 3))
    assert float(lpips(other, one, near)) > 100 * float(lpips(other, one, far))
    for blind in (False, True):
        if blind:
            for layer in lpips.stages.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    layer.bias.fill_(-100.0)
        learnt = one.clone().requires_grad_()
        loss = lpips(learnt, one, torch.ones_like(far))
        loss.backward()
        assert float(loss.detach()) == 0 and torch.isfinite(learnt.grad).all()
    assert all(parameter.grad is None for parameter in lpips.parameters())


def test_a_run_learns_by_it_says_so_and_goes_on_only_with_the_same_weights(people, tmp_path, make_config, alex):
    def config(network, steps=12):
        return make_config(
            loss={"l1": 0.0, "pyramid": 0.0, "gradient": 0.0, "lpips": 1.0}
            | {"lpips_network": str(network), "lpips_heads": str(alex[1])},
            optimiser={"steps": steps, "precision": "bf16"},
        )

    report = train([people], tmp_path / "run", config(alex[0]))
    with (tmp_path / "run" / "train.csv").open(newline="") as stream:
        losses = [float(row["lpips"]) for row in csv.DictReader(stream)]
    assert len(losses) == 12 and np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3]) and losses[0] > 0.05
    assert "LPIPS: alexnet.pth and alex.pth" in report.model.with_suffix(".md").read_text(encoding="utf-8")
    moved = alex[0].rename(tmp_path / "elsewhere.pth")
    assert train([people], tmp_path / "run", config(moved, steps=13)).steps == 13
    other = write_network(tmp_path / "other.pth", "alex", seed=8)
    with pytest.raises(UsageError, match="what differs: weights of LPIPS"):
        train([people], tmp_path / "run", config(other, steps=14))


def test_what_is_no_lpips_is_refused_with_what_is_wanted(tmp_path, make_config, alex):
    vgg_heads = write_heads(tmp_path / "vgg.pth", "vgg")
    for network, heads, told in (
        (alex[1], alex[1], "neither AlexNet nor VGG 16"),
        (alex[0], vgg_heads, r"lin1\.model\.1\.weight in .* is \(1, 128, 1, 1\); \(1, 192, 1, 1\) is needed"),
        (alex[0], alex[0], r"lin0\.model\.1\.weight in .* is missing"),
    ):
        with pytest.raises(ModelError, match=told) as caught:
            read_lpips(network, heads)
        assert caught.value.code == "model.wrong-lpips" and "lpips_heads" in caught.value.hint
    with pytest.raises(ModelError, match="There is no weights file"):
        read_lpips(tmp_path / "none.pth", alex[1])
    with pytest.raises(UsageError, match=r"loss\.lpips_heads must be a file where loss\.lpips is not 0"):
        make_config(loss={"lpips": 1.0, "lpips_network": "alexnet.pth"})
