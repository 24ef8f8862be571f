"""Adjustments as a file, and results beside each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from nuke_reage.core.job import load_job
from nuke_reage.core.looks import load_look
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.movie import MovieWriter

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


def drawn(width: int = 64, height: int = 40) -> np.ndarray:
    """A picture in which every column is another, linear light."""
    row = np.linspace(0.05, 0.8, width, dtype=np.float32) ** 2
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


@pytest.mark.parametrize("how", ["plain", "link", "movie", "frame that is not shown"])
def test_compare_never_writes_over_what_it_compares(reage, shots, tmp_path, how):
    pattern = shots.write_raw(tmp_path / "a.####.exr", {1: drawn(), 2: drawn()})
    codes = np.full((40, 64, 3), 90, np.uint8)
    for name in ("one.png", "two.png", "n.0001.png", "n.0002.png"):
        cv2.imwrite(str(tmp_path / name), codes)
    (tmp_path / "link.png").symlink_to("two.png")
    with MovieWriter(tmp_path / "m.mp4", 24, (64, 40)) as movie:
        for _ in range(2):
            movie.write(codes / 255.0)
    one, two, out = {
        "plain": ("one.png", "two.png", "one.png"),
        "link": ("one.png", "two.png", "link.png"),
        "movie": (pattern, "m.mp4", "m.mp4"),
        "frame that is not shown": ("n.####.png", "n.####.png", "n.%04d.png"),
    }[how]
    frames = ("--frames", "2") if how.startswith("frame") else ()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    sides = [side if Path(side).is_absolute() else tmp_path / side for side in (one, two)]
    outcome = reage("compare", *sides, "-o", tmp_path / out, *frames)
    assert outcome.code == 2 and "usage.output-is-input" in outcome.err, outcome.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_pictures_of_one_format_meet_on_it_whatever_part_of_it_they_hold(reage, shots, tmp_path):
    display, whole = Window(0, 0, 64, 40), drawn()
    for name, x in (("left", 0), ("right", 8)):
        window = Window(x, 0, x + 56, 40)
        part = whole[window.slices_in(display)]
        shots.write_raw(tmp_path / f"{name}.####.exr", {1: part}, data_window=window, display_window=display)
    both = (tmp_path / "left.####.exr", tmp_path / "right.####.exr")
    outcome = reage("compare", *both, "-o", tmp_path / "d.png", "--mode", "difference")
    assert outcome.code == 0, outcome.err
    picture = cv2.imread(str(tmp_path / "d.png"))
    assert picture.shape[:2] == (40, 64)
    assert (picture[:, 8:56] == 128).all(), "the same pixels lie on each other"
    assert (picture[:, 60:] > 128).all(), "what the first lacks is black"

    shots.write_raw(tmp_path / "whole.####.exr", {1: whole})
    outcome = reage("compare", tmp_path / "left.####.exr", tmp_path / "whole.####.exr", "-o", tmp_path / "w.png")
    assert outcome.code == 0, outcome.err


def test_a_data_window_that_moves_fits_into_a_movie_and_a_format_that_changes_does_not(reage, shots, tmp_path):
    display = Window(0, 0, 64, 40)
    for frame, width in ((1, 40), (2, 64), (3, 52)):
        window = Window(0, 0, width, 40)
        shots.write_raw(
            tmp_path / "p.####.exr", {frame: drawn()[:, :width]}, data_window=window, display_window=display
        )
    plate = tmp_path / "p.####.exr"
    assert reage("compare", plate, plate, "-o", tmp_path / "m.mp4").code == 0
    assert cv2.VideoCapture(str(tmp_path / "m.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3

    shots.write_raw(plate, {3: drawn(96)})
    outcome = reage("compare", plate, plate, "-o", tmp_path / "n.mp4")
    assert outcome.code == 3 and "Frame 3 is 96 x 40" in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "n.mp4").exists() and not list(tmp_path.glob(".*"))


def test_anamorphic_pictures_are_compared_as_a_viewer_shows_them(reage, shots, tmp_path):
    plate = shots.write_raw(tmp_path / "p.####.exr", {1: drawn()}, pixel_aspect=2.0)
    cv2.imwrite(str(tmp_path / "still.png"), np.full((40, 64, 3), 90, np.uint8))
    for other in (plate, tmp_path / "still.png"):
        assert reage("compare", plate, other, "-o", tmp_path / "w.png").code == 0
        assert cv2.imread(str(tmp_path / "w.png")).shape[:2] == (40, 128)


@pytest.mark.parametrize("plate_first", [True, False])
def test_a_plate_is_shown_in_the_space_that_its_bake_names(reage, shots, tmp_path, plate_first):
    plate = shots.write(tmp_path / "p.####.exr", {1: drawn()}, space="logc4")
    named = {"reage/colorspace": "ARRI LogC4"}
    comp = shots.write(tmp_path / "c.####.exr", {1: drawn()}, space="logc4", metadata=named)
    both = (plate, comp) if plate_first else (comp, plate)
    outcome = reage("compare", *both, "-o", tmp_path / "d.png", "--mode", "difference")
    assert outcome.code == 0, outcome.err
    assert (cv2.imread(str(tmp_path / "d.png")) == 128).all()
    assert plate in outcome.err and "ARRI LogC4" in outcome.err and comp not in outcome.err


def test_a_finished_still_of_a_linear_plate_stays_what_it_is(reage, shots, tmp_path):
    """``run`` writes it as sRGB: it does not borrow the name of the layers beside it."""
    codes = np.full((40, 64, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "s.png"), codes)
    linear = np.full((40, 64, 3), ((90 / 255 + 0.055) / 1.055) ** 2.4, np.float32)
    comp = shots.write(tmp_path / "c.####.exr", {1: linear}, metadata={"reage/colorspace": "ACEScg"})
    outcome = reage("compare", tmp_path / "s.png", comp, "-o", tmp_path / "d.png", "--mode", "difference", "--gain", 1)
    assert outcome.code == 0 and "no colour space" not in outcome.err
    assert np.abs(cv2.imread(str(tmp_path / "d.png")).astype(int) - 128).max() <= 1
