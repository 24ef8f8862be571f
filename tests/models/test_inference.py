from __future__ import annotations

import numpy as np
import pytest

from nuke_reage.models.backends import create_predictor
from nuke_reage.models.inference import predict_canvas, predict_ladder


class Counting:
    """A real predictor that also notes what it was asked to compute."""

    def __init__(self, predictor) -> None:
        self.name, self.descriptor, self._predictor = predictor.name, predictor.descriptor, predictor
        self.shapes: list[tuple[int, ...]] = []
        self.windows: list[object] = []

    def predict(self, rgb, source_age, target_age, *, window=None):
        self.shapes.append(rgb.shape)
        self.windows.append(window)
        return self._predictor.predict(rgb, source_age, target_age, window=window)


@pytest.fixture
def predictor(make_model) -> Counting:
    return Counting(create_predictor(make_model(width=2), backend="torch", device="cpu"))


def canvas(side_px: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((side_px, side_px, 3), np.float32)


def test_a_region_has_the_values_of_the_whole_and_costs_less(predictor: Counting):
    picture = canvas(512)
    whole = predict_canvas(predictor, picture, 30.0, 70.0)
    region = (slice(20, 77), slice(301, 402))
    part = predict_canvas(predictor, picture, 30.0, 70.0, region=region)
    np.testing.assert_allclose(part[region], whole[region], atol=2e-6)
    part[region] = 0
    assert not part.any(), "nothing outside the region"
    rows, columns, _ = predictor.shapes[1]
    assert rows < 300 and columns < 512 and rows % 16 == columns % 16 == 0


def test_a_region_is_computed_to_the_nearest_step_of_the_network(predictor: Counting):
    """What lies farther out costs a network of full size seconds and is thrown away."""
    picture = canvas(512)
    predict_canvas(predictor, picture, 30.0, 70.0, region=(slice(101, 400), slice(144, 301)))
    rows, columns = predictor.windows[0]
    assert rows.stop - rows.start == 400 - 96
    assert columns.stop - columns.start == 304 - 144


def test_tiles_of_a_large_canvas_have_no_seams(make_model):
    small_tiles = Counting(create_predictor(make_model(width=2, tile_px=512), backend="torch", device="cpu"))
    one_pass = create_predictor(make_model("one", width=2, tile_px=1024), backend="torch", device="cpu")
    picture = canvas(848)
    years = np.linspace(20, 80, 848, dtype=np.float32)[None].repeat(848, 0)
    tiled = predict_canvas(small_tiles, picture, 30.0, years)
    whole = predict_canvas(one_pass, picture, 30.0, years)
    np.testing.assert_allclose(tiled, whole, atol=2e-6)
    assert set(small_tiles.shapes) == {(512, 512, 3)} and len(small_tiles.shapes) > 4
    region = (slice(200, 640), slice(333, 334))
    part = predict_canvas(small_tiles, picture, 30.0, years, region=region)
    np.testing.assert_allclose(part[region], whole[region], atol=2e-6)


def test_published_windows_are_nine_halves_and_near_the_single_pass(predictor: Counting, face: np.ndarray):
    windows = predict_canvas(predictor, face, 30.0, 70.0, tiling="windows")
    assert predictor.shapes == [(128, 128, 3)] * 9
    single = predict_canvas(predictor, face, 30.0, 70.0)
    middle = (slice(64, 192), slice(64, 192))
    difference = np.abs(windows - single)[middle].mean()
    assert 0 < difference < 0.1 * np.abs(single[middle]).mean()
    region = (slice(60, 100), slice(70, 90))
    part = predict_canvas(predictor, face, 30.0, 70.0, tiling="windows", region=region)
    np.testing.assert_array_equal(part[region], windows[region])


def test_windows_of_a_constant_network_blend_to_that_constant(make_model, tmp_path):
    """Weights must sum to one everywhere, at the borders and corners as well."""

    class Constant:
        name = "constant"
        descriptor = make_model()

        def predict(self, rgb, source_age, target_age, *, window=None):
            return np.full(rgb.shape, 0.25, np.float32)

    for side in (128, 144, 208, 1024):
        out = predict_canvas(Constant(), np.zeros((side, side, 3), np.float32), 30.0, 70.0, tiling="windows")
        np.testing.assert_array_equal(out, np.float32(0.25))


def test_ladder_is_the_single_ages_one_by_one(predictor: Counting, face: np.ndarray):
    region = (slice(50, 200), slice(60, 190))
    steps = list(predict_ladder(predictor, face, 40.0, [20.0, 50.0, 80.0], region=region))
    assert len(steps) == 3 and not np.allclose(steps[0], steps[2])
    for age, step in zip([20.0, 50.0, 80.0], steps, strict=True):
        np.testing.assert_array_equal(step, predict_canvas(predictor, face, 40.0, age, region=region))


def test_an_empty_region_needs_no_network(predictor: Counting, face: np.ndarray):
    assert not predict_canvas(predictor, face, 30.0, 70.0, region=(slice(5, 5), slice(0, 9))).any()
    assert predictor.shapes == []


def test_wrong_arguments_are_named(predictor: Counting, face: np.ndarray):
    with pytest.raises(ValueError, match="tiling"):
        predict_canvas(predictor, face, 30.0, 70.0, tiling="nine")
    with pytest.raises(ValueError, match="step"):
        predict_canvas(predictor, face, 30.0, 70.0, region=(slice(0, 99, 3), slice(0, 9)))
    with pytest.raises(ValueError, match="128"):
        predict_canvas(predictor, face[:64, :64].copy(), 30.0, 70.0, tiling="windows")
