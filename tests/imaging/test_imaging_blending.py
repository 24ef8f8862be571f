"""Tiles that add up, and a comp that leaves alone what it must."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nuke_reage.imaging.blending import blend, comp, plan_tiles

NAN_WITH_PAYLOAD = np.array([0x7FC12345], np.uint32).view(np.float32)[0]

any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)
unit = st.one_of(st.just(0.0), st.floats(0, 1, width=32))


def bits(array: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(array).view(np.uint32)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(16, 400), st.integers(0, 200), st.sampled_from([1, 8, 16, 32])
)
def test_tile_weights_sum_to_exactly_one(rows: int, columns: int, tile_px: int, overlap_px: int, multiple: int) -> None:
    height, width = rows * 16 // multiple * multiple, columns * 16 // multiple * multiple
    assume(height and width and tile_px // multiple >= 3 * -(-overlap_px // multiple) and tile_px >= multiple)
    tiles = plan_tiles(height, width, tile_px, overlap_px, multiple)
    assume(len(tiles) < 400)
    total = np.zeros((height, width), np.float32)
    for tile in tiles:
        window = tile.window
        assert window.width % multiple == window.height % multiple == 0
        assert window.x_min % multiple == window.y_min % multiple == 0
        assert max(window.shape) <= tile_px and tile.weight.shape == window.shape
        assert (tile.weight >= 0).all()
        total[window.y_min : window.y_max, window.x_min : window.x_max] += tile.weight
    assert (total == 1).all()
    assert len({tile.window.shape for tile in tiles}) == 1
    starts = sorted({tile.window.x_min for tile in tiles})
    for first, second in itertools.pairwise(starts):
        assert first + tiles[0].window.width - second >= overlap_px


def test_ramps_are_smooth() -> None:
    left, right = plan_tiles(16, 224, 128, 32)
    assert left.window.width == 128 and right.window.x_min == 96
    ramp = right.weight[5, :32]
    expected = 0.5 - 0.5 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    np.testing.assert_allclose(ramp, expected, atol=2**-12)


def test_a_canvas_that_fits_is_one_tile() -> None:
    (tile,) = plan_tiles(96, 160, 512, 64)
    assert tile.window.shape == (96, 160) and (tile.weight == 1).all()


@pytest.mark.parametrize(
    ("size", "tile_px", "overlap_px"), [((100, 96), 64, 16), ((96, 96), 64, 48), ((96, 96), 8, 0), ((0, 96), 64, 0)]
)
def test_impossible_tilings_are_refused(size: tuple[int, int], tile_px: int, overlap_px: int) -> None:
    with pytest.raises(ValueError, match=r"px|pixels"):
        plan_tiles(*size, tile_px, overlap_px)


@pytest.mark.parametrize("shape", [(192, 256, 3), (192, 256)])
def test_blending_puts_a_picture_together_again(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    tiles = plan_tiles(192, 256, 96, 32)
    assert len(tiles) > 4
    pieces = [
        (tile, picture[tile.window.y_min : tile.window.y_max, tile.window.x_min : tile.window.x_max]) for tile in tiles
    ]
    np.testing.assert_allclose(blend(pieces, 192, 256), picture, atol=5e-7)


def test_tiles_that_disagree_meet_half_way() -> None:
    left, right = plan_tiles(16, 224, 128, 32)
    out = blend([(left, np.zeros((16, 128))), (right, np.ones((16, 128)))], 16, 224)
    assert (out[:, :96] == 0).all() and (out[:, 128:] == 1).all()
    assert (np.diff(out[3, 96:128]) > 0).all() and out[3, 111:113].mean() == pytest.approx(0.5)


def test_blend_refuses_what_does_not_fit() -> None:
    tiles = plan_tiles(32, 32, 32, 0)
    with pytest.raises(ValueError, match="no tiles"):
        blend([], 32, 32)
    with pytest.raises(ValueError, match="32 rows x 32 columns"):
        blend([(tiles[0], np.zeros((32, 16, 3)))], 32, 32)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, (3, 4, 3), elements=any_float),
    hnp.arrays(np.float32, (3, 4), elements=unit),
    hnp.arrays(np.float32, (3, 4, 3), elements=any_float),
    st.one_of(st.just(0.0), st.floats(-2, 2)),
)
def test_the_plates_bits_stay_where_nothing_is_added(
    plate: npt.NDArray[np.float32], mask: npt.NDArray[np.float32], delta: npt.NDArray[np.float32], gain: float
) -> None:
    plate[0, 0] = (-0.0, NAN_WITH_PAYLOAD, -np.inf)
    out = comp(plate, mask, delta, gain)
    kept = (
        np.broadcast_to((mask == 0)[:, :, None], plate.shape) | (delta == 0) | ~np.isfinite(plate) | ~np.isfinite(delta)
    )
    if gain == 0:
        kept = np.ones_like(kept)
    np.testing.assert_array_equal(bits(out)[kept], bits(plate)[kept])
    with np.errstate(all="ignore"):
        added = delta * (mask * np.float32(gain))[:, :, None]
        expected = plate + added
    free = ~kept & np.isfinite(added)
    np.testing.assert_array_equal(out[free], expected[free])


def test_comp_adds_masked_light() -> None:
    plate = np.full((2, 2, 3), 60000.0, np.float32)
    mask = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    out = comp(plate, mask, np.full((2, 2, 3), -8.0), gain=2.0)
    np.testing.assert_array_equal(out[..., 0], [[60000.0, 59996.0], [59992.0, 59984.0]])
    assert plate[1, 1, 0] == 60000.0


def test_comp_names_wrong_shapes() -> None:
    plate = np.zeros((4, 5, 3), np.float32)
    with pytest.raises(ValueError, match="mask must be 4 rows x 5 columns"):
        comp(plate, np.zeros((5, 4)), plate)
    with pytest.raises(ValueError, match="plate and delta"):
        comp(plate, np.zeros((4, 5)), plate[:, :4])
    with pytest.raises(ValueError, match="mask must have shape"):
        comp(plate, np.zeros((4, 5, 1)), plate)
    with pytest.raises(ValueError, match="gain must be finite"):
        comp(plate, np.zeros((4, 5)), plate, np.nan)
