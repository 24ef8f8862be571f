"""The trackfile: what goes in comes out, people can edit it, and mistakes are told apart."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import FaceError, UsageError
from nuke_reage.faces.canonical import project_mesh
from nuke_reage.faces.crops import ManualCrop, crop_of_face, crops_at
from nuke_reage.faces.trackfile import FaceTrack, PlateInfo, Track, quantised
from nuke_reage.faces.types import Pose, TrackedFace


def tracked(x: float, y: float = 200.0, scale: float = 50.0, state: str = "detected") -> TrackedFace:
    pose = Pose(x, y, scale, 3.1234567, -8, 4)
    landmarks = project_mesh(pose)[:, :2] + np.random.default_rng(int(x)).normal(0, 1, (468, 2))
    return quantised(TrackedFace(np.ascontiguousarray(landmarks, np.float32), pose, 0.98765, state))


@pytest.fixture
def track() -> Track:
    first = {n: tracked(300 + (n - 1001) / 3) for n in range(1001, 1005)} | {
        n: TrackedFace.missing() for n in range(1005, 1010)
    }
    first[1010] = tracked(3900.123, state="interpolated")
    second = {n: tracked(600, 100, 40) for n in range(1001, 1011)}
    plate = PlateInfo("shot.####.exr", "abc123", 4096, 2160, 1.0)
    return Track({0: FaceTrack(0, first, 1.25, (1.0, 0.9, 1.1)), 1: FaceTrack(1, second)}, plate)


def same(one: TrackedFace, other: TrackedFace) -> bool:
    if one.state != other.state or one.confidence != other.confidence:
        return False
    return not one.is_present or (np.array_equal(one.landmarks, other.landmarks) and one.pose == other.pose)


def test_saved_and_loaded_is_the_same_to_the_last_bit(track: Track, tmp_path: Path):
    file = tmp_path / "shot.track.json"
    track.save(file)
    loaded = Track.load(file)
    assert loaded.plate == track.plate and loaded.version == 1 and loaded.backend == "mediapipe"
    assert loaded.faces[0].exposure_gain == 1.25 and loaded.faces[0].white_gain == (1.0, 0.9, 1.1)
    for face_id, face in track.faces.items():
        assert sorted(loaded.faces[face_id].frames) == sorted(face.frames)
        assert all(same(loaded.faces[face_id].frames[frame], face.frames[frame]) for frame in face.frames)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_frame_is_one_line_and_a_changed_frame_changes_one_line(track: Track, tmp_path: Path):
    track.save(tmp_path / "a.json")
    frames = dict(track.faces[0].frames) | {1003: tracked(301)}
    Track({0: dataclasses.replace(track.faces[0], frames=frames), 1: track.faces[1]}, track.plate).save(
        tmp_path / "b.json"
    )
    before, after = ((tmp_path / name).read_text().splitlines() for name in ("a.json", "b.json"))
    assert len(before) == len(after) and sum(x != y for x, y in zip(before, after, strict=True)) == 1
    assert '    "1006": {"state": "missing"},' in before
    assert json.loads((tmp_path / "a.json").read_text())["faces"]["1"]["frames"]["1001"]["pose"]["scale_px"] == 40


def edit(file: Path, change) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        (lambda d: d.update(plates=1), "face.unknown-track-key", "plate"),
        (lambda d: d["faces"]["0"].update(exposure_gian=1), "face.unknown-track-key", "exposure_gain"),
        (lambda d: d["faces"]["0"]["frames"]["1001"].update(confidnce=1), "face.unknown-track-key", "confidence"),
        (lambda d: d["faces"]["0"]["frames"]["1001"]["pose"].update(rol=1), "face.unknown-track-key", "roll_degrees"),
        (lambda d: d["faces"]["0"]["overrides"].update({"1001": {"x": 1}}), "face.unknown-track-key", "centre_x"),
        (lambda d: d["faces"]["0"]["frames"]["1001"].update(state="lost"), "face.corrupt-track", "missing"),
        (lambda d: d["faces"]["0"]["frames"]["1001"]["landmarks"].pop(), "face.corrupt-track", "936"),
        (lambda d: d["faces"]["0"]["frames"]["1001"]["landmarks"].__setitem__(0, "x"), "face.corrupt-track", "number"),
        (lambda d: d["faces"]["0"]["frames"]["1001"]["pose"].update(scale_px=0), "face.corrupt-track", "scale_px"),
        (lambda d: d["faces"]["0"]["frames"]["1001"]["pose"].update(scale_px=None), "face.corrupt-track", "scale_px"),
        (lambda d: d["faces"]["0"].update(exposure_gain=-1), "face.corrupt-track", "gain"),
        (lambda d: d["faces"]["0"].update(exposure_gain=float("nan")), "face.corrupt-track", "finite"),
        (lambda d: d["faces"]["0"].update(frames=[]), "face.corrupt-track", "object"),
        (lambda d: d["faces"].update({"a": d["faces"].pop("0")}), "face.corrupt-track", "whole number"),
        (lambda d: d["plate"].update(pixel_aspect=0), "face.corrupt-track", "pixel_aspect"),
        (lambda d: d["plate"].pop("pattern"), "face.corrupt-track", "pattern"),
        (lambda d: d.update(version=99), "face.track-version", "99"),
        (lambda d: d.update(format="nuke"), "face.corrupt-track", "reage.track"),
    ],
)
def test_a_slip_in_the_file_is_named(track: Track, tmp_path: Path, change, code: str, names: str):
    file = tmp_path / "t.json"
    track.save(file)
    edit(file, change)
    with pytest.raises(FaceError) as error:
        Track.load(file)
    assert error.value.code == code and error.value.hint
    assert names in error.value.message + error.value.hint


@pytest.mark.parametrize("keep", [0, 1, 500, -3])
def test_a_truncated_file_is_corrupt(track: Track, tmp_path: Path, keep: int):
    file = tmp_path / "t.json"
    track.save(file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FaceError) as error:
        Track.load(file)
    assert error.value.code == "face.corrupt-track" and str(file) in error.value.message and error.value.hint


def test_a_missing_file_binary_rubbish_and_an_unwritable_folder(track: Track, tmp_path: Path):
    with pytest.raises(FaceError) as missing:
        Track.load(tmp_path / "no.json")
    assert missing.value.code == "face.track-not-found"
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(FaceError) as rubbish:
        Track.load(tmp_path / "b.json")
    assert rubbish.value.code == "face.corrupt-track"
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(FaceError):
        Track.load(tmp_path / "deep.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        track.save(tmp_path / "file" / "t.json")


def test_choosing_a_face(track: Track):
    assert track.face().face_id == 1, "largest over the shot: the other one is missing in half of it"
    assert track.face(0).face_id == 0 and track.face("1").face_id == 1
    assert track.face("610,130").face_id == 1
    assert track.face("3900, 220").face_id == 0
    assert track.face("320,220", frame=1002).face_id == 0
    for selector, code in [
        ("7", "face.unknown-face"),
        ("-1", "face.unknown-face"),
        ("x", "face.bad-selector"),
        ("1,nan", "face.bad-selector"),
        ("1,2,3", "face.bad-selector"),
    ]:
        with pytest.raises(FaceError) as error:
            track.face(selector)
        assert error.value.code == code and error.value.hint
    with pytest.raises(FaceError) as nobody:
        Track({}, track.plate).face()
    assert nobody.value.code == "face.no-face" and "shot.####.exr" in nobody.value.message


def test_asking_for_a_frame(track: Track):
    face = track.faces[0]
    assert face.at(1001) is face.frames[1001]
    assert face.at(1006) is None and face.at(5) is None
    assert face.present_frames == (1001, 1002, 1003, 1004, 1010)


def test_two_keys_bridge_a_gap_and_leave_tracked_frames_alone(track: Track):
    keys = {1004: ManualCrop(300, 200, 200, 0), 1010: ManualCrop(360, 260, 400, 30)}
    face = track.faces[0].with_overrides(keys)
    assert [face.frames[n].state for n in range(1001, 1011)] == ["detected"] * 3 + ["manual"] * 7
    assert same(face.frames[1003], track.faces[0].frames[1003])
    for frame in range(1004, 1011):
        crop, wanted = crop_of_face(face.frames[frame], 1.0), crops_at(keys, frame)
        assert np.allclose(dataclasses.astuple(crop), dataclasses.astuple(wanted), atol=2e-3)
    twice = face.with_overrides(keys)
    assert all(same(face.frames[n], twice.frames[n]) for n in face.frames)
    other = track.faces[1].with_overrides({1001: ManualCrop(0, 0, 50), 1009: ManualCrop(9, 9, 50)})
    assert [other.frames[n].state for n in (1001, 1005, 1009)] == ["manual", "detected", "manual"]


def test_an_override_moves_the_expression_with_the_crop(track: Track):
    before = track.faces[1].frames[1002]
    now = crop_of_face(before, 1.0)
    wish = ManualCrop(now.centre_x + 50, now.centre_y - 20, now.side_px * 2, now.angle_degrees)
    after = track.faces[1].with_overrides({1002: wish}).frames[1002]
    centre = np.array([now.centre_x, now.centre_y])
    wanted = (before.landmarks - centre) * 2 + centre + [50, -20]
    assert np.abs(after.landmarks - wanted).max() < 0.01
    assert after.pose.yaw_degrees == before.pose.yaw_degrees


def test_an_override_typed_into_the_file_counts(track: Track, tmp_path: Path):
    file = tmp_path / "t.json"
    track.save(file)
    crop = {"centre_x": 100.0, "centre_y": 90, "side_px": 120.5, "angle_degrees": -5}
    edit(file, lambda data: data["faces"]["0"]["overrides"].update({"1007": crop}))
    face = Track.load(file).faces[0]
    assert face.frames[1007].state == "manual" and face.frames[1006].state == "missing"
    assert crop_of_face(face.frames[1007], 1.0).side_px == pytest.approx(120.5, abs=1e-3)
    edit(file, lambda data: data["faces"]["0"]["overrides"]["1007"].update(side_px=-1))
    with pytest.raises(FaceError) as error:
        Track.load(file)
    assert error.value.code == "face.bad-crop"


def test_a_face_that_only_the_artist_saw_survives_tracking_again(track: Track):
    by_hand = FaceTrack(5, {n: TrackedFace.missing() for n in range(1001, 1011)})
    older = Track({5: by_hand.with_overrides({1002: ManualCrop(2000, 1000, 300)})}, track.plate)
    again = track.keeping_overrides_of(older)
    assert sorted(again.faces) == [0, 1, 2]
    assert again.faces[2].present_frames == (1002,)
    assert all(same(again.faces[0].frames[n], track.faces[0].frames[n]) for n in track.faces[0].frames)


def test_a_present_face_needs_finite_numbers():
    with pytest.raises(ValueError, match="finite"):
        TrackedFace(np.full((468, 2), np.nan, np.float32), Pose(0, 0, 1, 0), 1.0, "detected")
    with pytest.raises(ValueError, match="state"):
        TrackedFace(np.zeros((468, 2), np.float32), Pose(0, 0, 1, 0), 1.0, "lost")
