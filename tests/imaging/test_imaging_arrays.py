"""Checks of arrays at the door."""

from __future__ import annotations

import numpy as np
import pytest

from nuke_reage.imaging.arrays import fill_nonfinite, require_image, require_landmarks, require_mask, require_rgb


def test_sound_arrays_pass_without_a_copy() -> None:
    image = np.ones((4, 5, 3), np.float32)
    assert require_rgb(image, "plate") is image
    assert fill_nonfinite(image) is image


def test_other_types_and_layouts_become_float32() -> None:
    for array in (np.ones((4, 5, 3)), np.ones((4, 5, 3), np.float16), np.ones((3, 5, 4), np.uint8).T):
        out = require_image(array, "plate")
        assert out.dtype == np.float32 and out.flags.c_contiguous and (out == 1).all()


def test_errors_name_the_array_its_shape_and_what_was_wanted() -> None:
    with pytest.raises(ValueError, match=r"plate must have shape \(H, W, 3\), got \(4, 5, 4\)"):
        require_rgb(np.ones((4, 5, 4)), "plate")
    with pytest.raises(ValueError, match=r"matte must have shape \(H, W\), got \(4, 5, 1\)"):
        require_mask(np.ones((4, 5, 1)), "matte")
    with pytest.raises(ValueError, match=r"matte .* at least one pixel, got \(0, 5\)"):
        require_mask(np.ones((0, 5)), "matte")
    with pytest.raises(ValueError, match="dtype"):
        require_image(np.array([["a"]]), "plate")
    with pytest.raises(ValueError, match=r"landmarks must have shape \(468, 2\)"):
        require_landmarks(np.ones((468, 4)), "landmarks")
    assert require_landmarks(np.ones((468, 3), np.float32), "landmarks").shape == (468, 2)


def test_holes_are_filled_from_the_nearest_sound_pixels() -> None:
    image = np.tile(np.linspace(1, 2, 21, dtype=np.float32)[None, :, None], (9, 1, 3))
    hurt = image.copy()
    hurt[4, 10, 2] = np.nan
    filled = fill_nonfinite(hurt)
    np.testing.assert_allclose(filled, image, atol=1e-5)
    assert np.isnan(hurt[4, 10, 2])
    np.testing.assert_array_equal(np.delete(filled, 4, axis=0), np.delete(image, 4, axis=0))


def test_a_hole_beside_huge_values_is_no_accident() -> None:
    image = np.full((8, 8), 1e30, np.float32)
    image[2:5, 2:5] = np.inf
    np.testing.assert_allclose(fill_nonfinite(image), 1e30, rtol=1e-5)
