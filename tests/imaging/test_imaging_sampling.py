"""Warping between plate and canvas: exact positions, kept levels, no spreading of broken pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine, compose_affine, invert_affine
from nuke_reage.imaging.kernels import KERNELS, Kernel, kernel_named
from nuke_reage.imaging.sampling import warp, warp_back

Array = npt.NDArray[np.floating]
Picture = Callable[[Array, Array], Array]

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
CANVAS = 96
FILTERS: tuple[Literal["sinc", "cubic", "linear"], ...] = ("sinc", "cubic", "linear")

crops = st.builds(
    CropFrame,
    centre_x=st.floats(40, 60),
    centre_y=st.floats(-20, 0),
    side_px=st.floats(30, 260),
    angle_degrees=st.floats(-180, 180),
    pixel_aspect=st.sampled_from([1.0, 2.0, 0.5, 1.09]),
)


def centres(window: Window) -> tuple[Array, Array]:
    x, y = np.meshgrid(np.arange(window.x_min, window.x_max) + 0.5, np.arange(window.y_min, window.y_max) + 0.5)
    return x, y


def sampled(picture: Picture, window: Window) -> Array:
    return picture(*centres(window)).astype(np.float32)


def mapped(picture: Picture, matrix: Array, shape: tuple[int, int]) -> Array:
    """The picture's true values where a map takes the pixels of a raster of ``shape``."""
    x, y = centres(Window.of_shape(shape))
    points = apply_affine(matrix, np.column_stack([x.ravel(), y.ravel()]))
    return picture(points[:, 0], points[:, 1]).reshape(shape)


def far_from_edge(matrix: Array, shape: tuple[int, int], window: Window, margin_px: float) -> Array:
    x, y = centres(Window.of_shape(shape))
    px, py = apply_affine(matrix, np.column_stack([x.ravel(), y.ravel()])).T
    inside = (px > window.x_min + margin_px) & (px < window.x_max - margin_px)
    return (inside & (py > window.y_min + margin_px) & (py < window.y_max - margin_px)).reshape(shape)


def wave(cycles_per_px: float, direction_degrees: float) -> Picture:
    fx = 2 * np.pi * cycles_per_px * np.cos(np.radians(direction_degrees))
    fy = 2 * np.pi * cycles_per_px * np.sin(np.radians(direction_degrees))
    return lambda x, y: 0.5 + 0.5 * np.sin(fx * x + fy * y)


@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize("shape", [(40, 56, 3), (40, 56), (40, 56, 1), (40, 56, 5)])
def test_identity_is_exact(filter_name: Literal["sinc", "cubic", "linear"], shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(0, 100, shape).astype(np.float32)
    out = warp(image, Window.of_shape(shape), IDENTITY, shape[:2], filter=filter_name)
    np.testing.assert_array_equal(out, image)
    assert out.dtype == np.float32 and out.flags.c_contiguous


def test_a_shift_by_whole_pixels_and_quarter_turns_are_exact() -> None:
    image = np.random.default_rng(1).random((20, 30, 3)).astype(np.float32)
    window = Window(-7, 4, 23, 24)
    shifted = warp(image, window, [[1, 0, 7 - 3], [0, 1, -4 - 2]], (10, 12))
    np.testing.assert_array_equal(shifted, image[2:12, 3:15])
    for turns in range(4):
        crop = CropFrame(10.0, 10.0, 20.0, 90.0 * turns)
        square = image[:, :20]
        turned = warp(square, Window(0, 0, 20, 20), crop.canvas_from_plate(20), (20, 20))
        np.testing.assert_allclose(turned, np.rot90(square, turns), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(crops, st.sampled_from(FILTERS), st.floats(-1000, 1000))
def test_constants_stay_constant_up_to_and_beyond_the_edge(
    crop: CropFrame, filter_name: Literal["sinc", "cubic", "linear"], level: float
) -> None:
    window = Window(20, -60, 90, 30)
    image = np.full((*window.shape, 3), level, np.float32)
    out = warp(image, window, crop.canvas_from_plate(CANVAS), (CANVAS, CANVAS), filter=filter_name)
    np.testing.assert_allclose(out, level, rtol=3e-6, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(crops, st.sampled_from(FILTERS), st.floats(-1, 1), st.floats(-1, 1))
def test_ramps_come_out_straight(
    crop: CropFrame, filter_name: Literal["sinc", "cubic", "linear"], slope_x: float, slope_y: float
) -> None:
    window = Window(-200, -260, 300, 240)

    def ramp(x: Array, y: Array) -> Array:
        return slope_x * x + slope_y * y

    out = warp(sampled(ramp, window), window, crop.canvas_from_plate(CANVAS), (CANVAS, CANVAS), filter=filter_name)
    truth = mapped(ramp, crop.plate_from_canvas(CANVAS), (CANVAS, CANVAS))
    kept = far_from_edge(crop.plate_from_canvas(CANVAS), (CANVAS, CANVAS), window, 40)
    # float32 holds 400 to 3e-5, and five steps round.
    np.testing.assert_allclose(out[kept], truth[kept], atol=4e-4)


@settings(max_examples=40, deadline=None)
@given(crops.filter(lambda crop: crop.side_px * max(1, 1 / crop.pixel_aspect) < CANVAS), st.floats(0, 180))
def test_band_limited_pictures_are_sampled_within_a_thousandth_or_two(crop: CropFrame, direction: float) -> None:
    window = Window(-150, -210, 250, 190)
    for cycles, most in ((0.05, 0.0015), (0.12, 0.003), (0.2, 0.005)):
        picture = wave(cycles, direction)
        out = warp(sampled(picture, window), window, crop.canvas_from_plate(CANVAS), (CANVAS, CANVAS))
        truth = mapped(picture, crop.plate_from_canvas(CANVAS), (CANVAS, CANVAS))
        kept = far_from_edge(crop.plate_from_canvas(CANVAS), (CANVAS, CANVAS), window, 30)
        assert np.abs(out - truth)[kept].max() < most


def test_it_is_more_exact_than_opencv() -> None:
    window, crop = Window(0, 0, 400, 400), CropFrame(200.0, 200.0, 330.0, 7.3)
    picture = wave(0.12, 20.0)
    image = sampled(picture, window)
    truth = mapped(picture, crop.plate_from_canvas(256), (256, 256))
    mine = np.abs(warp(image, window, crop.canvas_from_plate(256), (256, 256)) - truth).max()
    # OpenCV counts from the centre of the first pixel.
    half = np.array([[1, 0, -0.5], [0, 1, -0.5]])
    matrix = compose_affine(compose_affine(half, crop.plate_from_canvas(256)), invert_affine(half))
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    theirs = np.abs(cv2.warpAffine(image, matrix, (256, 256), flags=flags) - truth).max()
    assert mine < 0.003 < theirs


@pytest.mark.parametrize("shift", [0.5, 0.01, 0.25, -0.37])
def test_a_shift_by_part_of_a_pixel_moves_by_just_that(shift: float) -> None:
    window = Window(0, 0, 120, 120)
    picture = wave(0.1, 30.0)
    out = warp(sampled(picture, window), window, [[1, 0, shift], [0, 1, 0]], (120, 120))
    truth = sampled(lambda x, y: picture(x - shift, y), window)
    assert np.abs(out - truth)[:, 10:-10].max() < 0.0015
    assert np.abs(out - sampled(picture, window))[:, 10:-10].max() > 0.2 * abs(shift)


def test_shrinking_does_not_alias() -> None:
    window = Window(0, 0, 600, 600)
    crop = CropFrame(300.0, 300.0, 560.0, 12.0)
    for cycles in (0.25, 0.33, 0.45):
        # Above half a cycle per canvas pixel nothing may be left of a wave but its mean.
        out = warp(sampled(wave(cycles, 25.0), window), window, crop.canvas_from_plate(100), (100, 100))
        assert np.abs(out - 0.5)[8:-8, 8:-8].max() < 0.01


@settings(max_examples=20, deadline=None)
# The canvas has to be the finer raster, across too, or it cannot hold the picture.
@given(crops.filter(lambda crop: crop.side_px > 60 and crop.side_px / min(crop.pixel_aspect, 1.0) < 140))
def test_there_and_back_is_the_picture(crop: CropFrame) -> None:
    window = Window(-150, -210, 250, 190)
    picture = wave(0.06, 40.0)
    canvas_px = 256
    canvas = warp(sampled(picture, window)[:, :, None], window, crop.canvas_from_plate(canvas_px), (canvas_px,) * 2)
    back = warp_back(canvas, crop.plate_from_canvas(canvas_px), window)
    assert back.shape == (*window.shape, 1)
    x, y = centres(window)
    cx, cy = apply_affine(crop.canvas_from_plate(canvas_px), np.column_stack([x.ravel(), y.ravel()])).T
    inside = ((np.minimum(cx, cy) > 24) & (np.maximum(cx, cy) < canvas_px - 24)).reshape(window.shape)
    outside = ((np.minimum(cx, cy) < 0) | (np.maximum(cx, cy) >= canvas_px)).reshape(window.shape)
    assert inside.sum() > 500
    assert np.abs(back[..., 0] - picture(x, y))[inside].max() < 0.003
    assert not back[outside].any()


def test_warp_back_covers_a_part_of_the_canvas_only() -> None:
    canvas = np.ones((64, 64), np.float32)
    part = Window(16, 0, 48, 64)
    crop = CropFrame(32.0, 32.0, 64.0, 0.0)
    window = Window(-5, -5, 70, 69)
    whole = warp_back(canvas, crop.plate_from_canvas(64), window)
    piece = warp_back(canvas[:, 16:48], crop.plate_from_canvas(64), window, canvas_window=part)
    assert whole.sum() == 64 * 64
    assert piece.sum() == 32 * 64
    assert piece[10, 5 + 16] == 1 and piece[10, 5 + 15] == 0


def test_a_window_far_from_the_canvas_gets_nothing() -> None:
    crop = CropFrame(32.0, 32.0, 64.0, 10.0)
    out = warp_back(np.ones((64, 64, 3), np.float32), crop.plate_from_canvas(64), Window(500, 500, 520, 530))
    assert out.shape == (30, 20, 3) and not out.any()
    assert warp_back(np.ones((64, 64)), crop.plate_from_canvas(64), Window(5, 5, 5, 9)).shape == (4, 0)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("angle", [0.0, 8.0])
def test_a_broken_pixel_does_not_spread(broken: float, angle: float) -> None:
    window = Window(0, 0, 80, 80)
    image = np.repeat(sampled(wave(0.02, 60.0), window)[:, :, None], 3, axis=2)
    hurt = image.copy()
    hurt[40, 41, 1] = broken
    hurt[0, 0] = broken
    crop = CropFrame(40.0, 40.0, 70.0, angle)
    clean = warp(image, window, crop.canvas_from_plate(80), (80, 80))
    out = warp(hurt, window, crop.canvas_from_plate(80), (80, 80))
    assert np.isfinite(out).all()
    assert np.abs(out - clean).max() < 0.02


def test_a_picture_of_nothing_but_broken_pixels_is_black() -> None:
    out = warp(np.full((9, 9, 3), np.nan, np.float32), Window(0, 0, 9, 9), IDENTITY, (9, 9))
    assert not out.any()


def test_a_large_hole_is_filled_from_around_it() -> None:
    image = np.full((64, 64), 3.0, np.float32)
    image[10:50, 5:60] = np.nan
    np.testing.assert_allclose(warp(image, Window(0, 0, 64, 64), IDENTITY, (64, 64)), 3.0, rtol=1e-5)


def test_linear_never_overshoots() -> None:
    rng = np.random.default_rng(2)
    image = (rng.random((60, 60)) > 0.5).astype(np.float32)
    crop = CropFrame(30.0, 30.0, 50.0, 17.0)
    out = warp(image, Window(0, 0, 60, 60), crop.canvas_from_plate(90), (90, 90), filter="linear")
    assert out.min() >= -1e-6 and out.max() <= 1 + 1e-6
    sharp = warp(image, Window(0, 0, 60, 60), crop.canvas_from_plate(90), (90, 90))
    assert sharp.max() > 1.05


def test_memory_layout_makes_no_difference() -> None:
    image = np.random.default_rng(3).random((70, 90, 3)).astype(np.float32)
    crop = CropFrame(45.0, 35.0, 60.0, 9.0)
    first = warp(image, Window(0, 0, 90, 70), crop.canvas_from_plate(64), (64, 64))
    second = warp(np.asfortranarray(image), Window(0, 0, 90, 70), crop.canvas_from_plate(64), (64, 64))
    np.testing.assert_array_equal(first, second)


def test_what_cannot_be_sampled_is_refused() -> None:
    image, window = np.zeros((8, 8, 3), np.float32), Window(0, 0, 8, 8)
    with pytest.raises(ValueError, match="mirroring"):
        warp(image, window, [[-1, 0, 8], [0, 1, 0]], (8, 8))
    with pytest.raises(ValueError, match="shear"):
        warp(image, window, [[1, 0.5, 0], [0.1, 1, 0]], (8, 8))
    with pytest.raises(ValueError, match="no inverse"):
        warp(image, window, [[0, 0, 0], [0, 0, 0]], (8, 8))
    with pytest.raises(ValueError, match="8 rows x 9 columns"):
        warp(image, Window(0, 0, 9, 8), IDENTITY, (8, 8))
    with pytest.raises(ValueError, match="out_shape"):
        warp(image, window, IDENTITY, (0, 8))
    with pytest.raises(ValueError, match="'bicubic'"):
        warp(image, window, IDENTITY, (8, 8), filter="bicubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one pixel"):
        warp(np.zeros((0, 8, 3)), window, IDENTITY, (8, 8))
    with pytest.raises(ValueError, match="real numbers"):
        warp(np.zeros((8, 8), complex), window, IDENTITY, (8, 8))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@settings(max_examples=50, deadline=None)
@given(position=st.floats(-20, 20), stretch=st.floats(1, 6))
def test_kernel_weights_keep_constants_and_ramps(kernel: Kernel, position: float, stretch: float) -> None:
    first, weights = kernel.weights(np.array([position]), stretch)
    indices = first[0] + np.arange(weights.shape[1])
    assert abs(weights.sum() - 1) < 1e-12
    assert abs(weights[0] @ indices - position) < 1e-9


def test_kernel_names_are_those_of_the_filters() -> None:
    assert tuple(kernel.name for kernel in KERNELS) == FILTERS
    assert kernel_named("cubic").radius_px == 2
