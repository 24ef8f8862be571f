"""The flags for the artist's layers: what they write, and what they say when they cannot."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from nuke_reage.media.exr import read_layers
from nuke_reage.media.layers import part_names

AGES = ("--source-age", "35", "--target-age", "70")


def test_flags_write_the_layers_that_they_ask_for(reage, plate, baked, tmp_path):
    roto = np.zeros((360, 640), np.uint8)
    roto[:, 320:] = 255
    cv2.imwrite(str(tmp_path / "roto.png"), roto)
    done = reage(
        "run", plate, tmp_path / "o.####.exr", *AGES, "--frames", "1001-1002", "--json", "--device", "cpu",
        "--layers", "delta,mask,regions,protect", "--ladder", "30:60:15",
        "--region-age", "forehead=-20,jaw=1001:0;1002:5",
        "--age-map", tmp_path / "roto.png", "--age-map-mode", "replace", "--holdout", f"{tmp_path}/roto.png:R",
        "--mask-hair", "--mask-refine", "0.5", "--track", baked / "shot.track.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [frame["state"] for frame in done.json["frames"]] == ["baked", "baked"]
    parts = read_layers(tmp_path / "o.1002.exr").parts
    assert list(parts) == ["delta", "mask", "regions", "protect", "ladder_030", "ladder_045", "ladder_060"]
    mask = parts["mask"].channels["reage_mask.alpha"]
    middle = 320 - parts["mask"].data_window.x_min
    assert mask[:, :middle].max() == 1 and not mask[:, middle:].any()


@pytest.mark.parametrize(
    ("flags", "exit_code", "slug"),
    [
        (("--region-age", "brow=5"), 2, "bad-setting"),
        (("--region-age", "nose=old"), 2, "bad-age"),
        (("--region-age", "jaw=3,jaw=5"), 2, "bad-setting"),
        (("--ladder", "80:20:10"), 2, "bad-ladder"),
        (("--ladder", "20,abc"), 2, "bad-ladder"),
        (("--ladder", "20:400:10"), 2, "bad-ladder"),
        (("--layers", "delta,region"), 2, "bad-layers"),
        (("--mask-refine", "2"), 2, "bad-setting"),
        (("--age-map", "{folder}/none.exr"), 3, "missing-file"),
        (("--age-map", "{folder}/none.####.exr"), 3, "no-frames"),
        (("--matte", "{folder}/small.png"), 3, "map-size"),
        (("--matte", "{folder}/right.png:depth"), 3, "unknown-channel"),
        (("--holdout", "{folder}/few.####.png"), 3, "missing-map-frame"),
        (("--holdout", "{folder}/text.exr"), 3, "not-an-image"),
        (("--holdout", "{folder}"), 3, "is-folder"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint_and_nothing_is_lost(
    reage, plate, baked, tmp_path, flags, exit_code, slug
):
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((90, 160), np.uint8))
    cv2.imwrite(str(tmp_path / "right.png"), np.zeros((360, 640), np.uint8))
    cv2.imwrite(str(tmp_path / "few.1001.png"), np.zeros((360, 640), np.uint8))
    (tmp_path / "text.exr").write_text("once upon a time")
    output = tmp_path / "out" / "o.####.exr"
    kept = tmp_path / "out" / "o.1001.exr"
    kept.parent.mkdir()
    kept.write_bytes((baked / "shot.1001.exr").read_bytes())
    filled = [flag.format(folder=tmp_path) for flag in flags]
    done = reage("run", plate, output, *AGES, *filled, "--json", "--track", baked / "shot.track.json")
    assert done.code == exit_code, done.err
    error = json.loads(done.out)["error"]
    assert error["code"].endswith(f".{slug}") and len(error["hint"]) > 10, error
    assert "Traceback" not in done.err
    assert [path.name for path in kept.parent.iterdir()] == ["o.1001.exr"]
    assert kept.read_bytes() == (baked / "shot.1001.exr").read_bytes()


def test_flags_that_change_nothing_are_told_once(reage, plate, baked, tmp_path):
    command = ("run", plate, tmp_path / "o.####.exr", *AGES, "--track", baked / "shot.track.json", "--json")
    idle = ("--gain", "0.2", "--mask-blur", "0.1")
    done = reage(*command, *idle, "--frames", "1001-1002")
    assert done.code == 0, done.err
    (told,) = done.json["warnings"]
    assert "--gain, --mask-blur" in told and "add comp to --layers" in told and done.err.count("--gain") == 1
    assert reage(*command, *idle, "--dry-run").json["warnings"] == [told]
    assert reage(*command, *idle, "--layers", "delta,mask,comp", "--dry-run").json["warnings"] == []
    assert reage(*command, "--mask-feather", "0.2", "--dry-run").json["warnings"] == [], "that is no adjustment"
    job = tmp_path / "job.json"
    assert reage(*command, *idle, "--save-job", job).json["warnings"] == [told]
    assert reage("run", job, "--dry-run", "--json").json["warnings"] == [], "a farm's tasks do not say it again"


def test_a_matte_that_shapes_nothing_is_told(reage, plate, baked, tmp_path):
    roto = np.full((360, 640, 4), 255, np.uint8)
    roto[:, :320, :3] = 0
    cv2.imwrite(str(tmp_path / "roto.png"), roto)
    command = ("run", plate, tmp_path / "o.####.exr", *AGES, "--track", baked / "shot.track.json", "--frames", "1001",
               "--json")  # fmt: skip
    done = reage(*command, "--matte", tmp_path / "roto.png")
    assert done.code == 0, done.err
    assert ["1 everywhere" in text and "roto.png:R" in text for text in done.json["warnings"]] == [True]
    assert reage(*command, "--matte", f"{tmp_path}/roto.png:R", "--dry-run").json["warnings"] == []


def test_a_refined_mask_stays_between_0_and_1(reage, shots, tmp_path):
    plate = shots.write(tmp_path / "p.####.exr", {1: shots.film((512, 512), side=200)})
    done = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--mask-refine", "1", "--device", "cpu")
    assert done.code == 0, done.err
    mask = read_layers(tmp_path / "o.0001.exr").parts["mask"].channels["reage_mask.alpha"]
    assert mask.min() == 0 and 0.9 < mask.max() <= 1


def test_a_ladder_beyond_what_the_model_has_learnt_is_warned_of(reage, plate, baked, tmp_path):
    done = reage(
        "run", plate, tmp_path / "o.####.exr", *AGES, "--frames", "1001", "--json", "--device", "cpu",
        "--ladder", "5,100", "--track", baked / "shot.track.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert any("age ladder runs from 5 to 100" in text for text in done.json["warnings"])
    assert {"ladder_005", "ladder_100"} <= set(read_layers(tmp_path / "o.1001.exr").parts)


@pytest.mark.parametrize("flag", ["--holdout", "--matte", "--age-map"])
@pytest.mark.parametrize("beside", [False, True], ids=["out", "layers-to"])
def test_no_output_overwrites_a_map_that_is_read(reage, shots, plate, baked, tmp_path, flag, beside):
    roto = shots.write_raw(tmp_path / "h.####.exr", {f: np.ones((360, 640, 3), np.float32) for f in (1001, 1002)})
    before = [(tmp_path / f"h.{frame}.exr").read_bytes() for frame in (1001, 1002)]
    (tmp_path / "link").symlink_to(tmp_path)
    linked = tmp_path / "link" / "h.%04d.exr"
    outputs = (tmp_path / "o.####.png", "--layers-to", linked) if beside else (linked,)
    done = reage(
        "run", plate, *outputs, *AGES, flag, f"{roto}:R", "--frames", "1001-1002", "--overwrite", "--json",
        "--track", baked / "shot.track.json",
    )  # fmt: skip
    assert done.code == 2 and done.json["error"]["code"] == "usage.output-is-input", done.err
    assert flag[2:].replace("-", " ") in done.json["error"]["message"]
    assert [(tmp_path / f"h.{frame}.exr").read_bytes() for frame in (1001, 1002)] == before


def test_layers_whose_file_nobody_named_replace_nothing_strange(reage, shots, tmp_path):
    photo = shots.write(tmp_path / "photo.exr", {1: shots.film()})
    shots.write(tmp_path / "precious.exr", {1: shots.film()})
    precious = (tmp_path / "precious.exr").read_bytes()
    command = ("run", photo, tmp_path / "precious.png", *AGES, "--device", "cpu", "--layers", "delta,mask")
    for more in ((), ("--dry-run",), ("--save-job", tmp_path / "j.json"), ("--layers-to", f"{tmp_path}/")):
        done = reage(*command, *more, "--json")
        assert done.code == 2 and done.json["error"]["code"] == "usage.foreign-file", done.err
        assert "--layers-to" in done.json["error"]["hint"]
    assert {path.name for path in tmp_path.iterdir()} == {"photo.exr", "precious.exr"}
    assert (tmp_path / "precious.exr").read_bytes() == precious
    assert reage(*command, "--layers-to", tmp_path / "precious.exr").code == 0, "a file that is named is meant"
    assert part_names(tmp_path / "precious.exr") == ("delta", "mask")


def test_layers_whose_file_nobody_named_lose_no_part(reage, shots, tmp_path):
    photo, layers = shots.write(tmp_path / "photo.exr", {1: shots.film()}), tmp_path / "older.exr"
    run = ("run", photo)
    common = (*AGES, "--device", "cpu", "--json")
    assert reage(*run, layers, *common, "--layers", "delta,mask,comp").code == 0
    before = layers.read_bytes()
    done = reage(*run, tmp_path / "older.tif", *common, "--layers", "delta,mask")
    assert done.code == 2 and "comp" in done.json["error"]["message"] and layers.read_bytes() == before
    assert reage(*run, tmp_path / "older.tif", *common, "--layers", "delta,mask,comp").code == 0
    done = reage(*run, tmp_path / "older.tif", *common, "--layers", "delta,mask", "--overwrite")
    assert done.code == 0 and part_names(layers) == ("delta", "mask"), done.err
    again = reage(*run, tmp_path / "older.tif", *common, "--layers", "delta,mask")
    assert [one["state"] for one in again.json["frames"]] == ["kept"]
