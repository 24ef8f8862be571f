"""Adjustments as a file, and results beside each other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nuke_reage.core.job import load_job
from nuke_reage.core.looks import load_look

AGES = ("--source-age", "35", "--target-age", "70")


def test_a_look_is_written_shown_changed_and_used(reage, plate, tmp_path):
    look = tmp_path / "soft.json"
    outcome = reage("look", look, "--save", "--detail-gain", "0.5", "--region-gain", "forehead=0.7,jaw=2")
    assert outcome.code == 0, outcome.err
    assert reage("look", look, "--save", "--region-gain", "jaw=1.5", "--gain", "0.8").code == 0
    adjust = load_look(look)
    assert (adjust.gain, adjust.detail, adjust.regions.forehead, adjust.regions.jaw) == (0.8, 0.5, 0.7, 1.5)
    assert reage("look", look).json["regions"]["jaw"] == 1.5

    job = tmp_path / "job.json"
    flags = (*AGES, "--look", look, "--gain", "2", "--region-gain", "nose=3", "--save-job", job)
    assert reage("run", plate, tmp_path / "shot.####.exr", *flags).code == 0
    used = load_job(job).adjust
    assert (used.gain, used.detail, used.regions.forehead, used.regions.nose) == (2.0, 0.5, 0.7, 3.0)


def test_flags_without_save_are_not_lost_silently(reage, tmp_path):
    outcome = reage("look", tmp_path / "soft.json", "--gain", "0.5")
    assert outcome.code == 2 and "--save" in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_plate_and_its_comp_are_compared(reage, plate, baked, tmp_path):
    comp = baked / "shot.####.exr"
    assert reage("compare", plate, comp, "-o", tmp_path / "d.####.png", "--mode", "difference",
                 "--frames", "1001-1002").code == 0  # fmt: skip
    picture = cv2.imread(str(tmp_path / "d.1001.png")).astype(int)
    changed = np.abs(picture - 128).max(axis=2) > 8
    assert 0.01 < changed.mean() < 0.6, "the face, and nothing but it"
    assert (picture[:4] == 128).all(), "the plate's edge is no part of the face"
    assert reage("compare", plate, comp, "-o", tmp_path / "side.png", "--mode", "side", "--frames", "1001").code == 0
    assert cv2.imread(str(tmp_path / "side.png")).shape[1] == 2 * picture.shape[1]
    assert reage("compare", plate, comp, "-o", tmp_path / "w.mp4").code == 0
    movie = cv2.VideoCapture(str(tmp_path / "w.mp4"))
    assert movie.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    _, first = movie.read()
    assert first.std() > 20


def test_a_photo_and_the_exr_made_of_it_are_shown_alike(reage, shots, tmp_path):
    """The comp of a photo holds the photo's own values, although it is an EXR."""
    photo = np.clip(shots.film(), 0, 1) ** (1 / 2.2)
    cv2.imwrite(str(tmp_path / "photo.png"), (photo[..., ::-1] * 255).round().astype(np.uint8))
    made = reage(
        "run", tmp_path / "photo.png", tmp_path / "o.exr", *AGES, "--layers", "delta,mask,comp", "--device", "cpu"
    )
    assert made.code == 0, made.err
    difference = ("-o", tmp_path / "d.png", "--mode", "difference", "--gain", "1")
    outcome = reage("compare", tmp_path / "photo.png", tmp_path / "o.exr", *difference)
    assert outcome.code == 0, outcome.err
    picture = cv2.imread(str(tmp_path / "d.png")).astype(int)
    assert (picture[:4] == 128).all() and 0 < np.abs(picture - 128).max() < 110


def test_layers_without_a_picture_are_not_compared(reage, plate, baked, tmp_path):
    made = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--frames", "1001", "--device", "cpu",
                 "--track", baked / "shot.track.json")  # fmt: skip
    assert made.code == 0, made.err
    outcome = reage("compare", plate, tmp_path / "o.####.exr", "-o", tmp_path / "x.png")
    assert outcome.code == 3 and "no picture" in outcome.err and not (tmp_path / "x.png").exists()


def test_a_wipe_shows_the_first_left_and_the_second_right(reage, tmp_path):
    for name, level in (("dark", 30), ("light", 220)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((40, 100, 3), level, np.uint8))
    outcome = reage("compare", tmp_path / "dark.png", tmp_path / "light.png", "-o", tmp_path / "w.png",
                    "--position", "0.3")  # fmt: skip
    assert outcome.code == 0, outcome.err
    row = cv2.imread(str(tmp_path / "w.png"))[20, :, 0]
    assert (row[:28] == 30).all() and (row[33:] == 220).all()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("a.png", "small.png", "-o", "x.png"), 3, "one size"),
        (("a.png", "none.png", "-o", "x.png"), 3, "a.png, small.png"),
        (("a.png", "a.png", "-o", "x.png", "--frames", "7"), 3, "Both have 1"),
        (("a.png", "a.png", "-o", "x.txt"), 3, "Use"),
    ],
)
def test_what_cannot_be_compared_is_said(reage, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((40, 60, 3), 90, np.uint8))
    cv2.imwrite("small.png", np.full((20, 60, 3), 90, np.uint8))
    outcome = reage("compare", *arguments)
    assert outcome.code == code and said in outcome.err, outcome.err
    assert not any(path.name.startswith("x.") for path in tmp_path.iterdir())
