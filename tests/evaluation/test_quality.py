"""The report finds what is wrong with a shot, and nothing where nothing is."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from nuke_reage.evaluation.quality import measure_quality
from nuke_reage.evaluation.quality_page import quality_html, quality_json, warnings_of
from nuke_reage.media.exr import read_layers, write_layers


@pytest.fixture
def copy(shots, plate, baked, tmp_path):
    """A baked shot that may be damaged, and its job."""
    shutil.copytree(baked, tmp_path / "out")
    return shots.job(plate, tmp_path / "out" / "shot.####.exr"), tmp_path / "out"


def rewrite(path, change):
    """Write a layer file again with its delta changed."""
    layers = read_layers(path)
    parts = []
    for part in layers.parts.values():
        channels = {name: np.ascontiguousarray(change(pixels)) for name, pixels in part.channels.items()}
        parts.append(replace(part, channels=channels) if part.name == "delta" else part)
    write_layers(path, parts, display_window=layers.display_window, pixel_aspect=layers.pixel_aspect)


def test_a_sound_shot_gives_no_reason_to_look(copy):
    job, _ = copy
    quality = measure_quality(job)
    assert [one.frame for one in quality.frames] == list(range(1001, 1007))
    assert quality.attention == () and warnings_of(quality) == []
    for one in quality.frames:
        assert one.state == "baked" and one.face == "detected" and one.confidence > 0.8
        assert 0.001 < one.mean_delta < one.peak_delta < 1
        assert 0 < one.leak < 0.6
    assert np.isnan(quality.frames[0].delta_change)
    # The same photograph moved about: along the motion neither plate nor delta changes much.
    assert all(0 < one.delta_change < 0.5 * one.mean_delta for one in quality.frames[1:])


def test_a_flash_in_the_delta_is_seen_where_it_is(copy):
    job, folder = copy
    rewrite(folder / "shot.1004.exr", lambda delta: delta * 8)
    quality = measure_quality(job)
    assert quality.attention[0].frame == 1004
    reasons = {one.frame: " ".join(one.reasons) for one in quality.attention}
    assert "delta reaches" in reasons[1004] and "changes by" in reasons[1004]
    assert set(reasons) <= {1004, 1005}, "and its neighbour, which it jumps back from"


def test_missing_faceless_and_filled_frames_are_told_apart(copy, shots):
    job, folder = copy
    (folder / "shot.1002.exr").write_bytes(b"")
    (folder / "shot.1003.exr").unlink()
    track = json.loads((folder / "shot.track.json").read_text())
    text = json.dumps(track)
    assert '"detected"' in text
    (folder / "shot.track.json").write_text(re.sub('"detected"', '"interpolated"', text, count=1))
    quality = measure_quality(job)
    by_frame = {one.frame: one for one in quality.frames}
    assert by_frame[1002].reasons[0] == by_frame[1003].reasons[0] == "not baked"
    assert quality.count(state="missing") == 2 and quality.count(face="interpolated") == 1
    assert warnings_of(quality)[0] == "face not seen, filled from its neighbours: 1001"


def test_a_crop_that_jumps_is_seen(copy, shots):
    job, folder = copy
    from nuke_reage.faces.trackfile import Track

    track = Track.load(folder / "shot.track.json")
    face = track.faces[0]
    here = face.frames[1003]
    moved = replace(here, pose=replace(here.pose, centre_x=here.pose.centre_x + 0.5 * here.pose.scale_px))
    replace(track, faces={0: replace(face, frames={**face.frames, 1003: moved})}).save(folder / "shot.track.json")
    quality = measure_quality(job)
    worst = max(quality.frames, key=lambda one: one.jump)
    assert worst.frame == 1003 and 0.4 < worst.jump < 0.6
    assert any("track jumps" in reason for reason in worst.reasons)


def test_the_command_writes_a_page_and_json_and_ends_well(copy, reage, plate):
    _, folder = copy
    rewrite(folder / "shot.1004.exr", lambda delta: delta * 8)
    outcome = reage("report", plate, folder / "shot.####.exr")
    assert outcome.code == 0 and "warning" in outcome.err and "1004" in outcome.err
    data = json.loads((folder / "report.json").read_text())
    assert data["look_at_first"][0] == 1004 and data["summary"]["baked"] == 6
    # Ages are those that were baked; 1004 was written again without any.
    assert [(row["source_age"], row["target_age"]) for row in data["frames"][2:4]] == [(35, 70), (None, None)]
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 6 and "data:image/jpeg;base64," in page
    assert not re.search(r'(?:src|href)="(?!data:)', page), "nothing beside it"


def test_the_page_says_when_nothing_was_noticed_and_escapes_names(copy):
    job, _ = copy
    quality = measure_quality(job, frames="1001-1002")
    odd = replace(quality, job=replace(job, model=replace(job.model, name="<b>&")))
    page = quality_html(odd)
    assert "Nothing was noticed" in page and "<b>&" not in page and "&lt;b&gt;&amp;" in page
    assert quality_json(quality)["frames"][0]["delta_change"] is None


def test_the_numbers_never_replace_a_job_a_track_or_a_strange_file(copy, reage):
    job, folder = copy
    from nuke_reage.core.job import save_job

    save_job(job, folder / "shot.json")
    (folder / "notes.json").write_text('{"reage": 1}')
    for name in ("shot.html", "shot.track.html", "notes.html"):
        numbers = (folder / name).with_suffix(".json")
        before = numbers.read_bytes()
        outcome = reage("report", folder / "shot.json", "-o", folder / name, "--json")
        assert outcome.code == 2 and outcome.json["error"]["code"] == "usage.foreign-file", outcome.err
        assert numbers.read_bytes() == before and not (folder / name).exists()
    for _ in range(2):
        assert reage("report", folder / "shot.json", "-o", folder / "r.html", "--frames", 1001).code == 0
    assert json.loads((folder / "r.json").read_text())["summary"]["frames"] == 1


@pytest.mark.parametrize("name", ["shot.mov", "shot.####.png"])
def test_of_a_finished_picture_the_layers_beside_it_are_checked(copy, reage, plate, name):
    _, folder = copy
    outcome = reage("report", plate, folder / name, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["summary"]["baked"] == 6 and outcome.json["summary"]["mean_delta"] > 0.001


def test_of_what_has_no_layers_there_is_no_report(copy, reage, plate):
    _, folder = copy
    shutil.copy(folder / "shot.track.json", folder / "m.track.json")
    outcome = reage("report", plate, folder / "m.mov", "--json")
    assert outcome.code == 2 and outcome.json["error"]["code"] == "usage.no-layers"
    assert "m.mov" in outcome.json["error"]["message"] and "--layers-to" in outcome.json["error"]["hint"]
    movie = plate.replace("####.exr", "mov")
    with_plate = reage("report", plate, movie, "--track", folder / "shot.track.json", "--json")
    assert with_plate.json["error"]["code"] == "usage.no-layers", "the plate beside the movie is none"
    for frame in range(1001, 1007):
        layers = read_layers(folder / f"shot.{frame}.exr")
        write_layers(folder / f"m.{frame}.exr", [layers.parts["comp"]], display_window=layers.display_window)
    outcome = reage("report", plate, folder / "m.####.exr", "--json")
    assert outcome.code == 2 and outcome.json["error"]["code"] == "usage.no-layers"
    assert not list(folder.glob("*.html"))


def test_without_a_track_there_is_no_report(copy, reage, plate):
    _, folder = copy
    (folder / "shot.track.json").unlink()
    outcome = reage("report", plate, folder / "shot.####.exr")
    assert outcome.code == 4 and "Track the shot first" in outcome.err
    assert not (folder / "report.html").exists()
