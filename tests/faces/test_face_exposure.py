"""Skin brightness and the exposure gain of a shot."""

from __future__ import annotations

import numpy as np
import pytest

from nuke_reage.faces.canonical import project_mesh
from nuke_reage.faces.exposure import FACE_TARGET_LINEAR, exposure_gain, sample_skin
from nuke_reage.faces.types import Pose

LANDMARKS = project_mesh(Pose(100, 80, 40, 12))


def plain(luminance: float) -> np.ndarray:
    return np.full((200, 200, 3), luminance, np.float32)


@pytest.mark.parametrize("luminance", [1e-3, 0.18, 7.0, 500.0])
def test_plain_skin_is_read_at_any_exposure(luminance):
    assert sample_skin(plain(luminance), LANDMARKS) == pytest.approx(luminance, rel=1e-5)


def test_luminance_has_the_weights_of_rec709():
    image = plain(0.0)
    image[...] = [0.5, 0.25, 0.1]
    assert sample_skin(image, LANDMARKS) == pytest.approx(0.2126 * 0.5 + 0.7152 * 0.25 + 0.0722 * 0.1, rel=1e-5)


def test_hair_shine_background_and_bad_pixels_do_not_count():
    image = plain(0.2)
    x, y = np.meshgrid(np.arange(200) + 0.5, np.arange(200) + 0.5)
    outside = np.hypot(x - 95, y - 100) > 75
    image[outside] = 50.0
    random = np.random.default_rng(0).random((200, 200))
    image[random < 0.06] = 300.0
    image[(random > 0.06) & (random < 0.16)] = 0.001
    image[(random > 0.9) & (random < 0.95)] = np.nan
    image[(random > 0.95) & (random < 0.97)] = np.inf
    assert sample_skin(image, LANDMARKS) == pytest.approx(0.2, rel=0.02)


def test_it_reads_the_same_skin_at_another_offset_and_size():
    image = np.random.default_rng(0).random((200, 200, 3)).astype(np.float32)
    image += np.linspace(0, 1, 200, dtype=np.float32)[:, None, None]
    here = sample_skin(image, LANDMARKS)
    moved = LANDMARKS + np.float32([-50, 1000, 0])
    assert sample_skin(image, moved, offset=(-50, 1000)) == pytest.approx(here, rel=1e-6)
    large = np.repeat(np.repeat(image, 8, axis=0), 8, axis=1)
    assert sample_skin(large, LANDMARKS * 8) == pytest.approx(here, rel=0.03)


def test_without_skin_there_is_no_sample():
    assert sample_skin(plain(0.0), LANDMARKS) is None
    assert sample_skin(plain(-0.1), LANDMARKS) is None
    assert sample_skin(plain(0.2), LANDMARKS + np.float32([5000, 0, 0])) is None
    assert sample_skin(plain(np.nan), LANDMARKS) is None
    with pytest.raises(ValueError, match="shape"):
        sample_skin(np.zeros((4, 4)), LANDMARKS)


def test_a_face_of_half_the_frame_is_read_where_it_is_in_the_frame():
    assert sample_skin(plain(0.2)[:, :90], LANDMARKS) == pytest.approx(0.2, rel=1e-5)


def test_one_gain_for_the_shot_that_follows_exposure_and_ignores_odd_frames():
    samples = [0.15] * 30 + [None] * 5 + [9.0] * 3
    assert exposure_gain(samples) == pytest.approx(FACE_TARGET_LINEAR / 0.15)
    for stops in (1, -2):
        exposed = [None if one is None else one * 2.0**stops for one in samples]
        assert exposure_gain(exposed) == pytest.approx(exposure_gain(samples) / 2.0**stops)
    assert exposure_gain([]) == exposure_gain([None, float("nan"), 0.0]) == 1.0
    assert exposure_gain([1e-9]) <= 2.0**14


def test_a_real_face_gives_a_reasonable_gain(astronaut, astronaut_face):
    linear = np.where(astronaut <= 0.04045, astronaut / 12.92, ((astronaut + 0.055) / 1.055) ** 2.4)
    skin = sample_skin(linear, astronaut_face.landmarks)
    cheeks = linear[112:124, 190:202], linear[114:126, 246:258]
    middle = linear[86:94, 218:232], linear[104:116, 219:226]
    by_hand = np.median([np.median(spot @ [0.2126, 0.7152, 0.0722]) for spot in (*cheeks, *middle)])
    assert skin == pytest.approx(by_hand, rel=0.1)
