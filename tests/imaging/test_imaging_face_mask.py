"""The face mask: where it lies, that it is soft, and that it follows the landmarks without steps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.canonical import project_mesh
from nuke_reage.faces.types import Pose
from nuke_reage.imaging.face_mask import face_mask, mask_window
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine, invert_affine
from nuke_reage.imaging.sampling import warp

Points = npt.NDArray[np.floating]

NOSE_TIP, FOREHEAD_TOP, CHIN = 1, 10, 152
FOREHEAD_RIM = (103, 67, 109, 10, 338, 297, 332)
EARS = (127, 234, 356, 454)
JAW_RIM = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
# Both eyes' corners, mouth corners, nose, cheeks, between the brows.
INNER = (33, 133, 263, 362, 61, 291, NOSE_TIP, 50, 280, 9)


def head(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, scale_px: float = 60.0) -> Points:
    pose = Pose(150.0, 140.0, scale_px, roll, yaw, pitch)
    return project_mesh(pose)[:, :2].astype(np.float64)


def at(mask: npt.NDArray[np.float32], window: Window, points: Points) -> npt.NDArray[np.float32]:
    columns, rows = np.floor(points).astype(int).T
    return mask[rows - window.y_min, columns - window.x_min]


def size_of(points: Points) -> float:
    hull = cv2.convexHull(points.astype(np.float32))
    return float(np.sqrt(4 / np.pi * cv2.contourArea(hull)))


@pytest.mark.parametrize("roll", [0.0, 35.0, -120.0, 180.0])
def test_the_face_is_in_and_the_rest_is_out(roll: float) -> None:
    points = head(roll=roll)
    window = mask_window(points).expanded(40)
    mask = face_mask(points, window)
    assert mask.dtype == np.float32 and mask.shape == window.shape
    assert (at(mask, window, points[list(INNER)]) == 1).all()
    up = (points[FOREHEAD_TOP] - points[CHIN]) / np.linalg.norm(points[FOREHEAD_TOP] - points[CHIN])
    # The mesh ends on the forehead and before the ears, the mask at the hairline and behind their roots; at the jaw the
    # rim is the middle of the soft edge.
    assert (at(mask, window, points[list(FOREHEAD_RIM)]) > 0.6).all()
    assert (at(mask, window, points[list(EARS)]) > 0.6).all()
    assert (np.abs(at(mask, window, points[list(JAW_RIM)]) - 0.5) < 0.35).all()
    hairline = points[FOREHEAD_TOP] + up * 0.1 * size_of(points)
    neck = points[CHIN] - up * 0.1 * size_of(points)
    assert at(mask, window, hairline[None])[0] > 0.5
    assert at(mask, window, neck[None])[0] == 0
    assert mask.min() == 0 and mask.max() == 1


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-75, 75),
    st.floats(-25, 25),
    st.floats(-180, 180),
    st.floats(0, 0.5),
    st.floats(-0.4, 0.3),
    st.sampled_from([1.0, 2.0, 0.5]),
)
def test_the_mask_ends_where_its_window_ends(
    yaw: float, pitch: float, roll: float, feather: float, expand: float, aspect: float
) -> None:
    points = head(yaw, pitch, roll, 30.0) / (aspect, 1.0)
    window = mask_window(points, pixel_aspect=aspect, feather=feather, expand=expand)
    wide = window.expanded(25)
    mask = face_mask(points, wide, pixel_aspect=aspect, feather=feather, expand=expand)
    assert np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1
    inside = mask[window.slices_in(wide)]
    assert (mask > 0).sum() == (inside > 0).sum()
    if not window.is_empty:
        # It is not merely cut off there.
        feather_px = feather * size_of(points * (aspect, 1.0))
        margin_px = max(1.0, aspect)
        most = 10 * (margin_px / max(feather_px, 1.0)) ** 3
        assert max(inside[0].max(), inside[-1].max(), inside[:, 0].max(), inside[:, -1].max()) <= most
    if expand > -0.1 and feather < 0.2:
        assert (mask == 1).any()


def test_the_window_is_no_larger_than_it_takes() -> None:
    points = head(scale_px=120.0)
    mask = face_mask(points, mask_window(points))
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    # The very end of the soft edge is too small for a visible value.
    assert rows[0] < 6 and columns[0] < 6 and rows[-1] >= len(mask) - 6 and columns[-1] >= mask.shape[1] - 6


def test_any_window_shows_the_same_pixels() -> None:
    points = head(20.0, 5.0, 10.0)
    window = mask_window(points).expanded(10)
    whole = face_mask(points, window)
    part = Window(window.x_min + 41, window.y_min + 23, window.x_min + 160, window.y_min + 71)
    np.testing.assert_allclose(face_mask(points, part), whole[part.slices_in(window)], atol=2e-5)
    assert not face_mask(points, Window(-500, -500, -480, -490)).any()
    assert face_mask(points, Window(3, 3, 3, 9)).shape == (6, 0)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, -3.0), (250.0, 100.0)])
def test_whole_pixels_move_it_by_whole_pixels(shift: tuple[float, float]) -> None:
    points = head(15.0, -5.0, 20.0)
    window = mask_window(points).expanded(5)
    moved = Window(
        window.x_min + int(shift[0]),
        window.y_min + int(shift[1]),
        window.x_max + int(shift[0]),
        window.y_max + int(shift[1]),
    )
    np.testing.assert_allclose(face_mask(points + shift, moved), face_mask(points, window), atol=1e-4)


@pytest.mark.parametrize("shift", [0.5, 0.1, -0.25])
def test_part_of_a_pixel_moves_it_by_that_part(shift: float) -> None:
    points = head(15.0, -5.0, 20.0, 80.0)
    window = mask_window(points).expanded(20)
    still = face_mask(points, window)
    moved = face_mask(points + np.array([shift, shift / 2]), window)
    to_origin = np.array([[1.0, 0.0, shift - window.x_min], [0.0, 1.0, shift / 2 - window.y_min]])
    expected = warp(still, window, to_origin, window.shape)
    assert np.abs(moved - expected).max() < 1e-3
    assert np.abs(moved - still).max() > 10 * np.abs(moved - expected).max()


def test_it_turns_and_scales_with_the_face() -> None:
    points = head(12.0)
    window = mask_window(points).expanded(60)
    crop = CropFrame(150.0, 150.0, 300.0, 33.0)
    turn = crop.canvas_from_plate(450.0)
    canvas = Window(0, 0, 450, 450)
    turned = face_mask(apply_affine(turn, points), canvas)
    expected = warp(face_mask(points, window), window, turn, canvas.shape)
    assert np.abs(turned - expected).max() < 0.01
    assert turned.max() == 1
    assert invert_affine(turn).shape == (2, 3)


def test_pixels_may_be_wider_than_high() -> None:
    points = head(10.0, scale_px=100.0)
    window = Window(0, 0, 400, 400)
    square = face_mask(points, window)
    wide = face_mask(points / (2.0, 1.0), Window(0, 0, 200, 400), pixel_aspect=2.0)
    np.testing.assert_allclose(wide, square.reshape(400, 200, 2).mean(axis=2), atol=3e-3)


@pytest.mark.parametrize("feather", [0.05, 0.12, 0.3])
def test_the_edge_is_as_soft_as_asked_and_has_no_corners(feather: float) -> None:
    points = head(scale_px=120.0)
    points -= points.min(axis=0) - 150
    window = mask_window(points, feather=feather)
    mask = face_mask(points, window, feather=feather)
    feather_px = feather * size_of(points)
    slope = np.hypot(*np.gradient(mask.astype(np.float64)))
    # A smootherstep's steepest slope is 15/8 of its mean slope.
    assert slope.max() == pytest.approx(1.875 / feather_px, rel=0.08)
    bend = np.abs(np.diff(mask.astype(np.float64), 2, axis=0)).max()
    assert bend < 8 / feather_px**2


def test_even_without_feather_the_edge_is_one_pixel_soft() -> None:
    mask = face_mask(head(), mask_window(head(), feather=0.0), feather=0.0)
    edge = (mask > 0) & (mask < 1)
    assert 200 < edge.sum() < 2000
    assert len(np.unique(np.round(mask[edge], 2))) > 40


def test_expand_moves_the_edge_outwards_by_parts_of_the_face() -> None:
    points = head()
    size, window = size_of(points), Window(0, 0, 300, 300)
    areas = [float(face_mask(points, window, expand=expand).sum()) for expand in (-0.1, 0.0, 0.1)]
    radii = np.sqrt(np.array(areas) / np.pi)
    np.testing.assert_allclose(np.diff(radii) / size, 0.1, rtol=0.1)
    assert mask_window(points, expand=-0.9).is_empty and not face_mask(points, window, expand=-0.9).any()


def test_a_turning_head_changes_it_steadily() -> None:
    window, before = Window(0, 0, 300, 300), None
    for yaw in np.arange(-84.0, 84.01, 2.0):
        points = head(float(yaw), 8.0, 4.0)
        mask = face_mask(points, window)
        assert at(mask, window, points[[NOSE_TIP]])[0] > 0.25
        if before is not None:
            assert np.abs(mask - before).max() < 0.35
        before = mask


def test_a_change_of_the_landmarks_is_a_small_change_of_the_mask() -> None:
    rng = np.random.default_rng(4)
    points, window = head(5.0), Window(0, 0, 300, 300)
    mask = face_mask(points, window)
    for _ in range(10):
        jitter = rng.normal(0, 0.02, points.shape)
        assert np.abs(face_mask(points + jitter, window) - mask).max() < 0.01


def test_what_is_no_face_mesh_is_refused() -> None:
    window = Window(0, 0, 9, 9)
    with pytest.raises(ValueError, match=r"\(468, 2\) or \(468, 3\), got \(5, 2\)"):
        face_mask(np.zeros((5, 2)), window)
    with pytest.raises(ValueError, match="not finite"):
        face_mask(np.full((468, 2), np.nan), window)
    with pytest.raises(ValueError, match="extent"):
        mask_window(np.ones((468, 2)))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["photo_a.png", "photo_b.png", "photo_c.png"])
def test_on_real_photos_the_skin_is_in_and_the_corners_are_out(name: str, shared_dir: Path) -> None:
    picture = cv2.imread(str(shared_dir / "plates" / name))[:, :, ::-1].astype(np.float32) / 255
    (face, *_) = MediapipeBackend().detect(np.ascontiguousarray(picture))
    window = Window.of_shape(picture.shape)
    mask = face_mask(face.landmarks, window)
    # photo_b is turned away: the far eye and cheek lie in the soft edge.
    assert (at(mask, window, face.landmarks[list(INNER), :2]) > 0.75).all()
    assert not np.any([mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]])
    # Skin differs little over a face; hair, clothes and background would widen this.
    skin = picture[mask == 1].mean(axis=1)
    rest = picture[mask == 0].mean(axis=1)
    assert np.percentile(skin, 90) - np.percentile(skin, 10) < np.percentile(rest, 95) - np.percentile(rest, 5)
