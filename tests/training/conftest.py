"""People to train on, drawn from numbers: age darkens a coloured face and lays lines over it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from nuke_reage.core.strict import from_dict
from nuke_reage.training.config import TrainConfig

AGES = (20, 35, 50, 65, 80)


def draw_person(seed: int, age: int, side_px: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = np.full((side_px, side_px, 3), rng.uniform(0.2, 0.5, 3), np.float32)
    years = (age - 20) / 60
    skin = rng.uniform([0.6, 0.45, 0.35], [0.85, 0.65, 0.55]) * (1.0 - 0.5 * years)
    texture = cv2.GaussianBlur(rng.normal(0.0, 1.0, (64, 64)).astype(np.float32), (0, 0), 2.5)
    picture += 0.8 * cv2.resize(texture, (side_px, side_px))[..., None]
    centre = (side_px // 2, int(side_px * 0.57))
    cv2.ellipse(picture, centre, (int(side_px * 0.28), int(side_px * 0.36)), 0, 0, 360, skin.tolist(), -1, cv2.LINE_AA)
    for row in range(int(side_px * 0.3), int(side_px * 0.85), 6):
        picture[row : row + 2, int(side_px * 0.3) : int(side_px * 0.7)] -= 0.1 * years
    return np.clip(picture, 0.0, 1.0)


def write_people(folder, seeds, ages=AGES, side_px=64):
    for seed in seeds:
        place = folder / f"person_{seed:02d}"
        place.mkdir(parents=True)
        for age in ages:
            cv2.imwrite(
                str(place / f"{age}.png"), np.rint(draw_person(seed, age, side_px)[:, :, ::-1] * 255).astype(np.uint8)
            )
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def person_picture():
    """Draws a person of an age: (seed, age) to (S, S, 3) float32."""
    return draw_person


@pytest.fixture
def make_people():
    """Writes people into a folder: (folder, seeds, ages, side_px)."""
    return write_people


@pytest.fixture
def people(tmp_path):
    return write_people(tmp_path / "people", range(5))


@pytest.fixture
def make_config():
    def make(**changes) -> TrainConfig:
        data = {
            "model": {"name": "tiny", "width": 4, "canvas_px": 64, "max_canvas_px": 64},
            "data": {"crop_px": 64, "validation_people": ["person_04"]},
            "augment": {"exposure_stops": 0.1, "scale": 0.02, "rotation_degrees": 1.0},
            "loss": {"adversarial": 0.0},
            "optimiser": {"steps": 6, "batch_size": 4, "learning_rate": 0.004, "warmup_steps": 1, "precision": "fp32"},
            "validation": {"every_steps": 1000, "checkpoint_every_steps": 1000},
        }
        for section, values in changes.items():
            data[section] = {**data.get(section, {}), **values}
        return from_dict(TrainConfig, data)

    return make
