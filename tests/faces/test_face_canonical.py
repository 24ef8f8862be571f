"""The canonical mesh, head poses and the crops that models want."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.canonical import (
    FFHQ,
    RIGID_WEIGHTS,
    canonical_mesh,
    crop_frame,
    fit_pose,
    framing_from_spec,
    head_from_square,
    pose_of_crop,
    project_mesh,
    square_from_head,
)
from nuke_reage.faces.types import Pose
from nuke_reage.imaging.geometry import apply_affine

BOX = {"kind": "box", "scale": 1.85, "above": 0.63}
LIPS_AND_JAW = [0, 13, 14, 17, 61, 291, 78, 308, 152, 172, 397, 136, 365, 148, 377, 200]

poses = st.builds(
    Pose,
    st.floats(-3000, 6000),
    st.floats(-3000, 6000),
    st.floats(8, 1500),
    st.floats(-179, 179),
    st.floats(-85, 85),
    st.floats(-60, 60),
)


def test_the_mesh_is_symmetric_upright_and_in_eye_distances():
    mesh = canonical_mesh().astype(np.float64)
    eyes = mesh[[33, 133]].mean(axis=0), mesh[[362, 263]].mean(axis=0)
    assert np.allclose(eyes, [[-0.5, 0, 0], [0.5, 0, 0]], atol=1e-5)
    assert mesh[10, 2] == pytest.approx(mesh[152, 2], abs=1e-5)
    mirrored = mesh * [-1, 1, 1]
    nearest = np.linalg.norm(mirrored[:, None] - mesh[None], axis=2).min(axis=1)
    assert nearest.max() < 1e-5
    assert mesh[4, 2] < mesh[33, 2] < mesh[127, 2], "nose in front of eyes in front of temples"
    assert mesh[10, 1] < mesh[4, 1] < mesh[13, 1] < mesh[152, 1], "brow, nose, mouth, chin downwards"
    with pytest.raises(ValueError, match="read-only"):
        canonical_mesh()[0] = 0


@given(poses, st.sampled_from([1.0, 2.0, 0.5, 1.0926]))
def test_a_projected_pose_is_found_again(pose: Pose, pixel_aspect: float):
    found = fit_pose(project_mesh(pose, pixel_aspect=pixel_aspect), pixel_aspect=pixel_aspect)
    tolerance = 1e-3 * pose.scale_px + 2e-3
    assert np.allclose(found.as_tuple()[:3], pose.as_tuple()[:3], rtol=0, atol=tolerance)
    assert np.allclose(found.as_tuple()[3:], pose.as_tuple()[3:], rtol=0, atol=0.1)


def test_angles_have_the_signs_of_the_docstring():
    def nose(**angles: float) -> np.ndarray:
        return project_mesh(Pose(0, 0, 100, **({"roll_degrees": 0.0} | angles)))[4]

    assert nose(yaw_degrees=20)[0] > nose()[0] + 5
    assert nose(pitch_degrees=20)[1] > nose()[1] + 5
    right_eye = project_mesh(Pose(0, 0, 100, 20))[263]
    assert right_eye[1] > 10, "clockwise on screen: the right end goes down"


def test_speech_does_not_move_the_pose_and_yaw_does_not_shrink_it():
    pose = Pose(500, 400, 120, 5, 10, -5)
    mesh = project_mesh(pose)
    speaking = mesh.copy()
    speaking[LIPS_AND_JAW, 1] += 40
    assert np.allclose(fit_pose(speaking).as_tuple(), fit_pose(mesh).as_tuple(), atol=1e-6)
    assert fit_pose(project_mesh(Pose(500, 400, 120, 5, 60, 0))).scale_px == pytest.approx(120, rel=1e-4)
    assert (RIGID_WEIGHTS[LIPS_AND_JAW] == 0).all() and RIGID_WEIGHTS.sum() == pytest.approx(1)


@settings(max_examples=30)
@given(poses)
def test_head_coordinates_invert(pose: Pose):
    points = project_mesh(pose)[:, :2].astype(np.float64) + np.random.default_rng(0).normal(0, 3, (468, 2))
    there_and_back = square_from_head(pose, head_from_square(pose, points))
    assert np.allclose(there_and_back, points, atol=1e-6 * pose.scale_px + 1e-6)


def test_ffhq_framing_follows_its_formula_on_a_photo(astronaut_face):
    points = astronaut_face.landmarks[:, :2].astype(np.float64)
    eyes = points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)
    middle, mouth = (eyes[0] + eyes[1]) / 2, points[[61, 291]].mean(axis=0)
    half = max(2.0 * np.hypot(*(eyes[1] - eyes[0])), 1.8 * np.hypot(*(mouth - middle)))
    crop = crop_frame(fit_pose(astronaut_face.landmarks), framing_from_spec(FFHQ))
    assert crop.side_px == pytest.approx(2 * half, rel=0.08)
    wanted = middle + 0.1 * (mouth - middle)
    assert math.hypot(crop.centre_x - wanted[0], crop.centre_y - wanted[1]) < 0.02 * crop.side_px
    assert crop.angle_degrees == pytest.approx(math.degrees(math.atan2(*(eyes[1] - eyes[0])[::-1])), abs=2.0)


def test_box_framing_puts_brow_and_chin_where_the_model_has_them():
    crop = crop_frame(Pose(500, 400, 100, 0), framing_from_spec(BOX))
    mesh = project_mesh(Pose(500, 400, 100, 0))
    brow, chin = mesh[[105, 334], 1].mean(), mesh[152, 1]
    height = chin - brow
    assert crop.side_px == pytest.approx(1.85 * height, rel=1e-4)
    assert brow - (crop.centre_y - crop.side_px / 2) == pytest.approx(0.63 * 0.85 * height, rel=1e-3)
    assert (crop.centre_y + crop.side_px / 2) - chin == pytest.approx(0.37 * 0.85 * height, rel=1e-3)


def test_a_model_may_name_the_numbers_of_its_framing():
    assert framing_from_spec({"kind": "box"}) == framing_from_spec(BOX)
    wide = framing_from_spec({"kind": "ffhq", "eye_factor": 3.0, "mouth_factor": 1.8, "centre_shift": 0.0})
    assert wide.side == pytest.approx(6.0) and wide.centre == pytest.approx((0, 0, 0), abs=1e-5)


@given(poses, st.sampled_from([1.0, 2.0]))
def test_the_crop_holds_the_same_head_at_the_same_place(pose: Pose, pixel_aspect: float):
    framing = framing_from_spec(BOX)
    crop = crop_frame(pose, framing, pixel_aspect)
    eyes_middle = [[pose.centre_x / pixel_aspect, pose.centre_y]]
    upright = crop_frame(Pose(0, 0, 1, 0, pose.yaw_degrees, pose.pitch_degrees), framing)
    wanted = apply_affine(upright.canvas_from_plate(512), [[0, 0]])
    assert np.allclose(apply_affine(crop.canvas_from_plate(512), eyes_middle), wanted, atol=1e-6)
    back = pose_of_crop(crop, framing, yaw_degrees=pose.yaw_degrees, pitch_degrees=pose.pitch_degrees)
    assert np.allclose(back.as_tuple(), pose.as_tuple(), atol=1e-6)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"kind": "fhq"},
        {"kind": "ffhq", "scale": 2},
        {"kind": "ffhq", "eye_factor": 0, "mouth_factor": 0},
        BOX | {"scale": True},
        BOX | {"scale": float("nan")},
        BOX | {"above": 2},
        BOX | {"scale": "x"},
    ],
)
def test_bad_framings_are_refused_with_a_hint(spec):
    with pytest.raises(FaceError) as error:
        framing_from_spec(spec)
    assert error.value.code == "face.bad-framing" and error.value.hint


def test_points_in_one_place_have_no_pose():
    with pytest.raises(ValueError, match="extent"):
        fit_pose(np.ones((468, 3)))
