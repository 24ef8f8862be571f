"""A second run keeps what still holds and bakes what does not, and the result is that of one undisturbed run."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import CancelledError, FaceError, MediaError
from nuke_reage.faces.trackfile import Track
from nuke_reage.faces.types import TrackedFace
from nuke_reage.media.exr import read_layers
from nuke_reage.pipeline.bake import bake
from nuke_reage.pipeline.reporting import Silent


def states(results) -> dict[int, str]:
    return {result.frame: result.state for result in results}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.exr")}


@pytest.fixture
def done(shots, plate, baked, tmp_path):
    """A finished bake that may be changed, and its job."""
    folder = tmp_path / "out"
    shutil.copytree(baked, folder)
    job = shots.job(plate, folder / "shot.####.exr")
    assert set(states(shots.bake(job)).values()) == {"kept"}
    return job, folder


def test_a_second_run_keeps_all_and_writes_nothing(shots, done):
    job, folder = done
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    results = shots.bake(job)
    assert set(states(results).values()) == {"kept"} and len(results) == 6
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_overwrite_bakes_all_again_to_the_same_pixels(shots, done, baked):
    job, folder = done
    assert set(states(shots.bake(job, "1001-1002", overwrite=True)).values()) == {"baked"}
    ours, theirs = (shots.layers(one / "shot.1002.exr") for one in (folder, baked))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_changed_age_key_bakes_only_the_frames_that_it_changes(shots, plate, done):
    _, folder = done
    # A key where nothing happens is no change: the curve counts, not how it is written.
    same = shots.job(plate, folder / "shot.####.exr", target_age="1001:70,1003:70,1006:70")
    assert set(states(shots.bake(same)).values()) == {"kept"}
    moved = shots.job(plate, folder / "shot.####.exr", target_age="1001:70,1003:70,1004:80,1005:70,1006:70")
    expected = {1001: "kept", 1002: "kept", 1003: "kept", 1004: "baked", 1005: "kept", 1006: "kept"}
    assert states(shots.bake(moved)) == expected


@pytest.mark.parametrize(
    "knobs",
    [
        {"mask_feather": 0.2},
        {"mask_expand": 0.05},
        {"precision": "fast"},
        {"source_age": 36},
        {"gain": 0.9},
        {"detail_gain": 1.5},
        {"mask_gamma": 2.0},
        {"exposure": 0.5},
        {"white_gain": [1.1, 1.0, 1.0]},
        {"input_colorspace": "ACES2065-1"},
        {"compression": "zip"},
        {"layers": ("delta", "comp")},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_a_changed_setting_bakes_again(shots, plate, done, knobs):
    _, folder = done
    changed = shots.job(plate, folder / "shot.####.exr", **{"track": str(folder / "shot.track.json"), **knobs})
    before = (folder / "shot.1003.exr").read_bytes()
    assert states(shots.bake(changed, "1003")) == {1003: "baked"}
    assert (folder / "shot.1003.exr").read_bytes() != before
    assert states(shots.bake(changed, "1003")) == {1003: "kept"}


@pytest.mark.parametrize("knobs", [{"frames": "1001-1004"}, {"max_gap": 12}, {"device": "auto"}])
def test_what_does_not_decide_pixels_keeps_them(shots, plate, done, knobs):
    _, folder = done
    assert set(states(shots.bake(shots.job(plate, folder / "shot.####.exr", **knobs))).values()) == {"kept"}


def test_gain_decides_nothing_where_no_comp_is_written(shots, plate, tmp_path):
    shots.bake(shots.job(plate, tmp_path / "g.####.exr", layers=("delta", "mask")), "1001")
    again = shots.job(plate, tmp_path / "g.####.exr", layers=("delta", "mask"), gain=0.3)
    assert states(shots.bake(again, "1001")) == {1001: "kept"}


def test_another_model_bakes_again(shots, plate, done, tmp_path):
    from nuke_reage.models.checksums import sha256_of
    from nuke_reage.models.descriptor import load_descriptor, save_descriptor
    from nuke_reage.models.formula import formula_state_dict
    from nuke_reage.models.weights import save_weights

    _, folder = done
    assets = Path(__file__).parents[2] / "nuke_reage" / "assets" / "models" / "fran-lite.json"
    weights = tmp_path / "other.safetensors"
    save_weights(formula_state_dict(4), weights, dtype="float32", metadata={})
    card = replace(load_descriptor(assets), width=4, weights_file=weights.name, sha256=sha256_of(weights))
    save_descriptor(card, tmp_path / "other.json")
    other = shots.job(plate, folder / "shot.####.exr", model=str(tmp_path / "other.json"))
    assert states(shots.bake(other, "1001")) == {1001: "baked"}


@pytest.mark.parametrize(
    "damage", ["deleted", "empty", "no end", "half", "another picture", "a folder's worth of text"]
)
def test_a_damaged_output_is_baked_again(shots, done, baked, damage):
    job, folder = done
    victim = folder / "shot.1004.exr"
    whole = victim.read_bytes()
    if damage == "deleted":
        victim.unlink()
    elif damage == "another picture":
        shutil.copy(folder / "shot.1005.exr", victim)
    else:
        keep = {"empty": 0, "no end": len(whole) - 200, "half": len(whole) // 2}.get(damage)
        victim.write_bytes(whole[:keep] if keep is not None else b"not a picture " * 1000)
    assert Counter(states(shots.bake(job)).values()) == {"kept": 5, "baked": 1}
    ours, theirs = (shots.layers(one / "shot.1004.exr") for one in (folder, baked))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_plate_frame_that_was_rendered_again_is_tracked_and_baked_again(shots, tmp_path):
    pictures = shots.move(3)
    pattern = shots.write(tmp_path / "p.####.exr", pictures)
    job = shots.job(pattern, tmp_path / "o.####.exr", layers=("delta", "mask"), smoothing=0.0)
    shots.bake(job)
    shots.write(pattern, {1003: pictures[1003] * 0.9})
    again = states(shots.bake(job))
    assert again[1003] == "baked"
    assert set(states(shots.bake(job)).values()) == {"kept"}


def test_a_frame_set_by_hand_in_the_trackfile_is_baked_again_alone(shots, done):
    job, folder = done
    path = folder / "shot.track.json"
    track = Track.load(path)
    face = track.faces[0]
    moved = face.frames[1002]
    by_hand = TrackedFace(moved.landmarks + np.float32(3), replace(moved.pose, roll_degrees=4.0), 1.0, "manual")
    # Small enough not to touch the canvas of the whole shot.
    quiet = replace(moved, state="manual")
    for one, expected in ((quiet, {"kept": 2, "baked": 1}), (by_hand, None)):
        frames = {**face.frames, 1002: one}
        replace(track, faces={0: replace(face, frames=frames)}).save(path)
        found = states(shots.bake(job, "1001-1003"))
        assert found[1002] == "baked"
        if expected:
            assert Counter(found.values()) == expected


def test_a_damaged_trackfile_is_an_error_and_stays(shots, done):
    """It may hold an artist's work: it is neither used nor replaced."""
    job, folder = done
    path = folder / "shot.track.json"
    path.write_text(path.read_text()[:-500])
    before = path.read_bytes(), bytes_of(folder)
    with pytest.raises(FaceError) as caught:
        shots.bake(job, overwrite=True)
    assert caught.value.code == "face.corrupt-track" and caught.value.hint
    assert (path.read_bytes(), bytes_of(folder)) == before


class Listening(Silent):
    """Keeps what became of the frames."""

    def __init__(self) -> None:
        self.results = []

    def frame(self, result) -> None:
        self.results.append(result)


class StopAfter(Silent):
    """Asks to stop after so many frames, as Ctrl-C does."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.seen: list[int] = []

    def frame(self, result) -> None:
        self.seen.append(result.frame)
        self.left -= 1

    def cancelled(self) -> bool:
        return self.left <= 0


def test_a_stopped_bake_goes_on_where_it_was(shots, plate, baked, tmp_path):
    job = shots.job(plate, tmp_path / "shot.####.exr")
    stop = StopAfter(2)
    with pytest.raises(CancelledError):
        bake(shots.open(job), stop)
    on_disk = sorted(int(re.findall(r"\d{4}", path.name)[0]) for path in tmp_path.glob("*.exr"))
    assert 2 <= len(on_disk) < 6 and on_disk == stop.seen, "all that was written was also reported"
    counted = Counter(states(shots.bake(job)).values())
    assert counted == {"kept": len(on_disk), "baked": 6 - len(on_disk)}
    for frame in range(1001, 1007):
        ours, theirs = (shots.layers(one / f"shot.{frame}.exr") for one in (tmp_path, baked))
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs), frame


def test_a_stop_while_tracking_writes_nothing(shots, plate, tmp_path):
    with pytest.raises(CancelledError):
        shots.open(shots.job(plate, tmp_path / "shot.####.exr"), reporter=StopAfter(0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "empty", "gone"])
def test_a_bad_frame_of_the_plate_costs_no_other(shots, tmp_path, damage):
    pattern = shots.write(tmp_path / "p.####.exr", shots.move(4))
    victim = tmp_path / "p.1003.exr"
    job = shots.job(pattern, tmp_path / "o" / "o.####.exr")
    shot = shots.open(job)
    whole = victim.read_bytes()
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"")
    told = Listening()
    with pytest.raises(MediaError) as caught:
        bake(shot, told)
    assert "1003" in caught.value.message and caught.value.hint
    frames = sorted(path.name for path in (tmp_path / "o").glob("*.exr"))
    assert frames == ["o.1001.exr", "o.1002.exr", "o.1004.exr"]
    assert all(len(read_layers(tmp_path / "o" / name).parts) == 3 for name in frames)
    assert states(told.results) == {1001: "baked", 1002: "baked", 1003: "failed", 1004: "baked"}
    failed = told.results[2].to_dict()
    assert failed["error"]["code"] == caught.value.code and list(failed["warnings"]) == [caught.value.message]
    again = Listening()
    with pytest.raises(MediaError):
        bake(shot, again)
    assert states(again.results) == {1001: "kept", 1002: "kept", 1003: "failed", 1004: "kept"}
    assert again.results[0].to_dict()["peak_delta"] is None, "nothing was measured"


def test_the_first_of_several_bad_frames_is_the_error_and_each_is_told(shots, tmp_path):
    pattern = shots.write(tmp_path / "p.####.exr", shots.move(5))
    shot = shots.open(shots.job(pattern, tmp_path / "o.####.exr"))
    whole = (tmp_path / "p.1001.exr").read_bytes()
    (tmp_path / "p.1001.exr").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "p.1002.exr").write_bytes(b"")
    told = Listening()
    with pytest.raises(MediaError) as caught:
        bake(shot, told)
    assert caught.value.code == "media.truncated"
    assert [result.state for result in told.results] == ["failed", "failed", "baked", "baked", "baked"]
    assert [result.error and result.error.slug for result in told.results[:2]] == ["truncated", "empty-file"]


def test_a_bad_frame_ends_a_movie_which_cannot_have_holes(shots, tmp_path):
    pattern = shots.write(tmp_path / "p.####.exr", shots.move(4))
    shot = shots.open(shots.job(pattern, tmp_path / "m.mp4"))
    whole = (tmp_path / "p.1003.exr").read_bytes()
    (tmp_path / "p.1003.exr").write_bytes(whole[: len(whole) // 2])
    told = Listening()
    with pytest.raises(MediaError):
        bake(shot, told)
    assert "failed" not in states(told.results).values() and 1004 not in states(told.results)
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".exr"} == {"m.track.json"}


def test_left_overs_of_killed_runs_are_cleared_away(shots, plate, baked, tmp_path):
    import socket

    host = re.sub(r"[^\w-]", "-", socket.gethostname(), flags=re.ASCII)[:32]
    dead = tmp_path / f".reage.{host}.4194301.0a1b2c3d4e5f.partial"
    living = tmp_path / f".reage.{host}.{os.getpid()}.0a1b2c3d4e5f.partial"
    for path in (dead, living):
        path.write_bytes(b"half a picture")
    shots.bake(shots.job(plate, tmp_path / "o.####.exr", track=str(baked / "shot.track.json")), "1001")
    assert not dead.exists() and living.exists()
