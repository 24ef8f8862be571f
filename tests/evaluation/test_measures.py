"""The numbers themselves."""

import numpy as np
import pytest

from nuke_reage.evaluation.measures import (
    detail_difference,
    mean_difference,
    monotony,
    motion_between,
    moved_by,
    ratio,
    response_slope,
)


def textured(side=96, seed=0):
    import cv2

    return cv2.GaussianBlur(np.random.default_rng(seed).random((side, side, 3), np.float32), (0, 0), 2.0) * 2.0 - 0.5


def test_a_difference_counts_only_inside_the_mask():
    black, spot = np.zeros((16, 16, 3), np.float32), np.zeros((16, 16, 3), np.float32)
    spot[:4] = 0.5
    mask = np.zeros((16, 16), np.float32)
    mask[:8] = 1.0
    assert mean_difference(black, spot, mask) == pytest.approx(0.25)
    mask[:4] = 0.0
    assert mean_difference(black, spot, mask) == 0.0
    with pytest.raises(ValueError, match="empty"):
        mean_difference(black, spot, np.zeros((16, 16), np.float32))
    with pytest.raises(ValueError, match=r"\(16, 16, 3\)"):
        mean_difference(black, spot[:8], mask)


def test_detail_sees_lines_and_not_tone():
    flat = np.full((64, 64, 3), 0.5, np.float32)
    lines, tone = flat.copy(), flat - 0.05
    lines[::8] -= 0.4
    mask = np.ones((64, 64), np.float32)
    assert mean_difference(lines, flat, mask) == pytest.approx(mean_difference(tone, flat, mask))
    assert detail_difference(lines, flat, mask) > 20 * detail_difference(tone, flat, mask)
    assert detail_difference(lines, lines, mask) == 0.0


def test_slope_and_order_of_what_is_read():
    asked = [20, 40, 60, 80]
    assert response_slope(asked, [40, 45, 50, 55]) == pytest.approx(0.25)
    assert response_slope(asked, [55, 50, 45, 40]) == pytest.approx(-0.25)
    assert monotony(asked, [20, 41, 40, 80]) == pytest.approx(4 / 6)
    for wrong in (response_slope, monotony):
        with pytest.raises(ValueError, match="two ages"):
            wrong([40, 40], [1, 2])


def test_a_ratio_to_nothing_is_no_number():
    assert ratio(1.0, 4.0) == 0.25
    assert np.isnan(ratio(1.0, 0.0))


def test_what_moves_is_brought_along():
    now = np.clip(textured(), 0.0, 1.0)
    before = np.roll(now, (2, -3), axis=(0, 1))
    flow = motion_between(now, before)
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(np.median(flow[inner], axis=(0, 1)) - (-3, 2)).max() < 0.3
    assert np.abs(moved_by(before, flow) - now)[inner].mean() < 0.2 * np.abs(before - now)[inner].mean()
