"""Drawn lines of age in a bake: sharp, in the delta, inside the mask, and only where the model asks for them."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from nuke_reage.core.settings import ModelSettings
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.models.registry import Registry
from nuke_reage.pipeline.frame import NOTHING_MORE, FrameExtras, reage_frame

pytestmark = pytest.mark.usefixtures("bundled_models")


@pytest.fixture(scope="module")
def frame_of(shots, plate, baked, tmp_path_factory):
    """Layers of one frame: gain on lines, ages, plate exposure."""
    job = shots.job(plate, tmp_path_factory.mktemp("lines") / "o.####.exr", track=str(baked / "shot.track.json"))
    shot = shots.open(job)
    picture = shot.source.read(1003)

    def made(lines: float, source: float = 35, target: float = 75, extras: FrameExtras = NOTHING_MORE):
        return reage_frame(
            picture, shot.face_at(1003), shot.canvas, source, target, shot.predictor, shot.encoding, shot.job.mask,
            ModelSettings(lines=lines), extras,
        )  # fmt: skip

    return made, picture


def detail(delta: np.ndarray) -> np.ndarray:
    luminance = delta @ np.float32([0.2126, 0.7152, 0.0722])
    return luminance - cv2.GaussianBlur(luminance, (0, 0), 2.0)


def test_lines_darken_skin_sharply_and_stay_inside_the_mask(frame_of):
    made, _ = frame_of
    without, usual, strong = (made(gain) for gain in (0.0, 1.0, 2.0))
    assert np.array_equal(without.mask, usual.mask)
    lines = usual.delta - without.delta
    inside = usual.mask > 0.5
    assert lines[inside].mean() < 0 and lines.min() < -0.05
    assert not lines[usual.mask == 0].any()
    # The plate is an enlarged photograph, and lines are as soft as it is.
    assert detail(usual.delta)[inside].std() > 1.03 * detail(without.delta)[inside].std(), "what a network leaves out"
    assert np.abs(strong.delta - without.delta).sum() > 1.5 * np.abs(lines).sum()


@pytest.mark.parametrize(("source", "target"), [(60, 25), (50, 50)])
def test_nobody_who_grows_young_gets_lines(frame_of, source, target):
    made, _ = frame_of
    assert np.array_equal(made(0.0, source, target).delta, made(3.0, source, target).delta)


def test_lines_follow_the_ages_of_regions(frame_of):
    made, _ = frame_of
    young = FrameExtras(region_years={"forehead": -40.0}, regions=True)
    lines = made(1.0).delta - made(0.0).delta
    kept = made(1.0, extras=young).delta - made(0.0, extras=young).delta
    mattes = made(1.0, extras=young).regions
    forehead, cheeks = (mattes[..., index] > 0.9 for index in (0, 4))
    assert np.abs(kept[forehead]).sum() < 0.1 * np.abs(lines[forehead]).sum()
    assert np.abs(kept[cheeks]).sum() > 0.8 * np.abs(lines[cheeks]).sum() > 0


def test_a_model_that_draws_its_own_gets_none(shots, plate, baked, tmp_path):
    lite = Registry.from_environment().get("fran-lite")
    assert lite.lines > 0.0 and Registry.from_environment().get("fran").lines == 0.0
    own = replace(lite, name="own", lines=0.0).to_dict()
    (tmp_path / "own.json").write_text(json.dumps(own), encoding="utf-8")
    (tmp_path / own["weights_file"]).write_bytes(lite.require_weights().read_bytes())
    track = str(baked / "shot.track.json")

    def bake(name: str, **knobs: object) -> np.ndarray:
        job = shots.job(plate, tmp_path / name / "o.####.exr", track=track, **knobs)
        shots.bake(job, "1003")
        return shots.layers(tmp_path / name / "o.1003.exr")["delta"]

    plain = bake("plain", model=str(tmp_path / "own.json"))
    assert np.array_equal(plain, bake("gain", model=str(tmp_path / "own.json"), lines=3.0))
    assert np.array_equal(plain, bake("off", lines=0.0))
    assert not np.array_equal(plain, bake("on"))


def test_another_gain_on_lines_bakes_again(shots, plate, baked, tmp_path):
    track = str(baked / "shot.track.json")
    jobs = [shots.job(plate, tmp_path / "o.####.exr", track=track, lines=gain) for gain in (1.0, 1.0, 0.5)]
    assert [shots.bake(job, "1003")[0].state for job in jobs] == ["baked", "kept", "baked"]


@pytest.fixture(scope="module")
def shade_models(tmp_path_factory):
    """The bundled model with the network's own hue of shadows, and with that of skin."""
    folder = tmp_path_factory.mktemp("shades")
    lite = Registry.from_environment().get("fran-lite")
    (folder / lite.weights_file).write_bytes(lite.require_weights().read_bytes())
    for name, shade in (("own", 0.0), ("skin", 0.6)):
        described = replace(lite, name=name, lines=0.0, shade=shade).to_dict()
        (folder / f"{name}.json").write_text(json.dumps(described), encoding="utf-8")
    return {name: str(folder / f"{name}.json") for name in ("own", "skin")}


def test_shadows_on_skin_take_its_hue_and_stay_as_dark(shots, plate, baked, tmp_path, shade_models):
    track = str(baked / "shot.track.json")
    layers, states = {}, []
    for name, model in shade_models.items():
        job = shots.job(plate, tmp_path / "o.####.exr", track=track, model=model, source_age="35", target_age="75")
        states.append(shots.bake(job, "1003")[0].state)
        layers[name] = shots.layers(tmp_path / "o.1003.exr")
    assert states == ["baked", "baked"], "a model of another shade is another model"
    own, skin = (layers[name]["delta"].astype(np.float64) for name in ("own", "skin"))
    inside = layers["own"]["mask"] > 0.9
    assert np.array_equal(layers["own"]["mask"], layers["skin"]["mask"])
    luminance = np.array(WorkingSpace.from_name("ACEScg").luma_weights)
    hue, light = np.abs(skin - own)[inside].mean(), np.abs((skin - own) @ luminance)[inside].mean()
    assert hue > 0.01 * np.abs(own)[inside].mean() and light < 0.1 * hue


def test_shade_is_turned_down_by_hand(shots, plate, baked, tmp_path, shade_models):
    track, deltas, states = str(baked / "shot.track.json"), {}, []
    for model, gain in (("own", 1.0), ("skin", 1.0), ("skin", 0.5), ("skin", 0.0)):
        job = shots.job(
            plate, tmp_path / "o.####.exr", track=track, model=shade_models[model], shade=gain, source_age="35",
            target_age="75",
        )  # fmt: skip
        states.append(shots.bake(job, "1003")[0].state)
        deltas[model, gain] = shots.layers(tmp_path / "o.1003.exr")["delta"].astype(np.float64)
    assert states == ["baked"] * 4
    own = deltas["own", 1.0]
    assert np.array_equal(own, deltas["skin", 0.0])
    full, half = (np.abs(deltas["skin", gain] - own).sum() for gain in (1.0, 0.5))
    assert 0.4 * full < half < 0.6 * full
