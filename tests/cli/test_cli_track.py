"""``reage track``: crops by hand that can be meant, that can be taken out, and a trackfile that is damaged."""

from __future__ import annotations

import json
import shutil

import pytest

from nuke_reage.faces.trackfile import Track


@pytest.fixture
def track(baked, tmp_path):
    """A trackfile of the six-frame plate that may be changed."""
    return shutil.copy(baked / "shot.track.json", tmp_path / "t.json")


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        ("10003:360,200,330", "10003"),
        ("1003:36000,200,50", "640 x 360"),
        ("1003:300,-90,100", "640 x 360"),
    ],
)
def test_a_crop_outside_the_shot_or_the_picture_is_refused(reage, plate, track, crop, words):
    before = track.read_bytes()
    done = reage("track", plate, "-o", track, "--crop", crop, "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage.bad-crop" and done.json["error"]["hint"]
    assert words in done.json["error"]["message"] and track.read_bytes() == before


def test_a_crop_that_hangs_over_the_edge_is_taken(reage, plate, track):
    assert reage("track", plate, "-o", track, "--crop", "1003:-40,200,100").code == 0
    assert Track.load(track).face().frames[1003].state == "manual"


def test_a_crop_is_taken_out_again(reage, plate, baked, track):
    found = Track.load(baked / "shot.track.json").face()
    keyed = ("--crop", "1002:300,180,200", "--crop", "1004:300,180,200")
    assert reage("track", plate, "-o", track, *keyed).code == 0
    assert sorted(Track.load(track).face().overrides) == [1002, 1004]
    done = reage("track", plate, "-o", track, "--crop", "1002:none")
    assert done.code == 0, done.err
    face = Track.load(track).face()
    assert sorted(face.overrides) == [1004] and face.frames[1002].state == "detected"
    assert face.frames[1002].pose == found.frames[1002].pose, "what was found there before counts again"
    again = reage("track", plate, "-o", track, "--crop", "1002:none", "--json")
    assert again.code == 2 and "1004" in again.json["error"]["hint"]
    assert reage("track", plate, "-o", track, "--crop", "1004-1004:none").code == 0
    assert track.read_bytes() == (baked / "shot.track.json").read_bytes()


def test_a_crop_that_an_older_version_took_on_a_frame_that_is_none_is_taken_out(reage, plate, baked, track):
    data = json.loads(track.read_text())
    crop = {"centre_x": 300.0, "centre_y": 180.0, "side_px": 200.0, "angle_degrees": 0.0}
    data["faces"]["0"]["overrides"]["10003"] = crop
    track.write_text(json.dumps(data))
    assert 10003 in Track.load(track).face().frames
    assert reage("track", plate, "-o", track, "--crop", "10003:none").code == 0
    assert track.read_bytes() == (baked / "shot.track.json").read_bytes()


def test_a_face_that_only_the_artist_sees_stays_where_the_other_keys_hold_it(reage, shots, tmp_path):
    import numpy as np

    wall = np.full((120, 160, 3), 0.2, np.float32)
    plate, track = shots.write(tmp_path / "wall.####.exr", {1: wall, 2: wall, 3: wall}), tmp_path / "t.json"
    assert reage("track", plate, "-o", track, "--crop", "1:60,60,50", "--crop", "3:100,60,50").code == 0
    assert reage("track", plate, "-o", track, "--crop", "1:none").code == 0
    face = Track.load(track).face()
    assert 3 in face.overrides and face.at(2) is not None
    assert abs(face.at(2).pose.centre_x - face.at(3).pose.centre_x) < 0.01
    assert reage("track", plate, "-o", track, "--crop", f"{','.join(map(str, sorted(face.overrides)))}:none").code == 0
    assert Track.load(track).faces == {}


def test_crops_do_not_go_into_a_trackfile_that_is_only_read(reage, plate, track, tmp_path):
    done = reage(
        "track", plate, "-o", tmp_path / "s.nk", "--export", "tracker", "--track", track, "--crop", "1003:1,1,9"
    )
    assert done.code == 2 and "not changed" in done.err and not (tmp_path / "s.nk").exists()


@pytest.mark.parametrize("damage", ["cut", "newer", "binary"])
def test_a_damaged_trackfile_is_replaced_when_asked_and_the_old_one_kept(reage, plate, baked, track, tmp_path, damage):
    whole = track.read_bytes()
    broken = {
        "cut": whole[:5000],
        "newer": whole.replace(b'"version": 1', b'"version": 2', 1),
        "binary": b"\xff\xfe\x00" * 50,
    }[damage]
    track.write_bytes(broken)
    done = reage("track", plate, "-o", track, "--json")
    assert done.code == 4 and "--overwrite" in done.json["error"]["hint"] and track.read_bytes() == broken
    done = reage("track", plate, "-o", track, "--overwrite")
    assert done.code == 0 and "t.json.bak" in "".join(done.err.split()), done.err
    assert track.read_bytes() == whole and (tmp_path / "t.json.bak").read_bytes() == broken
    track.write_bytes(b"")
    assert reage("track", plate, "-o", track, "--overwrite").code == 0
    assert (tmp_path / "t.json.bak").read_bytes() == broken and (tmp_path / "t.json.bak2").read_bytes() == b""


def test_a_run_replaces_a_damaged_track_beside_its_output_when_asked(reage, plate, baked, tmp_path):
    track = tmp_path / "o.track.json"
    track.write_text("{")
    command = ("run", plate, tmp_path / "o.####.exr", "--source-age", 35, "--target-age", 70, "--frames", 1003)
    assert reage(*command).code == 4 and track.read_text() == "{"
    assert reage(*command, "--dry-run").code == 4
    planned = reage(*command, "--overwrite", "--dry-run")
    assert planned.code == 0 and "(damaged)" in planned.out and track.read_text() == "{"
    assert reage(*command, "--overwrite", "--device", "cpu").code == 0
    assert track.read_bytes() == (baked / "shot.track.json").read_bytes()
    assert (tmp_path / "o.track.json.bak").read_text() == "{"


def test_a_trackfile_is_named_as_one(reage, plate, tmp_path):
    done = reage("track", plate, "-o", tmp_path / "shot.nk", "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage.bad-output"
    assert "--export tracker" in done.json["error"]["hint"] and not list(tmp_path.iterdir())
