"""The arithmetic after the bake: each term does what it says, and nothing where nothing is set."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.core.adjust import REGIONS, AdjustSettings, Protection, RegionGains
from nuke_reage.imaging.adjust import MASK_GUARD, adjusted_comp, adjusted_delta, adjusted_mask
from nuke_reage.imaging.blending import comp

FACE_PX = 40.0
SIZE = (48, 56)

gains = st.floats(0, 4, width=32)


@st.composite
def adjustments(draw):
    return AdjustSettings(
        gain=draw(st.floats(-5, 5, width=32)),
        tone=draw(gains),
        detail=draw(gains),
        split_radius=draw(st.floats(0.001, 0.5)),
        luma=draw(gains),
        chroma=draw(gains),
        darken=draw(gains),
        lighten=draw(gains),
        regions=RegionGains(**{name: draw(gains) for name in REGIONS}),
        protect=Protection(*(draw(st.floats(0, 1, width=32)) for _ in range(3))),
        mask_dilate=draw(st.floats(-0.5, 0.5)),
        mask_blur=draw(st.floats(0, 1)),
        mask_gamma=draw(st.floats(0.1, 10)),
    )


def soft_disc(size=SIZE, centre=(24, 28), radius=14.0, feather=8.0):
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1])
    ramp = np.clip((radius + feather / 2 - distance) / feather, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def face(seed=7, size=SIZE):
    """Plate, mask, delta, regions, protect; the delta is 0 outside the mask, as a bake leaves it."""
    random = np.random.default_rng(seed)
    mask = soft_disc(size)
    delta = random.normal(0, 0.1, (*size, 3)).astype(np.float32) * (mask > 0)[..., None]
    plate = random.exponential(0.4, (*size, 3)).astype(np.float32)
    mattes = random.random((*size, 8)).astype(np.float32)
    mattes /= mattes.sum(axis=2, keepdims=True)
    return plate, mask, delta, mattes, random.random((*size, 3)).astype(np.float32)


def bits(array):
    return np.ascontiguousarray(array).view(np.uint32)


@settings(max_examples=25, deadline=None)
@given(st.floats(-5, 5, width=32))
def test_with_gain_alone_it_is_the_plain_comp_bit_for_bit(gain):
    plate, mask, delta, regions, protect = face()
    plate[20, 20] = (np.nan, np.inf, -0.0)
    out = adjusted_comp(plate, mask, delta, AdjustSettings(gain=gain), FACE_PX, regions=regions, protect=protect)
    np.testing.assert_array_equal(bits(out), bits(comp(plate, mask, delta, gain)))


@settings(max_examples=60, deadline=None)
@given(adjustments(), st.sampled_from([0.5, 1.0, 2.0]), st.tuples(*[st.integers(0, 90)] * 4))
def test_outside_the_mask_the_plate_keeps_its_bits_and_broken_pixels_stay(adjust, aspect, margins):
    plate, mask, delta, regions, protect = face()
    plate[20, 20], plate[0, 0], plate[47, 3] = (np.nan, np.inf, -np.inf), (-0.0, np.nan, np.inf), -0.0
    out = adjusted_comp(
        plate, mask, delta, adjust, FACE_PX, regions=regions, protect=protect, margins_px=margins, pixel_aspect=aspect
    )
    outside = mask == 0
    np.testing.assert_array_equal(bits(out)[outside], bits(plate)[outside])
    broken = ~np.isfinite(plate)
    np.testing.assert_array_equal(bits(out)[broken], bits(plate)[broken])
    assert np.isfinite(out[~broken]).all()


@settings(max_examples=60, deadline=None)
@given(adjustments(), st.sampled_from([0.5, 1.0, 2.0]), st.tuples(*[st.integers(0, 90)] * 4))
def test_the_adjusted_mask_stays_within_0_and_1_and_ends_where_the_baked_one_does(adjust, aspect, margins):
    mask = soft_disc()
    out = adjusted_mask(mask, adjust, FACE_PX, margins_px=margins, pixel_aspect=aspect)
    assert out.min() >= -1e-6 and out.max() <= 1 + 1e-5
    assert (out <= np.float32(MASK_GUARD) * mask).all()


def test_every_setting_changes_the_picture():
    plate, mask, delta, regions, protect = face()
    changed = {
        "gain": 0.5, "tone": 2.0, "detail": 2.0, "split_radius": 0.2, "luma": 2.0, "chroma": 2.0, "darken": 2.0,
        "lighten": 2.0, "regions": RegionGains(jaw=0.0), "protect": Protection(lips=1.0), "mask_dilate": 0.1,
        "mask_blur": 0.2, "mask_gamma": 2.0,
    }  # fmt: skip
    assert set(changed) == {one.name for one in fields(AdjustSettings)}
    for name, value in changed.items():
        base = AdjustSettings(tone=1.5) if name == "split_radius" else AdjustSettings()
        one, other = (
            adjusted_comp(plate, mask, delta, adjust, FACE_PX, regions=regions, protect=protect)
            for adjust in (base, replace(base, **{name: value}))
        )
        assert np.abs(one - other).max() > 0.005, name


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 0.5), gains, st.sampled_from([0.5, 1.0, 2.0]))
def test_tone_and_detail_sum_to_the_delta_and_a_flat_delta_is_all_tone(radius, tone, aspect):
    _, mask, delta, _, _ = face()
    inside = (mask > 0)[..., None]

    def split(light, **knobs):
        adjust = AdjustSettings(split_radius=radius, **knobs)
        return adjusted_delta(light, mask, adjust, FACE_PX, pixel_aspect=aspect)

    parts = split(delta, tone=1.0, detail=0.0) + split(delta, tone=0.0, detail=1.0)
    np.testing.assert_allclose(parts, delta, atol=2e-6)
    # Also at the face's own edge, where a plain blur would let the black beyond it in.
    flat = np.full_like(delta, 0.25) * inside
    np.testing.assert_allclose(split(flat, tone=tone, detail=0.0), flat * np.float32(tone), atol=1e-5)


def test_detail_is_what_is_finer_than_the_radius():
    size = (160, 160)
    mask = np.ones(size, np.float32)
    columns = np.arange(160)
    fine, broad = (np.sin(2 * np.pi * columns / period) for period in (4, 80))
    delta = np.repeat(np.tile((fine + broad).astype(np.float32), (160, 1))[..., None], 3, axis=2)
    out = adjusted_delta(delta, mask, AdjustSettings(detail=0.0, split_radius=0.1), 100.0)
    middle = out[80, 40:120, 0]
    # sigma = 10 / 2.4 px: exp(-2 (pi sigma / period)^2) of a wave is left.
    assert np.abs(middle - np.exp(-2 * (np.pi * 10 / 2.4 / 80) ** 2) * broad[40:120]).max() < 0.002


def test_luma_and_chroma_pull_colour_and_brightness_apart():
    weights = (0.25, 0.7, 0.05)
    _, mask, delta, _, _ = face()
    grey = adjusted_delta(delta, mask, AdjustSettings(chroma=0.0), FACE_PX, luma_weights=weights)
    np.testing.assert_allclose(grey, np.repeat((delta @ np.array(weights, np.float32))[..., None], 3, 2), atol=1e-6)
    colour = adjusted_delta(delta, mask, AdjustSettings(luma=0.0), FACE_PX, luma_weights=weights)
    np.testing.assert_allclose(colour @ np.array(weights, np.float32), 0, atol=1e-6)
    np.testing.assert_allclose(grey + colour, delta, atol=1e-6)


def test_darken_and_lighten_take_a_side_each():
    delta = np.array([[[-0.5, 0.5, 0.0]]], np.float32)
    adjust = AdjustSettings(darken=2.0, lighten=0.25)
    assert adjusted_delta(delta, np.ones((1, 1)), adjust, FACE_PX).tolist() == [[[-1.0, 0.125, 0.0]]]


def test_regions_and_protection_weigh_the_delta():
    delta = np.ones((1, 3, 3), np.float32)
    regions, protect = np.zeros((1, 3, 8), np.float32), np.zeros((1, 3, 3), np.float32)
    regions[0, 0, REGIONS.index("jaw")] = regions[0, 1, REGIONS.index("nose")] = 1
    regions[0, 2, [0, 1]] = 0.5
    protect[0, 2] = (0.5, 1.0, 0.0)
    adjust = AdjustSettings(
        regions=RegionGains(jaw=3.0, forehead=2.0, eyes=0.0), protect=Protection(eyes=1.0, lips=0.5, teeth=1.0)
    )
    out = adjusted_delta(delta, np.ones((1, 3)), adjust, FACE_PX, regions=regions, protect=protect)
    assert out[0, :, 0].tolist() == [3.0, 1.0, 0.25]


def test_dilation_moves_the_edge_by_its_size_whole_and_broken():
    mask = np.zeros((40, 40), np.float32)
    mask[10:30, 10:30] = 1
    mask = np.maximum(mask, np.float32(0.2))
    for amount, grown in ((0.1, 28.0), (-0.1, 12.0), (0.0625, 25.0), (-0.0625, 15.0)):
        out = adjusted_mask(mask, AdjustSettings(mask_dilate=amount), FACE_PX)
        assert np.isclose((out[20] - 0.2).sum() / 0.8, grown, atol=1e-4), amount
    wide = adjusted_mask(mask, AdjustSettings(mask_dilate=0.1), FACE_PX, pixel_aspect=2.0)
    assert ((wide[20] > 0.5).sum(), (wide[:, 20] > 0.5).sum()) == (24, 28)


@pytest.mark.parametrize("adjust", [AdjustSettings(mask_dilate=-0.2), AdjustSettings(mask_blur=0.5)])
def test_a_face_that_the_frame_cuts_stays_covered_at_the_frames_edge(adjust):
    whole = soft_disc((96, 96), (48, 48), 30.0)
    cut = whole[48:]
    at_the_edge = adjusted_mask(cut, adjust, FACE_PX, margins_px=(0, 20, 20, 20))
    assert at_the_edge[0, 48] > 0.97
    # Where the plate goes on, that the arrays end is nothing that shows.
    tight = whole[14:82, 14:82]
    inside = adjusted_mask(tight, adjust, FACE_PX, margins_px=(14, 14, 14, 14))
    np.testing.assert_allclose(inside, adjusted_mask(whole, adjust, FACE_PX)[14:82, 14:82], atol=1e-6)


def test_sizes_follow_the_face():
    """Twice the picture at twice the face size is the same picture."""
    mask, big = soft_disc(), soft_disc((96, 112), (48, 56), 28.0, 16.0)
    adjust = AdjustSettings(mask_blur=0.3, mask_gamma=2.0)
    small = adjusted_mask(mask, adjust, FACE_PX, margins_px=(99,) * 4)
    large = adjusted_mask(big, adjust, 2 * FACE_PX, margins_px=(199,) * 4)
    # Right at the edge of the support the guard is steep, and a pixel is half as wide there.
    edge = mask < 0.1
    halved = np.where(edge, 0, large.reshape(48, 2, 56, 2).mean(axis=(1, 3)))
    np.testing.assert_allclose(halved, np.where(edge, 0, small), atol=0.02)


def test_long_kernels_give_what_short_ones_do(monkeypatch):
    from nuke_reage.imaging import adjust

    mask = soft_disc()
    settings_ = AdjustSettings(mask_blur=0.4)
    direct = adjusted_mask(mask, settings_, FACE_PX)
    monkeypatch.setattr(adjust, "_LONG_TAPS", 3)
    np.testing.assert_allclose(adjusted_mask(mask, settings_, FACE_PX), direct, atol=1e-6)


def test_wrong_shapes_and_sizes_are_named():
    plate, mask, delta, regions, _ = face()
    adjust = AdjustSettings(regions=RegionGains(jaw=2.0))
    with pytest.raises(ValueError, match="regions must have shape"):
        adjusted_comp(plate, mask, delta, adjust, FACE_PX, regions=regions[..., :7])
    with pytest.raises(ValueError, match="delta must be 48 rows"):
        adjusted_comp(plate, mask, delta[1:], adjust, FACE_PX)
    with pytest.raises(ValueError, match="face_size_px must be above 0"):
        adjusted_mask(mask, adjust, 0.0)
    with pytest.raises(ValueError, match="pixel_aspect must be above 0"):
        adjusted_delta(delta, mask, adjust, FACE_PX, pixel_aspect=float("nan"))
