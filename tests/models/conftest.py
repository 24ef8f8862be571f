"""Small real models, installed in folders of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import ModelDescriptor, load_descriptor, save_descriptor
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.weights import save_weights

MakeModel = Callable[..., ModelDescriptor]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Installs a formula network of a small width; keywords go into its descriptor."""

    def make(name: str = "tiny", width: int = 4, folder: Path | None = None, **changes: object) -> ModelDescriptor:
        where = folder or tmp_path / "user"
        weights = where / f"{name}.safetensors"
        save_weights(formula_state_dict(width), weights, dtype="float32", metadata={})
        settings: dict[str, object] = {
            "name": name,
            "title": "a test",
            "architecture": "fran",
            "width": width,
            "canvas_px": 128,
            "tile_px": 512,
            "max_canvas_px": 1024,
            "licence": "CC0-1.0",
            "training_data": "none",
            "weights_file": weights.name,
            "framing": {"kind": "ffhq"},
            "sha256": sha256_of(weights),
            **changes,
        }
        save_descriptor(ModelDescriptor(**settings), where / f"{name}.json")  # type: ignore[arg-type]
        return load_descriptor(where / f"{name}.json", origin="user")

    return make


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """(256, 256, 3) float32 sRGB in [0, 1]: a real face, roughly framed (skimage's astronaut, public domain)."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[0:256, 96:352]).astype(np.float32) / 255
