"""Data: what is checked before training, how pairs are drawn, how they are changed."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nuke_reage.cli.main import main
from nuke_reage.core.errors import UsageError
from nuke_reage.training.augment import augment_pair, face_weight, to_canvas
from nuke_reage.training.check import check_people, require_sound
from nuke_reage.training.config import AugmentConfig, DataConfig, bundled_configs, load_config
from nuke_reage.training.layout import list_people
from nuke_reage.training.loop import train
from nuke_reage.training.losses import (
    AgeDiscriminator,
    discriminator_loss,
    gradient_l1,
    pyramid_l1,
    pyramid_losses,
    weighted_l1,
)
from nuke_reage.training.sampling import BatchMaker, split_people, validation_pairs

STRONG = AugmentConfig(jpeg_share=0.0)


def maker_of(people, data=None, **changes):
    given = {"canvas_px": 64, "face_gain": 4.0, "batch_size": 4, "seed": 3, **changes}
    return BatchMaker(people, data or DataConfig(crop_px=64), STRONG, **given)


def spoil(people):
    """Every kind of damage once; returns what must be said of which file."""
    (people / "person_00" / "20.png").rename(people / "person_00" / "young.png")
    (people / "person_01" / "35.png").write_bytes(b"no picture")
    cv2.imwrite(str(people / "person_02" / "50.png"), np.full((32, 32, 3), 90, np.uint8))
    (people / "person_03" / "80.png").write_bytes((people / "person_03" / "65.png").read_bytes())
    for age in (35, 50, 65, 80):
        (people / "person_04" / f"{age}.png").unlink()
    (people / "person_02" / "20.jpg").write_bytes((people / "person_02" / "20.png").read_bytes())
    return {
        "person_00/young.png": "no age",
        "person_01/35.png": "damaged",
        "person_02/50.png": "32 × 32",
        "person_03/80.png": "same picture as person_03/65.png",
        "people/person_04": "only one age",
        "people/person_02": "two pictures of age 20",
    }


def test_bad_data_is_listed_in_full_before_training_starts(people, tmp_path, make_config):
    expected = spoil(people)
    with pytest.raises(UsageError) as caught:
        train([people], tmp_path / "run", make_config())
    assert caught.value.code == "usage.bad-data"
    for place, text in expected.items():
        assert any(place in line and text in line for line in caught.value.message.splitlines()), place
    assert not (tmp_path / "run").exists()


def test_sound_data_pass(people):
    assert check_people(list_people([people]), [people], alignment=True) == []
    require_sound([])


def test_a_shifted_picture_is_found_but_does_not_stop_training(people):
    path = people / "person_01" / "50.png"
    cv2.imwrite(str(path), np.roll(cv2.imread(str(path)), 6, axis=1))
    problems = check_people(list_people([people]), [people], alignment=True)
    assert [(one.path, one.fatal) for one in problems] == [(path, False)]
    require_sound(problems)


def test_the_command_lists_problems_writes_a_sheet_and_ends_with_an_error(people, tmp_path, capsys):
    main(["data", "check", str(people), "--sheet", str(tmp_path / "sheet.png")])
    assert "5 people, 25 pictures, 0 problems" in capsys.readouterr().out
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert min(sheet.shape[:2]) > 500 and sheet.std() > 20
    spoil(people)
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(people)])
    assert ended.value.code == 2
    assert "person_01/35.png: damaged" in capsys.readouterr().out


def test_the_command_trains_and_says_where_the_model_is(people, tmp_path, capsys):
    config = tmp_path / "tiny.toml"
    config.write_text(
        '[model]\nname = "tiny"\nwidth = 2\ncanvas_px = 64\n[data]\ncrop_px = 64\nvalidation_people = ["person_03"]\n'
        "[optimiser]\nsteps = 2\nbatch_size = 2\n"
    )
    main(["train", str(people), "-o", str(tmp_path / "run"), "--config", str(config)])
    assert "step 2 (finished)" in capsys.readouterr().out
    assert (tmp_path / "run" / "tiny.safetensors").stat().st_size > 1000
    assert cv2.imread(str(tmp_path / "run" / "sheets" / "step_0000002.jpg")) is not None


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("[modle]\n", "usage.unknown-setting", "model"),
        ("[model]\nwidht = 3\n", "usage.unknown-setting", "width"),
        ("[model]\nwidth = 0\n", "usage.bad-setting", "model.width"),
        ("[data]\ncrop_px = 100\n", "usage.bad-setting", "crop_px"),
        ("[optimiser]\nprecision = 'int8'\n", "usage.bad-setting", "precision"),
        ("[model\n", "usage.bad-config", "TOML"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, text, code, named):
    path = tmp_path / "one.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert caught.value.code == code and named in caught.value.message + caught.value.hint


def test_every_bundled_configuration_loads_by_name():
    assert "lite" in bundled_configs()
    for name in bundled_configs():
        assert load_config(name).model.name.startswith("fran")


def test_people_are_parted_not_pictures(people):
    everybody = list_people([people])
    learn, keep = split_people(everybody, DataConfig(validation_share=0.3))
    assert {one.name for one in learn} | {one.name for one in keep} == {one.name for one in everybody}
    assert not {one.name for one in learn} & {one.name for one in keep} and keep
    fewer, _ = split_people(everybody[:-1], DataConfig(validation_share=0.3))
    assert {one.name for one in fewer} <= {one.name for one in learn}, "leaving one out moves nobody else"
    with pytest.raises(UsageError, match="nobody"):
        split_people(everybody, DataConfig(validation_people=("nobody",)))


def test_validation_looks_both_ways_and_is_always_the_same(people):
    pairs = validation_pairs(list_people([people]), 6, 2)
    assert {pair.person.name for pair in pairs} == {"person_00", "person_01"}
    assert {np.sign(pair.target_years - pair.source_years) for pair in pairs} == {-1, 1}
    assert pairs == validation_pairs(list_people([people]), 6, 2)


def test_pairs_are_drawn_as_asked(people):
    everybody = [dataclasses.replace(one, real_age=50) for one in list_people([people])]
    maker = maker_of(everybody, DataConfig(crop_px=64, null_share=0.2, ageing_share=0.7, real_share=1.0))
    pairs = [maker.draw(number, 0)[0] for number in range(600)]
    gaps = np.array([pair.target_years - pair.source_years for pair in pairs])
    assert 0.14 < (gaps == 0).mean() < 0.26
    assert 0.62 < (gaps[gaps != 0] > 0).mean() < 0.78
    assert all(50 in (pair.source_years, pair.target_years) for pair, gap in zip(pairs, gaps, strict=True) if gap)
    maker = maker_of(list_people([people]), DataConfig(null_share=0.0))
    pairs = [maker.draw(number, 0)[0] for number in range(600)]
    far = np.mean([abs(pair.target_years - pair.source_years) >= 30 for pair in pairs])
    assert far > 0.6 + 0.04, "wide gaps are 6 of 10 pairs and drawn more often than that"


def test_data_sets_are_drawn_from_in_their_shares(tmp_path, make_people):
    folders = [make_people(tmp_path / "many", range(4), (20, 80)), make_people(tmp_path / "few", range(1), (20, 80))]
    maker = maker_of(list_people(folders), DataConfig(folder_shares=(0.25, 0.75)))
    few = np.mean([maker.draw(number, 0)[0].person.folder.name == "few" for number in range(400)])
    assert 0.68 < few < 0.82
    with pytest.raises(UsageError, match="folder_shares"):
        maker_of(list_people(folders), DataConfig(folder_shares=(1.0,)))


def test_a_batch_depends_on_its_number_alone(people):
    maker = maker_of(list_people([people]))
    stream = maker.batches(5)
    following = [next(stream) for _ in range(3)]
    stream.close()
    again = maker_of(list_people([people])).batch(7)
    assert torch.equal(following[2].source, again.source) and torch.equal(following[2].weight, again.weight)
    assert torch.equal(following[2].target_years, again.target_years)
    assert not torch.equal(following[1].source, again.source)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_both_pictures_of_a_pair_are_changed_alike(seed):
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.random((96, 96, 3), np.float32), (0, 0), 2.0)
    weight = face_weight(96, 5.0)
    one, other, moved = augment_pair(picture, picture, weight, 80, 64, STRONG, np.random.default_rng(seed))
    assert np.array_equal(one, other)
    assert one.shape == (64, 64, 3) and moved.shape == (64, 64)
    assert one.min() >= 0.0 and one.max() <= 1.0


def test_augmentation_changes_pictures_and_moves_the_weight_with_the_face(person_picture):
    picture = person_picture(1, 20, 128)
    mark = np.zeros((128, 128), np.float32)
    mark[70:76, 60:66] = 1.0
    picture = np.maximum(picture * 0.5, mark[..., None])
    config = AugmentConfig(
        grain=0.0, blur_px=0.0, jpeg_share=0.0, exposure_stops=0.0, gamma=0.0, saturation=0.0, white_balance=0.0
    )
    places = set()
    for seed in range(6):
        moved, _, weight = augment_pair(picture, picture, mark, 144, 128, config, np.random.default_rng(seed))
        bright = np.argwhere(moved.min(axis=2) > 0.8).mean(axis=0)
        assert np.linalg.norm(bright - np.argwhere(weight > 0.5).mean(axis=0)) < 1.0
        places.add(tuple(bright.round()))
    assert len(places) >= 5


def test_a_picture_brought_to_the_canvas_stays_where_it_was(person_picture):
    picture = person_picture(2, 20, 64)
    assert np.array_equal(to_canvas(picture, 64), picture)
    half = to_canvas(person_picture(2, 20, 128), 64)
    assert np.abs(half - cv2.resize(person_picture(2, 20, 128), (64, 64), interpolation=cv2.INTER_AREA)).mean() < 0.01


def test_the_pyramid_loss_sees_fine_lines_that_l1_hardly_sees():
    flat = torch.full((1, 3, 64, 64), 0.5)
    lines, tone = flat.clone(), flat.clone()
    lines[..., ::8, :] -= 0.2
    tone -= 0.2 / 8  # the same L1
    weight = torch.ones(1, 1, 64, 64)
    assert weighted_l1(lines, flat, weight) == pytest.approx(float(weighted_l1(tone, flat, weight)))
    assert pyramid_l1(lines, flat, weight) > 5 * pyramid_l1(tone, flat, weight)
    assert gradient_l1(lines, flat, weight) > 5 * gradient_l1(tone, flat, weight)
    assert pyramid_l1(flat, flat, weight) == 0.0


def test_a_line_of_uncertain_place_is_drawn_under_squares_and_left_out_under_absolutes():
    weight = torch.ones(1, 1, 32, 32)
    empty = torch.full((1, 3, 32, 32), 0.5)
    places = []
    for row in (10, 14, 18, 22):
        line = empty.clone()
        line[:, :, row : row + 2] -= 0.1
        places.append(line)
    faint = torch.stack(places).mean(dim=0)

    def expected(loss, output):
        return sum(float(loss(output, place, weight)) for place in places)

    def squares(output, target, weight):
        return pyramid_losses(output, target, weight)[1]

    assert expected(squares, faint) < 0.9 * expected(squares, empty)
    assert expected(pyramid_l1, empty) < expected(pyramid_l1, faint)
    assert squares(empty, empty, weight) == 0.0


def test_the_discriminator_learns_what_is_real_and_whether_the_age_fits():
    torch.manual_seed(0)
    judge = AgeDiscriminator(width=4)
    optimiser = torch.optim.Adam(judge.parameters(), 3e-3)
    years = torch.tensor([20.0, 30.0, 70.0, 80.0])
    real = (years / 100.0).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)  # bright = old
    fake = real + 0.3 * (torch.rand(4, 3, 32, 32) - 0.5)
    wrong = torch.tensor([70.0, 80.0, 20.0, 30.0])
    for _ in range(80):
        optimiser.zero_grad()
        loss = discriminator_loss(judge, real, fake, years, wrong)
        loss.backward()
        optimiser.step()
    right, made, mistaken = judge(real, years).mean(), judge(fake, years).mean(), judge(real, wrong).mean()
    assert right > made + 1.0 and right > mistaken + 1.0


def test_an_age_that_is_nearly_right_is_not_held_against_a_picture():
    judge = AgeDiscriminator(width=4)
    with torch.no_grad():
        judge.layers[-1].bias += 3.0
    real, years = torch.full((2, 3, 32, 32), 0.5), torch.tensor([30.0, 60.0])
    near = discriminator_loss(judge, real, real, years, years + 5.0)
    far = discriminator_loss(judge, real, real, years, years + 30.0)
    assert far > near + 0.5
