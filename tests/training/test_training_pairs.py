"""Portraits aged by statistics: what is measured is what was put in, and pictures are what they should be."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from nuke_reage.cli.data import command
from nuke_reage.core.errors import UsageError
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.canonical import canonical_mesh
from nuke_reage.imaging.anatomy import face_parts
from nuke_reage.imaging.face_mask import face_mask
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.mesh import FaceMesh, blur, masked_blur
from nuke_reage.imaging.shade import SHADE_OF_SKIN
from nuke_reage.training.aging import Ager, Strengths
from nuke_reage.training.hair import Hair, HairFinder, recolour
from nuke_reage.training.layout import list_people
from nuke_reage.training.pairs import make_pairs
from nuke_reage.training.pictures import read_picture
from nuke_reage.training.portraits import Crop, Portrait, calibrated_ages, crop_face, load_portraits, read_ages
from nuke_reage.training.statistics import detail_bands, encoded_colour, log_colour, luminance, measure
from nuke_reage.training.wrinkles import WrinkleMaps, load_wrinkles, measure_wrinkles

pytestmark = pytest.mark.xdist_group("training_pairs")

SIDE = 64


@pytest.fixture
def landmarks():
    """The canonical face in the middle of a 64-pixel canvas."""
    return (canonical_mesh()[:, :2] / 4.0 * SIDE + [SIDE / 2, SIDE * 0.47]).astype(np.float32)


def portrait(key, years, rgb, landmarks, sex="m"):
    return Portrait(key, Crop(rgb.astype(np.float32), landmarks.astype(np.float32), 0.0, 0.0), years, sex)


def test_a_picture_goes_to_the_mean_face_and_back(landmarks):
    rng = np.random.default_rng(1)
    face = (landmarks - SIDE / 2) * np.array([1.12, 0.94], np.float32) + np.float32(SIDE / 2 + 0.7)
    mesh = FaceMesh(landmarks / SIDE, SIDE)
    picture = blur(rng.random((SIDE, SIDE)).astype(np.float32), 3.0)
    there_and_back = mesh.to_face(face)(mesh.to_mean(face)(picture))
    inside = face_parts(face, SIDE).face > 0.95
    assert inside.sum() > 300
    assert np.abs(there_and_back - picture)[inside].max() < 0.05
    assert np.abs(mesh.to_mean(face)(picture) - picture)[inside].max() > 0.005, "the face really is another one"
    assert mesh.to_face(face)(np.ones((SIDE, SIDE), np.float32))[0, 0] == 0.0


def test_the_map_follows_a_shift_by_half_a_pixel(landmarks):
    mesh = FaceMesh(landmarks / SIDE, SIDE)
    ramp = np.tile(np.arange(SIDE, dtype=np.float32), (SIDE, 1))
    inside = face_parts(landmarks, SIDE).face > 0.95
    moved = mesh.to_face(landmarks + np.float32(0.5))(ramp)
    assert np.allclose(moved[inside], ramp[inside] - 0.5, atol=0.05)


def test_a_masked_blur_takes_nothing_from_outside():
    picture = np.full((32, 32), 0.2, np.float32)
    picture[:, 16:] = 50.0
    weight = np.zeros((32, 32), np.float32)
    weight[:, :16] = 1.0
    assert np.allclose(masked_blur(picture, weight, 2.0)[:, :16], 0.2, atol=0.002)


def test_the_estimators_pull_to_the_middle_is_undone():
    rng = np.random.default_rng(0)
    true = rng.uniform(25, 80, 200)
    entries = {
        f"p{i}": {"age_from_birth_year": float(age), "age_estimated": float(0.6 * age + 21), "sex": "m"}
        for i, age in enumerate(true)
    }
    entries["young"] = {"age_estimated": 0.6 * 30 + 21, "sex": "f"}
    entries["told"] = {"age": 44, "sex": "f"}
    ages = calibrated_ages(entries)
    assert ages["young"] == pytest.approx(30, abs=0.5)
    assert ages["told"] == 44
    assert np.allclose([ages[f"p{i}"] for i in range(200)], true, atol=0.5)


def test_bad_ages_are_named(tmp_path):
    path = tmp_path / "ages.json"
    path.write_text(
        json.dumps({"ann": {"age": "old", "sex": "f"}, "bob": {"age": 30, "sex": "m"}, "eve": {"sex": "f"}})
    )
    with pytest.raises(UsageError, match=r"2 entries .* ann, eve"):
        read_ages(path)


ACROSS = np.tile(np.linspace(-1, 1, SIDE, dtype=np.float32), (SIDE, 1))


def slanting_people(landmarks):
    """Of 30 to 80 years: faces get darker on the left and brighter on the right, 0.01 in the logarithm a year."""
    rng = np.random.default_rng(5)
    texture = blur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), 0.8)
    people = []
    for index in range(60):
        years = 30 + 50 * index / 59
        tone = 0.45 - 0.004 * (years - 55) + rng.normal(0, 0.01)  # the old ones happen to be darker
        logs = np.log(tone) + 0.01 * (years - 55) * ACROSS + texture * 0.08 * np.exp(0.015 * (years - 55))
        people.append(portrait(str(index), years, np.repeat(np.exp(logs)[..., None], 3, axis=2) - 0.03, landmarks))
    return people


def test_measured_aging_is_the_aging_that_was_put_in_and_skin_tone_does_not_leak(landmarks):
    statistics = measure(slanting_people(landmarks))
    skin = face_parts(landmarks, SIDE).skin > 0.8
    change = luminance(statistics.change(statistics.colour, "m", 40.0, 50.0))
    slope = np.polyfit(ACROSS[skin], change[skin], 1)
    assert slope[0] == pytest.approx(0.1, abs=0.01), "0.01 a year to the right"
    assert slope[1] == pytest.approx(0.0, abs=0.01), "no cast"
    energy = statistics.change(statistics.coarse, "m", 40.0, 50.0)
    inner = face_parts(landmarks, SIDE).face > 0.98
    assert np.median(energy[inner]) == pytest.approx(2 * 0.15, abs=0.08), "energy is amplitude squared"
    assert np.abs(statistics.shape).max() < 1e-3
    assert np.array_equal(
        statistics.change(statistics.colour, "m", 50.0, 95.0), statistics.change(statistics.colour, "m", 50.0, 82.0)
    ), "nothing is made up beyond the ages that portraits have"


def test_what_gets_brighter_with_age_can_be_held_back_in_both_directions(landmarks):
    people = slanting_people(landmarks)
    only_tone = {"hue": 0.0, "own_detail": 0.0, "smoothing": 0.0, "furrows": 0.0, "relief": 0.0, "shape": 0.0}
    face = face_parts(landmarks, SIDE).face > 0.95
    middle = people[30]
    changes = {}
    for highlights in (0.0, 1.0):
        ager = Ager(measure(people), strengths=Strengths(**only_tone, highlights=highlights))
        changes[highlights] = [(one - middle.crop.rgb).mean(axis=2) for one in ager.at_ages(middle, (35.0, 75.0))]
    (young, old), (young_whole, old_whole) = changes[0.0], changes[1.0]
    assert old_whole[face].max() > 0.01 and young_whole[face].min() < -0.01
    assert old[face].max() < 0.003 and young[face].min() > -0.003
    assert old[face].min() == pytest.approx(old_whole[face].min(), rel=0.05), "what gets darker is left alone"


def test_a_bright_face_ages_without_clipping_and_lips_do_not_glow(landmarks):
    people = slanting_people(landmarks)
    parts = face_parts(landmarks, SIDE)
    bright = portrait("bright", 40.0, np.full((SIDE, SIDE, 3), [0.9, 0.85, 0.8]), landmarks)
    only_tone = {"hue": 0.0, "own_detail": 0.0, "smoothing": 0.0, "furrows": 0.0, "relief": 0.0, "shape": 0.0}
    old, darker_old = (
        Ager(measure(people), strengths=Strengths(**only_tone, tone=3.0)).at_ages(one, (80.0,))[0]
        for one in (bright, portrait("darker", 40.0, bright.crop.rgb * 0.6, landmarks))
    )
    assert old.max() < 0.97
    assert (darker_old - 0.6 * bright.crop.rgb)[parts.skin > 0.9].max() > 0.03, "what has room gets brighter"
    assert (darker_old - 0.6 * bright.crop.rgb)[parts.lips > 0.9].max() < 0.02
    assert (old - bright.crop.rgb)[parts.skin > 0.9].min() < -0.03, "what gets darker does"


def test_lines_of_another_face_are_as_red_as_shadows_in_skin_and_end_softly(landmarks):
    """The maps are blue lines on a forehead that is darker as a whole; neither comes along."""
    statistics = measure(slanting_people(landmarks))
    statistics = replace(statistics, colour=np.zeros_like(statistics.colour))
    ratio = np.zeros((1, 2, SIDE, SIDE, 3), np.float32)
    ratio[:, 1, : SIDE // 2] = -0.3
    ratio[:, 1, 20:30:4] -= np.float32([0.6, 0.5, 0.0])
    still = {"own_detail": 0.0, "relief": 0.0, "shape": 0.0}
    me = portrait("me", 40.0, np.full((SIDE, SIDE, 3), [0.6, 0.45, 0.38]), landmarks)
    old = Ager(statistics, [WrinkleMaps((20.0, 80.0), ratio, None)], Strengths(**still)).at_ages(me, (80.0,))[0]
    change = log_colour(old) - log_colour(me.crop.rgb)
    parts = face_parts(landmarks, SIDE)
    lines = (parts.skin > 0.95) & (luminance(change) < -0.1)
    assert lines.sum() > 40
    red, green, blue = change[lines].mean(axis=0)
    assert blue < green < red < 0.0, "redder than the skin"
    rim = (parts.face > 0.2) & (parts.face < 0.6)
    inner = cv2.erode((parts.face > 0.9).astype(np.uint8), np.ones((9, 9))) > 0
    rim[SIDE // 2 :] = inner[SIDE // 2 :] = False
    assert np.abs(change[rim]).mean() < 0.35 * np.abs(change[inner]).mean()


def test_deeper_folds_leave_the_skin_its_colour_and_most_of_its_light(landmarks):
    """Half of a shaded brown face gets far darker than any skin of it is."""
    statistics = measure(slanting_people(landmarks))
    statistics = replace(statistics, colour=np.zeros_like(statistics.colour))
    ratio = np.zeros((1, 2, SIDE, SIDE, 3), np.float32)
    ratio[:, 1, :, : SIDE // 2] = -0.6
    still = {"own_detail": 0.0, "relief": 0.0, "shape": 0.0}
    shade = 0.25 * (0.5 + 0.5 * ACROSS[..., None]) * SHADE_OF_SKIN
    skin = np.broadcast_to(np.float32([0.5, 0.33, 0.28]), (SIDE, SIDE, 3))
    me = portrait("me", 40.0, encoded_colour(log_colour(skin) - shade), landmarks)
    maps = [WrinkleMaps((20.0, 80.0), ratio, None)]
    old, far_older = (
        Ager(statistics, maps, Strengths(**still, wrinkles=strength)).at_ages(me, (80.0,))[0] for strength in (1.0, 3.0)
    )
    bare = face_parts(landmarks, SIDE).skin > 0.95
    change = (log_colour(old) - log_colour(me.crop.rgb))[bare]
    darker = luminance(change)
    assert darker.min() < -0.3 and darker.max() < 0.15
    assert -0.16 < darker.mean() < -0.1, "0.2 if nothing were given back"
    before, after = ((one[..., 0] - one[..., 1])[bare] for one in map(log_colour, (me.crop.rgb, old)))
    assert 0.0 < (after - before).mean() < 0.022, "0.08 if all of it were red as shadows are"
    assert after.max() < before.max() + 0.05, "0.14 if all of it were"
    assert (after - before)[darker < -0.3].mean() > 0.02, "shadows are red all the same"
    even = portrait("even", 40.0, skin, landmarks)
    old_even = Ager(statistics, maps, Strengths(**still)).at_ages(even, (80.0,))[0]
    redder = np.diff((log_colour(skin) - log_colour(old_even))[..., :2])[..., 0]
    assert redder[bare][darker < -0.3].mean() > 0.02, "nor are folds of even skin grey"
    darkest = luminance(log_colour(far_older) - log_colour(me.crop.rgb))[bare].min()
    assert -0.51 < darkest < -0.4, "three times as strong, and not black"


def test_a_shadow_that_goes_with_youth_takes_its_redness_along(landmarks):
    """Otherwise folds that are filled stay as orange stripes."""
    statistics = measure(slanting_people(landmarks))
    statistics = replace(statistics, colour=np.zeros_like(statistics.colour))
    still = {"furrows": 0.0, "shape": 0.0}
    smooth = np.broadcast_to(np.float32([0.6, 0.45, 0.38]), (SIDE, SIDE, 3))
    fold = 0.3 * (np.arange(SIDE) % 8 < 2).astype(np.float32)[:, None, None]
    me = portrait("me", 70.0, encoded_colour(log_colour(smooth) - fold * SHADE_OF_SKIN), landmarks)
    young = Ager(statistics, strengths=Strengths(**still)).at_ages(me, (25.0,))[0]
    parts = face_parts(landmarks, SIDE)
    cheeks = (parts.skin > 0.95) & (blur(parts.features, 1.0) < 0.01) & (fold[:, :, 0] > 0)
    assert cheeks.sum() > 40

    def of_the_fold(rgb):
        """How dark and how red it is, beside smooth skin."""
        apart = (log_colour(rgb) - log_colour(smooth))[cheeks].mean(axis=0)
        return -luminance(apart), apart[0] - apart[2]

    (dark, red), (less_dark, less_red) = of_the_fold(me.crop.rgb), of_the_fold(young)
    assert less_dark < 0.8 * dark and red > 0.15
    assert less_red / red == pytest.approx(less_dark / dark, abs=0.08)


def test_an_exemplar_is_chosen_by_number_or_refused(tmp_path):
    for wrong in ("nobody", "-1", "1.5"):
        result = CliRunner().invoke(command, ["pairs", str(tmp_path), str(tmp_path / "out"), "--lines", wrong])
        assert isinstance(result.exception, UsageError) and result.exception.code == "usage.bad-exemplar"
    assert not (tmp_path / "out").exists()


def test_strengths_are_checked(tmp_path):
    for wrong, said in (("relif=0", "Did you mean relief"), ("tone=-1", "0 to 3"), ("tone", "relief=0.5")):
        result = CliRunner().invoke(command, ["pairs", str(tmp_path), str(tmp_path / "out"), "--strength", wrong])
        assert isinstance(result.exception, UsageError) and said in result.exception.hint
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module", autouse=True)
def looked_at_once():
    """Many tests here read the same portraits, and the same picture shows the same faces."""
    found, detect = {}, MediapipeBackend.detect

    def remembered(self, picture):
        key = (picture.shape, picture.tobytes())
        if key not in found:
            found[key] = detect(self, picture)
        return found[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MediapipeBackend, "detect", remembered)
        yield


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Thirty portraits of one public-domain face in other light, said to be 25 to 80 years old; only to be read."""
    data = pytest.importorskip("skimage.data")
    folder, rng, ages = tmp_path_factory.mktemp("collection"), np.random.default_rng(0), {}
    (folder / "portraits").mkdir()
    for index in range(30):
        picture = data.astronaut()[0:256, 96:352] * rng.uniform(0.8, 1.0) + rng.normal(0.0, 3.0, (256, 256, 3))
        key = f"p{index:02d}"
        cv2.imwrite(str(folder / "portraits" / f"{key}.jpg"), np.clip(picture[:, :, ::-1], 0, 255).astype(np.uint8))
        ages[key] = {"age": 25 + round(index * 1.9), "sex": "fm"[index % 2]}
    (folder / "portraits.json").write_text(json.dumps(ages))
    return folder


def pairs_of(collection, out, **changes):
    given = {"ages": (20, 85), "canvas_px": SIDE, "limit": 1, **changes}
    return make_pairs(collection / "portraits", out, ages_file=collection / "portraits.json", **given)


def test_too_few_portraits_are_refused_and_damaged_ones_left_out(collection, tmp_path, reage):
    shutil.copytree(collection, tmp_path / "few")
    for path in sorted((tmp_path / "few" / "portraits").iterdir())[2:]:
        path.unlink()
    (tmp_path / "few" / "portraits" / "p29.jpg").write_bytes(b"no picture")
    usable, skipped = load_portraits(tmp_path / "few" / "portraits", tmp_path / "few" / "portraits.json", SIDE)
    assert [one.key for one in usable] == ["p00", "p01"] and skipped == {"p29.jpg": "damaged or no picture"}
    done = reage("data", "pairs", tmp_path / "few" / "portraits", tmp_path / "out", "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage.few-portraits"
    assert "at least 30 portraits; 2 can" in done.json["error"]["message"] and not (tmp_path / "out").exists()


def test_a_folder_of_one_recipe_takes_no_pictures_of_another(collection, tmp_path):
    out = tmp_path / "pairs"
    pairs_of(collection, out)
    manifest = (out / "pairs.json").read_bytes()
    pictures = {path: path.read_bytes() for path in out.rglob("*.jpg")}
    shutil.copytree(collection, tmp_path / "more")
    shutil.copy(collection / "portraits" / "p00.jpg", tmp_path / "more" / "portraits" / "another.jpg")
    others = [{"canvas_px": 96}, {"ages": (20, 60)}, {"lines": "resembling"}, {"strengths": Strengths(relief=0.5)}]
    for source, changes in [(collection, one) for one in others] + [(tmp_path / "more", {})]:
        with pytest.raises(UsageError) as caught:
            pairs_of(source, out, limit=3, **changes)
        assert caught.value.code == "usage.other-recipe" and "another folder" in caught.value.hint
    assert (out / "pairs.json").read_bytes() == manifest
    assert {path: path.read_bytes() for path in out.rglob("*.jpg")} == pictures


def test_more_people_of_the_same_recipe_join_and_nobodys_photograph_is_forgotten(collection, tmp_path):
    out = tmp_path / "pairs"
    pairs_of(collection, out, limit=2)
    second = next(one for one in list_people([out]) if one.name == "p01")
    second.picture(85).write_bytes(b"old")
    pairs_of(collection, out, limit=1)
    assert {one.name: one.real_age for one in list_people([out])} == {"p00": 25, "p01": 27}
    pairs_of(collection, out, limit=3, part=slice(1, None, 2))
    assert second.picture(85).read_bytes() != b"old", "who is there already is made again"
    manifest = json.loads((out / "pairs.json").read_text())
    assert manifest["real_ages"] == {"p00": 25, "p01": 27, "p02": 29}


def test_a_run_that_was_killed_has_said_what_it_makes(collection, tmp_path):
    class Killed(BaseException):
        pass

    def kill(stage, done, total):
        if (stage, done) == ("pairs", 1):
            raise Killed

    with pytest.raises(Killed):
        pairs_of(collection, tmp_path / "out", limit=2, progress=kill)
    assert [(one.name, one.real_age) for one in list_people([tmp_path / "out"])] == [("p00", 25)]
    with pytest.raises(UsageError, match="another ages"):
        pairs_of(collection, tmp_path / "out", ages=(30, 70))
    assert pairs_of(collection, tmp_path / "out", limit=2).people == 2


def test_a_manifest_of_an_earlier_version_is_compared_as_far_as_it_goes(collection, tmp_path):
    out = tmp_path / "pairs"
    pairs_of(collection, out)
    newer = ("command", "portraits_sha256", "wrinkles_sha256")
    manifest = json.loads((out / "pairs.json").read_text())
    (out / "pairs.json").write_text(json.dumps({key: one for key, one in manifest.items() if key not in newer}))
    with pytest.raises(UsageError, match="another canvas_px"):
        pairs_of(collection, out, canvas_px=96)
    assert pairs_of(collection, out).people == 1


@pytest.mark.slow
def test_two_processes_make_a_data_set_at_the_same_time(collection, tmp_path, reage_process):
    def start(out, *more):
        return reage_process(
            "data", "pairs", collection / "portraits", out, "--size", SIDE, "--ages", "20,85", "--limit", 4, *more
        )  # fmt: skip

    for process in [start(tmp_path / "parts", "--part", f"{number}/2") for number in (1, 2)]:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    pairs_of(collection, tmp_path / "whole", limit=4)
    whole = {path.relative_to(tmp_path / "whole"): path.read_bytes() for path in (tmp_path / "whole").rglob("*.*")}
    parts = {path.relative_to(tmp_path / "parts"): path.read_bytes() for path in (tmp_path / "parts").rglob("*.*")}
    assert parts == whole and len(whole) == 4 * 3 + 1


def test_somebody_to_leave_out_must_be_there(collection, make_people, tmp_path):
    people = make_people(tmp_path / "people", range(2))
    np.savez(tmp_path / "maps.npz", log_ratio=np.zeros((1, 1, 64, 64, 3)), ages=[60], reference_age=20)
    for wrinkles, hint in (
        ([people], "--leave-out"),
        ([tmp_path / "maps.npz"], "maps.npz: it holds no names"),
        ([], ""),
    ):
        with pytest.raises(UsageError, match="called person_07") as caught:
            pairs_of(collection, tmp_path / "out", wrinkles=wrinkles, leave_out=["person_07"])
        assert caught.value.code == "usage.unknown-person" and hint in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", ["maps.npz", "people"])
def test_lines_that_no_map_has_are_refused_before_any_portrait_is_read(collection, make_people, tmp_path, source):
    make_people(tmp_path / "people", range(2))
    np.savez(tmp_path / "maps.npz", log_ratio=np.zeros((2, 1, 64, 64, 3)), ages=[60], reference_age=20)
    stages = []
    with pytest.raises(UsageError, match="exemplar 2 are asked for; the wrinkle maps have 2") as caught:
        pairs_of(
            collection, tmp_path / "out", wrinkles=[tmp_path / source], lines=2,
            progress=lambda stage, done, total: stages.append(stage),
        )  # fmt: skip
    assert caught.value.code == "usage.bad-exemplar" and not stages and not (tmp_path / "out").exists()


def test_dark_hair_greys_and_grey_hair_gets_its_colour_back_and_skin_stays():
    rgb = np.full((64, 64, 3), [0.75, 0.55, 0.45], np.float32)
    rgb[:32, :32] = [0.12, 0.08, 0.06]
    rgb[:32, 32:] = [0.7, 0.7, 0.71]
    rgb[:8, :8] = [0.35, 0.24, 0.18]
    where = np.zeros((64, 64), np.float32)
    where[:32] = 1.0
    faded = where.copy()
    faded[:, :32] = 0.0
    hair = Hair(where, np.zeros_like(where), faded)
    old = recolour(rgb, hair, 30.0, 80.0)
    assert old[16, 16].mean() > rgb[16, 16].mean() + 0.15
    red, green, blue = old[16, 16] / old[16, 16].mean()
    assert 1.06 < red < 1.13 and 0.87 < blue < 0.95 and blue < green < red, "grey hair in portraits is warm"
    assert np.ptp(old[2, 2] / old[2, 2].mean()) < np.ptp(old[16, 16] / old[16, 16].mean()) - 0.02, "brighter is paler"
    young = recolour(rgb, hair, 75.0, 25.0)
    assert young[16, 48].mean() < 0.4 and np.allclose(young[16, 16], rgb[16, 16])
    assert np.array_equal(old[40:], rgb[40:]) and np.array_equal(young[40:], rgb[40:])
    assert recolour(rgb, hair, 20.0, 40.0) is rgb


def test_wrinkle_maps_are_checked_and_read_at_any_age(tmp_path):
    ratio = np.zeros((2, 2, 64, 64, 3), np.float16)
    ratio[1, 0], ratio[1, 1] = -0.1, -0.3
    np.savez(tmp_path / "maps.npz", log_ratio=ratio, ages=[40, 60], reference_age=20)
    maps = load_wrinkles(tmp_path / "maps.npz", 64)
    for years, expected in ((10, 0.0), (30, -0.05), (50, -0.2), (60, -0.3), (90, -0.3)):
        assert maps.between(1, 20.0, years).mean() == pytest.approx(expected, abs=2e-3)
    assert maps.between(1, 50.0, 60.0).mean() == pytest.approx(-0.1, abs=2e-3)
    assert load_wrinkles(tmp_path / "maps.npz", 128).maps.shape == (2, 3, 128, 128, 3)
    np.savez(tmp_path / "bad.npz", log_ratio=ratio[0], ages=[40], reference_age=20)
    with pytest.raises(UsageError, match="log_ratio"):
        load_wrinkles(tmp_path / "bad.npz", 64)
    (tmp_path / "torn.npz").write_bytes(b"PK")
    with pytest.raises(UsageError):
        load_wrinkles(tmp_path / "torn.npz", 64)


@pytest.mark.shared
def test_lines_are_measured_on_people_who_look_into_the_camera(shared_dir, tmp_path):
    for name in ("person_0002", "person_0004"):  # the second is seen from the side
        (tmp_path / name).mkdir()
        for age in (18, 48, 83):
            shutil.copy(shared_dir / "training" / "aging_pairs" / name / f"{age}.png", tmp_path / name)
    crop = crop_face(read_picture(tmp_path / "person_0002" / "18.png"), 128, MediapipeBackend())
    mesh = FaceMesh(crop.landmarks / 128, 128)
    maps = measure_wrinkles(list_people([tmp_path]), mesh)
    assert maps.maps.shape == (1, 3, 128, 128, 3) and maps.ages == (18.0, 48.0, 83.0)
    skin = face_parts(mesh.mean, 128).skin > 0.9
    middle, old = (luminance(maps.between(0, 18.0, age)) for age in (48.0, 83.0))
    assert np.abs(old[skin]).mean() > 1.3 * np.abs(middle[skin]).mean() > 0.01, "more with every year"
    assert abs(old[skin].mean()) < 0.03, "lines, not a darker face"
    assert np.quantile(old[skin], 0.02) < -0.12, "wrinkles are shadows"
    assert np.abs(maps.maps[0, 2][~(face_parts(mesh.mean, 128).face > 0)]).max() == 0.0


@pytest.mark.shared
@pytest.mark.slow
def test_real_portraits_become_older_and_younger_and_nothing_else(shared_dir, tmp_path):
    source = shared_dir / "training" / "portraits"
    ages = json.loads((shared_dir / "training" / "portraits.json").read_text())
    (tmp_path / "portraits").mkdir()
    for path in sorted(source.glob("*.jpg"))[:480:6]:
        shutil.copy(path, tmp_path / "portraits" / path.name)
    (tmp_path / "ages.json").write_text(json.dumps(ages))
    wrinkles = [shared_dir / "training" / "wrinkle_maps.npz"]
    arguments = {"ages_file": tmp_path / "ages.json", "wrinkles": wrinkles, "ages": (20, 85), "canvas_px": 128}
    report = make_pairs(tmp_path / "portraits", tmp_path / "one", limit=6, **arguments)
    assert report.people == 6
    people = list_people([tmp_path / "one"])
    backend = MediapipeBackend()
    crops = {one.name: crop_face(read_picture(source / f"{one.name}.jpg"), 128, backend) for one in people}
    energies = []
    for person in people:
        assert person.real_age in person.ages
        real, old, young = (read_picture(person.picture(age)) for age in (person.real_age, 85, 20))
        skin = face_parts(crops[person.name].landmarks, 128).skin > 0.9
        bands = (detail_bands(luminance(log_colour(one))).coarse for one in (young, real, old))
        energy = [np.abs(band[skin]).mean() for band in bands]
        energies.append(energy)
        assert max(np.abs(one - real)[:, :6].mean() for one in (old, young)) < 0.012, "the backdrop stays"
        for one in (old, young):
            cast = (one - real)[56:96, 44:84].mean(axis=(0, 1))
            assert np.abs(cast - cast.mean()).max() < 0.03, "no colour cast"
    young_energy, real_energy, old_energy = np.median(energies, axis=0)
    assert young_energy < 0.85 * real_energy and old_energy > 1.1 * real_energy
    make_pairs(tmp_path / "portraits", tmp_path / "part", limit=2, part=slice(1, None, 2), **arguments)
    (in_part,) = list_people([tmp_path / "part"])
    assert (in_part.name, in_part.ages) == (people[1].name, people[1].ages)
    for age in in_part.ages:
        assert people[1].picture(age).read_bytes() == in_part.picture(age).read_bytes(), "whoever makes it"
    assert cv2.imread(str(people[0].picture(85))).shape == (128, 128, 3)
    make_pairs(tmp_path / "portraits", tmp_path / "other", limit=1, lines=13, **arguments)
    other = tmp_path / "other" / people[0].name / "85.jpg"
    assert other.read_bytes() != people[0].picture(85).read_bytes(), "the lines of another"
    with pytest.raises(UsageError, match="have 16"):
        make_pairs(tmp_path / "portraits", tmp_path / "none", limit=1, lines=16, **arguments)


@pytest.mark.shared
def test_the_hair_of_a_photo_is_found_and_neither_face_nor_backdrop(shared_dir):
    """photo_a: long brown hair before a garden; photo_c: short black hair before a grey backdrop."""
    for name in ("photo_a", "photo_c"):
        crop = crop_face(read_picture(shared_dir / "plates" / f"{name}.png"), 256, MediapipeBackend())
        parts = face_parts(crop.landmarks, 256)
        found = HairFinder().find(crop.rgb, crop.landmarks, parts)
        hair, face = found.head, parts.face > 0.99
        brows, chin = int(crop.landmarks[105, 1]), int(crop.landmarks[152, 1])
        assert (hair[brows + 4 :][face[brows + 4 :]] > 0.2).mean() < 0.005
        top = int(crop.landmarks[10, 1])
        middle = int(crop.landmarks[10, 0])
        above = hair[max(top - 45, 0) : top, middle - 20 : middle + 20]
        assert (above > 0.8).any(axis=0).mean() > 0.9, f"{name}: no hair above the forehead"
        assert hair[:8, :8].max() < 0.1 and hair[:8, -8:].max() < 0.1, "the backdrop"
        beside_the_jaw = hair[chin - 20 : chin].mean()
        assert beside_the_jaw > 0.1 if name == "photo_a" else beside_the_jaw < 0.06, beside_the_jaw
        assert name == "photo_a" or (hair[chin + 25 :] < 0.05).all(), "clothes"
        greyed = recolour(crop.rgb, found, 25, 80)
        before, after = crop.rgb[hair > 0.9], greyed[hair > 0.9]
        saturation = [(np.ptp(one, axis=1) / one.max(axis=1)).mean() for one in (before, after)]
        assert saturation[1] < 0.7 * saturation[0], saturation


@pytest.mark.shared
def test_a_bald_head_gets_no_hair_on_its_forehead_with_youth(shared_dir):
    """photo_b: bald and shining, white hair at the sides."""
    crop = crop_face(read_picture(shared_dir / "plates" / "photo_b.png"), 256, MediapipeBackend())
    found = HairFinder().find(crop.rgb, crop.landmarks, face_parts(crop.landmarks, 256))
    darker = luminance(crop.rgb - recolour(crop.rgb, found, 68, 25))
    brows = int(crop.landmarks[[70, 105, 334, 300], 1].min())
    inner = face_mask(crop.landmarks, Window.of_shape((256, 256)), expand=-0.12, feather=0.02) == 1
    bare, white = inner.copy(), (found.head > 0.9) & (luminance(crop.rgb) > 0.7)
    bare[brows - 6 :] = False
    assert bare.sum() > 600 and white.sum() > 200
    assert (darker[bare] > 0.05).mean() < 0.01, "no blotches"
    assert np.median(darker[white & ~inner]) > 0.3, "the hair that there is gets its colour back"
