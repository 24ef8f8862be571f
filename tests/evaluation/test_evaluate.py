"""What an evaluation says of models whose worth is known."""

import base64
import io
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nuke_reage.core.errors import FaceError, MediaError
from nuke_reage.evaluation.evaluate import Evaluation, Sitter, evaluate
from nuke_reage.evaluation.identity import StructureIdentity
from nuke_reage.evaluation.report import report_html, report_json, report_rows
from nuke_reage.evaluation.sitters import told_apart
from nuke_reage.training.layout import list_people

pytestmark = pytest.mark.xdist_group("evaluate")

PERFECT, OPPOSITE = -0.3, 0.3


class Darkness:
    """Takes darkness for age: what these people show."""

    name = "darkness"

    def estimate(self, image_rgb_display, landmarks):
        x, y = landmarks.mean(axis=0).astype(int)
        return 100.0 * (0.9 - float(image_rgb_display[y - 30 : y + 30, x - 30 : x + 30].mean()))


def sitters_of(folder):
    return tuple(
        Sitter(one.folder.name, one.name, tuple((float(age), path) for age, path in one.pictures))
        for one in list_people([folder])
    )


@pytest.fixture
def people(write_people, tmp_path):
    return write_people(tmp_path / "people")


@pytest.fixture(scope="module")
def report(write_people, make_model, tmp_path_factory):
    people = write_people(tmp_path_factory.mktemp("data") / "people")
    models = [make_model("right", PERFECT), make_model("wrong", OPPOSITE), make_model("idle", 0.0)]
    task = Evaluation(sitters_of(people), estimator=Darkness(), identity=StructureIdentity(), backend="torch")
    return evaluate(models, task)


def test_a_model_is_held_against_true_targets_and_against_doing_nothing(report):
    right, wrong, idle = (one.data_sets[0] for one in report.models)
    assert right.name == "people" and set(right.people) == {"ann", "bob"}
    assert right.score.pairs == 12 and right.people["ann"].pairs == 6
    for score in (right.score, *right.people.values()):
        assert score.l1 < 0.25 and score.l1_ageing < 0.3 and score.l1_deageing < 0.3
    assert 1.7 < wrong.score.l1 < 2.3 and 1.7 < wrong.score.l1_ageing < 2.4 and 1.6 < wrong.score.l1_deageing < 2.3
    assert idle.score.l1 == pytest.approx(1.0, abs=1e-4) and idle.score.detail == pytest.approx(1.0, abs=1e-4)


def test_equal_ages_must_change_nothing(people, make_model, report):
    assert max(one.data_sets[0].null_255 for one in report.models) < 0.01
    task = Evaluation(sitters_of(people)[:1], ages_per_person=2, backend="torch")
    leaking = evaluate([make_model("leaking", 0.0, 4 / 255)], task)
    assert 3.0 < leaking.models[0].data_sets[0].null_255 < 6.0


def test_steadiness_is_that_of_a_network_that_adds_the_same_everywhere(people, make_model, report):
    right, _, idle = (one.robustness for one in report.models)
    assert right.pictures == 2
    assert right.half_pixel < 0.02 and right.one_degree < 0.02
    assert right.round_trip < 0.05, "what goes up comes down again"
    assert 0.3 < right.outside < 0.9, "it changes all of the crop"
    assert 0.05 < right.brighter < 1.0 and 0.05 < right.darker < 10.0
    assert np.isnan(idle.half_pixel), "nothing changes, so nothing can be compared"
    task = Evaluation(sitters_of(people)[:1], ages_per_person=2, backend="torch")
    drifting = evaluate([make_model("drifting", 0.0, 0.05)], task)
    assert 1.7 < drifting.models[0].robustness.round_trip < 2.3, "added twice, never taken away"


def test_ages_are_read_off_the_results(report):
    right, wrong, idle = (one.ages for one in report.models)
    assert right.estimator == "darkness" and right.pictures == 6
    assert 0.2 < right.slope_least <= right.slope < 0.45 and right.monotony == 1.0
    assert wrong.slope == pytest.approx(-right.slope, rel=0.2) and wrong.monotony == -1.0
    assert abs(idle.slope) < 0.01
    assert len(right.slope_by_picture) == 6 and min(right.slope_by_picture.values()) == right.slope_least
    assert set(right.read_by_picture) == set(right.slope_by_picture)
    first = right.read_by_picture["people/ann/20"]
    assert list(first) == ["20", "45", "70"] and first["20"] + 3.0 < first["45"] < first["70"] - 3.0
    assert set(right.bias_by_source) == {"20-29", "40-49", "70-79"}


def test_what_becomes_of_the_skin_is_said(report):
    right, wrong, idle = (one.skin for one in report.models)
    assert right.oldest.lighter < -0.1 < 0.1 < wrong.oldest.lighter and right.youngest.lighter > 0.1
    # The same is taken from red, green and blue: dark skin keeps less of what it has least of.
    assert right.oldest.redder > 0.02 > -0.02 > wrong.oldest.redder
    assert idle.oldest.redder == pytest.approx(0.0, abs=1e-5)
    assert list(right.by_picture["people/ann/45"]) == ["20", "45", "70"]
    rows = {(row.section, row.label): row for row in report_rows(report)}
    row = rows["Skin in linear light, %", "red over green, oldest"]
    assert row.best == 2 and row.values[0] == pytest.approx(100 * right.oldest.redder)


def test_photos_are_shown_at_many_ages_and_need_an_age(people, make_model):
    model = make_model("right", PERFECT)
    photo = people / "ann" / "45.png"
    seen = evaluate([model], Evaluation((Sitter.of_photo(photo, 45.0),), estimator=Darkness(), backend="torch"))
    assert seen.models[0].data_sets == () and seen.models[0].ages.pictures == 1
    assert seen.models[0].ages.monotony == 1.0
    ((title, sheet),) = seen.sheets
    assert title == "Photos" and sheet.shape[1] > 8 * 200
    with pytest.raises(FaceError) as caught:
        evaluate([model], Evaluation((Sitter.of_photo(photo),), backend="torch"))
    assert caught.value.code == "face.age-unknown" and "photo.jpg:35" in caught.value.hint


def test_photos_of_one_name_are_two_photos(people, make_model):
    """ann and bob at 45, both called 45; their readings lie apart, and one slope over both would be another."""
    photos = tuple(Sitter.of_photo(people / who / "45.png", 45.0) for who in ("ann", "bob"))
    seen = evaluate([make_model("right", PERFECT)], Evaluation(photos, estimator=Darkness(), backend="torch"))
    slopes = seen.models[0].ages.slope_by_picture
    assert set(slopes) == {"photos/ann/45.png/45", "photos/bob/45.png/45"}
    ((_, sheet),) = seen.sheets
    assert sheet.shape[0] > 2 * 288, "a row for each"


def test_names_are_as_long_as_it_takes():
    given = ["one/a/x.png", "two/a/x.png", "two/a/y.png", "b/z.png", "b/z.jpg", "c/w.png", "c/w.png"]
    named = told_apart([Sitter.of_photo(Path(one), 40.0) for one in given])
    expected = ["one/a/x.png", "two/a/x.png", "y", "z.png", "z.jpg", "w.png (1)", "w.png (2)"]
    assert [one.name for one in named] == expected


def test_pictures_without_a_face_are_left_out_and_named(people, make_model):
    cv2.imwrite(str(people / "bob" / "45.png"), np.full((256, 256, 3), 90, np.uint8))
    seen = evaluate([make_model("right", PERFECT)], Evaluation(sitters_of(people), backend="torch")).models[0]
    assert len(seen.left_out) == 1 and "bob/45.png" in seen.left_out[0]
    for age in (20, 45, 70):
        for who in ("ann", "bob"):
            cv2.imwrite(str(people / who / f"{age}.png"), np.full((256, 256, 3), 90, np.uint8))
    with pytest.raises(FaceError) as caught:
        evaluate([make_model("other", PERFECT)], Evaluation(sitters_of(people), backend="torch"))
    assert caught.value.code == "face.no-faces"


def test_targets_of_another_size_are_an_error(people, make_model):
    path = people / "ann" / "70.png"
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (128, 128)))
    with pytest.raises(MediaError) as caught:
        evaluate([make_model("right", PERFECT)], Evaluation(sitters_of(people)[:1], backend="torch"))
    assert caught.value.code == "media.other-size" and "70.png" in caught.value.message


def test_the_sheets_show_source_results_and_target(report):
    ((title, sheet),) = report.sheets
    assert title.startswith("people") and len(report.models) == 3
    cell = 288
    ann_to_old = [sheet[8 : 8 + cell, 8 + column * (cell + 8) :][:, :cell].astype(float) for column in range(5)]
    source, right, wrong, idle, target = ann_to_old
    assert np.abs(right - target).mean() < np.abs(source - target).mean() < np.abs(wrong - target).mean()
    assert np.abs(idle - source).mean() < 0.5


def test_the_report_is_one_file_with_its_pictures_inside(report):
    page = report_html(report, title="A <test>")
    assert "A &lt;test&gt;" in page and "<script" not in page and not re.search(r'(?:src|href)="(?!data:)', page)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == len(report.sheets) == 1
    inside = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))), np.float32)
    assert np.abs(inside - report.sheets[0][1]).mean() < 4.0
    rows = {(row.section, row.label): row for row in report_rows(report)}
    assert rows["people", "L1 in the face"].best == 0
    assert rows["people", "L1 in the face"].text(0) in page and rows["people", "  ann"].best == 0
    assert ("Clip", "change of the delta / of the plate") not in rows


def test_the_json_is_plain_and_has_no_value_that_is_no_number(report):
    text = json.dumps(report_json(report), allow_nan=False)
    data = json.loads(text)
    assert [one["model"] for one in data["models"]] == ["right", "wrong", "idle"]
    assert data["models"][0]["data_sets"][0]["people"]["ann"]["l1"] < 0.3
    assert data["models"][2]["robustness"]["half_pixel"] is None and data["models"][0]["clip"] is None


def test_a_delta_that_holds_still_is_told_from_one_that_jumps(tmp_path, portrait, make_model):
    steps = range(4)
    for name, flicker in (("still", 0.0), ("jumping", 0.12)):
        folder = tmp_path / name
        folder.mkdir()
        for step in steps:
            # The picture moves; where it jumps in brightness, a delta made of the picture jumps with it.
            moved = cv2.warpAffine(portrait, np.float32([[1, 0, step], [0, 1, 0]]), (256, 256), borderMode=1)
            picture = moved + flicker * (step % 2)
            cv2.imwrite(str(folder / f"f.{step:04d}.png"), np.rint(picture[:, :, ::-1] * 255).astype(np.uint8))
    model = make_model("follower", PERFECT, of_red=0.5)
    scores = {}
    for name in ("still", "jumping"):
        task = Evaluation((), clip=(tmp_path / name / "f.####.png", 40.0), backend="torch")
        scores[name] = evaluate([model], task).models[0].clip
    assert scores["still"].frames == 3
    assert scores["still"].against_delta < 0.1
    assert scores["jumping"].plate_255 > 5 * scores["still"].plate_255
    assert scores["jumping"].against_delta > 2 * scores["still"].against_delta
