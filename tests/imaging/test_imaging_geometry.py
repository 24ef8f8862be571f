"""Windows, crop frames and affine maps."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.imaging import geometry
from nuke_reage.imaging.geometry import (
    CropFrame,
    Window,
    apply_affine,
    compose_affine,
    invert_affine,
    nuke_from_plate,
    plate_from_nuke,
)

coordinates = st.integers(-60, 60)
finite = st.floats(-5000, 5000)
crops = st.builds(
    CropFrame,
    centre_x=finite,
    centre_y=finite,
    side_px=st.floats(4, 5000),
    angle_degrees=st.floats(-360, 360),
    pixel_aspect=st.floats(0.4, 2.5),
)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    x, y = draw(coordinates), draw(coordinates)
    return Window(x, y, x + draw(st.integers(0, 40)), y + draw(st.integers(0, 40)))


def pixels(window: Window) -> set[tuple[int, int]]:
    return {(x, y) for x in range(window.x_min, window.x_max) for y in range(window.y_min, window.y_max)}


def test_the_documented_values_hold() -> None:
    assert doctest.testmod(geometry).failed == 0


@given(windows(), windows())
def test_windows_behave_as_sets_of_pixels(first: Window, second: Window) -> None:
    assert pixels(first.intersect(second)) == pixels(first) & pixels(second)
    union = first.union(second)
    assert pixels(union) >= pixels(first) | pixels(second)
    assert union.contains(first) and union.contains(second)
    assert first.contains(second) == (pixels(second) <= pixels(first))
    assert first.is_empty == (not pixels(first))
    assert first.shape == (first.height, first.width)


@given(windows(), windows())
def test_slices_pick_the_same_pixels(first: Window, second: Window) -> None:
    outer = first.union(second)
    rows, columns = np.mgrid[outer.y_min : outer.y_max, outer.x_min : outer.x_max]
    picked = first.slices_in(outer)
    assert set(zip(columns[picked].ravel().tolist(), rows[picked].ravel().tolist(), strict=True)) == pixels(first)


def test_slices_refuse_to_reach_out() -> None:
    with pytest.raises(ValueError, match="reaches out"):
        Window(0, 0, 5, 5).slices_in(Window(1, 0, 9, 9))


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=8), st.floats(0, 50))
def test_a_window_around_points_covers_them_tightly(points: list[tuple[float, float]], margin: float) -> None:
    window = Window.around(points, margin)
    low, high = np.min(points, axis=0) - margin, np.max(points, axis=0) + margin
    assert window.x_min <= low[0] < window.x_min + 1
    assert window.y_min <= low[1] < window.y_min + 1
    assert window.x_max - 1 < high[0] <= window.x_max
    assert window.y_max - 1 < high[1] <= window.y_max


def test_a_window_around_nothing_is_empty() -> None:
    assert Window.around(np.full((3, 2), np.nan)).is_empty
    assert Window.around(np.zeros((0, 2))).is_empty
    assert Window.around([(1.5, 2.5), (np.nan, 0.0)]) == Window(1, 2, 2, 3)


def test_windows_grow_and_shrink() -> None:
    assert Window(0, 0, 4, 2).expanded(3) == Window(-3, -3, 7, 5)
    assert Window(0, 0, 4, 2).expanded(-1).is_empty
    assert Window(0, 0, 4, 2).expanded(-9).is_empty
    assert Window.of_shape((3, 6, 4), -2, 7) == Window(-2, 7, 4, 10)


def test_upside_down_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="below"):
        Window(0, 0, -1, 5)


@given(crops, st.integers(16, 2048))
def test_crop_maps_are_inverse_to_each_other(crop: CropFrame, canvas_px: int) -> None:
    both = compose_affine(crop.plate_from_canvas(canvas_px), crop.canvas_from_plate(canvas_px))
    points = np.array([[0.0, 0.0], [4000.0, -300.0], [1.0, 2000.0]])
    np.testing.assert_allclose(apply_affine(both, points), points, atol=1e-6)


@given(crops, st.integers(16, 2048))
def test_a_crop_is_a_square_around_its_centre(crop: CropFrame, canvas_px: int) -> None:
    corners = np.array([(0, 0), (canvas_px, 0), (canvas_px, canvas_px), (0, canvas_px)], float)
    square = apply_affine(crop.plate_from_canvas(canvas_px), corners) * (crop.pixel_aspect, 1.0)
    np.testing.assert_allclose(square.mean(axis=0), (crop.centre_x, crop.centre_y), atol=1e-6)
    sides = np.linalg.norm(np.roll(square, -1, axis=0) - square, axis=1)
    np.testing.assert_allclose(sides, crop.side_px, rtol=1e-9)
    # A corner that lies on the edge of a pixel may be rounded to either side of it.
    assert crop.plate_window().expanded(1).contains(Window.around(square / (crop.pixel_aspect, 1.0)))


def test_a_positive_angle_is_clockwise_on_screen() -> None:
    crop = CropFrame(100.0, 100.0, 64.0, 90.0)
    # What the canvas shows at its top lies to the right on the plate when the head lies on its left ear's side.
    top = apply_affine(crop.plate_from_canvas(64), [(32.0, 0.0)])
    np.testing.assert_allclose(top, [(132.0, 100.0)], atol=1e-9)


@pytest.mark.parametrize(
    "values", [(0, 0, 0, 0, 1), (0, 0, 10, 0, 0), (math.nan, 0, 10, 0, 1), (0, 0, 10, math.inf, 1), (0, 0, -3, 0, 1)]
)
def test_crops_without_extent_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="crop frame"):
        CropFrame(*values)


def test_a_map_without_inverse_is_refused() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        invert_affine([[1, 2, 0], [2, 4, 0]])
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        apply_affine(np.eye(3), [(0, 0)])
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        apply_affine(np.eye(3)[:2], [0, 0])


def test_compose_applies_the_inner_map_first() -> None:
    double, move = [[2, 0, 0], [0, 2, 0]], [[1, 0, 5], [0, 1, 0]]
    np.testing.assert_array_equal(apply_affine(compose_affine(double, move), [(1, 1)]), [(12, 2)])


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=5), windows())
def test_nuke_coordinates_round_trip(points: list[tuple[float, float]], display: Window) -> None:
    np.testing.assert_allclose(plate_from_nuke(nuke_from_plate(points, display), display), points, atol=1e-9)


def test_nuke_counts_from_the_display_windows_bottom_left() -> None:
    display = Window(-10, 20, 90, 120)
    np.testing.assert_array_equal(nuke_from_plate([(-10, 120), (90, 20)], display), [(0, 0), (100, 100)])
