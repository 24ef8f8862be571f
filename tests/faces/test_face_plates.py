"""Real photos and a real moving face that lie beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from nuke_reage.faces.canonical import FFHQ, crop_frame, fit_pose, framing_from_spec
from nuke_reage.faces.exposure import sample_skin
from nuke_reage.faces.stabilise import Smoothing
from nuke_reage.faces.trackfile import Track
from nuke_reage.faces.tracking import TrackSettings, track_shot

pytestmark = pytest.mark.shared

# Eye centres and chin in the photos, measured by hand (x, y).
PHOTOS = {
    "a": ((435.0, 311.0), (570.0, 299.0), (525.0, 527.0)),
    "b": ((428.5, 460.0), (577.0, 450.0), (510.0, 766.0)),
    "c": ((413.0, 483.0), (578.0, 478.0), (497.0, 793.0)),
}


def clip(path: Path, step: int = 1) -> Iterator[tuple[int, np.ndarray, tuple[float, float]]]:
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                whole = frame.to_ndarray(format="rgb24").astype(np.float32) / 255
                yield 1 + index, cv2.resize(whole, (540, 540), interpolation=cv2.INTER_AREA), (0.0, 0.0)


@pytest.mark.parametrize("name", sorted(PHOTOS))
def test_photos(shared_dir: Path, backend, name: str):
    picture = cv2.imread(str(shared_dir / "plates" / f"photo_{name}.png"))[..., ::-1]
    (found,) = backend.detect(picture.astype(np.float32) / 255)
    left, right, chin = PHOTOS[name]
    unit = fit_pose(found.landmarks).scale_px
    for indices, wanted in (((33, 133), left), ((362, 263), right), ((152,), chin)):
        assert np.hypot(*(found.landmarks[list(indices), :2].mean(axis=0) - wanted)) < 0.12 * unit
    assert found.confidence > 0.99
    linear = (picture.astype(np.float32) / 255) ** 2.2
    assert 0.03 < sample_skin(linear, found.landmarks) < 0.8


@pytest.fixture(scope="module")
def clip_tracks(shared_dir: Path, backend) -> tuple[Track, Track]:
    path = shared_dir / "plates" / "clip.mp4"
    frames = [one for one in clip(path) if one[0] <= 60]

    def tracked(strength: float) -> Track:
        return track_shot(iter(frames), backend=backend, settings=TrackSettings(Smoothing(strength=strength)))

    return tracked(0), tracked(1)


@pytest.mark.slow
def test_the_clip_is_one_face_in_every_frame_and_smoothing_steadies_it(clip_tracks):
    raw, steady = (track.faces for track in clip_tracks)
    assert list(raw) == list(steady) == [0]
    assert {face.state for face in steady[0].frames.values()} == {"detected"}

    def poses(face) -> np.ndarray:
        return np.array([face.frames[f].pose.as_tuple() for f in sorted(face.frames)])

    before, after = poses(raw[0]), poses(steady[0])
    jitter = [np.diff(one, 3, axis=0).std(axis=0) for one in (before, after)]
    # Third differences hold some of the real motion too, so the noise falls by more than this.
    assert (jitter[0] > 1.5 * jitter[1]).all() and np.median(jitter[0] / jitter[1]) > 3
    assert np.sqrt(((before - after) ** 2).mean(axis=0)).max() < 0.3, "the real motion must stay"

    def mouth(face) -> np.ndarray:
        points = np.stack([face.frames[f].landmarks for f in sorted(face.frames)])
        return np.linalg.norm(points[:, 13] - points[:, 14], axis=1)

    assert mouth(steady[0]).std() > 0.95 * mouth(raw[0]).std(), "the mouth must go on speaking"


@pytest.mark.slow
def test_stabilised_crops_of_the_clip_stand_still(shared_dir, clip_tracks):
    framing, window = framing_from_spec(FFHQ), cv2.createHanningWindow((120, 80), cv2.CV_32F)
    residual = []
    for track in clip_tracks:
        crops = []
        for number, picture, _ in clip(shared_dir / "plates" / "clip.mp4"):
            if number > 60:
                break
            matrix = crop_frame(track.face().at(number).pose, framing).canvas_from_plate(256)
            matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
            grey = cv2.cvtColor(cv2.warpAffine(picture, matrix, (256, 256)), cv2.COLOR_RGB2GRAY)
            crops.append(grey[80:160, 68:188])
        steps = [cv2.phaseCorrelate(one, two, window)[0] for one, two in pairwise(crops)]
        residual.append(float(np.diff(steps, axis=0).std()))
    assert residual[1] < 0.8 * residual[0]
    assert residual[1] < 0.2, "pixels of a 256 px crop"
