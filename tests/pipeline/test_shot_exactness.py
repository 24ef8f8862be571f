"""What is not to change does not change: outside the mask, at gain 0, between chunks, orders and runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import read_layers, read_plate
from nuke_reage.pipeline.bake import bake
from nuke_reage.pipeline.finished import finished_picture

HALF_STEP = 2.0**-11
"""Largest relative rounding of half float."""


def bits(array: np.ndarray) -> np.ndarray:
    """The bit patterns: NaN equals itself, and -0 is not +0."""
    return np.ascontiguousarray(array, np.float32).view(np.uint32)


def plant(picture: np.ndarray) -> np.ndarray:
    """Put broken, negative and very bright values into a picture: in the corners, and across the face."""
    picture = picture.copy()
    values = (np.nan, np.inf, -np.inf, -3.0, 12000.0, 60000.0, -0.0, 6e-8)
    for row, column in ((0, 0), (5, 600), (340, 30), (150, 250), (180, 330), (200, 290)):
        for index, value in enumerate(values):
            picture[row, column + index] = value
    return picture


@pytest.mark.parametrize("sample_type", ["half", "float"])
def test_outside_the_mask_the_comp_is_the_plate_bit_for_bit(shots, tmp_path, sample_type):
    picture = plant(shots.film())
    if sample_type == "float":
        picture[2, 2] = 123456.7  # beyond half
    pattern = shots.write_raw(tmp_path / "p.####.exr", {1: picture}, sample_type=sample_type)
    (result,) = shots.bake(shots.job(pattern, tmp_path / "out.####.exr", input_colorspace="lin_rec709"))
    assert result.state == "baked"

    plate = read_plate(tmp_path / "p.0001.exr")
    layers = read_layers(tmp_path / "out.0001.exr")
    comp = np.stack([layers.parts["comp"].channels[name] for name in "RGB"], axis=-1)
    assert layers.sample_types["comp"] == sample_type
    assert layers.parts["comp"].data_window == plate.data_window

    mask = np.zeros(plate.data_window.shape, np.float32)
    mask[layers.parts["mask"].data_window.slices_in(plate.data_window)] = layers.parts["mask"].channels[
        "reage_mask.alpha"
    ]
    broken = ~np.isfinite(plate.rgb)
    assert broken[mask > 0].any(), "broken values lie in the face too"
    assert (~broken & (mask > 0)[..., None]).sum() > 10_000
    assert np.array_equal(bits(comp)[mask == 0], bits(plate.rgb)[mask == 0])
    assert np.array_equal(bits(comp)[broken], bits(plate.rgb)[broken])
    changed = (bits(comp) != bits(plate.rgb)).any(axis=-1)
    assert changed[mask > 0.5].mean() > 0.95, "and inside the mask it is another picture"

    delta = np.stack(list(layers.parts["delta"].channels.values()), axis=-1)
    assert np.isfinite(delta).all()
    inside = broken[layers.parts["delta"].data_window.slices_in(plate.data_window)]
    assert (delta[inside] == 0).all(), "a broken pixel gets no light"


def test_comp_is_plate_plus_mask_times_delta_to_half_rounding(shots, plate, baked):
    for frame in (1001, 1004):
        picture = read_plate(plate.replace("####", str(frame)))
        layers = read_layers(baked / f"shot.{frame}.exr")
        assert list(layers.parts) == ["delta", "mask", "comp"]
        window = layers.parts["delta"].data_window
        found = shots.layers(baked / f"shot.{frame}.exr")
        part = window.slices_in(picture.data_window)
        product = found["mask"][..., None].astype(np.float64) * found["delta"]
        expected = picture.rgb[part] + product
        # Each of delta, mask and comp has been rounded once.
        allowed = HALF_STEP * (np.abs(expected) + 2.01 * np.abs(product)) + 1e-7
        assert (np.abs(found["comp"][part] - expected) <= allowed).all()
        assert np.abs(product).max() > 0.05, "the delta is no mere rounding"
        assert found["mask"].min() >= 0 and found["mask"].max() == 1.0


def test_the_bundled_network_does_something_plausible_to_a_face(shots, plate, baked, tmp_path, monkeypatch):
    """Old skin is not the plate with another brightness: the change has detail, and lies in the face."""
    monkeypatch.delenv("REAGE_MODELS")
    (made,) = shots.bake(shots.job(plate, tmp_path / "o.####.exr", track=str(baked / "shot.track.json")), "1003")
    delta, mask = (shots.layers(made.path)[name] for name in ("delta", "mask"))
    luma = delta.mean(axis=-1)[mask > 0.5]
    picture = read_plate(plate.replace("####", "1003"))
    skin = picture.rgb[read_layers(made.path).parts["delta"].data_window.slices_in(picture.data_window)]
    assert 0.02 < np.abs(luma).mean() / skin[mask > 0.5].mean() < 0.5
    assert luma.std() > np.abs(luma.mean()), "local change outweighs the change of level"


def test_equal_ages_change_next_to_nothing(shots, plate, baked, tmp_path):
    means = {}
    track = str(baked / "shot.track.json")
    for source, target in ((38, 38), (60, 60), (20, 80)):
        output = tmp_path / f"{source}-{target}.####.exr"
        job = shots.job(plate, output, source_age=source, target_age=target, track=track)
        (result,) = shots.bake(job, "1002")
        means[source, target] = result.mean_delta
    assert means[20, 80] > 0.01
    assert means[38, 38] < 0.03 * means[20, 80], means
    assert means[60, 60] < 0.03 * means[20, 80], means


def test_gain_scales_the_comp_and_gain_zero_is_the_plate(shots, plate, baked, tmp_path):
    frame = read_plate(plate.replace("####", "1002"))
    track = str(baked / "shot.track.json")
    pictures = {}
    for gain in (0.0, 0.5, 1.0, -1.0):
        job = shots.job(plate, tmp_path / f"{gain}.####.exr", gain=gain, layers=("comp",), track=track)
        shots.bake(job, "1002")
        pictures[gain] = shots.layers(tmp_path / f"{gain}.1002.exr")["comp"]
    assert np.array_equal(bits(pictures[0.0]), bits(frame.rgb))
    full, half = (pictures[gain] - frame.rgb for gain in (1.0, 0.5))
    assert np.abs(full).max() > 0.05
    assert np.abs(half - full / 2).max() <= 2 * HALF_STEP * np.abs(frame.rgb).max()
    mirrored = pictures[-1.0] + pictures[1.0] - 2 * frame.rgb
    assert np.abs(mirrored).max() <= 4 * HALF_STEP * np.abs(frame.rgb).max()


def test_a_frame_alone_in_a_chunk_and_in_the_shot_is_the_same_file(shots, plate, baked, tmp_path):
    """Not only the pixels: also the header, so that a farm's chunks cannot be told from a run on one machine."""
    for frames in ("1005", "1002-1003", "1001,1006"):
        folder = tmp_path / frames
        # The same output name: it is part of the job that the header names.
        job = shots.job(plate, baked / "shot.####.exr", track=str(baked / "shot.track.json"))
        shot = shots.open(job, frames)
        target = replace(shot.job.output, path=str(folder / "shot.####.exr"))
        for result in bake(replace(shot, job=replace(shot.job, output=target))):
            alone, whole = result.path, baked / result.path.name
            ours, theirs = read_layers(alone), read_layers(whole)
            for name, part in theirs.parts.items():
                assert part.data_window == ours.parts[name].data_window
                for channel, pixels in part.channels.items():
                    assert np.array_equal(bits(pixels), bits(ours.parts[name].channels[channel])), (frames, channel)
            assert ours.metadata["reage/fingerprint"].value == theirs.metadata["reage/fingerprint"].value


def test_chunks_of_one_job_give_byte_equal_files(shots, plate, baked, tmp_path):
    track = str(baked / "shot.track.json")
    job = shots.job(plate, tmp_path / "shot.####.exr", layers=("delta", "mask"), track=track)
    shots.bake(job, "1001-1003")
    whole = {path.name: path.read_bytes() for path in tmp_path.glob("*.exr")}
    assert len(whole) == 3
    shots.bake(job, "1001,1003", overwrite=True)
    shots.bake(replace(job, frames="1002"), overwrite=True)
    again = {path.name: path.read_bytes() for path in tmp_path.glob("*.exr")}
    assert again == whole
    assert len(set(whole.values())) == 3, "three different frames"


def test_the_order_of_the_frames_does_not_matter(shots, plate, baked, tmp_path):
    shot = shots.open(shots.job(plate, tmp_path / "b.####.exr", track=str(baked / "shot.track.json")))
    backwards = replace(shot, frames=(1005, 1001, 1003))
    results = bake(backwards)
    assert [result.frame for result in results] == [1005, 1001, 1003]
    for result in results:
        ours, theirs = shots.layers(result.path), shots.layers(baked / f"shot.{result.frame}.exr")
        for name, pixels in theirs.items():
            assert np.array_equal(bits(ours[name]), bits(pixels)), (result.frame, name)


def test_another_network_in_between_does_not_matter(shots, plate, baked, tmp_path):
    """A worker that has baked another job, with another reach of the mask, gives the same pixels afterwards."""
    other = shots.job(plate, tmp_path / "o.####.exr", mask_expand=0.2, target_age=20)
    shots.bake(other, "1006")
    shots.bake(shots.job(plate, tmp_path / "a.####.exr", track=str(baked / "shot.track.json")), "1002")
    ours, theirs = shots.layers(tmp_path / "a.1002.exr"), shots.layers(baked / "shot.1002.exr")
    assert all(np.array_equal(bits(ours[name]), bits(theirs[name])) for name in theirs)


def test_the_plate_and_its_headers_travel_along(shots, tmp_path):
    pattern = shots.write(
        tmp_path / "p.####.exr", {7: shots.film()}, metadata={"owner": "someone", "capDate": "2024:01:02 03:04:05"}
    )
    before = Path(tmp_path / "p.0007.exr").read_bytes()
    shots.bake(shots.job(pattern, tmp_path / "o.####.exr", source_age="7:30,9:40", target_age=61))
    layers = read_layers(tmp_path / "o.0007.exr")
    values = {name: attribute.value for name, attribute in layers.metadata.items()}
    assert values["Copyright"] == "someone" or values.get("owner") == "someone"
    assert values["reage/source_age"] == "30" and values["reage/target_age"] == "61"
    assert values["reage/model"] == "fran-lite" and len(values["reage/model_sha256"]) == 64
    assert Path(tmp_path / "p.0007.exr").read_bytes() == before


def test_ages_between_keys_give_pictures_in_between(shots, plate, baked, tmp_path):
    """Keyframed ages: each frame is that of its own age, and a later key means more change."""
    knobs = {"layers": ("delta", "mask"), "track": str(baked / "shot.track.json")}
    keyed = shots.job(plate, tmp_path / "k.####.exr", target_age="1001:35,1006:85", **knobs)
    shots.bake(keyed, "1001,1004,1006")
    alone = shots.job(plate, tmp_path / "a.####.exr", target_age=65, **knobs)
    shots.bake(alone, "1004")
    ours, theirs = shots.layers(tmp_path / "k.1004.exr"), shots.layers(tmp_path / "a.1004.exr")
    assert np.array_equal(bits(ours["delta"]), bits(theirs["delta"])), "1004 is at 35 + 3/5 of 50 years"
    window = Window(0, 0, 640, 360)
    amounts = []
    for frame in (1001, 1004, 1006):
        found = shots.spread(tmp_path / f"k.{frame}.exr", window)
        amounts.append(float((np.abs(found["delta"]) * found["mask"][..., None]).sum()))
    assert all(later > earlier for earlier, later in pairwise(amounts)), amounts


def test_a_picture_without_layers_is_the_plate(shots):
    from nuke_reage.core.adjust import AdjustSettings
    from nuke_reage.imaging.gamut import WorkingSpace
    from nuke_reage.media.plate import Plate

    rgb = plant(shots.film())
    window = Window.of_shape(rgb.shape)
    picture = Plate(rgb, window, window, 1.0, {}, {}, "half")
    assert finished_picture(picture, None, AdjustSettings(gain=2.0), WorkingSpace.linear_rec709()) is picture
