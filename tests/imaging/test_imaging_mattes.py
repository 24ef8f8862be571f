"""Regions, protection, skin: where the mattes lie, that they add up, and that they move with the face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.core.adjust import PROTECTED, REGIONS
from nuke_reage.faces.canonical import project_mesh
from nuke_reage.faces.types import Pose
from nuke_reage.imaging.face_mask import face_mask, face_size_px, mask_window
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.protect import protect_mattes
from nuke_reage.imaging.regions import region_field, region_mattes, region_weights
from nuke_reage.imaging.sampling import warp
from nuke_reage.imaging.skin import skin_matte

Points = npt.NDArray[np.floating]

UPPER_LIP, LOWER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 398, 384, 385, 386, 387, 388, 466)
LOWER_LIDS = (7, 163, 144, 145, 153, 154, 155, 382, 381, 380, 374, 373, 390, 249)
# A landmark in the middle of each region.
WITHIN = {
    "forehead": (151, 9, 69, 299, 107, 336),
    "eyes": (159, 386, 35, 265),
    "undereye": (230, 450),
    "nose": (1, 195, 5),
    "cheeks": (50, 280, 205, 425, 206, 426),
    "mouth": (0, 17, 13),
    "jaw": (199, 175, 135, 364),
}


def head(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, scale_px: float = 60.0) -> Points:
    return project_mesh(Pose(150.0, 150.0, scale_px, roll, yaw, pitch))[:, :2].astype(np.float64)


def opened(points: Points, upper: tuple[int, ...], lower: tuple[int, ...], gap: float) -> Points:
    """The face with an opening whose lines lie ``gap`` times the eyes' distance apart."""
    moved = points.copy()
    middle = (moved[list(upper)] + moved[list(lower)]) / 2
    for index, sign in ((upper, -1), (lower, 1)):
        moved[list(index)] = middle + np.array([0.0, sign * gap * 30.0])
    return moved


def at(mattes: npt.NDArray[np.float32], window: Window, points: Points) -> npt.NDArray[np.float32]:
    columns, rows = np.floor(points).astype(int).T
    return mattes[rows - window.y_min, columns - window.x_min]


@pytest.mark.parametrize("roll", [0.0, 70.0, 180.0])
def test_regions_lie_on_their_features(roll: float) -> None:
    points = head(roll=roll)
    window = mask_window(points).expanded(20)
    weights = region_weights(points, window)
    assert weights.dtype == np.float32 and weights.shape == (*window.shape, len(REGIONS))
    for name, landmarks in WITHIN.items():
        there = at(weights, window, points[list(landmarks)])
        assert (there[:, REGIONS.index(name)] > 0.75).all(), (name, there.round(2))
    down = (points[152] - points[10]) / np.linalg.norm(points[152] - points[10])
    under_the_chin = points[152] + 0.1 * face_size_px(points) * down
    assert at(weights, window, under_the_chin[None])[0, REGIONS.index("neck")] > 0.9


@settings(max_examples=15, deadline=None)
@given(st.floats(-80, 80), st.floats(-30, 30), st.floats(-180, 180), st.sampled_from([1.0, 2.0, 0.5]), st.booleans())
def test_regions_add_up_to_the_face_and_are_nothing_outside(
    yaw: float, pitch: float, roll: float, aspect: float, neck: bool
) -> None:
    points = head(yaw, pitch, roll, 30.0) / (aspect, 1.0)
    window = mask_window(points, pixel_aspect=aspect, neck=neck).expanded(15)
    mask = face_mask(points, window, pixel_aspect=aspect, neck=neck)
    weights = region_weights(points, window, pixel_aspect=aspect)
    np.testing.assert_allclose(weights.sum(axis=2), 1.0, atol=1e-5)
    assert weights.min() >= 0
    mattes = region_mattes(weights, mask)
    np.testing.assert_allclose(mattes.sum(axis=2)[mask > 0.2], 1.0, atol=1e-5)
    assert (mattes[mask == 0] == 0).all()
    assert (mattes.sum(axis=2) <= 1 + 1e-5).all()
    # In every pose several of them are seen.
    assert (mattes.max(axis=(0, 1)) > 0.9).sum() >= 5


@pytest.mark.parametrize(("yaw", "aspect"), [(0.0, 1.0), (50.0, 2.0)])
def test_a_value_for_each_region_is_spread_as_the_regions_are(yaw: float, aspect: float) -> None:
    points = head(yaw, roll=20.0) / (aspect, 1.0)
    window = mask_window(points, pixel_aspect=aspect).expanded(40)
    years = {"forehead": 10.0, "eyes": -5.0, "jaw": 3.0}
    by_region = np.array([years.get(name, 0.0) for name in REGIONS])
    expected = region_weights(points, window, pixel_aspect=aspect).astype(np.float64) @ by_region
    field = region_field(years, points, window, pixel_aspect=aspect)
    assert field.dtype == np.float32 and -5 <= field.min() < -4 and 9.5 < field.max() <= 10
    face = face_mask(points, window, pixel_aspect=aspect) > 0
    assert face.sum() > 5000 and np.abs(field - expected)[face].max() < 1e-3


def test_borders_of_regions_are_soft_in_units_of_the_face() -> None:
    slopes = []
    for scale_px in (40.0, 120.0):
        points = head(scale_px=scale_px)
        window = mask_window(points)
        weights = region_weights(points, window).astype(np.float64)
        inside = face_mask(points, window) > 0.5
        slope = np.hypot(*np.gradient(weights, axis=(0, 1)))[inside].max() * face_size_px(points)
        slopes.append(slope)
        # A step would have a slope of half its height over one pixel.
        assert slope < 40
    assert slopes[0] == pytest.approx(slopes[1], rel=0.1)


@pytest.mark.parametrize("shift", [0.5, -0.25])
@pytest.mark.parametrize("what", ["regions", "protect"])
def test_part_of_a_pixel_moves_mattes_by_that_part(what: str, shift: float) -> None:
    points = opened(head(15.0, -5.0, 20.0, 80.0), UPPER_LIP, LOWER_LIP, 0.3)
    make = region_weights if what == "regions" else protect_mattes
    window = mask_window(points).expanded(-20)
    still = make(points, window)
    moved = make(points + np.array([shift, shift / 2]), window)
    to_origin = np.array([[1.0, 0.0, shift - window.x_min], [0.0, 1.0, shift / 2 - window.y_min]])
    expected = warp(still, window, to_origin, window.shape)
    inner = (slice(10, -10), slice(10, -10))
    assert np.abs(moved - expected)[inner].max() < (2e-3 if what == "regions" else 5e-3)
    assert np.abs(moved - still)[inner].max() > 10 * np.abs(moved - expected)[inner].max()


def test_any_window_shows_the_same_mattes() -> None:
    points = opened(head(20.0, 5.0, 10.0), UPPER_LIP, LOWER_LIP, 0.3)
    window = mask_window(points)
    part = Window(window.x_min + 41, window.y_min + 23, window.x_min + 90, window.y_min + 131)
    for make in (region_weights, protect_mattes):
        np.testing.assert_allclose(make(points, part), make(points, window)[part.slices_in(window)], atol=5e-5)


@pytest.mark.parametrize("yaw", range(-60, 60, 5))
def test_a_turning_head_changes_mattes_steadily(yaw: int) -> None:
    window = Window(0, 0, 300, 300)
    shown = []
    for degrees in (yaw, yaw + 1):
        points = head(float(degrees), 8.0, 4.0)
        mattes = np.concatenate([region_weights(points, window), protect_mattes(points, window)], axis=2)
        shown.append(mattes * (face_mask(points, window) > 0)[..., None])
    before, now = shown
    # One degree moves the nose by one pixel here, and a border of regions is 7 pixels wide.
    seen = (now.any(axis=2) & before.any(axis=2))[..., None]
    assert seen.any() and np.abs((now - before) * seen).max() < 0.35


def test_jitter_of_the_landmarks_is_little_jitter_of_the_mattes() -> None:
    rng = np.random.default_rng(4)
    points, window = opened(head(5.0), UPPER_LIP, LOWER_LIP, 0.3), Window(0, 0, 300, 300)
    regions, protect = region_weights(points, window), protect_mattes(points, window)
    inside = face_mask(points, window) > 0.05
    for _ in range(5):
        jitter = rng.normal(0, 0.05, points.shape)
        assert np.abs(region_weights(points + jitter, window) - regions)[inside].max() < 0.03
        assert np.abs(protect_mattes(points + jitter, window) - protect).max() < 0.06


def test_protection_covers_lips_teeth_and_eyeballs() -> None:
    points = opened(head(scale_px=100.0), UPPER_LIP, LOWER_LIP, 0.25)
    window = mask_window(points)
    mattes = protect_mattes(points, window)
    assert mattes.min() >= 0 and mattes.max() <= 1
    eyes, lips, teeth = (PROTECTED.index(name) for name in ("eyes", "lips", "teeth"))
    for upper, lower in ((159, 145), (386, 374)):
        assert at(mattes, window, points[[upper, lower]].mean(axis=0)[None])[0, eyes] > 0.9
    assert at(mattes, window, points[[13, 14]].mean(axis=0)[None])[0, teeth] > 0.95
    assert at(mattes, window, points[[14, 17]].mean(axis=0)[None])[0, lips] > 0.9
    assert at(mattes, window, points[[0, 13]].mean(axis=0)[None])[0, lips] > 0.8
    # Skin is left free, and nothing is held out twice.
    assert (at(mattes, window, points[[1, 9, 50, 280, 152, 168]]) < 0.02).all()
    assert mattes.sum(axis=2).max() < 1.1


def test_what_is_shut_is_not_held_out() -> None:
    window = Window(0, 0, 300, 300)
    teeth, eyes = PROTECTED.index("teeth"), PROTECTED.index("eyes")
    points = head(10.0, 3.0, 8.0)
    shut = opened(opened(points, UPPER_LIP, LOWER_LIP, 0.0), UPPER_LIDS, LOWER_LIDS, 0.0)
    mattes = protect_mattes(shut, window)
    assert not mattes[..., teeth].any() and not mattes[..., eyes].any()
    assert mattes[..., PROTECTED.index("lips")].max() > 0.9
    # And it comes on without a step as the mouth opens.
    peaks = [
        float(protect_mattes(opened(points, UPPER_LIP, LOWER_LIP, gap), window)[..., teeth].max())
        for gap in np.linspace(0.0, 0.2, 41)
    ]
    assert peaks[0] == 0 and peaks[-1] > 0.95
    assert np.diff(peaks).min() > -0.02 and np.diff(peaks).max() < 0.25


def test_mattes_know_wide_pixels() -> None:
    points = opened(head(10.0, scale_px=100.0), UPPER_LIP, LOWER_LIP, 0.3)
    for make in (region_weights, protect_mattes):
        square = make(points, Window(0, 0, 400, 400))
        wide = make(points / (2.0, 1.0), Window(0, 0, 200, 400), pixel_aspect=2.0)
        np.testing.assert_allclose(wide, square.reshape(400, 200, 2, -1).mean(axis=2), atol=0.03)


def test_hair_and_neck_reach_further_and_the_face_stays() -> None:
    points = head(12.0, -4.0, 15.0)
    up = (points[10] - points[152]) / np.linalg.norm(points[10] - points[152])
    size = face_size_px(points)
    above, below = points[10] + 0.18 * size * up, points[152] - 0.25 * size * up
    window = mask_window(points, hair=True, neck=True)
    plain = face_mask(points, window)
    found = {}
    for hair, neck in ((True, False), (False, True), (True, True)):
        mask = face_mask(points, window, hair=hair, neck=neck)
        assert (mask[plain == 1] > 0.9999).all()
        found[hair, neck] = at(mask, window, np.array([above, below])).tolist()
    assert at(plain, window, np.array([above, below])).tolist() == [0, 0]
    for options, (crown, throat) in found.items():
        assert (crown > 0.95, throat > 0.95) == options
        assert (crown == 0, throat == 0) == (not options[0], not options[1])
    assert window.contains(mask_window(points))


def painted_face(points: Points, rng: np.random.Generator, noise: float = 0.0) -> npt.NDArray[np.float32]:
    """Skin under a light from the left, on a blue wall, with a dark strand across the cheek and a green bar."""
    columns = np.linspace(1.1, 0.7, 300, dtype=np.float32)[None, :, None]
    picture = np.broadcast_to(np.array([0.15, 0.2, 0.35], np.float32), (300, 300, 3)).copy()
    hull = np.zeros((300, 300), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points.astype(np.int32)), 1)
    picture[hull > 0] = (np.array([0.75, 0.55, 0.45], np.float32) * columns * np.ones((300, 1, 1), np.float32))[
        hull > 0
    ]
    cv2.line(picture, (90, 60), (110, 260), (0.12, 0.08, 0.06), 7)
    cv2.line(picture, (60, 215), (250, 215), (0.2, 0.5, 0.2), 9)
    return np.asarray(picture + rng.normal(0, noise, picture.shape), np.float32)


def test_skin_is_told_from_what_lies_in_front_of_it() -> None:
    points = head()
    picture = painted_face(points, np.random.default_rng(1), 0.01)
    matte = skin_matte(picture, points)
    assert matte.shape == (300, 300) and matte.dtype == np.float32 and matte.min() >= 0 and matte.max() <= 1
    assert (at(matte, Window(0, 0, 300, 300), points[[9, 151, 1, 280, 425, 197]]) > 0.9).all()
    assert matte[172:178, 100:103].max() < 0.15, "the strand"
    assert matte[215, 200:210].max() < 0.15, "the bar"
    assert matte[5:20, 5:20].max() < 0.1, "the wall"


@pytest.mark.parametrize(
    ("landmarks", "half_axes"),
    [((18,), (9, 3)), ((221, 441), (4, 3)), ((129, 358), (3, 6)), ((206, 426), (4, 5))],
    ids=["under the lip", "between brow and nose", "beside the nose", "folds to the mouth"],
)
def test_deep_shadows_of_a_face_come_and_go_without_a_hole_in_the_skin(
    landmarks: tuple[int, ...], half_axes: tuple[int, int]
) -> None:
    points = head()
    picture = painted_face(points, np.random.default_rng(1), 0.01)
    where = points[list(landmarks)]
    for depth in (0.0, 0.5, 0.8):
        shade = np.zeros((300, 300), np.float32)
        for x, y in where:
            cv2.ellipse(shade, (int(x), int(y)), half_axes, 0, 0, 360, depth, -1)
        shaded = picture * (1 - cv2.GaussianBlur(shade, (0, 0), 1.5)[..., None])
        assert (at(skin_matte(shaded, points), Window(0, 0, 300, 300), where) > 0.85).all(), depth


def test_grain_does_not_make_the_skin_matte_flicker() -> None:
    points = head()
    stack = np.stack([skin_matte(painted_face(points, np.random.default_rng(i), 0.015), points) for i in range(6)])
    inside = face_mask(points, Window(0, 0, 300, 300)) > 0.5
    assert np.median(stack.std(axis=0)[inside]) < 0.01
    assert np.percentile(stack.std(axis=0)[inside], 99) < 0.06


def test_skin_does_not_ask_for_brightness_within_reason() -> None:
    """Dark skin, bright skin: the measure is the face's own."""
    points = head()
    for gain in (0.3, 0.7, 1.2):
        matte = skin_matte(painted_face(points, np.random.default_rng(1)) * np.float32(gain), points)
        assert (at(matte, Window(0, 0, 300, 300), points[[9, 151, 1, 280, 425]]) > 0.9).all()
        assert matte[172:178, 100:103].max() < 0.35


def test_wrong_arguments_are_refused() -> None:
    window = Window(0, 0, 9, 9)
    for make in (region_weights, protect_mattes):
        with pytest.raises(ValueError, match=r"\(468, 2\) or \(468, 3\), got \(5, 2\)"):
            make(np.zeros((5, 2)), window)
        with pytest.raises(ValueError, match="extent"):
            make(np.ones((468, 2)), window)
    with pytest.raises(ValueError, match="9 rows"):
        region_mattes(np.zeros((4, 9, 8), np.float32), np.zeros((9, 9), np.float32))
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        skin_matte(np.zeros((9, 9)), head())
