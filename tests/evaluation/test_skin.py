"""Casts, shadows and grey folds on a real face."""

from dataclasses import astuple

import cv2
import numpy as np
import pytest

from nuke_reage.evaluation.skin import SkinChange, skin_change, skin_score
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.face_mask import face_mask
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.skin import skin_matte


@pytest.fixture(scope="module")
def face(portrait):
    (found, *_) = MediapipeBackend().detect(portrait)
    points = found.landmarks[:, :2]
    mask = face_mask(points, Window.of_shape(portrait.shape))
    return portrait, mask * skin_matte(portrait, points, features=False), points


def changed(picture, factor):
    """The picture with its light multiplied."""
    curve = DisplayCurve()
    return curve.encode(curve.decode(picture) * np.asarray(factor, np.float32))


def test_a_cast_and_a_shadow_are_told_apart(face):
    picture, skin, _ = face
    cast = skin_change(picture, changed(picture, (1.05, 1.0, 1.0)), skin)
    assert cast.redder == pytest.approx(0.05, abs=1e-3) and cast.bluer == pytest.approx(0.0, abs=1e-4)
    assert skin_change(picture, changed(picture, (1, 1, 1.05)), skin).bluer == pytest.approx(0.05, abs=1e-3)
    assert 0.01 < cast.lighter < 0.04
    shadow = skin_change(picture, changed(picture, 0.9), skin)
    assert shadow.redder == pytest.approx(0.0, abs=1e-4) and shadow.lighter == pytest.approx(-0.1, abs=1e-3)
    nothing = skin_change(picture, picture, skin)
    assert astuple(nothing) == pytest.approx((0.0,) * 5, abs=1e-7)


def test_what_is_no_skin_does_not_count(face):
    picture, skin, _ = face
    factor = np.where((skin > 0)[..., None], 1.0, (2.0, 1.0, 0.5))
    assert skin_change(picture, changed(picture, factor), skin).redder == pytest.approx(0.0, abs=1e-6)
    assert skin_change(picture, picture, np.zeros_like(skin)) is None


@pytest.mark.parametrize("tint", [(0.75, 0.7, 0.65), (0.7, 0.7, 0.7), (0.65, 0.7, 0.75)])
def test_folds_tell_red_from_grey_and_purple_where_the_whole_face_hardly_does(face, tint):
    picture, skin, landmarks = face
    line = np.zeros(skin.shape, np.float32)
    x, y = landmarks.mean(axis=0).astype(int)
    cv2.line(line, (x - 28, y - 8), (x - 12, y + 24), 1.0, 7)
    cv2.line(line, (x + 28, y - 8), (x + 12, y + 24), 1.0, 7)
    soft = cv2.GaussianBlur(line, (0, 0), 0.8)[..., None]
    change = skin_change(picture, changed(picture, 1.0 + soft * (np.array(tint) - 1.0)), skin)
    assert abs(change.redder) < 0.02 and abs(change.bluer) < 0.02 and change.lighter < -0.01
    for seen, true in ((change.folds_redder, tint[0] / tint[1] - 1.0), (change.folds_bluer, tint[2] / tint[1] - 1.0)):
        assert seen == pytest.approx(true, abs=0.2 * abs(true) + 1e-3)


def test_pictures_become_a_score():
    pale, dark, near = (
        SkinChange(0.01, 0.0, -0.1, 0.02, 0.01),
        SkinChange(-0.04, 0.0, -0.2, 0.0, -0.03),
        SkinChange(9, 9, 9, 9, 9),
    )
    score = skin_score({"a": (25.0, {20.0: near, 80.0: pale}), "b": (60.0, {20.0: dark, 65.0: near, 80.0: dark})})
    assert (score.oldest.redder, score.oldest.lighter) == pytest.approx((-0.015, -0.15))
    assert score.youngest == dark
    assert score.strongest_cast == -0.04 and score.bluest_folds == 0.01
    assert score.by_picture["a"] == {"20": near, "80": pale}
    assert skin_score({"c": (40.0, {45.0: pale})}) is None
