"""Detection on a real photograph: sizes, rotations, exposures, edges, several faces and none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.types import FaceBackend, FollowingBackend

FACE_HEIGHT_PX = 108.0
BY_HAND = {
    (33, 133): (203.8, 101.3),
    (362, 263): (247.5, 103.8),
    (4,): (223.8, 126.3),
    (61,): (203.1, 140.0),
    (291,): (244.0, 141.5),
    (152,): (221.7, 178.1),
}


def mean_error_px(found, wanted) -> float:
    return float(np.linalg.norm(found[:, :2] - wanted[:, :2], axis=1).mean())


def on_background(picture: np.ndarray, height: int, width: int, x: int, y: int) -> np.ndarray:
    frame = np.full((height, width, 3), 0.3, np.float32)
    frame += np.random.default_rng(7).normal(0, 0.02, frame.shape).astype(np.float32)
    frame[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return frame


def test_landmarks_lie_where_a_human_put_them(astronaut_face):
    for indices, wanted in BY_HAND.items():
        found = astronaut_face.landmarks[list(indices), :2].mean(axis=0)
        assert np.hypot(*(found - wanted)) < 3.0, (indices, found, wanted)
    assert astronaut_face.confidence > 0.99
    assert astronaut_face.landmarks.dtype == np.float32
    nose, ear = astronaut_face.landmarks[4, 2], astronaut_face.landmarks[234, 2]
    assert ear - nose > 30, "the nose must be nearer to the camera than the ear"


def test_the_backend_keeps_the_protocol(backend, astronaut):
    assert isinstance(backend, FaceBackend) and isinstance(backend, FollowingBackend)
    assert len(backend.detect(astronaut)) == 1
    assert mean_error_px(backend.detect(astronaut)[0].landmarks, backend.detect(astronaut)[0].landmarks) == 0


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_quarter_turn_of_the_picture_turns_the_mesh(backend, astronaut, astronaut_face, quarter_turns):
    points = astronaut_face.landmarks[:, :2].copy()
    for _ in range(quarter_turns):
        points = np.stack([points[:, 1], 512 - points[:, 0]], axis=1)
    (found,) = backend.detect(np.ascontiguousarray(np.rot90(astronaut, quarter_turns)))
    assert mean_error_px(found.landmarks, points) < 1.0


@pytest.mark.parametrize("angle", [30, 60, 105, 150, 210, 255, 330])
def test_any_roll_is_found(backend, astronaut, astronaut_face, angle):
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), angle, 1.0)
    wanted = (astronaut_face.landmarks[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    (found,) = backend.detect(cv2.warpAffine(astronaut, matrix, (512, 512)))
    assert mean_error_px(found.landmarks, wanted) < 1.0


@pytest.mark.parametrize("face_px", [40, 60, 120, 300, 700])
def test_faces_of_any_size_in_a_2k_frame(backend, astronaut, astronaut_face, face_px):
    scale = face_px / FACE_HEIGHT_PX
    part = astronaut[0:260, 90:350]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=method)[:1080]
    frame = on_background(part, 1080, 1920, 1900 - part.shape[1], 1080 - part.shape[0])
    origin = np.array([1900 - part.shape[1], 1080 - part.shape[0]])
    wanted = (astronaut_face.landmarks[:, :2] - [90, 0]) * scale + origin
    found = backend.detect(frame)
    assert len(found) == 1
    assert mean_error_px(found[0].landmarks, wanted) < 0.02 * face_px + 0.5


def test_a_1500_px_face_that_fills_a_frame(backend, astronaut, astronaut_face):
    scale = 1500 / FACE_HEIGHT_PX
    frame = cv2.resize(astronaut[60:185, 165:280], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    exact = np.array([frame.shape[1] / 115, frame.shape[0] / 125])
    (found,) = backend.detect(np.ascontiguousarray(frame))
    assert mean_error_px(found.landmarks, (astronaut_face.landmarks[:, :2] - [165, 60]) * exact) < 0.02 * 1500


@pytest.mark.parametrize(("side", "cut_px"), [("left", 20), ("right", 30), ("top", 30), ("bottom", 30)])
def test_a_face_cut_by_the_frame_edge_is_completed(backend, astronaut, astronaut_face, side, cut_px):
    x_min, y_min, x_max, y_max = (round(value) for value in astronaut_face.box)
    left, top = (x_min + cut_px if side == "left" else 0), (y_min + cut_px if side == "top" else 0)
    right, bottom = (x_max - cut_px if side == "right" else 512), (y_max - cut_px if side == "bottom" else 512)
    (found,) = backend.detect(np.ascontiguousarray(astronaut[top:bottom, left:right]))
    assert mean_error_px(found.landmarks + np.float32([left, top, 0]), astronaut_face.landmarks) < 3.0


@pytest.mark.parametrize("stops", [-6, -4, 2, 3])
def test_under_and_over_exposure(backend, astronaut, astronaut_face, stops):
    exposed = np.clip(astronaut**2.2 * 2.0**stops, 0, 1) ** (1 / 2.2)
    (found,) = backend.detect(exposed.astype(np.float32))
    assert mean_error_px(found.landmarks, astronaut_face.landmarks) < 4.0


def test_a_murky_face_is_found_with_other_levels(backend, astronaut, astronaut_face):
    (found,) = backend.detect((0.0 + 0.02 * astronaut**3).astype(np.float32))
    assert mean_error_px(found.landmarks, astronaut_face.landmarks) < 4.0


def test_noise(backend, astronaut, astronaut_face):
    noisy = astronaut + np.random.default_rng(1).normal(0, 0.12, astronaut.shape).astype(np.float32)
    (found,) = backend.detect(noisy)
    assert mean_error_px(found.landmarks, astronaut_face.landmarks) < 3.0


def test_half_a_pixel_moves_the_mesh_by_half_a_pixel(backend, astronaut, astronaut_face):
    shifts = []
    for step in (0.5, 1.5, 2.5, 3.5):
        matrix = np.float32([[1, 0, step], [0, 1, 0]])
        moved = cv2.warpAffine(astronaut, matrix, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        (found,) = backend.detect(moved)
        shifts.append(float((found.landmarks - astronaut_face.landmarks)[:, 0].mean()))
    assert shifts == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.3)


def test_several_faces_come_largest_first(backend, astronaut):
    face = astronaut[0:260, 90:350]
    frame = on_background(face, 540, 960, 40, 100)
    frame[200:400, 600:800] = cv2.resize(face[:, ::-1], (200, 200), interpolation=cv2.INTER_AREA)
    found = backend.detect(frame)
    assert len(found) == 2
    assert found[0].size_px > found[1].size_px
    assert found[0].landmarks[:, 0].mean() < 300 and found[1].landmarks[:, 0].mean() > 600


def test_thorough_finds_a_small_face_beside_a_large_one(astronaut):
    face = astronaut[0:260, 90:350]
    frame = on_background(cv2.resize(face, (520, 520), interpolation=cv2.INTER_CUBIC), 540, 960, 10, 10)
    frame[400:520, 800:920] = cv2.resize(face, (120, 120), interpolation=cv2.INTER_AREA)
    found = MediapipeBackend(thorough=True).detect(frame)
    assert [round(one.size_px / 10) for one in found] == [22, 5]


@pytest.mark.parametrize("kind", ["black", "grey", "noise", "half black", "coffee", "brick"])
def test_pictures_without_a_face_give_none(backend, astronaut, kind):
    from skimage import data

    pictures = {
        "black": np.zeros((270, 480, 3), np.float32),
        "grey": np.full((270, 480, 3), 0.5, np.float32),
        "noise": np.random.default_rng(3).random((270, 480, 3), dtype=np.float32),
        "half black": np.concatenate([np.zeros_like(astronaut[:256]), astronaut[256:]]),
        "coffee": data.coffee()[..., :3].astype(np.float32) / 255,
        "brick": np.repeat(data.brick()[..., None], 3, axis=2).astype(np.float32) / 255,
    }
    assert backend.detect(np.ascontiguousarray(pictures[kind])) == []


def test_following_finds_the_same_mesh_from_a_rough_place_and_a_new_face(backend, astronaut, astronaut_face):
    rough = astronaut_face.landmarks[:, :2] * 1.1 + np.float32([-15, -12])
    (found,) = backend.follow(astronaut, [rough])
    assert mean_error_px(found.landmarks, astronaut_face.landmarks) < 0.6
    far_away = astronaut_face.landmarks[:, :2] + np.float32([120, 250])
    (found,) = backend.follow(astronaut, [far_away])
    assert mean_error_px(found.landmarks, astronaut_face.landmarks) < 0.6
    assert backend.follow(np.zeros((64, 64, 3), np.float32), [rough]) == []
