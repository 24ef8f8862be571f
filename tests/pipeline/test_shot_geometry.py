"""Where the delta lies: sub-pixel moves, data windows of any kind, pixels that are not square."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nuke_reage.faces.types import Pose, TrackedFace
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.sampling import warp
from nuke_reage.media.exr import read_layers, read_plate
from nuke_reage.pipeline.frame import reage_frame

pytestmark = pytest.mark.usefixtures("bundled_models")

SIZE = Window(0, 0, 640, 360)


def misfit(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference over that of what was expected."""
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def moved(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """A picture moved by a fraction of a pixel."""
    flat = picture if picture.ndim == 3 else picture[..., None]
    matrix = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
    result = warp(np.ascontiguousarray(flat), Window.of_shape(flat.shape), matrix, flat.shape[:2])
    return result if picture.ndim == 3 else result[..., 0]


def product(shots, path, window: Window = SIZE) -> np.ndarray:
    found = shots.spread(path, window)
    return found["delta"] * found["mask"][..., None]


def spread(layers, window: Window) -> tuple[np.ndarray, np.ndarray]:
    delta, mask = np.zeros((*window.shape, 3), np.float32), np.zeros(window.shape, np.float32)
    part = layers.window.slices_in(window)
    delta[part], mask[part] = layers.delta, layers.mask
    return delta * mask[..., None], mask


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (0.0, 0.5), (0.25, -0.75)])
def test_a_frame_moved_by_half_a_pixel_has_its_delta_moved_by_half_a_pixel(shots, tmp_path, dx, dy):
    """The pure function, with landmarks that move along."""
    pattern = shots.write(
        tmp_path / "p.####.exr", {1: shots.film(), 2: shots.film(shift=(dx, dy))}, sample_type="float"
    )
    shot = shots.open(shots.job(pattern, tmp_path / "o.####.exr"))
    face = shot.face_at(1)
    pose = face.pose.as_tuple()
    along = TrackedFace(
        face.landmarks + np.array([dx, dy], np.float32), Pose(pose[0] + dx, pose[1] + dy, *pose[2:]), 1.0, "manual"
    )
    shared = (shot.canvas, 35, 70, shot.predictor, shot.encoding, shot.job.mask)
    here, mask_here = spread(reage_frame(shot.source.read(1), face, *shared), SIZE)
    there, mask_there = spread(reage_frame(shot.source.read(2), along, *shared), SIZE)

    # What remains is the resampling of the pictures and of the delta itself.
    assert misfit(there, moved(here, dx, dy)) < 0.03
    assert misfit(there, here) > 4 * misfit(there, moved(here, dx, dy)), "half a pixel is more than that"
    assert np.abs(mask_there - moved(mask_here, dx, dy)).max() < 0.01
    assert np.abs(mask_there - mask_here).max() > 0.01


def test_a_whole_track_run_again_follows_half_a_pixel(shots, tmp_path):
    """Detection included: the detector works on its own grid, and may add a little of its own."""
    products = {}
    for name, shift in (("here", 0.0), ("there", 0.5)):
        pictures = {frame: shots.film(shift=(shift + 0.3 * frame, 0.0)) for frame in range(1, 8)}
        pattern = shots.write(tmp_path / name / "p.####.exr", pictures, sample_type="float")
        shots.bake(shots.job(pattern, tmp_path / name / "o.####.exr"), "4")
        products[name] = product(shots, tmp_path / name / "o.0004.exr")
    here, there = products["here"], products["there"]
    assert misfit(there, moved(here, 0.5, 0.0)) < 0.04
    assert misfit(there, here) > 4 * misfit(there, moved(here, 0.5, 0.0))


@pytest.mark.parametrize("origin", [(-37, -21), (100, 50)], ids=["overscan", "offset"])
def test_a_data_window_anywhere_gives_the_same_light_at_its_own_place(shots, tmp_path, origin):
    """Overscan, negative origins: the delta belongs to the picture, not to the corner of the array."""
    picture = shots.film()
    plain = shots.write(tmp_path / "plain" / "p.####.exr", {1: picture}, sample_type="float")
    shots.bake(shots.job(plain, tmp_path / "plain" / "o.####.exr"))
    window = Window(origin[0], origin[1], origin[0] + 640, origin[1] + 360)
    display = Window(0, 0, 566, 318)
    other = shots.write(
        tmp_path / "other" / "p.####.exr",
        {1: picture},
        sample_type="float",
        data_window=window,
        display_window=display,
    )
    shots.bake(shots.job(other, tmp_path / "other" / "o.####.exr"))
    layers = read_layers(tmp_path / "other" / "o.0001.exr")
    assert layers.display_window == display
    assert layers.parts["comp"].data_window == window
    assert window.contains(layers.parts["delta"].data_window)
    ours = product(shots, tmp_path / "other" / "o.0001.exr", window)
    theirs = product(shots, tmp_path / "plain" / "o.0001.exr")
    assert misfit(ours, theirs) < 0.005


def test_a_plate_cropped_into_the_face_is_worked_on_as_far_as_it_goes(shots, tmp_path):
    """A renderer's automatic crop has cut away the left third of the face."""
    whole = shots.write(tmp_path / "whole" / "p.####.exr", {1: shots.film()}, sample_type="float")
    shots.bake(shots.job(whole, tmp_path / "whole" / "o.####.exr"))
    face = read_layers(tmp_path / "whole" / "o.0001.exr").parts["delta"].data_window
    crop = Window(face.x_min + face.width // 4, face.y_min + 10, face.x_max - 15, face.y_max - 20)
    part = shots.write(
        tmp_path / "part" / "p.####.exr",
        {1: np.ascontiguousarray(shots.film()[crop.slices_in(SIZE)])},
        sample_type="float",
        data_window=crop,
        display_window=SIZE,
    )
    track = shots.open(shots.job(whole, tmp_path / "whole" / "o.####.exr", track="")).track
    track.save(tmp_path / "given.track.json")
    shots.bake(shots.job(part, tmp_path / "part" / "o.####.exr", track=str(tmp_path / "given.track.json")))
    layers = read_layers(tmp_path / "part" / "o.0001.exr")
    assert layers.parts["delta"].data_window == crop, "not a pixel more than the plate has"
    plate, comp = read_plate(tmp_path / "part" / "p.0001.exr"), shots.layers(tmp_path / "part" / "o.0001.exr")["comp"]
    assert comp.shape == plate.rgb.shape and np.abs(comp - plate.rgb).mean() > 0.01
    # Away from the cut the network sees the same face, and says nearly the same.
    inner = Window(crop.x_min + crop.width // 2, crop.y_min + 30, crop.x_max - 30, crop.y_max - 40)
    ours, theirs = (product(shots, tmp_path / name / "o.0001.exr") for name in ("part", "whole"))
    assert misfit(ours[inner.slices_in(SIZE)], theirs[inner.slices_in(SIZE)]) < 0.6
    correlation = np.corrcoef(ours[inner.slices_in(SIZE)].ravel(), theirs[inner.slices_in(SIZE)].ravel())[0, 1]
    assert correlation > 0.8


def test_a_face_that_the_crop_has_cut_is_still_found(shots, tmp_path):
    """Brow to chin is there, hair, ears and neck are not."""
    face = Window(255, 70, 400, 262)
    pattern = shots.write(
        tmp_path / "p.####.exr",
        {1: np.ascontiguousarray(shots.film()[face.slices_in(SIZE)])},
        data_window=face,
        display_window=SIZE,
    )
    (result,) = shots.bake(shots.job(pattern, tmp_path / "o.####.exr"))
    assert result.state == "baked" and result.mean_delta > 0.005
    centre = shots.open(shots.job(pattern, tmp_path / "o.####.exr")).face_at(1).pose
    assert abs(centre.centre_x - 322) < 12 and abs(centre.centre_y - 140) < 25


def test_squeezed_pixels_are_undone_before_the_network_and_done_again_after(shots, tmp_path):
    """An anamorphic plate (aspect 2) of the same picture gets the same light as the square one."""
    square = shots.write(tmp_path / "square" / "p.####.exr", {1: shots.film((960, 540))}, sample_type="float")
    squeezed = shots.write(
        tmp_path / "squeezed" / "p.####.exr",
        {1: shots.film((480, 540), squeeze=2.0)},
        sample_type="float",
        pixel_aspect=2.0,
    )
    for name, pattern in (("square", square), ("squeezed", squeezed)):
        shots.bake(shots.job(pattern, tmp_path / name / "o.####.exr"))
    layers = read_layers(tmp_path / "squeezed" / "o.0001.exr")
    assert layers.pixel_aspect == 2.0
    plain = product(shots, tmp_path / "square" / "o.0001.exr", Window(0, 0, 960, 540))
    thin = product(shots, tmp_path / "squeezed" / "o.0001.exr", Window(0, 0, 480, 540))
    shrunk = (plain[:, 0::2] + plain[:, 1::2]) / 2
    assert misfit(thin, shrunk) < 0.05
    wide = layers.parts["mask"].data_window
    assert 1.5 < wide.height / wide.width < 3.5, "the face is squeezed in the file, as in the plate"


def test_a_face_outside_the_data_window_is_no_error(shots, plate, baked, tmp_path):
    """A track that leaves the picture: a pixel of zero, like a frame without a face."""
    shot = shots.open(shots.job(plate, tmp_path / "o.####.exr", track=str(baked / "shot.track.json")))
    face = shot.face_at(1001)
    pose = face.pose.as_tuple()
    gone = TrackedFace(face.landmarks + np.float32(5000), Pose(pose[0] + 5000, pose[1] + 5000, *pose[2:]), 1, "manual")
    shared = (35, 70, shot.predictor, shot.encoding, shot.job.mask)
    assert reage_frame(shot.source.read(1001), gone, shot.canvas, *shared) is None
    assert reage_frame(shot.source.read(1001), face, shot.canvas, *shared) is not None
    empty = replace(shot, canvas=None)
    assert empty.face_at(1001) is not None


class Brighter:
    """A network that adds a tenth of the picture that it is shown: whatever it draws must come out where it was."""

    name = "brighter"

    def __init__(self, descriptor) -> None:
        self.descriptor = descriptor

    def predict(self, rgb, source_age, target_age, *, window=None):
        return np.ascontiguousarray((0.1 * rgb)[window] if window else 0.1 * rgb)


@pytest.mark.parametrize("angle", [0.0, 17.0])
def test_what_the_network_draws_lands_where_it_saw_it(shots, tmp_path, angle):
    """To a fiftieth of a pixel, through crop, rotation, canvas and back."""
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film(angle=angle)}, sample_type="float")
    shot = shots.open(shots.job(pattern, tmp_path / "o.####.exr"))
    plate = shot.source.read(1)
    layers = reage_frame(
        plate,
        shot.face_at(1),
        shot.canvas,
        35,
        70,
        Brighter(replace(shot.descriptor, lines=0.0)),
        shot.encoding,
        shot.job.mask,
    )
    pixels = plate.rgb[layers.window.slices_in(plate.data_window)]
    before = shot.encoding.encode(pixels)
    drawn = (shot.encoding.encode(pixels + layers.delta) - before) / 0.1
    inside = layers.mask > 0.99
    assert misfit(drawn[inside], before[inside]) < 0.02
    # found ≈ expected - dx * ∂x - dy * ∂y: the shift that explains the difference best.
    down, right = np.gradient(before, axis=(0, 1))
    slopes = np.stack([right[inside].ravel(), down[inside].ravel()], axis=1).astype(np.float64)
    shift, *_ = np.linalg.lstsq(slopes, -(drawn - before)[inside].ravel().astype(np.float64), rcond=None)
    assert np.abs(shift).max() < 0.02, shift
