from __future__ import annotations

import json
from pathlib import Path

import pytest

from nuke_reage.core.errors import ModelError
from nuke_reage.models.descriptor import load_descriptor, save_descriptor


def edited(descriptor, folder: Path, **changes: object) -> Path:
    path = folder / "edited.json"
    path.write_text(json.dumps({**descriptor.to_dict(), **changes}))
    return path


def test_what_is_saved_is_read_again(make_model, tmp_path: Path):
    descriptor = make_model(age_range=(20.0, 70.0), framing={"kind": "box", "scale": 1.5}, commercial_use=True)
    save_descriptor(descriptor, tmp_path / "user" / "copy.json")
    again = load_descriptor(tmp_path / "user" / "copy.json")
    assert again.to_dict() == descriptor.to_dict()
    assert again.installed and again.age_range == (20.0, 70.0) and again.framing["scale"] == 1.5


def test_file_holds_nothing_of_this_machine(make_model, tmp_path: Path):
    make_model()
    assert str(tmp_path) not in (tmp_path / "user" / "tiny.json").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"canvas_px": 100}, "canvas_px"),
        ({"canvas_px": "256"}, "canvas_px"),
        ({"name": "../escape"}, "name"),
        ({"weights_file": "../../etc/passwd"}, "weights_file"),
        ({"weights_file": ""}, "weights_file"),
        ({"sha256": "abc"}, "sha256"),
        ({"age_range": [70, 20]}, "age_range"),
        ({"encoding": "pq"}, "encoding"),
        ({"max_canvas_px": 64}, "max_canvas_px"),
        ({"framing": {"kind": "fhq"}}, "ffhq"),
        ({"framing": {"kind": "box", "scal": 2}}, "scale"),
        ({"framing": {"kind": "box", "scale": float("nan")}}, "scale"),
        ({"framing": {"kind": "box", "scale": True}}, "scale"),
        ({"framing": []}, "framing"),
        ({"widht": 20}, "width"),
        ({"hub": {"repository": "a/b", "fiel": "x"}}, "file"),
        ({"weights_path": "/etc/passwd"}, "weights_path"),
    ],
)
def test_a_wrong_setting_is_named(make_model, tmp_path: Path, changes: dict[str, object], words: str):
    path = edited(make_model(), tmp_path, **changes)
    with pytest.raises(ModelError, match=words) as caught:
        load_descriptor(path)
    assert caught.value.code == "model.bad-descriptor" and caught.value.hint


def test_damaged_and_missing_files(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"name": "a"')
    with pytest.raises(ModelError, match="JSON"):
        load_descriptor(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read"):
        load_descriptor(tmp_path / "b.json")
    with pytest.raises(ModelError) as caught:
        load_descriptor(tmp_path / "c.json")
    assert caught.value.code == "model.missing-descriptor"


def test_without_its_weights_a_model_is_not_installed(make_model, tmp_path: Path):
    make_model()
    (tmp_path / "user" / "tiny.safetensors").unlink()
    assert not load_descriptor(tmp_path / "user" / "tiny.json").installed
