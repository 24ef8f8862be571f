"""Lines drawn as relief: they come with age, lie where faces have them, and are lit as the portrait is."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from nuke_reage.faces.canonical import canonical_mesh
from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.mesh import FaceMesh, triangulated
from nuke_reage.imaging.relief import Light, Relief, fit_light
from nuke_reage.training.aging import Ager, Strengths
from nuke_reage.training.portraits import Crop, Portrait
from nuke_reage.training.statistics import AgingStatistics

SIDE = 128


def landmarks_at(side_px):
    return (canonical_mesh()[:, :2] / 4.0 * side_px + [side_px / 2, side_px * 0.47]).astype(np.float32)


@pytest.fixture(scope="module")
def mesh():
    return FaceMesh(landmarks_at(SIDE) / SIDE, SIDE)


@pytest.fixture(scope="module")
def relief(mesh):
    return Relief(mesh)


def light_from(x, y):
    return Light(np.array([1.0, x, y, 0.0], np.float32))


@settings(max_examples=25, deadline=None)
@given(ages=st.tuples(st.floats(20, 85), st.floats(20, 85)).map(sorted))
def test_furrows_deepen_with_every_year_and_never_before_their_time(relief, ages):
    younger, older = ages
    assert np.abs(relief.height(younger, younger)).max() == 0.0
    assert np.abs(relief.height(20, 26)).max() == 0.0, "nobody of 26 has lines"
    before, after = relief.height(20, younger), relief.height(20, older)
    assert after.min() <= before.min() + 0.02
    assert np.abs(after).sum() >= 0.98 * np.abs(before).sum()
    whole = relief.height(20, younger) + relief.height(younger, older)
    assert np.allclose(whole, relief.height(20, older), atol=1e-5), "years add up"


def test_lines_lie_where_faces_have_them(relief, mesh):
    height = relief.height(20, 80)
    parts = face_parts(mesh.mean, SIDE)
    assert height.min() < -1.0
    assert np.abs(height[parts.face == 0]).max() < 0.35, "what runs out over the edge of the face is faint"
    assert np.abs(height[parts.eyes > 0.9]).mean() < 0.1
    for where, index in (("beside the mouth", (57, 287)), ("beside the nose", (206, 426)), ("forehead", (151, 9))):
        for x, y in mesh.mean[list(index)].astype(int):
            assert height[y - 5 : y + 6, x - 5 : x + 6].min() < -0.3, where


def test_a_larger_canvas_has_the_same_lines_only_sharper(relief):
    large = Relief(FaceMesh(landmarks_at(2 * SIDE) / (2 * SIDE), 2 * SIDE)).height(20, 80)
    halved = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    small = relief.height(20, 80)
    assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.97
    assert large.std() > 0.95 * small.std()


def test_light_from_the_other_side_turns_bright_edges_dark(relief, mesh):
    def shading(x, y, before=20, after=80):
        return relief.on_face(mesh.mean, SIDE, light_from(x, y)).log_shading(before, after)

    left, right, front = shading(-0.6, 0.22), shading(0.6, 0.22), shading(0.0, 0.22)
    assert front.max() < 0.05 and front.min() < -0.4, "under even light furrows are only darker"
    fold = relief.height(20, 80) < -0.3
    edges = np.corrcoef((left - front)[fold], (right - front)[fold])[0, 1]
    assert edges < -0.8
    assert np.abs(shading(0.5, 0.5, 60, 60)).max() == 0.0


@pytest.mark.parametrize("direction", [(0.5, 0.0), (-0.4, -0.3), (0.0, 0.0)])
def test_the_light_of_a_lit_head_is_found(direction, mesh):
    points = landmarks_at(SIDE)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    half = (points.max(axis=0) - points.min(axis=0)) / 2 * 1.15
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) + 0.5
    x, y = (x - middle[0]) / half[0], (y - middle[1]) / half[1]
    brightness = 0.35 * (1.0 + direction[0] * x + direction[1] * y)
    encoded = np.repeat(np.clip(brightness, 0, 1)[..., None] ** (1 / 2.2), 3, axis=2).astype(np.float32)
    light = fit_light(encoded, face_parts(points, SIDE).skin, points)
    assert np.allclose(light.across, direction, atol=0.06)
    skin = face_parts(points, SIDE).skin > 0.9
    assert np.allclose(light.shading(points, SIDE)[skin] * 0.35, brightness[skin], rtol=0.1)


def test_a_portrait_gets_lines_when_it_ages_and_none_when_it_grows_young():
    points = landmarks_at(SIDE)
    nothing = np.zeros((3, SIDE, SIDE), np.float32)
    statistics = AgingStatistics(
        SIDE, points / SIDE, np.zeros((3, SIDE, SIDE, 3), np.float32), nothing, nothing,
        np.zeros((3, 468, 2), np.float32), 100,
    )  # fmt: skip
    rgb = np.full((SIDE, SIDE, 3), [0.7, 0.55, 0.45], np.float32)
    portrait = Portrait("somebody", Crop(rgb, points, 0.0, 0.0), 40.0, "m")
    old, young = Ager(statistics).at_ages(portrait, (80.0, 20.0))
    (unlined,) = Ager(statistics, (), Strengths(relief=0.0)).at_ages(portrait, (80.0,))
    skin = face_parts(points, SIDE).skin > 0.9
    assert np.abs(young - rgb)[skin].max() < 0.01
    assert np.abs(unlined - rgb)[skin].max() < 0.01
    assert (old - rgb)[skin].min() < -0.15 and np.abs((old - rgb)[skin].mean()) < 0.03
    red, green, blue = (old / rgb)[skin & (old.mean(axis=2) < 0.9 * rgb.mean(axis=2))].T
    assert (red > green).all() and (green > blue).all(), "light in folds has been through skin"
    assert (red - blue).max() < 0.2, "but they are no stain"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_triangles_are_those_of_delaunay(seed):
    points = np.random.default_rng(seed).uniform(0, 512, (200, 2)).astype(np.float32)
    ours, theirs = (
        {tuple(sorted(one)) for one in found.tolist()} for found in (triangulated(points), Delaunay(points).simplices)
    )
    # One as thin as the rounding of its corners may lie along the hull.
    corners = [points[list(one)].astype(np.float64) for one in theirs - ours]
    assert ours <= theirs and sum(abs(np.linalg.det(one[1:] - one[0])) / 2 for one in corners) < 10
