"""The shipped gizmos, run from their text on real layer files, give what ``imaging.adjust`` gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.node import LADDER_SLOTS, OUTPUTS
from nuke_reage.imaging.geometry import Window
from nuke_text.bakes import FACE_PX, WEIGHTS, adjustments, bake, knobs_of, plate_image, reference
from nuke_text.render import Renderer, render
from nuke_text.script import parse, read_script

GIZMOS = Path(__file__).resolve().parents[2] / "gizmos"
REAGE, APPLY = (read_script(GIZMOS / f"{name}.gizmo") for name in ("ReAge", "ReAgeApply"))
DISPLAY = Window(0, 0, 72, 48)
ALL_SET = AdjustSettings(
    0.8, 1.4, 0.7, 0.06, 1.2, 0.6, 1.5, 0.9, RegionGains(jaw=3.0, eyes=0.2), Protection(lips=0.7), -0.07, 0.2, 1.6
)
WINDOWS = {
    "inside": (DISPLAY, Window(20, 8, 52, 40)),
    "cut by the frame": (DISPLAY, Window(40, 0, 72, 30)),
    "overscan": (Window(-6, -4, 78, 52), Window(-2, 6, 30, 44)),
    "the whole frame": (DISPLAY, DISPLAY),
}
COMMON = {"face_size": FACE_PX, "luma_weights": WEIGHTS}


def rgb_of(image):
    return np.stack([image.get(f"rgba.{name}", image.box) for name in ("red", "green", "blue")], axis=-1)


def close(found, expected, *, scale=1.0):
    """Equal to the rounding of half float, of values about as large as ``scale``."""
    np.testing.assert_allclose(found, expected, rtol=2**-11, atol=2**-11 * scale)


@pytest.fixture(scope="module")
def bakes(tmp_path_factory):
    made = {}
    for name, (box, window) in WINDOWS.items():
        for aspect in (1.0, 2.0):
            folder = tmp_path_factory.mktemp("bake")
            made[name, aspect] = bake(folder, plate_image(box, DISPLAY, aspect), window, ages=(20, 30, 40, 50))
    # A function, for what a failure prints of its arguments is to be short.
    return lambda place, aspect: made[place, aspect]


def reage(made, frame=1001, roto=None, **knobs):
    inputs = {0: made.plate} | ({1: roto} if roto is not None else {})
    first = {"layers_file": made.pattern, "first_frame": 1001, "last_frame": 1001}
    return render(REAGE, inputs, {**first, **COMMON, **knobs}, frame)


@pytest.mark.parametrize("place", WINDOWS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(adjust=adjustments(), aspect=st.sampled_from([1.0, 2.0]))
@example(adjust=AdjustSettings(), aspect=1.0)
@example(adjust=ALL_SET, aspect=2.0)
@example(adjust=replace(ALL_SET, mask_dilate=0.12), aspect=1.0)
@example(adjust=AdjustSettings(mask_dilate=-0.375, mask_blur=0.25, mask_gamma=3.0), aspect=1.0)
@example(adjust=AdjustSettings(mask_dilate=-0.5, mask_blur=0.5, mask_gamma=10.0), aspect=2.0)
def test_every_output_is_that_of_the_reference(bakes, place, adjust, aspect):
    made = bakes(place, aspect)
    expected = reference(made, adjust)
    scale = max(1.0, float(np.abs(expected.added).max()))
    shown = {name: reage(made, output=name, **knobs_of(adjust)) for name in OUTPUTS}
    for image in shown.values():
        assert image.box == made.plate.box and image.format == DISPLAY
    close(rgb_of(shown["comp"]), expected.comp, scale=scale)
    close(rgb_of(shown["delta"]), expected.added, scale=scale)
    close(shown["delta"].channels["rgba.alpha"], expected.mask)
    close(rgb_of(shown["mask"]), np.repeat(expected.mask[..., None], 3, axis=2))
    assert np.array_equal(rgb_of(shown["plate + layers"]), rgb_of(made.plate))
    assert np.array_equal(shown["comp"].channels["rgba.alpha"], made.plate.channels["rgba.alpha"])
    if adjust.gain and adjust.is_plain:
        assert np.abs(expected.comp - rgb_of(made.plate)).max() > 0.01, "a test of nothing"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(age=st.one_of(st.sampled_from([20.0, 30.0, 35.0, 50.0]), st.floats(0, 120)), adjust=adjustments())
@example(age=43.0, adjust=AdjustSettings())
def test_in_ladder_mode_the_age_is_live_between_the_baked_ones(bakes, age, adjust):
    made = bakes("inside", 1.0)
    ladder = {"mode": "ladder", "ladder_first": 20.0, "ladder_last": 50.0, "ladder_step": 10.0, "target_age": age}
    held = min(max(age, 20.0), 50.0)
    below = min(int((held - 20) // 10), 2)
    share = np.float32((held - 20) / 10 - below)
    steps = [made.stored[f"ladder_0{name}"] for name in (20, 30, 40, 50)]
    expected = reference(made, adjust, steps[below] * (1 - share) + steps[below + 1] * share)
    shown = reage(made, **ladder, **knobs_of(adjust))
    close(rgb_of(shown), expected.comp, scale=max(1.0, float(np.abs(expected.added).max())))


def test_every_slot_of_the_ladder_shows_its_own_age(tmp_path):
    made = bake(tmp_path, plate_image(DISPLAY, DISPLAY), Window(20, 8, 52, 40), ages=LADDER_SLOTS)
    ladder = {"mode": "ladder", "ladder_first": 5.0, "ladder_last": 100.0, "ladder_step": 5.0}
    for age in LADDER_SLOTS:
        shown = reage(made, target_age=float(age), **ladder)
        close(rgb_of(shown), reference(made, AdjustSettings(), made.stored[f"ladder_{age:03d}"]).comp)


def test_the_layers_are_on_the_stream_as_they_were_baked(bakes):
    made = bakes("inside", 1.0)
    shown = reage(made, **knobs_of(ALL_SET))
    for layer, part, names in (
        ("reage_delta", "delta", ("red", "green", "blue")),
        ("reage_mask", "mask", ("alpha",)),
        ("reage_region", "regions", REAGE.layers["reage_region"]),
        ("reage_protect", "protect", REAGE.layers["reage_protect"]),
    ):
        for index, name in enumerate(names):
            channel = shown.channels[f"{layer}.{name.removeprefix(f'{layer}.')}"]
            assert np.array_equal(channel[made.window.slices_in(made.plate.box)], made.stored[part][..., index])
            assert channel.sum() == pytest.approx(float(made.stored[part][..., index].sum()), abs=1e-3)


@pytest.mark.parametrize("knobs", [{}, {"layers_file": "/nowhere/bake.%04d.exr"}], ids=["fresh", "another frame"])
def test_before_a_bake_and_beyond_its_frames_the_plate_goes_through(bakes, knobs):
    plate = bakes("inside", 1.0).plate
    for output in OUTPUTS:
        renderer = Renderer(REAGE, {0: plate}, {"output": output, **knobs}, 1001, "main")
        image = renderer.node(REAGE.nodes["Output1"])
        assert "Layers" not in renderer.computed
        if output in OUTPUTS[:2]:
            assert image is plate
        else:
            assert all(not image.channels[f"rgba.{name}"].any() for name in ("red", "green", "blue", "alpha"))


def test_between_baked_frames_the_plate_goes_through_and_no_file_is_asked_for(bakes):
    made = bakes("inside", 1.0)
    for is_baked, frame in ((0.0, 1002), (0.5, 1001)):
        image = reage(made, frame=frame, last_frame=1005, is_baked=is_baked)
        assert np.array_equal(rgb_of(image), rgb_of(made.plate))
    assert not np.array_equal(rgb_of(reage(made, last_frame=1005, is_baked=1.0)), rgb_of(made.plate))


def test_a_frame_that_is_missing_within_the_bake_is_an_error(bakes):
    with pytest.raises(FileNotFoundError, match=r"bake\.1002\.exr"):
        reage(bakes("inside", 1.0), frame=1002, last_frame=1005)


def test_broken_pixels_stay_and_stay_alone(bakes):
    made = bakes("inside", 1.0)
    channels = {name: one.copy() for name, one in made.plate.channels.items()}
    channels["rgba.red"][24, 36], channels["rgba.green"][20, 30], channels["rgba.blue"][2, 2] = np.nan, np.inf, -np.inf
    broken = replace(made, plate=replace(made.plate, channels=channels))
    out, sound = rgb_of(reage(broken, **knobs_of(ALL_SET))), rgb_of(reage(made, **knobs_of(ALL_SET)))
    assert np.isnan(out[24, 36, 0]) and out[20, 30, 1] == np.inf and out[2, 2, 2] == -np.inf
    whole = np.isfinite(out)
    assert (~whole).sum() == 3 and np.array_equal(out[whole], sound[whole])


def test_outside_the_mask_the_plate_is_bit_for_bit_itself(bakes):
    made = bakes("inside", 1.0)
    plate = rgb_of(made.plate)
    outside = reference(made, ALL_SET).mask == 0
    assert outside.sum() > 1000
    out = rgb_of(reage(made, **knobs_of(ALL_SET)))
    assert np.array_equal(out[outside].view(np.uint32), plate[outside].view(np.uint32))
    off = rgb_of(reage(made, **knobs_of(replace(ALL_SET, gain=0.0))))
    assert np.array_equal(off, plate)


def test_a_roto_multiplies_the_mask(bakes):
    made = bakes("inside", 1.0)
    roto = plate_image(DISPLAY, DISPLAY, seed=9)
    expected = reference(made, ALL_SET, roto=roto.channels["rgba.alpha"])
    close(rgb_of(reage(made, roto=roto, **knobs_of(ALL_SET))), expected.comp)


def test_layers_without_mattes_are_whole(tmp_path):
    """A bake of delta and mask alone: region gains and protection find nothing to act on."""
    made = bake(tmp_path, plate_image(DISPLAY, DISPLAY), Window(20, 8, 52, 40), mattes=False)
    adjust = replace(ALL_SET, protect=Protection(1, 1, 1))
    close(rgb_of(reage(made, **knobs_of(adjust))), reference(made, adjust).comp)


def test_the_files_of_each_view_are_read(tmp_path):
    for view, seed in (("left", 5), ("right", 6)):
        (tmp_path / view).mkdir()
        bake(tmp_path / view, plate_image(DISPLAY, DISPLAY), Window(20, 8, 52, 40), seed=seed)
    knobs = {"layers_file": f"{tmp_path}/%V/bake.####.exr", "first_frame": 1001, "last_frame": 1001, **COMMON}
    plate = plate_image(DISPLAY, DISPLAY)
    left, right = (rgb_of(render(REAGE, {0: plate}, knobs, 1001, view)) for view in ("left", "right"))
    assert np.abs(left - right).max() > 0.1


def test_only_what_is_set_is_computed(bakes):
    made = bakes("inside", 1.0)
    knobs = {"layers_file": made.pattern, "first_frame": 1001, "last_frame": 1001, **COMMON}
    plain = Renderer(REAGE, {0: made.plate}, knobs, 1001, "main")
    plain.node(REAGE.nodes["Output1"])
    costly = {"Tone", "MaskBlur", "DilateLow", "DilateHigh", "Regions", "Protect", "Roto", "Between", "Age020"}
    assert not costly & set(plain.computed) and "Exact" in plain.computed
    full = Renderer(REAGE, {0: made.plate}, {**knobs, **knobs_of(ALL_SET)}, 1001, "main")
    full.node(REAGE.nodes["Output1"])
    assert costly - set(full.computed) == {"Roto", "Between", "Age020"}


# ReAgeApply


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(adjust=adjustments(), place=st.sampled_from(sorted(WINDOWS)))
@example(adjust=ALL_SET, place="inside")
def test_apply_does_the_same_to_layers_that_travel_with_the_plate(bakes, adjust, place):
    made = bakes(place, 1.0)
    stream = reage(made, output="plate + layers")
    expected = reference(made, adjust)
    scale = max(1.0, float(np.abs(expected.added).max()))
    for output, pixels in (("comp", expected.comp), ("delta", expected.added)):
        shown = render(APPLY, {0: stream}, {"output": output, **COMMON, **knobs_of(adjust)})
        close(rgb_of(shown), pixels, scale=scale)


def test_painted_layers_count_where_they_are_connected(bakes):
    made = bakes("inside", 1.0)
    stream = reage(made, output="plate + layers")
    painted = stream.channels["reage_delta.red"].copy()
    painted[22:26, 30:40] = 0.7
    layers = stream.with_channels({"reage_delta.red": painted})
    shown = render(APPLY, {0: made.plate, 1: layers}, COMMON)
    apart = rgb_of(shown) - rgb_of(reage(made))
    assert np.abs(apart[22:26, 30:40, 0]).min() > 0.01 and not np.delete(apart, 0, axis=2).any()
    apart[22:26, 30:40] = 0
    assert not apart.any()
    assert np.array_equal(shown.channels["reage_delta.red"], painted)


def test_apply_without_layers_gives_the_plate():
    plate = plate_image(DISPLAY, DISPLAY)
    shown = render(APPLY, {0: plate}, {"output": "comp", **COMMON})
    assert np.array_equal(rgb_of(shown), rgb_of(plate))


# What these tests can see


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("push $N_AddedLight\npush $N_PlateProtect\n Merge2", "push $N_PlateProtect\npush $N_AddedLight\n Merge2"),
        ("push $N_Tone\npush $N_SupportEdge\n", "push $N_SupportEdge\npush $N_Tone\n"),
        ("expr1 parent.gain*a*g", "expr1 parent.gain*a*r"),
        ("graded_b < 0", "graded_b > 0"),
        ("(parent.region_gain_jaw - 1)*reage_region.jaw", "(parent.region_gain_jaw - 1)*reage_region.neck"),
        ("1 - parent.protect_lips*reage_protect.lips", "1 - parent.protect_lips*reage_protect.teeth"),
        ("size {{parent.mask_blur*parent.face_size}}", "size {{parent.mask_blur*parent.face_size*1.1}}"),
        ("size {{parent.split_radius*parent.face_size}}", "size {{parent.split_radius*100}}"),
        ("1/parent.mask_gamma", "parent.mask_gamma"),
        ("16*reage_mask.alpha", "64*reage_mask.alpha"),
        ("parent.mask_dilate < 0 ? r*(1 - a) : a", "parent.mask_dilate > 0 ? r*(1 - a) : a"),
        ("parent.luma_weights.r*r", "parent.luma_weights.g*r"),
        ("parent.detail_gain*Bg", "parent.tone_gain*Bg"),
        ("from1 reage_delta.green", "from1 reage_delta.blue"),
    ],
)
def test_a_mistake_in_the_graph_gives_another_picture(bakes, old, new):
    text = (GIZMOS / "ReAge.gizmo").read_text(encoding="utf-8")
    assert old in text
    made = bakes("cut by the frame", 1.0)
    knobs = {"layers_file": made.pattern, "first_frame": 1001, "last_frame": 1001, **COMMON}
    adjust = replace(ALL_SET, gain=1.5)
    wrong = render(parse(text.replace(old, new, 1)), {0: made.plate}, {**knobs, **knobs_of(adjust)})
    with pytest.raises(AssertionError):
        close(rgb_of(wrong), reference(made, adjust).comp)
