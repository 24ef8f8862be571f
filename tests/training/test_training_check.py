"""What ``reage data check`` says of data sets, to people and to programs."""

import json
import shutil

import cv2
import numpy as np
import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.training.check import check_people
from nuke_reage.training.layout import list_people


def test_fatal_problems_and_the_error_are_one_document(people, reage):
    (people / "person_01" / "35.png").write_bytes(b"no picture")
    done = reage("data", "check", people, "--json")
    assert done.code == 2 and done.json["people"] == 5
    assert [one["path"] for one in done.json["problems"]] == [str(people / "person_01" / "35.png")]
    assert done.json["error"]["code"] == "usage.bad-data" and done.json["error"]["exit_code"] == 2
    assert "usage.bad-data" in done.err


def test_a_sheet_of_nothing_is_left_out(people, tmp_path, reage):
    for path in people.rglob("*.png"):
        path.write_bytes(b"no picture")
    done = reage("data", "check", people, "--sheet", tmp_path / "sheet.jpg")
    assert done.code == 2 and "usage.bad-data" in done.err
    assert "sheet.jpg was not written" in done.err and not (tmp_path / "sheet.jpg").exists()


def test_twins_in_another_data_set_are_told_apart(people, tmp_path):
    (tmp_path / "others" / "person_04").mkdir(parents=True)
    for age in (35, 50):
        shutil.copy(people / "person_04" / f"{age}.png", tmp_path / "others" / "person_04")
    folders = [people, tmp_path / "others"]
    first, second = (str(one) for one in check_people(list_people(folders), folders))
    assert first == f"others/person_04/35.png: the same picture as {people}/person_04/35.png"
    assert second.startswith("others/person_04/50.png")


def test_pictures_without_colour_or_with_holes_are_reported_and_trained_on(people):
    def rewrite(name, change):
        path = people / "person_02" / name
        cv2.imwrite(str(path), change(cv2.imread(str(path))))

    def with_alpha(lowest):
        return lambda bgr: np.dstack([bgr, np.linspace(lowest, 255, 64 * 64).reshape(64, 64).astype(np.uint8)])

    rewrite("20.png", lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
    rewrite("35.png", lambda bgr: np.repeat(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2))
    rewrite("50.png", with_alpha(0))
    rewrite("65.png", with_alpha(255))
    rewrite("80.png", lambda bgr: with_alpha(3)(bgr).astype(np.uint16) * 257)
    problems = check_people(list_people([people]), [people])
    assert not any(one.fatal for one in problems)
    assert [(one.path.name, one.text.split(" ")[0]) for one in problems] == [
        ("20.png", "black"), ("35.png", "black"), ("50.png", "transparent"), ("80.png", "transparent")
    ]  # fmt: skip


def test_a_manifest_need_not_tell_of_photographs(people, reage):
    (people / "pairs.json").write_text(json.dumps({"command": "data render", "seed": 0}))
    assert reage("data", "check", people, "--json").json["problems"] == []
    for text in ("{", "[]", '{"real_ages": [1]}', '{"real_ages": {"person_00": "old"}}'):
        (people / "pairs.json").write_text(text)
        with pytest.raises(UsageError, match=r"pairs\.json") as caught:
            list_people([people])
        assert caught.value.code == "usage.bad-manifest"
