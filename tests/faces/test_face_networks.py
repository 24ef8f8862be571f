"""The bundled networks, their decoding and the crops that they see."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import nuke_reage
from nuke_reage.core import bundled
from nuke_reage.core.bundled import CHECKSUMS, read_asset
from nuke_reage.core.errors import FaceError
from nuke_reage.faces import ssd
from nuke_reage.faces.networks import roi_of_landmarks
from nuke_reage.faces.pyramid import ImagePyramid, SquareCrop
from nuke_reage.faces.types import check_image, check_landmarks

ASSETS = Path(nuke_reage.__file__).parent / "assets" / "mediapipe"


def test_the_bundled_files_are_those_of_the_card():
    card = (ASSETS / "README.md").read_text()
    for name, checksum in CHECKSUMS.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == checksum
        assert name in card and checksum in card
    assert "Apache License" in (ASSETS / "LICENSE").read_text()


def test_a_damaged_bundled_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy = tmp_path / "nuke_reage"
    shutil.copytree(ASSETS, copy / "assets" / "mediapipe")
    file = copy / "assets" / "mediapipe" / "face_landmark.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(bundled, "files", lambda _package: copy)
    assert read_asset("canonical_mesh.npy")
    with pytest.raises(FaceError) as damaged:
        read_asset("face_landmark.tflite")
    assert damaged.value.code == "face.asset-damaged" and damaged.value.hint
    file.unlink()
    with pytest.raises(FaceError) as missing:
        read_asset("face_landmark.tflite")
    assert missing.value.code == "face.asset-missing"


def test_anchors_are_two_a_cell_at_stride_8_and_six_at_stride_16():
    anchors = ssd.anchor_centres()
    assert anchors.shape == (896, 2)
    assert anchors[0].tolist() == [0.5 / 16, 0.5 / 16] and anchors[2].tolist() == [1.5 / 16, 0.5 / 16]
    assert anchors[512].tolist() == [0.5 / 8, 0.5 / 8] and anchors[518].tolist() == [1.5 / 8, 0.5 / 8]
    assert anchors[-1].tolist() == [7.5 / 8, 7.5 / 8]


def test_decoding_gives_boxes_and_points_relative_to_the_anchor():
    logits, offsets = np.full(896, -50.0), np.zeros((896, 16))
    logits[512] = 2.0
    offsets[512] = [16, 0, 64, 32, *([-8, 4] * 6)]
    (found,) = ssd.decode(logits, offsets, 0.5)
    centre = np.array([0.5 / 8 + 16 / 128, 0.5 / 8])
    assert np.allclose(found.box, [centre[0] - 0.25, centre[1] - 0.125, centre[0] + 0.25, centre[1] + 0.125])
    assert np.allclose(found.key_points, [[0.5 / 8 - 8 / 128, 0.5 / 8 + 4 / 128]] * 6)
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)))
    with pytest.raises(ValueError, match="896"):
        ssd.decode(logits[:10], offsets, 0.5)


def test_overlapping_answers_are_averaged_by_score_and_others_kept():
    points = np.zeros((6, 2), np.float32)
    answers = [
        ssd.Candidate(np.float32([0, 0, 10, 10]), points, 0.9),
        ssd.Candidate(np.float32([1, 0, 11, 10]), points + 1, 0.6),
        ssd.Candidate(np.float32([50, 50, 60, 60]), points, 0.7),
    ]
    merged = ssd.merge_overlapping(answers)
    assert [round(one.score, 3) for one in merged] == [0.9, 0.7]
    assert merged[0].box[0] == pytest.approx(0.4) and merged[0].key_points[0, 0] == pytest.approx(0.4)


@pytest.mark.parametrize("angle_degrees", [0.0, 30.0, -135.0])
@pytest.mark.parametrize("side_px", [60.0, 700.0])
def test_a_crop_shows_what_its_own_coordinates_say(angle_degrees: float, side_px: float):
    # A picture whose colour is its coordinate: each pixel of a crop must hold the place that to_image names.
    y, x = np.mgrid[0:600, 0:800].astype(np.float32) + 0.5
    picture = np.stack([x / 800, y / 600, np.zeros_like(x)], axis=-1)
    square = SquareCrop(400, 300, side_px / 2, angle_degrees)
    seen = ImagePyramid(picture).crop(square, 32)
    grid = (np.stack(np.meshgrid(np.arange(32), np.arange(32)), axis=-1) + 0.5) / 32
    wanted = square.to_image(grid)
    found = seen[..., :2] * np.array([800, 600])
    # OpenCV warps in steps of 1/32 of a source pixel.
    assert np.abs(found - wanted).max() < 0.04 + 0.02 * square.side_px / 32


def test_a_crop_beyond_the_edge_is_black_or_the_last_pixel():
    picture = np.full((50, 50, 3), 0.5, np.float32)
    square = SquareCrop(0, 25, 40)
    assert ImagePyramid(picture).crop(square, 20, replicate_edge=False)[10, 2].tolist() == [0, 0, 0]
    assert np.allclose(ImagePyramid(picture).crop(square, 20), 0.5)


def test_a_crop_of_fine_stripes_is_grey_not_moire():
    picture = np.zeros((1024, 1024, 3), np.float32)
    picture[:, ::2] = 1.0
    crop = ImagePyramid(picture).crop(SquareCrop(512, 512, 900), 100)
    assert np.abs(crop - 0.5).max() < 0.02


def test_nan_and_inf_pixels_do_not_spread(astronaut, backend, astronaut_face):
    spoilt = astronaut.copy()
    spoilt[5:9, 5:9] = np.nan
    spoilt[20, 400] = np.inf
    (found,) = backend.detect(spoilt)
    assert np.abs(found.landmarks - astronaut_face.landmarks).max() < 1.5


def test_the_second_look_square_turns_with_the_face(astronaut_face):
    square = roi_of_landmarks(astronaut_face.landmarks)
    turn = np.array([[0, -1], [1, 0]], np.float32)
    turned = roi_of_landmarks(astronaut_face.landmarks[:, :2] @ turn.T)
    assert turned.side_px == pytest.approx(square.side_px, rel=1e-5)
    assert (turned.angle_degrees - square.angle_degrees) % 360 == pytest.approx(90, abs=1e-3)
    assert [turned.centre_x, turned.centre_y] == pytest.approx([-square.centre_y, square.centre_x], rel=1e-5)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 4), np.float32),
        np.zeros((0, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint8),
    ],
)
def test_pictures_that_are_none_are_refused_with_their_shape(picture, backend):
    with pytest.raises(ValueError, match="picture must"):
        check_image(picture)
    with pytest.raises(ValueError, match="picture must"):
        backend.detect(picture)


def test_landmarks_that_are_none_are_refused():
    with pytest.raises(ValueError, match="468"):
        check_landmarks(np.zeros((478, 3)))
    with pytest.raises(ValueError, match="finite"):
        check_landmarks(np.full((468, 2), np.nan))
