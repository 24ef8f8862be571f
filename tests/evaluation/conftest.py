"""A person whose ages differ by brightness alone, and networks that add just that: what must come out is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import ModelDescriptor, save_descriptor
from nuke_reage.models.fran import FranNet
from nuke_reage.models.torch_state import to_arrays
from nuke_reage.models.weights import save_weights

AGES = (20, 45, 70)
PER_CENTURY = -0.3
"""How much the person's pictures lose, in encoded values, in a hundred years."""


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """(256, 256, 3) float32, encoded, a public-domain face, nowhere near black or white."""
    data = pytest.importorskip("skimage.data")
    return data.astronaut()[0:256, 96:352].astype(np.float32) / 255.0 * 0.6 + 0.25


def write_aged(folder, portrait, ages=AGES, shift=0.0):
    folder.mkdir(parents=True)
    for age in ages:
        picture = portrait + PER_CENTURY * (age - 20) / 100.0 + shift
        cv2.imwrite(str(folder / f"{age}.png"), np.rint(picture[:, :, ::-1] * 255.0).astype(np.uint8))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def write_people(portrait):
    """Writes two people into a folder; the second is mirrored and a little darker."""

    def write(folder):
        write_aged(folder / "ann", portrait)
        write_aged(folder / "bob", portrait[:, ::-1], shift=-0.04)
        return folder

    return write


@pytest.fixture(scope="module")
def make_model(tmp_path_factory):
    """Writes a network that adds ``per_century * (target - source) / 100 + constant + of_red * red`` everywhere."""

    def make(name: str, per_century: float, constant: float = 0.0, of_red: float = 0.0) -> str:
        net = FranNet(2)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()
            first, second = net.init_conv[0], net.init_conv[2]
            first.weight[0, 3, 1, 1], first.weight[0, 4, 1, 1], first.bias[0] = -1.0, 1.0, 1.0
            first.weight[1, 0, 1, 1] = 1.0
            for channel in range(2):
                second.weight[channel, channel, 1, 1] = 1.0
                net.up4.layer[0].weight[channel, net.width + channel, 1, 1] = 1.0
                net.up4.layer[2].weight[channel, channel, 1, 1] = 1.0
            net.final_conv.weight[:, 0], net.final_conv.weight[:, 1] = per_century, of_red
            net.final_conv.bias += constant - per_century
        weights = tmp_path_factory.mktemp("models") / f"{name}.safetensors"
        save_weights(to_arrays(net.state_dict()), weights, dtype="float32", metadata={})
        descriptor = ModelDescriptor(
            name=name, title="a test", architecture="fran", width=2, canvas_px=128, tile_px=256, max_canvas_px=256,
            licence="CC0-1.0", training_data="none", weights_file=weights.name, sha256=sha256_of(weights),
        )  # fmt: skip
        save_descriptor(descriptor, weights.with_suffix(".json"))
        return str(weights.with_suffix(".json"))

    return make
