"""The flags for the artist's layers: what they write, and what they say when they cannot."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from nuke_reage.media.exr import read_layers

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


def test_a_ladder_beyond_what_the_model_has_learnt_is_warned_of(reage, plate, baked, tmp_path):
    done = reage(
        "run", plate, tmp_path / "o.####.exr", *AGES, "--frames", "1001", "--json", "--device", "cpu",
        "--ladder", "5,100", "--track", baked / "shot.track.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert any("age ladder runs from 5 to 100" in text for text in done.json["warnings"])
    assert {"ladder_005", "ladder_100"} <= set(read_layers(tmp_path / "o.1001.exr").parts)
