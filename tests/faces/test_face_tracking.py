"""Tracking through shots: motion, gaps, crossings, leaps, edges, crops by hand."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from nuke_reage.faces.backends import create_backend
from nuke_reage.faces.canonical import fit_pose, project_mesh
from nuke_reage.faces.crops import ManualCrop, crop_of_face
from nuke_reage.faces.exposure import sample_skin
from nuke_reage.faces.stabilise import Smoothing
from nuke_reage.faces.trackfile import PlateInfo, Track
from nuke_reage.faces.tracking import TrackSettings, detect_in_plate, track_shot
from nuke_reage.faces.types import Detection, Pose

HEAD = Pose(300.0, 200.0, 50.0, 5.0, 8.0, -4.0)


class ScriptedBackend:
    """A detector whose answers are known: picture n (its first pixel) shows the faces of line n of the script."""

    name = "scripted"

    def __init__(self, script: list[list[Pose]], noise_px: float = 0.0) -> None:
        self.script = script
        self.noise_px = noise_px

    def detect(self, image_rgb_display: np.ndarray) -> list[Detection]:
        number = round(float(image_rgb_display[0, 0, 0]) * 1000)
        random = np.random.default_rng(number)
        found = []
        for pose in self.script[number]:
            wobble = random.normal(0, self.noise_px / 2, 3) if self.noise_px else np.zeros(3)
            mesh = project_mesh(pose) + random.normal(0, self.noise_px, (468, 3)) + wobble
            found.append(Detection.from_landmarks(mesh, 0.99))
        return found

    def shot(self, first_frame: int = 1001) -> Iterator[tuple[int, np.ndarray, tuple[float, float]]]:
        for number in range(len(self.script)):
            picture = np.full((400, 640, 3), 0.4, np.float32)
            # Each face looks different, so that identities can be told apart.
            for pose in self.script[number]:
                reach = 2 * pose.scale_px
                x_min, y_min = (max(0, int(middle - reach)) for middle in (pose.centre_x, pose.centre_y))
                part = picture[y_min : int(pose.centre_y + reach), x_min : int(pose.centre_x + reach)]
                y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]] + 0.5
                angle = np.radians(pose.roll_degrees)
                across = (x + x_min - pose.centre_x) * np.cos(angle) + (y + y_min - pose.centre_y) * np.sin(angle)
                part[:] = 0.5 + 0.4 * np.sin(across / pose.scale_px * (4 if pose.yaw_degrees > 0 else 9))[..., None]
            picture[0, 0] = number / 1000
            yield first_frame + number, picture, (0.0, 0.0)


def moving(count: int) -> list[Pose]:
    return [Pose(250 + 2 * n, 200 - n, 50 * 1.003**n, 5 + 0.5 * n, 8, -4) for n in range(count)]


def run(script: list[list[Pose]], noise_px: float = 0.0, **settings) -> Track:
    backend = ScriptedBackend(script, noise_px)
    return track_shot(backend.shot(), backend=backend, settings=TrackSettings(**settings))


def states(track: Track, face: int = 0) -> str:
    frames = track.faces[face].frames
    return "".join(frames[frame].state[0] if frames[frame].is_present else "-" for frame in sorted(frames))


def test_a_moving_head_is_tracked_without_bias():
    path = moving(40)
    track = run([[pose] for pose in path])
    assert states(track) == "d" * 40
    for number, pose in enumerate(path):
        found = track.face().frames[1001 + number]
        assert np.allclose(found.pose.as_tuple()[:3], pose.as_tuple()[:3], atol=0.02)
        assert np.allclose(found.pose.as_tuple()[3:], pose.as_tuple()[3:], atol=0.05)
        assert np.abs(found.landmarks - project_mesh(pose)[:, :2]).max() < 0.05


def test_smoothing_cuts_the_jitter_of_pose_and_landmarks_fourfold():
    path = moving(60)
    raw, steady = (run([[p] for p in path], 0.6, smoothing=Smoothing(strength=one)).face() for one in (0, 1))
    truth = np.array([pose.as_tuple() for pose in path])
    meshes = np.stack([project_mesh(pose)[:, :2] for pose in path])

    def jitter(face) -> tuple[np.ndarray, float]:
        poses = np.array([face.frames[f].pose.as_tuple() for f in sorted(face.frames)]) - truth
        points = np.stack([face.frames[f].landmarks for f in sorted(face.frames)]) - meshes
        return np.diff(poses, axis=0).std(axis=0), float(np.diff(points, axis=0).std())

    assert (jitter(raw)[0] > 4 * jitter(steady)[0]).all()
    assert jitter(raw)[1] > 3 * jitter(steady)[1]


@pytest.mark.parametrize(("lost", "shown"), [(1, "i"), (5, "i"), (12, "i"), (13, "-"), (50, "-")])
def test_lost_frames_are_interpolated_or_missing_and_the_face_keeps_its_number(lost, shown):
    path = moving(20 + lost)
    script = [[pose] if not 10 <= n < 10 + lost else [] for n, pose in enumerate(path)]
    track = run(script)
    assert list(track.faces) == [0]
    assert states(track) == "d" * 10 + shown * lost + "d" * 10
    if shown == "i":
        for number in range(10, 10 + lost):
            found = track.faces[0].frames[1001 + number]
            assert found.confidence == 0
            assert (
                np.hypot(found.pose.centre_x - path[number].centre_x, found.pose.centre_y - path[number].centre_y) < 0.5
            )


def test_a_face_that_leaves_and_comes_back_elsewhere_is_the_same():
    script = [[pose] for pose in moving(10)] + [[]] * 30 + [[Pose(520, 150, 55, -3, 8, -4)]] * 10
    track = run(script)
    assert list(track.faces) == [0]
    assert states(track) == "d" * 10 + "-" * 30 + "d" * 10


def test_two_faces_keep_their_numbers_when_they_cross():
    script = []
    for n in range(40):
        near = Pose(120 + 10 * n, 210, 50, 0, 10, 0)
        far = Pose(520 - 10 * n, 190, 40, 0, -10, 0)
        hidden = abs(near.centre_x - far.centre_x) < 60
        script.append([near] if hidden else [near, far])
    track = run(script)
    assert sorted(track.faces) == [0, 1]
    near, far = track.faces[0], track.faces[1]
    assert near.at(1001).pose.centre_x == pytest.approx(120, abs=1) and near.at(1040).pose.centre_x > 500
    assert far.at(1001).pose.centre_x == pytest.approx(520, abs=1) and far.at(1040).pose.centre_x < 140
    assert "-" not in states(track, 1) and states(track, 1).count("i") == sum(len(line) == 1 for line in script)


def test_a_leap_is_taken_for_a_miss_and_not_smeared():
    path = moving(30)
    script = [[pose] for pose in path]
    wrong = path[15]
    script[15] = [Pose(wrong.centre_x + 40, wrong.centre_y - 25, wrong.scale_px * 1.1, wrong.roll_degrees, 8, -4)]
    track = run(script)
    assert states(track) == "d" * 15 + "i" + "d" * 14
    for number in range(12, 19):
        found = track.faces[0].frames[1001 + number].pose
        assert np.hypot(found.centre_x - path[number].centre_x, found.centre_y - path[number].centre_y) < 0.5


def test_chance_finds_are_dropped_but_a_still_keeps_its_face():
    script = [[pose] for pose in moving(20)]
    script[7] = [*script[7], Pose(520, 300, 30, 0, -8, 0)]
    assert sorted(run(script).faces) == [0]
    assert sorted(run([[HEAD]]).faces) == [0]
    assert run([[]] * 5).faces == {}


def test_every_second_frame_is_tracked_like_every_frame():
    path = moving(40)[::2]
    backend = ScriptedBackend([[pose] for pose in path])
    shot = ((1001 + 2 * (frame - 1001), picture, offset) for frame, picture, offset in backend.shot())
    track = track_shot(shot, backend=backend)
    assert sorted(track.face().frames) == list(range(1001, 1041, 2))
    assert track.face().at(1021).pose.centre_x == pytest.approx(path[10].centre_x, abs=0.05)


def test_roll_through_180_degrees_stays_continuous():
    script = [[Pose(300, 200, 50, (150 + 3 * n + 180) % 360 - 180, 8, 0)] for n in range(20)]
    face = run(script).face()
    rolls = [face.at(1001 + n).pose.roll_degrees for n in range(20)]
    assert np.allclose(np.unwrap(rolls, period=360), 150 + 3 * np.arange(20), atol=0.05)
    assert all(-180 <= roll < 180 for roll in rolls)


def test_frames_must_rise():
    backend = ScriptedBackend([[HEAD]] * 2)
    shot = [(1002, *next(backend.shot())[1:]), (1001, *next(backend.shot())[1:])]
    with pytest.raises(ValueError, match="rising"):
        track_shot(shot, backend=backend)


@pytest.mark.parametrize("pixel_aspect", [2.0, 0.5])
def test_the_data_window_and_pixel_aspect_are_undone(astronaut, astronaut_face, backend, pixel_aspect):
    squeezed = cv2.resize(astronaut, (round(512 / pixel_aspect), 512), interpolation=cv2.INTER_AREA)
    (found,) = detect_in_plate(backend, squeezed, offset=(-100, 37), pixel_aspect=pixel_aspect)
    wanted = astronaut_face.landmarks / [pixel_aspect, 1, 1] + [-100, 37, 0]
    assert np.linalg.norm((found.landmarks - wanted)[:, :2] * [pixel_aspect, 1], axis=1).mean() < 1.0
    pose, square = fit_pose(found.landmarks, pixel_aspect=pixel_aspect), fit_pose(astronaut_face.landmarks)
    assert pose.scale_px == pytest.approx(square.scale_px, rel=0.02)
    assert pose.roll_degrees == pytest.approx(square.roll_degrees, abs=1.0)


def camera_move(astronaut: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The photograph under a camera move, with the exact map of each frame."""
    for n in range(count):
        matrix = cv2.getRotationMatrix2D((225, 125), -12 + 1.2 * n, 0.8 * 1.015**n)
        matrix[:, 2] += [-70 + 3.3 * n, 10 + 0.04 * n * n]
        yield 1001 + n, matrix, cv2.warpAffine(astronaut, matrix, (320, 240), flags=cv2.INTER_AREA)


def test_a_real_face_under_a_camera_move_is_tracked_to_sub_pixels(astronaut, astronaut_face, backend):
    moves = {frame: matrix for frame, matrix, _ in camera_move(astronaut, 24)}
    shot = ((frame, picture, (0.0, 0.0)) for frame, _, picture in camera_move(astronaut, 24))
    track = track_shot(shot, backend=backend, plate=PlateInfo("move.####.exr"))
    face = track.face()
    assert face.present_frames == tuple(moves) and states(track) == "d" * 24
    errors, wanted_scales = [], []
    for frame, matrix in moves.items():
        wanted = (astronaut_face.landmarks[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
        errors.append((face.at(frame).landmarks - wanted).mean(axis=0))
        wanted_scales.append(np.sqrt(np.linalg.det(matrix[:, :2])))
    assert np.abs(errors).max() < 0.6
    assert np.diff(errors, 2, axis=0).std() < 0.1
    scales = np.array([face.at(frame).pose.scale_px for frame in moves]) / wanted_scales
    assert scales.std() / scales.mean() < 0.01


def test_a_real_face_lost_behind_a_board_comes_back(astronaut, backend):
    def shot() -> Iterator[tuple[int, np.ndarray, tuple[float, float]]]:
        for frame, _, picture in camera_move(astronaut, 16):
            if 1007 <= frame < 1010:
                picture[:] = 0.2
            yield frame, picture, (0.0, 0.0)

    track = track_shot(shot(), backend=backend)
    assert list(track.faces) == [0] and states(track) == "d" * 6 + "iii" + "d" * 7


def test_the_exposure_gain_of_a_shot_comes_from_the_skin(astronaut, backend):
    gains = []
    for exposure in (1.0, 0.5):
        linear = (astronaut[::2, ::2] ** 2.2 * exposure).astype(np.float32)
        track = track_shot(
            [(n, linear ** (1 / 2.2), (0.0, 0.0)) for n in range(3)],
            backend=backend,
            skin_meter=lambda _frame, seen, light=linear: sample_skin(light, seen.landmarks),
        )
        gains.append(track.face().exposure_gain)
    assert gains[1] == pytest.approx(2 * gains[0], rel=0.05)
    assert 0.2 < gains[0] < 1.5


def test_crops_by_hand_are_interpolated_and_not_smoothed():
    keys = {1001: ManualCrop(100, 100, 80, 170), 1011: ManualCrop(200, 50, 320, -170)}
    backend = create_backend("manual", crops=keys)
    shot = [(1001 + n, np.zeros((8, 8, 3), np.float32), (0.0, 0.0)) for n in range(12)]
    face = track_shot(shot, backend=backend, plate=PlateInfo(pixel_aspect=2.0)).face()
    assert {one.state for one in face.frames.values()} == {"manual"}
    middle = crop_of_face(face.at(1006), 2.0)
    assert [middle.centre_x, middle.centre_y, middle.side_px] == pytest.approx([150, 75, 160], abs=1e-2)
    assert abs(middle.angle_degrees) == pytest.approx(180, abs=1e-3)
    assert crop_of_face(face.at(1012), 2.0).side_px == pytest.approx(320, abs=1e-2)


def test_tracking_again_keeps_what_the_artist_set():
    path = moving(20)
    track = run([[pose] for pose in path])
    wish = {1005: ManualCrop(400, 300, 250, 10)}
    edited = Track({0: track.faces[0].with_overrides(wish)}, track.plate)
    backend = ScriptedBackend([[pose] for pose in path], noise_px=0.2)
    again = track_shot(backend.shot(), backend=backend, older=edited)
    assert states(again) == "dddd" + "m" + "d" * 15
    assert crop_of_face(again.face().at(1005), 1.0).centre_x == pytest.approx(400, abs=1e-2)
    assert again.face().overrides == wish
