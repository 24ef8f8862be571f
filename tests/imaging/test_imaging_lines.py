"""Lines of age on a face: where they lie, that they move with it, and that they only ever come."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.head import canonical_mesh
from nuke_reage.imaging.lines import FaceLines
from nuke_reage.imaging.protect import protect_mattes
from nuke_reage.imaging.sharpness import edge_blur_px

SIDE = 256
SKIN = np.float32([0.72, 0.56, 0.47])


def landmarks_at(side_px, dx=0.0, dy=0.0, degrees=0.0):
    mesh = canonical_mesh()[:, :2] / 4.0 * side_px
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (mesh @ rotation + [side_px * 0.5 + dx, side_px * 0.47 + dy]).astype(np.float32)


def line_shading(picture, points, side_px, source, target):
    return FaceLines(picture, points, side_px).log_shading(source, target)


@pytest.fixture(scope="module")
def face():
    """A face of plain skin, lit from the left, on a dark ground."""
    points = landmarks_at(SIDE)
    hull = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    lit = (1.15 - 0.3 * np.arange(SIDE, dtype=np.float32) / SIDE)[None, :, None]
    return np.where(hull[..., None] > 0, SKIN * lit, np.float32([0.1, 0.12, 0.15])).astype(np.float32), points


def test_forehead_eyes_and_folds_get_lines_and_eyes_and_lips_do_not(face):
    picture, points = face
    lines = line_shading(picture, points, SIDE, 30, 78)
    for where, index in (("forehead", (151, 9)), ("beside the eyes", (226, 446)), ("folds", (206, 426))):
        for x, y in points[list(index)].astype(int):
            assert lines[y - 9 : y + 10, x - 9 : x + 10].min() < -0.1, where
    features = protect_mattes(points, Window(0, 0, SIDE, SIDE))
    assert np.abs(lines[features[..., :2].max(axis=2) > 0.95]).max() < 0.03
    hull = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    assert np.abs(lines[cv2.dilate(hull, np.ones((5, 5))) == 0]).max() < 1e-3


@settings(max_examples=10, deadline=None)
@given(source=st.floats(20, 80), target=st.floats(20, 80))
def test_lines_come_with_age_and_never_go(face, source, target):
    picture, points = face
    lines = line_shading(picture, points, SIDE, source, target)
    if target <= source:
        assert not lines.any()
    elif target > source + 15 and target > 50:
        assert lines.min() < -0.02


def test_one_age_for_all_and_a_map_of_that_age_agree(face):
    picture, points = face
    one = line_shading(picture, points, SIDE, 30, 70)
    mapped = line_shading(picture, points, SIDE, 30, np.full((64, 64), 70, np.float32))
    assert np.allclose(one, mapped, atol=2e-3)
    ages = np.full((64, 64), 30, np.float32)
    ages[:28] = 70
    upper = line_shading(picture, points, SIDE, 30, ages)
    assert np.abs(upper[: SIDE * 26 // 64] - one[: SIDE * 26 // 64]).max() < 2e-3
    assert np.abs(upper[SIDE * 33 // 64 :]).max() < 1e-3 < np.abs(one[SIDE * 33 // 64 :]).max()


def test_a_canvas_that_shows_no_skin_is_no_error():
    """A face that has left the canvas, as a window of a plate may be cut."""
    lines = line_shading(np.zeros((SIDE, SIDE, 3), np.float32), landmarks_at(SIDE, dx=-3.0 * SIDE), SIDE, 30, 70)
    assert lines.shape == (SIDE, SIDE) and not lines.any()


def test_hair_over_the_forehead_has_no_lines(face):
    picture, points = face
    top, brow = points[10, 1], points[[105, 334], 1].min()
    fringe = picture.copy()
    fringe[int(top) - 5 : int(top + 0.6 * (brow - top))] = [0.08, 0.05, 0.03]
    bare, covered = (line_shading(one, points, SIDE, 30, 80) for one in (picture, fringe))
    under = slice(int(top), int(top + 0.45 * (brow - top)))
    assert np.abs(covered[under]).max() < 0.1 * np.abs(bare[under]).max()


@pytest.mark.parametrize(("dx", "dy", "degrees"), [(0.5, -0.5, 0.0), (7.3, 2.2, 0.0), (0.0, 0.0, 9.0)])
def test_lines_go_with_the_face(face, dx, dy, degrees):
    picture, points = face
    there = landmarks_at(SIDE, dx, dy, degrees)
    move = cv2.estimateAffinePartial2D(points, there)[0]
    # OpenCV counts from pixel centres.
    move[:, 2] += 0.5 * (move[:, 0] + move[:, 1]) - 0.5
    moved = cv2.warpAffine(picture, move, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    expected = cv2.warpAffine(line_shading(picture, points, SIDE, 30, 80), move, (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    found = line_shading(moved, there, SIDE, 30, 80)
    assert np.abs(found - expected).std() < 0.12 * expected.std()


def test_a_finer_raster_has_the_same_lines_only_sharper(face):
    picture, points = face
    coarse, fine = (line_shading(picture, points, side, 30, 80) for side in (SIDE, 2 * SIDE))
    halved = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(halved.ravel(), coarse.ravel())[0, 1] > 0.97
    assert fine.std() >= 0.95 * coarse.std()


@pytest.fixture(scope="module")
def face_with_eyes(face):
    """The same with dark eyes and lips, as sharp as pixels are."""
    picture, points = face
    parts = face_parts(points, SIDE)
    dark = (np.maximum(parts.eyes, parts.lips) > 0.5)[..., None]
    return np.where(dark, np.float32([0.2, 0.1, 0.1]), picture), points


@pytest.mark.parametrize("blur_px", [1.0, 2.0, 3.5])
def test_the_blur_of_a_picture_is_read_off_its_eyes_and_lips(face_with_eyes, blur_px):
    picture, points = face_with_eyes
    features = face_parts(points, SIDE).features
    light = cv2.GaussianBlur(picture, (0, 0), blur_px)[..., 1]
    assert edge_blur_px(light, features) == pytest.approx(blur_px, rel=0.25)
    assert edge_blur_px(0.3 * light, features) == pytest.approx(edge_blur_px(light, features), rel=1e-3)


def test_lines_are_as_soft_as_the_plate(face_with_eyes):
    picture, points = face_with_eyes

    def steepness(blur_px):
        seen = cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px else picture
        lines = line_shading(seen, points, 2 * SIDE, 30, 80)
        return np.abs(np.diff(lines, axis=0)).sum(), np.abs(lines).sum()

    sharp, softer, softest = (steepness(blur_px) for blur_px in (0.0, 1.5, 3.0))
    assert softer[0] < 0.8 * sharp[0] and softest[0] < 0.7 * softer[0]
    assert softest[1] > 0.5 * sharp[1], "they are softer, not gone"


def test_what_is_no_picture_or_no_face_is_refused(face):
    picture, points = face
    with pytest.raises(ValueError, match="encoded"):
        line_shading(picture[..., :2], points, SIDE, 30, 60)
    with pytest.raises(ValueError, match="landmarks"):
        line_shading(picture, points[:400], SIDE, 30, 60)
