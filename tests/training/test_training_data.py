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
from nuke_reage.models.registry import Registry
from nuke_reage.training.augment import Change, augment_pair, draw_change, face_weight, to_canvas
from nuke_reage.training.augment_torch import augment_batch
from nuke_reage.training.batches import FileBatches
from nuke_reage.training.check import check_people, require_sound
from nuke_reage.training.config import AugmentConfig, DataConfig, bundled_configs, load_config
from nuke_reage.training.device_batches import DeviceBatches
from nuke_reage.training.layout import list_people
from nuke_reage.training.loop import train
from nuke_reage.training.losses import (
    AgeDiscriminator,
    discriminator_loss,
    gradient_l1,
    hue_l1,
    pyramid_l1,
    pyramid_losses,
    weighted_l1,
)
from nuke_reage.training.sampling import PairSampler, split_people, validation_pairs
from nuke_reage.training.state import CsvLog

STRONG = AugmentConfig(jpeg_share=0.0)


def sampled(people, config, count):
    """Pairs drawn of them."""
    sampler, rng = PairSampler(people, config), np.random.default_rng(3)
    return [sampler.draw(rng) for _ in range(count)]


def changed(source, target, weight, canvas_px, crop_px, config, seed):
    rng = np.random.default_rng(seed)
    change = draw_change(source.shape[0], canvas_px, crop_px, config, rng)
    return augment_pair(source, target, weight, crop_px, change, rng)


def as_tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


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
        ("[optimiser]\nclip_norm = 0\n", "usage.bad-setting", "optimiser.clip_norm"),
        ("[optimiser]\nlearning_rate = nan\n", "usage.bad-setting", "optimiser.learning_rate"),
        ("[augment]\ngrain = -0.1\n", "usage.bad-setting", "augment.grain must be at least 0"),
        ("[validation]\ncheckpoint_every_steps = 0\n", "usage.bad-setting", "checkpoint_every_steps"),
        ("[model]\nmax_canvas_px = 1000\n", "usage.bad-setting", "max_canvas_px must be a multiple of 16"),
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
    names = {name: load_config(name).model.name for name in bundled_configs()}
    assert names == {
        "default": "my-model", "finetune": "fran-lite-actor", "lite": "fran-lite", "lite-clean": "fran-lite-clean",
    }  # fmt: skip


def test_people_are_parted_not_pictures(people):
    everybody = list_people([people])
    learn, keep = split_people(everybody, DataConfig(validation_share=0.3))
    assert {one.name for one in learn} | {one.name for one in keep} == {one.name for one in everybody}
    assert not {one.name for one in learn} & {one.name for one in keep} and keep
    fewer, _ = split_people(everybody[:-1], DataConfig(validation_share=0.3))
    assert {one.name for one in fewer} <= {one.name for one in learn}, "leaving one out moves nobody else"
    with pytest.raises(UsageError, match="nobody"):
        split_people(everybody, DataConfig(validation_people=("nobody",)))
    with pytest.raises(UsageError, match="Nobody is kept"):
        split_people(everybody, DataConfig(validation_share=0.0))


@pytest.mark.parametrize("config", [{"validation_people": ("person_01",)}, {"validation_share": 0.01}])
def test_whoever_is_kept_is_kept_in_all_data_sets(make_people, tmp_path, config):
    folders = [make_people(tmp_path / "small", range(3)), make_people(tmp_path / "large", range(1, 6))]
    learn, keep = split_people(list_people(folders), DataConfig(**config))
    assert keep and learn and not {one.name for one in learn} & {one.name for one in keep}


def test_the_configuration_for_pictures_of_ones_own_names_nobody_and_suits_any_number_of_data_sets():
    data = load_config("default").data
    assert (data.validation_people, data.folder_shares) == ((), ())


def test_what_a_configuration_leaves_out_is_that_of_the_model_to_begin_from(tmp_path, monkeypatch):
    monkeypatch.delenv("REAGE_MODELS")
    start = Registry.from_environment().get("fran-lite")
    model = load_config("finetune", start).model
    assert (model.width, model.canvas_px, model.max_canvas_px, model.lines) == (20, 512, 512, start.lines)
    assert model.name == "fran-lite-actor"
    (tmp_path / "own.toml").write_text("[model]\ncanvas_px = 256\n")
    own = load_config(tmp_path / "own.toml", start).model
    assert (own.canvas_px, own.lines) == (256, start.lines)


def test_a_log_keeps_large_step_numbers(tmp_path):
    CsvLog(tmp_path / "log.csv", ("step", "l1"), -1).add({"step": 1_234_567, "l1": 0.25})
    CsvLog(tmp_path / "log.csv", ("step", "l1"), 2_000_000)
    assert (tmp_path / "log.csv").read_text().splitlines() == ["step,l1", "1234567,0.25"]


def test_validation_looks_both_ways_and_is_always_the_same(people):
    pairs = validation_pairs(list_people([people]), 6, 2)
    assert {pair.person.name for pair in pairs} == {"person_00", "person_01"}
    assert {np.sign(pair.target_years - pair.source_years) for pair in pairs} == {-1, 1}
    assert pairs == validation_pairs(list_people([people]), 6, 2)


def test_pairs_are_drawn_as_asked(people):
    everybody = [dataclasses.replace(one, real_age=50) for one in list_people([people])]
    config = DataConfig(null_share=0.2, ageing_share=0.7, real_share=1.0)
    pairs = sampled(everybody, config, 600)
    gaps = np.array([pair.target_years - pair.source_years for pair in pairs])
    assert 0.14 < (gaps == 0).mean() < 0.26
    assert 0.62 < (gaps[gaps != 0] > 0).mean() < 0.78
    assert all(50 in (pair.source_years, pair.target_years) for pair, gap in zip(pairs, gaps, strict=True) if gap)
    pairs = sampled(list_people([people]), DataConfig(null_share=0.0), 600)
    far = np.mean([abs(pair.target_years - pair.source_years) >= 30 for pair in pairs])
    assert far > 0.6 + 0.04, "wide gaps are 6 of 10 pairs and drawn more often than that"


def test_data_sets_are_drawn_from_in_their_shares(tmp_path, make_people):
    folders = [make_people(tmp_path / "many", range(4), (20, 80)), make_people(tmp_path / "few", range(1), (20, 80))]
    pairs = sampled(list_people(folders), DataConfig(folder_shares=(0.25, 0.75)), 400)
    few = np.mean([pair.person.folder.name == "few" for pair in pairs])
    assert 0.68 < few < 0.82
    with pytest.raises(UsageError, match="folder_shares"):
        PairSampler(list_people(folders), DataConfig(folder_shares=(1.0,)))


@pytest.fixture(params=["files", "device"])
def batches_of(request):
    """Makes batches from files, or out of pictures held in memory: (people, config) to what makes them."""
    if request.param == "files":
        return FileBatches
    return lambda people, config: DeviceBatches(people, config, torch.device("cpu"))


def test_a_batch_depends_on_its_number_alone(people, make_config, batches_of):
    config = make_config(augment={"jpeg_share": 0.5})
    stream = batches_of(list_people([people]), config).batches(5)
    following = [next(stream) for _ in range(3)]
    stream.close()
    again = batches_of(list_people([people]), config).batch(7)
    assert torch.equal(following[2].source, again.source) and torch.equal(following[2].weight, again.weight)
    assert torch.equal(following[2].target_years, again.target_years)
    assert not torch.equal(following[1].source, again.source)


def test_a_batch_holds_the_pictures_of_the_ages_that_it_says(tmp_path, make_people, make_config, batches_of):
    """Of one person, and unchanged but for its place: every picture can be told by its age."""
    still = dict.fromkeys(("rotation_degrees", "scale", "shift", "exposure_stops", "white_balance", "gamma"), 0.0)
    still |= dict.fromkeys(("saturation", "grain", "blur_px", "jpeg_share"), 0.0)
    config = make_config(augment={**still, "flip": False}, data={"null_share": 0.3}, optimiser={"batch_size": 24})
    (person,) = list_people([make_people(tmp_path / "one", range(1))])
    batch = batches_of([person], config).batch(0)
    assert batch.source.shape == batch.target.shape == (24, 3, 64, 64) and batch.weight.shape == (24, 1, 64, 64)
    for pictures, years in ((batch.source, batch.source_years), (batch.target, batch.target_years)):
        for picture, age in zip(pictures, years, strict=True):
            there = cv2.imread(str(person.picture(int(age))))[:, :, ::-1] / np.float32(255.0)
            assert (picture - as_tensor(there)[0]).abs().max() < 1e-3
    assert 0 < (batch.source_years == batch.target_years).sum() < 24


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_batch_is_changed_as_each_pair_would_be(seed):
    rng = np.random.default_rng(seed)
    source, target = (cv2.GaussianBlur(rng.random((96, 96, 3), np.float32), (0, 0), 2.0) for _ in range(2))
    source, target = ((one - 0.5) * 3.0 + 0.5 for one in (source, target))
    source, target = (np.clip(one, 0.0, 1.0) for one in (source, target))
    weight = face_weight(96, 5.0)
    config = AugmentConfig(grain=0.0, jpeg_share=0.0)
    change = draw_change(96, 96, 64, config, rng)
    alone = augment_pair(source, target, weight, 64, change, rng)
    batch = augment_batch(
        as_tensor(source), as_tensor(target), torch.from_numpy(weight), 64, [change], torch.Generator()
    )
    # OpenCV counts places in 32nds of a pixel and has another cubic kernel than torch by a little.
    for one, other in zip(alone[:2], batch[:2], strict=True):
        assert np.abs(one - other[0].permute(1, 2, 0).numpy()).mean() < 2 / 255
    assert np.abs(alone[2] - batch[2][0, 0].numpy()).mean() < 0.01
    assert np.std(alone[0]) > 0.05


@pytest.mark.parametrize("quality", [40, 60, 85])
def test_jpeg_in_a_batch_loses_what_jpeg_loses(person_picture, quality):
    picture = cv2.GaussianBlur(person_picture(1, 80, 128), (0, 0), 0.8)
    still = Change(np.eye(2, 3))
    rng = np.random.default_rng(0)
    weight = face_weight(128, 5.0)
    before = augment_pair(picture, picture, weight, 128, still, rng)[0]
    compressed = dataclasses.replace(still, jpeg_quality=quality)
    alone = augment_pair(picture, picture, weight, 128, compressed, rng)[0]
    given_twice = torch.cat([as_tensor(picture)] * 2)
    sources, targets, _ = augment_batch(
        given_twice, given_twice, torch.from_numpy(weight), 128, [compressed, still], torch.Generator()
    )
    ours = sources[0].permute(1, 2, 0).numpy()
    lost, same = alone - before, ours - before
    assert np.abs(lost).mean() > 1 / 255
    assert np.corrcoef(lost.ravel(), same.ravel())[0, 1] > 0.8
    assert np.std(same) == pytest.approx(np.std(lost), rel=0.15)
    assert torch.allclose(sources[1], given_twice[1], atol=1e-4), "the other one is not compressed"
    assert torch.allclose(targets, sources, atol=1e-4), "what is lost is no difference of age"


def test_grain_in_a_batch_is_the_same_on_both_pictures_and_another_for_each_pair(person_picture):
    picture = as_tensor(person_picture(1, 50, 64) * 0.5 + 0.25)
    grained = Change(np.eye(2, 3), grain=0.02)
    both, clean = torch.cat([picture, picture]), picture[0]
    source, target, _ = augment_batch(
        both, both, torch.ones(64, 64), 64, [grained, grained], torch.Generator().manual_seed(1)
    )
    assert torch.equal(source, target)
    assert float((source - clean).std()) == pytest.approx(0.02, rel=0.05)
    assert torch.corrcoef(torch.stack([(one - clean).flatten() for one in source]))[0, 1].abs() < 0.05


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_both_pictures_of_a_pair_are_changed_alike(seed):
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.random((96, 96, 3), np.float32), (0, 0), 2.0)
    weight = face_weight(96, 5.0)
    one, other, moved = changed(picture, picture, weight, 80, 64, STRONG, seed)
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
        moved, _, weight = changed(picture, picture, mark, 144, 128, config, seed)
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


def test_the_loss_of_hue_sees_a_cast_on_dark_skin_as_on_light_and_no_shadow():
    weight = torch.ones(1, 1, 64, 64)
    light = torch.tensor([0.8, 0.6, 0.5]).view(1, 3, 1, 1).expand(-1, -1, 64, 64)
    cast = torch.tensor([1.05, 1.0, 1.0]).view(1, 3, 1, 1)
    dark = 0.3 * light
    on_light, on_dark = [float(hue_l1(skin * cast, skin, weight)) for skin in (light, dark)]
    assert 0.6 * on_light < on_dark < on_light
    assert float(weighted_l1(dark * cast, dark, weight)) < 0.4 * float(weighted_l1(light * cast, light, weight))
    shadow = float(hue_l1(0.95 * light, light, weight))
    assert shadow < 0.2 * on_light
    speckled = light.clone()
    speckled[..., ::2, ::2] *= cast
    speckled[..., 1::2, 1::2] /= cast
    assert float(hue_l1(speckled, light, weight)) < 0.5 * on_light


def test_bands_of_the_pyramid_hold_lines_and_not_the_slope_of_the_tone():
    inside = torch.zeros(1, 1, 48, 64)
    inside[..., 8:-8, 8:-8] = 1.0
    flat = torch.zeros(1, 3, 48, 64)
    ramp = torch.linspace(0.0, 1.0, 64).expand(1, 3, 48, 64)
    assert pyramid_losses(ramp, flat, inside, levels=1)[0] < 1e-6
    noise = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    absolute = pyramid_losses(noise, flat, inside, levels=1)[0]
    picture = noise[0].permute(1, 2, 0).numpy()
    band = (picture - cv2.pyrUp(cv2.pyrDown(picture))) * inside[0, 0, ..., None].numpy()
    assert float(absolute) == pytest.approx(float(np.abs(band).mean()), rel=1e-4), "as OpenCV's"
    odd = noise[..., :47, :63]
    assert pyramid_l1(odd, torch.zeros_like(odd), torch.ones_like(odd[:, :1])) > 0.1


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
