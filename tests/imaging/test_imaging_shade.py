"""The hue of shadows on skin: known for every skin, as dark as before, and nothing else touched."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import LUMA_WEIGHTS
from nuke_reage.imaging.head import canonical_mesh
from nuke_reage.imaging.shade import SHADE_OF_SKIN, SkinShade

SIDE = 128
PALE, DARK = (0.90, 0.76, 0.68), (0.42, 0.28, 0.22)
CURVE = DisplayCurve()
POINTS = (canonical_mesh()[:, :2] / 4.0 * SIDE + [SIDE * 0.5, SIDE * 0.47]).astype(np.float32)
CHEEK = (slice(68, 74), slice(42, 48))


def face_of(skin):
    hull = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(POINTS).astype(np.int32)), 1)
    return np.where(hull[..., None] > 0, np.float32(skin), np.float32([0.1, 0.25, 0.5])).astype(np.float32)


def light_of(encoded):
    return CURVE.decode(encoded).astype(np.float64)


def luma(encoded):
    return light_of(encoded) @ np.array(LUMA_WEIGHTS)


@pytest.mark.parametrize("skin", [PALE, DARK])
@pytest.mark.parametrize("change", [(-0.06, -0.06, -0.06), (-0.12, -0.1, -0.04), (-0.02, -0.09, -0.09)])
def test_grey_purple_and_red_shadows_become_those_of_skin_and_stay_as_dark(skin, change):
    picture = face_of(skin)
    delta = np.broadcast_to(np.float32(change), picture.shape).copy()
    shaded = SkinShade(picture, POINTS, 0.6, CURVE).shaded(delta)
    fall = np.log(luma(picture + delta)[CHEEK] / luma(picture)[CHEEK])
    assert fall.max() < -0.15
    assert np.log(luma(picture + shaded)[CHEEK] / luma(picture)[CHEEK]) == pytest.approx(fall, abs=2e-3)
    hue = np.log(light_of(picture + shaded)[CHEEK] / light_of(picture)[CHEEK])
    law = 0.6 * (SHADE_OF_SKIN - 1.0)
    own = np.log(light_of(picture + delta)[CHEEK] / light_of(picture)[CHEEK])
    for channel in (0, 2):
        wanted = (law[channel] - law[1]) * fall
        before = np.abs(own[..., channel] - own[..., 1] - wanted).max()
        assert hue[..., channel] - hue[..., 1] == pytest.approx(wanted, abs=0.05 * before + 2e-3)


def test_what_gets_lighter_and_what_is_no_skin_stays_bit_for_bit():
    picture = face_of(PALE)
    delta = np.zeros_like(picture)
    delta[:64] = (0.05, 0.02, 0.04)
    delta[100:, :20] = (-0.05, -0.1, -0.1)
    assert np.array_equal(SkinShade(picture, POINTS, 0.6, CURVE).shaded(delta), delta)
    lips = POINTS[[13, 14]].mean(axis=0).astype(int)
    picture[lips[1] - 3 : lips[1] + 4, lips[0] - 10 : lips[0] + 11] = (0.7, 0.3, 0.3)
    delta = np.full_like(picture, -0.05)
    shaded = SkinShade(picture, POINTS, 0.6, CURVE).shaded(delta)
    assert np.abs(shaded[lips[1], lips[0]] + 0.05).max() < 2e-3
    assert np.abs(shaded[CHEEK] + 0.05).max() > 0.005


@settings(max_examples=25, deadline=None)
@given(
    change=st.tuples(*[st.floats(-0.5, 0.1)] * 3),
    skin=st.tuples(*[st.floats(0.05, 1.6)] * 3),
    share=st.floats(0.0, 1.0),
)
def test_any_change_stays_finite_and_as_dark(change, skin, share):
    picture = face_of(skin)
    delta = np.broadcast_to(np.float32(change), picture.shape).copy()
    shaded = SkinShade(picture, POINTS, share, CURVE).shaded(delta)
    assert np.isfinite(shaded).all() and np.array_equal(delta, np.broadcast_to(np.float32(change), picture.shape))
    assert luma(picture + shaded) == pytest.approx(luma(picture + delta), rel=2e-3, abs=1e-5)


def test_light_beyond_float_and_black_are_left_to_the_network():
    picture = face_of(PALE)
    picture[70, 44], picture[71, 45], picture[69, 43, 2] = 24.0, -0.02, -0.01
    assert np.isinf(light_of(picture)[70, 44]).all()
    delta = np.full_like(picture, -0.1)
    delta[70, 44], delta[69, 43, 2] = -3.0, 0.1
    assert np.isfinite(light_of(picture + delta)).all()
    shaded = SkinShade(picture, POINTS, 0.6, CURVE).shaded(delta)
    assert np.isfinite(shaded).all() and np.array_equal(
        shaded[[69, 70, 71], [43, 44, 45]], delta[[69, 70, 71], [43, 44, 45]]
    )
    assert np.abs(shaded[72, 46] + 0.1).max() > 0.005


def test_between_lighter_and_darker_there_is_no_step():
    """Redder and at first lighter, then darker and darker: the network's hue goes bit by bit."""
    picture = face_of(PALE)
    shade = SkinShade(picture, POINTS, 0.6, CURVE)
    moved, falls = [], []
    for depth in np.linspace(0.0, 0.1, 101, dtype=np.float32):
        delta = np.broadcast_to(np.array([0.04, -depth, 0.0], np.float32), picture.shape).copy()
        moved.append((shade.shaded(delta) - delta)[CHEEK].mean(axis=(0, 1)))
        falls.append(np.log(luma(picture + delta) / luma(picture))[CHEEK].mean())
    assert falls[0] > 0.03 > -0.14 > falls[-1]
    assert not np.any(moved[0]) and np.abs(moved[-1]).max() > 0.03
    assert np.abs(np.diff(np.array(moved), axis=0)).max() < 0.003


def test_a_picture_without_skin_keeps_the_networks_hue():
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    delta = np.full_like(picture, -0.1)
    assert np.array_equal(SkinShade(picture, POINTS, 0.6, CURVE).shaded(delta), delta)
