"""The artist's layers in real files: regions, protection, the ladder, region ages, painted ages, roto."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.adjust import PROTECTED, REGIONS
from nuke_reage.core.ages import OffsetCurve, RegionAges
from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, read_layers, write_layers
from nuke_reage.media.sequence import output_path
from nuke_reage.pipeline.bake import bake
from nuke_reage.pipeline.reporting import Silent

pytestmark = pytest.mark.xdist_group("shot_layers")

SIZE = Window(0, 0, 640, 360)
EVERYTHING = ("delta", "mask", "regions", "protect", "comp")
LADDER = (20.0, 45.0, 70.0, 72.5)


def stack(path: str | Path, part: str) -> np.ndarray:
    """A part, (h, w, channels)."""
    return np.stack(list(read_layers(path).parts[part].channels.values()), axis=-1)


def channel(path: str | Path, part: str, name: str) -> np.ndarray:
    return read_layers(path).parts[part].channels[name]


def write_map(
    pattern: str | Path, frames: list[int], picture: np.ndarray, name: str = "A", window: Window = SIZE
) -> str:
    for frame in frames:
        part = Part("map", {name: np.ascontiguousarray(picture, np.float32)}, window)
        write_layers(output_path(pattern, frame), [part], display_window=window)
    return str(pattern)


@pytest.fixture(scope="module")
def full(shots, plate, baked, tmp_path_factory) -> tuple[object, Path]:
    """The job with all on, and the folder of its bake of frames 1001 to 1003; only to be read."""
    folder = tmp_path_factory.mktemp("full")
    left = np.zeros(SIZE.shape, np.float32)
    left[:, :320] = 12.0
    ages = write_map(folder / "ages.####.exr", list(range(1001, 1007)), left, "years.Y")
    holdout = np.zeros(SIZE.shape, np.float32)
    holdout[200:] = 1.0
    job = shots.job(
        plate,
        folder / "o" / "shot.####.exr",
        layers=EVERYTHING,
        ladder=LADDER,
        region_age=RegionAges(forehead=OffsetCurve.parse("1001:-20;1003:-40"), jaw=OffsetCurve.parse("5")),
        age_map=f"{ages}:years.Y",
        age_map_soften=0.05,
        mask_refine=0.7,
        mask_neck=True,
        holdout=write_map(folder / "hold.exr", [1], holdout),
        track=str(baked / "shot.track.json"),
    )
    shots.bake(job, "1001-1003")
    return job, folder / "o"


def test_parts_come_in_order_with_their_channels_and_window(full):
    _, folder = full
    layers = read_layers(folder / "shot.1002.exr")
    steps = ["ladder_020", "ladder_045", "ladder_070", "ladder_072_5"]
    assert list(layers.parts) == ["delta", "mask", "regions", "protect", *steps, "comp"]
    assert set(layers.parts["regions"].channels) == {f"reage_region.{name}" for name in REGIONS}
    assert set(layers.parts["protect"].channels) == {f"reage_protect.{name}" for name in PROTECTED}
    assert set(layers.parts["ladder_072_5"].channels) == {
        f"reage_delta_072_5.{name}" for name in ("red", "green", "blue")
    }
    window = layers.parts["delta"].data_window
    assert all(layers.parts[name].data_window == window for name in layers.parts if name != "comp")
    assert all(kind == "half" for kind in layers.sample_types.values())
    values = {name: attribute.value for name, attribute in layers.metadata.items()}
    assert values["reage/ladder"] == "20,45,70,72.5"
    assert 60 < float(values["reage/face_size"]) < 200


def test_mattes_in_the_file_are_a_whole(full):
    _, folder = full
    path = folder / "shot.1001.exr"
    regions, protect, mask = stack(path, "regions"), stack(path, "protect"), stack(path, "mask")[..., 0]
    assert regions.min() >= 0 and regions.max() > 0.99 and protect.min() >= 0 and protect.max() <= 1
    np.testing.assert_allclose(regions.sum(axis=-1)[mask > 0.2], 1.0, atol=2e-3)
    assert (regions.sum(axis=-1) < 1.003).all()
    assert len([one for one in np.moveaxis(regions, -1, 0) if one.max() > 0.9]) == 8
    # The portrait smiles with open mouth and eyes.
    assert [float(one.max()) > 0.8 for one in np.moveaxis(protect, -1, 0)] == [True, True, True]


def test_a_step_of_the_ladder_is_the_bake_of_its_age(shots, plate, full, tmp_path):
    job, folder = full
    for age in LADDER:
        alone = replace(
            job,
            target_age=shots.job(plate, tmp_path / "x.####.exr", target_age=age).target_age,
            output=replace(job.output, path=str(tmp_path / f"{age:g}.####.exr"), layers=("delta",), ladder=()),
        )
        shots.bake(alone, "1002")
    steps = {age: stack(folder / "shot.1002.exr", f"ladder_{int(age):03d}{'_5' if age % 1 else ''}") for age in LADDER}
    for age, step in steps.items():
        exact = stack(tmp_path / f"{age:g}.1002.exr", "delta")
        assert np.array_equal(step, exact), age
        assert np.abs(step).max() > 0.01
    assert np.array_equal(steps[70.0], stack(folder / "shot.1002.exr", "delta")), "the target age itself"
    assert not np.array_equal(steps[70.0], steps[72.5])


def test_alone_in_a_chunk_and_in_the_shot_the_bytes_are_the_same(shots, full):
    job, folder = full
    whole = {path.name: path.read_bytes() for path in folder.glob("*.exr")}
    assert len(whole) == 3 == len(set(whole.values()))
    shots.bake(job, "1003", overwrite=True)
    shots.bake(replace(job, frames="1001-1002"), overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.glob("*.exr")} == whole
    assert {result.state for result in shots.bake(job, "1001-1003")} == {"kept"}


def test_a_region_age_changes_its_region_and_no_other(shots, plate, baked, tmp_path, monkeypatch):
    monkeypatch.delenv("REAGE_MODELS")  # on a smaller canvas a region's age spreads farther
    knobs = {"layers": ("delta", "mask", "regions"), "track": str(baked / "shot.track.json")}
    shots.bake(shots.job(plate, tmp_path / "a.####.exr", **knobs), "1002")
    younger = RegionAges(forehead=OffsetCurve.parse("-50"))
    shots.bake(shots.job(plate, tmp_path / "b.####.exr", region_age=younger, **knobs), "1002")
    plain, changed = (stack(tmp_path / f"{name}.1002.exr", "delta") for name in "ab")
    regions = np.stack([channel(tmp_path / "a.1002.exr", "regions", f"reage_region.{name}") for name in REGIONS], -1)
    change = np.abs(changed - plain).mean(axis=-1)
    names = ("forehead", "mouth", "jaw", "nose", "cheeks")
    within = {name: float(change[regions[..., REGIONS.index(name)] > 0.95].mean()) for name in names}
    assert within["forehead"] > 5 * max(within[name] for name in names[1:]), within
    # It is that of the age: the forehead alone is as young as the whole face would be.
    shots.bake(shots.job(plate, tmp_path / "c.####.exr", target_age=20, **knobs), "1002")
    young = stack(tmp_path / "c.1002.exr", "delta")
    centre = regions[..., REGIONS.index("forehead")] > 0.99
    assert np.abs(changed - young)[centre].mean() < 0.4 * np.abs(plain - young)[centre].mean()
    assert np.array_equal(channel(tmp_path / "a.1002.exr", "mask", "reage_mask.alpha"),
                          channel(tmp_path / "b.1002.exr", "mask", "reage_mask.alpha"))  # fmt: skip


def test_region_ages_are_keyframed(shots, plate, baked, tmp_path):
    keyed = RegionAges(jaw=OffsetCurve.parse("1001:0;1005:-40"))
    still = RegionAges(jaw=OffsetCurve.parse("-20"))
    knobs = {"layers": ("delta",), "track": str(baked / "shot.track.json")}
    shots.bake(shots.job(plate, tmp_path / "k.####.exr", region_age=keyed, **knobs), "1001,1003")
    shots.bake(shots.job(plate, tmp_path / "s.####.exr", region_age=still, **knobs), "1003")
    shots.bake(shots.job(plate, tmp_path / "n.####.exr", **knobs), "1001")
    assert np.array_equal(stack(tmp_path / "k.1003.exr", "delta"), stack(tmp_path / "s.1003.exr", "delta"))
    assert np.array_equal(stack(tmp_path / "k.1001.exr", "delta"), stack(tmp_path / "n.1001.exr", "delta"))


def test_painted_ages_count_where_they_are_painted(shots, plate, baked, tmp_path, monkeypatch):
    """An even offset is another target age; replacing counts where the map is above 0."""
    monkeypatch.delenv("REAGE_MODELS")  # on a smaller canvas a painted age spreads farther
    knobs = {"layers": ("delta", "mask"), "track": str(baked / "shot.track.json")}
    even = write_map(tmp_path / "even.exr", [1], np.full(SIZE.shape, -30.0), "Y")
    half = np.zeros(SIZE.shape, np.float32)
    half[:, :330] = 40.0
    split = write_map(tmp_path / "split.exr", [1], half, "R")
    cases = {
        "plain": {"target_age": 70},
        "forty": {"target_age": 40},
        "offset": {"target_age": 70, "age_map": even},
        "replace": {"target_age": 70, "age_map": split, "age_map_mode": "replace"},
        "soft": {"target_age": 70, "age_map": split, "age_map_mode": "replace", "age_map_soften": 0.3},
    }
    found = {}
    for name, settings in cases.items():
        shots.bake(shots.job(plate, tmp_path / f"{name}.####.exr", **knobs, **settings), "1001")
        found[name] = shots.spread(tmp_path / f"{name}.1001.exr", SIZE)
    mask = found["plain"]["mask"] > 0.9
    left, right = mask.copy(), mask.copy()
    left[:, 300:], right[:, :360] = False, False
    assert left.sum() > 500 and right.sum() > 500

    def away(one: str, other: str, where: np.ndarray) -> float:
        return float(np.abs(found[one]["delta"] - found[other]["delta"])[where].mean())

    assert away("offset", "forty", mask) < 0.02 * away("plain", "forty", mask)
    assert away("replace", "forty", left) < 0.25 * away("plain", "forty", left)
    assert away("replace", "plain", right) < 0.25 * away("plain", "forty", right)
    # Softened, the middle lies between both.
    assert away("soft", "replace", mask) > 0.05 * away("plain", "forty", mask)


def test_matte_and_holdout_shape_the_mask_and_nothing_else(shots, plate, baked, tmp_path):
    ramp = np.tile(np.linspace(0, 1, 640, dtype=np.float32), (360, 1))
    alpha = write_map(tmp_path / "roto.exr", [1], ramp)
    knobs = {"layers": EVERYTHING, "track": str(baked / "shot.track.json")}
    for name, settings in {"plain": {}, "matte": {"matte": alpha}, "hold": {"holdout": f"{alpha}:A"}}.items():
        shots.bake(shots.job(plate, tmp_path / f"{name}.####.exr", **knobs, **settings), "1001")
    plain, matte, hold = (tmp_path / f"{name}.1001.exr" for name in ("plain", "matte", "hold"))
    part = read_layers(plain).parts["mask"].data_window.slices_in(SIZE)
    mask = stack(plain, "mask")[..., 0]
    np.testing.assert_allclose(stack(matte, "mask")[..., 0], mask * ramp[part], atol=6e-4)
    np.testing.assert_allclose(stack(hold, "mask")[..., 0], mask * (1 - ramp[part]), atol=6e-4)
    assert mask.max() == 1
    for name in ("regions", "protect", "delta"):
        assert np.array_equal(stack(plain, name), stack(matte, name)), name
    # Nothing is added where the roto says no.
    comp, bare = stack(hold, "comp")[..., :3], stack(plain, "comp")[..., :3]
    assert not np.array_equal(comp, bare)


def test_what_the_maps_show_is_part_of_the_fingerprint(shots, plate, baked, tmp_path):
    frames = [1001, 1002]
    grey = np.full(SIZE.shape, 0.5, np.float32)
    roto = write_map(tmp_path / "roto.####.exr", frames, grey)
    knobs = {"layers": ("delta", "mask"), "track": str(baked / "shot.track.json"), "matte": roto}
    job = shots.job(plate, tmp_path / "o.####.exr", **knobs)

    def states(one) -> list[str]:
        return [result.state for result in shots.bake(one, "1001-1002")]

    assert states(job) == ["baked", "baked"] and states(job) == ["kept", "kept"]
    write_map(roto, [1002], grey * 0.5)
    assert states(job) == ["kept", "baked"]
    for changed in (
        replace(job, output=replace(job.output, ladder=(30.0,))),
        replace(job, region_age=RegionAges(nose=OffsetCurve.parse("3"))),
        replace(job, mask=replace(job.mask, refine=0.5)),
        replace(job, mask=replace(job.mask, hair=True)),
        replace(job, output=replace(job.output, layers=("delta", "mask", "protect"))),
    ):
        assert states(changed) == ["baked", "baked"]
    moved = write_map(tmp_path / "elsewhere.####.exr", frames, grey * 0.25)
    assert states(replace(job, mask=replace(job.mask, matte=moved))) == ["baked", "baked"]


def test_refinement_keeps_what_is_not_skin_out(shots, tmp_path, monkeypatch):
    """A dark bar across the face, as of glasses or hair, leaves the mask; the rest of it stays."""
    monkeypatch.delenv("REAGE_MODELS")  # skin is told from what is not on the model's canvas
    picture = shots.film()
    picture[150:158, 200:420] = 0.004
    pattern = shots.write(tmp_path / "p.####.exr", {1001: picture})
    masks = {}
    for refine in (0.0, 1.0):
        output = tmp_path / f"{refine:g}.####.exr"
        shots.bake(shots.job(pattern, output, layers=("mask",), mask_refine=refine))
        layers = read_layers(tmp_path / f"{refine:g}.1001.exr")
        masks[refine] = np.zeros(SIZE.shape, np.float32)
        masks[refine][layers.parts["mask"].data_window.slices_in(SIZE)] = layers.parts["mask"].channels[
            "reage_mask.alpha"
        ]
    bar = masks[0.0][152:156] > 0.9
    assert bar.sum() > 200
    assert masks[1.0][152:156][bar].mean() < 0.4
    assert (masks[1.0] <= masks[0.0]).all()
    assert masks[1.0].sum() > 0.75 * masks[0.0].sum()


def test_a_mask_that_reaches_past_the_networks_picture_runs_out_softly(shots, tmp_path):
    """The neck goes on below what the network sees: there the delta ends, and nobody must see where."""
    pattern = shots.write(tmp_path / "p.####.exr", {1001: shots.film(side=620, centre=(222, 200))})
    sizes = {}
    for neck in (False, True):
        output = tmp_path / f"{neck}.####.exr"
        shots.bake(shots.job(pattern, output, layers=("delta", "mask"), mask_neck=neck))
        mask = channel(tmp_path / f"{neck}.1001.exr", "mask", "reage_mask.alpha")
        delta = stack(tmp_path / f"{neck}.1001.exr", "delta")
        sizes[neck] = (mask > 0.5).sum()
        unseen = (delta == 0).all(axis=2)
        assert mask[unseen].max() < 0.05, "the mask ends where the delta does"
        assert np.abs(np.diff(mask, axis=0)).max() < 0.35, "softly"
    assert sizes[True] > 1.05 * sizes[False]


def test_a_frame_without_a_face_has_all_parts_black(shots, plate, tmp_path):
    pictures = {**shots.move(4), **{frame: np.full((360, 640, 3), 0.2, np.float32) for frame in range(1005, 1008)}}
    pattern = shots.write(tmp_path / "p.####.exr", pictures)
    job = shots.job(pattern, tmp_path / "o.####.exr", layers=EVERYTHING, ladder=(20.0, 80.0), max_gap=0)
    assert [result.state for result in shots.bake(job)] == ["baked"] * 4 + ["no-face"] * 3
    with_face, without = read_layers(tmp_path / "o.1001.exr"), read_layers(tmp_path / "o.1006.exr")
    assert list(with_face.parts) == list(without.parts)
    for name, part in without.parts.items():
        assert set(part.channels) == set(with_face.parts[name].channels)
        if name != "comp":
            assert part.data_window == Window(0, 0, 1, 1)
            assert not any(pixels.any() for pixels in part.channels.values())
    assert without.metadata["reage/face_size"].value == "0.000"


class Listener(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_ages_that_the_model_has_not_learnt_are_warned_of_and_made(shots, plate, baked, tmp_path):
    listener = Listener()
    job = shots.job(
        plate,
        tmp_path / "o.####.exr",
        layers=("delta",),
        ladder=(5.0, 110.0),
        region_age=RegionAges(eyes=OffsetCurve.parse("+45")),
        track=str(baked / "shot.track.json"),
    )
    (result,) = bake(shots.open(job, "1001", reporter=listener), listener)
    assert result.state == "baked"
    assert any("age ladder runs from 5 to 110" in text for text in listener.warnings)
    assert any("target age of the eyes" in text and "115" in text for text in listener.warnings)
    assert np.abs(stack(result.path, "ladder_110")).max() > 0


def test_maps_that_do_not_fit_are_errors_before_anything_is_done(shots, plate, baked, tmp_path):
    grey = np.full(SIZE.shape, 0.5, np.float32)
    few = write_map(tmp_path / "few.####.exr", [1001, 1002], grey)
    small = write_map(tmp_path / "small.exr", [1], grey[:100, :100], "A", Window(0, 0, 100, 100))
    for settings, code in (
        ({"matte": few}, "media.missing-map-frame"),
        ({"holdout": small}, "media.map-size"),
        ({"age_map": f"{few}:paint.R"}, "media.missing-map-frame"),
        ({"age_map": str(tmp_path / "none.exr")}, "media.missing-file"),
        ({"matte": f"{small}:paint.R"}, "media.unknown-channel"),
        ({"matte": str(tmp_path / "m.mov")}, "media.map-is-movie"),
        ({"matte": str(tmp_path)}, "media.is-folder"),
    ):
        with pytest.raises(MediaError) as caught:
            shots.open(shots.job(plate, tmp_path / "out" / "o.####.exr", **settings))
        assert caught.value.code == code and caught.value.hint, settings
    with pytest.raises(UsageError) as wrong:
        shots.open(shots.job(plate, tmp_path / "out" / "o.####.png", ladder=(20.0, 30.0)))
    assert wrong.value.code == "usage.ladder-needs-exr" and wrong.value.hint
    assert not (tmp_path / "out").exists()
    # The frames that a short map has can be had.
    job = shots.job(plate, tmp_path / "out" / "o.####.exr", matte=few, track=str(baked / "shot.track.json"))
    assert [result.state for result in shots.bake(job, "1001-1002")] == ["baked", "baked"]


def test_a_map_of_another_size_midway_costs_no_frame_before_it(shots, plate, baked, tmp_path):
    grey = np.full(SIZE.shape, 0.5, np.float32)
    roto = write_map(tmp_path / "m.####.exr", [1001, 1002, 1003], grey)
    write_map(roto, [1003], grey[:50], "A", Window(0, 0, 640, 50))
    job = shots.job(plate, tmp_path / "o.####.exr", matte=roto, track=str(baked / "shot.track.json"))
    with pytest.raises(MediaError) as caught:
        shots.bake(job, "1001-1003")
    assert caught.value.code == "media.map-size" and "1003" in caught.value.message
    assert sorted(path.name for path in tmp_path.glob("o.*.exr")) == ["o.1001.exr", "o.1002.exr"]
