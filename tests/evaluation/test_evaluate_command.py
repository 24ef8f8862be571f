"""``reage evaluate`` as it is typed."""

import json

import pytest


@pytest.fixture
def people(write_people, tmp_path):
    return write_people(tmp_path / "people")


def test_models_stand_side_by_side_on_the_terminal_and_in_a_file(people, make_model, tmp_path, reage):
    right, wrong = make_model("right", -0.3), make_model("wrong", 0.3)
    photo = people / "bob" / "45.png"
    page = tmp_path / "out" / "report.html"
    done = reage(
        "evaluate", right, wrong, "--data", people, "--people", "ann", "--photos", f"{photo}:45", "--backend", "torch",
        "--ages-per-person", 2, "-o", page,
    )  # fmt: skip
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["right", "wrong"]
    first, second = next(line for line in lines if line.startswith("L1 in the face")).split()[-2:]
    assert float(first) < 0.3 and 1.7 < float(second) < 2.4
    assert any(line.split()[0] == "ann" for line in lines) and not any("bob" in line for line in lines)
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 2 and "right" in text and str(page) in done.out


def test_numbers_for_programs(people, make_model, tmp_path, reage):
    file = tmp_path / "report.json"
    done = reage(
        "evaluate", make_model("right", -0.3), "--data", people, "--max-people", 1, "--ages-per-person", 2,
        "--photos", f"{people / 'bob' / '45.png'}:45", "--ages", "25,60", "--backend", "torch", "--json", "-o", file,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json == json.loads(file.read_text(encoding="utf-8"))
    (model,) = done.json["models"]
    assert list(model["data_sets"][0]["people"]) == ["ann"] and model["data_sets"][0]["score"]["pairs"] == 2
    assert list(model["skin"]["by_picture"]["photos/45/45"]) == ["25", "60"]
    assert model["identity"]["measure"] in {"structure", "dlib-resnet"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "usage.nothing-to-evaluate"),
        (("--data", "nowhere"), "usage.no-data"),
        (("--data", "{people}", "--people", "nobody"), "usage.unknown-person"),
        (("--data", "{people}", "--data", "{people}"), "usage.same-names"),
        (("--data", "{people}", "-o", "report.pdf"), "usage.bad-output"),
        (("--photos", "photo.jpg:400"), "usage.bad-age"),
        (("--photos", "nowhere.jpg:40"), "media.missing-file"),
        (("--photos", "photo.jpg:40", "--ages", "40"), "usage.bad-ages"),
        (("--photos", "photo.jpg:40", "--ages", "old"), "usage.bad-ladder"),
    ],
)
def test_what_is_wrong_is_said(people, make_model, reage, arguments, code):
    given = [str(one).format(people=people) for one in arguments]
    done = reage("evaluate", make_model("right", -0.3), *given, "--json")
    assert done.code in {2, 3} and done.json["error"]["code"] == code and done.json["error"]["hint"]


def test_an_unknown_model_ends_it_before_anything_is_computed(people, reage):
    done = reage("evaluate", "fran-light", "--data", people, "--json")
    assert done.code == 5 and "fran-lite" in done.json["error"]["hint"]
