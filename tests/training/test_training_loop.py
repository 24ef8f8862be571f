"""Learning: losses fall, runs go on exactly, the best is kept and is a model that others can load."""

import csv
import dataclasses
import itertools

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.models.descriptor import load_descriptor
from nuke_reage.models.fran import FranNet
from nuke_reage.models.loading import load_network
from nuke_reage.training.batches import Batch, FileBatches
from nuke_reage.training.layout import list_people
from nuke_reage.training.learner import Learner, frozen, learning_rate, losses_of
from nuke_reage.training.loop import Reporter, train
from nuke_reage.training.sampling import Pair, validation_pairs
from nuke_reage.training.validation import validate


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def batch_of(people, config):
    return FileBatches(list_people([people]), config).batch(0)


def cpu_fabric():
    return Fabric(accelerator="cpu", devices=1, precision="32-true")


@pytest.mark.parametrize(("method", "on_device"), [("adamw", "auto"), ("muon", "always")])
def test_the_loss_falls_and_the_kept_model_beats_doing_nothing_on_people_never_seen(
    people, tmp_path, make_config, method, on_device
):
    config = make_config(
        data={"on_device": on_device},
        optimiser={"steps": 60, "method": method},
        validation={"every_steps": 30},
    )
    report = train([people], tmp_path / "run", config)
    losses = [float(row["l1"]) for row in rows_of(tmp_path / "run" / "train.csv")]
    assert len(losses) == 60
    assert np.mean(losses[-15:]) < 0.75 * np.mean(losses[:15])
    assert report.finished and report.best["ratio"] < 0.9
    scores = rows_of(tmp_path / "run" / "validation.csv")
    assert [int(row["step"]) for row in scores] == [0, 30, 60]
    assert report.best["ratio"] == pytest.approx(min(float(row["ratio"]) for row in scores), rel=1e-5)


@pytest.mark.parametrize(
    ("adversarial", "method", "on_device"), [(0.0, "adamw", "never"), (0.05, "muon", "never"), (0.0, "muon", "always")]
)
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
    people, tmp_path, make_config, adversarial, method, on_device
):
    config = make_config(
        data={"on_device": on_device},
        loss={"adversarial": adversarial},
        optimiser={"steps": 6, "accumulate": 2, "batch_size": 2, "method": method},
        validation={"every_steps": 4},
    )
    whole = train([people], tmp_path / "whole", config)
    done = []
    stopper = Reporter(step=lambda number, steps, losses: done.append(number), stop=lambda: len(done) >= 3)
    first = train([people], tmp_path / "parts", config, reporter=stopper)
    assert (first.steps, first.finished) == (3, False)
    second = train([people], tmp_path / "parts", config)
    assert second == dataclasses.replace(whole, model=second.model)
    one, other = (torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "parts"))
    for part in ("net", "discriminator", "ema"):
        assert all(torch.equal(one[part][key], other[part][key]) for key in one[part])
    columns = ("step", "l1", "pyramid", "gradient", "adversarial", "discriminator")
    logs = [
        [[row[name] for name in columns] for row in rows_of(tmp_path / run / "train.csv")] for run in ("whole", "parts")
    ]
    assert logs[0] == logs[1]


def test_tensorboard_shows_each_step_once_and_sheets_also_after_a_crash(people, tmp_path, make_config):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def crash(number, steps, losses):
        if number == 5:
            raise ArithmeticError

    config = make_config(validation={"tensorboard": True, "every_steps": 3, "checkpoint_every_steps": 2})
    run = tmp_path / "run"
    with pytest.raises(ArithmeticError):
        train([people], run, config, reporter=Reporter(step=crash))
    train([people], run, config)
    seen = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0})
    seen.Reload()
    shown = [(one.step, one.value) for one in seen.Scalars("train/l1")]
    assert [step for step, _ in shown] == [1, 2, 3, 4, 5, 6]
    assert np.allclose(
        [value for _, value in shown], [float(row["l1"]) for row in rows_of(run / "train.csv")], rtol=1e-5
    )
    assert [one.step for one in seen.Scalars("validation/ratio")] == [0, 3, 6]
    sheets = seen.Images("sheet")
    assert [one.step for one in sheets] == [0, 3, 6]
    image = cv2.imdecode(np.frombuffer(sheets[-1].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    written = cv2.imread(str(run / "sheets" / "step_0000006.jpg"))
    assert image.shape == written.shape and np.abs(image.astype(int) - written).mean() < 1.5 and written.std() > 20
    again = make_config(validation={"tensorboard": True}, optimiser={"steps": 1})
    train([people], run, again, overwrite=True)
    seen.Reload()
    assert [one.step for one in seen.Scalars("train/l1")] == [1]


def test_a_gain_may_change_in_a_finished_run_and_is_one_on_what_the_network_changes(people, tmp_path, make_config):
    config = make_config(optimiser={"steps": 3})
    given = torch.rand((1, 5, 64, 64), generator=torch.Generator().manual_seed(1))
    deltas = []
    for gain in (1.0, 1.5):
        changed = dataclasses.replace(config, model=dataclasses.replace(config.model, gain=gain))
        report = train([people], tmp_path / "run", changed)
        net = load_network(load_descriptor(report.model))
        with torch.no_grad():
            deltas.append(net(given))
    assert "gain: 1.5; the scores below are without it" in report.model.with_suffix(".md").read_text(encoding="utf-8")
    assert deltas[0].abs().mean() > 1e-3
    assert torch.allclose(deltas[1], 1.5 * deltas[0], atol=2e-3 * float(deltas[0].abs().max()))
    with pytest.raises(UsageError, match=r"model\.gain must be 0\.1 to 3"):
        make_config(model={"gain": 0.0})


def test_a_longer_run_may_follow_but_not_one_with_other_settings(people, tmp_path, make_config):
    train([people], tmp_path / "run", make_config(optimiser={"steps": 1}))
    assert train([people], tmp_path / "run", make_config(optimiser={"steps": 2})).steps == 2
    with pytest.raises(UsageError) as caught:
        train([people], tmp_path / "run", make_config(optimiser={"steps": 2, "batch_size": 2}))
    assert caught.value.code == "usage.other-run"
    assert (
        train([people], tmp_path / "run", make_config(optimiser={"batch_size": 2, "steps": 1}), overwrite=True).steps
        == 1
    )


def test_what_no_step_depends_on_may_change_and_what_one_does_may_not(people, tmp_path, make_config):
    config = make_config(optimiser={"steps": 1})
    start = train([people], tmp_path / "base", config).model
    train([people], tmp_path / "run", config)
    renamed = make_config(model={"name": "other", "lines": 2.0}, data={"threads": 2}, optimiser={"steps": 2})
    assert train([people], tmp_path / "run", renamed).model.name == "other.json"
    with pytest.raises(UsageError, match="what differs: weights to begin from"):
        train([people], tmp_path / "run", config, start=start)
    with pytest.raises(UsageError, match=r"what differs: data\.on_device"):
        train([people], tmp_path / "run", make_config(optimiser={"steps": 2}, data={"on_device": "always"}))
    picture = people / "person_00" / "20.png"
    cv2.imwrite(str(picture), 255 - cv2.imread(str(picture)))
    with pytest.raises(UsageError, match="what differs: pictures"):
        train([people], tmp_path / "run", config)


@pytest.mark.parametrize(("hue", "best"), [(0.0, 2), (0.5, 4)])
def test_the_best_is_chosen_by_hue_too_where_hue_is_learnt(people, tmp_path, make_config, monkeypatch, hue, best):
    given = iter([(0.9, 0.9), (0.8, 1.2), (0.85, 0.8)])

    def scripted(*arguments):
        score, output = validate(*arguments)
        ratio, hue_ratio = next(given)
        return dataclasses.replace(score, ratio=ratio, hue_ratio=hue_ratio), output

    monkeypatch.setattr("nuke_reage.training.loop.validate", scripted)
    config = make_config(loss={"hue": hue}, optimiser={"steps": 4}, validation={"every_steps": 2})
    assert train([people], tmp_path / "run", config).best_step == best


def test_the_best_weights_and_their_score_stay_together_when_a_run_is_killed(people, tmp_path, make_config):
    config = make_config(optimiser={"steps": 40}, validation={"every_steps": 4, "checkpoint_every_steps": 6})

    def killed(number, steps, losses):
        if number == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([people], tmp_path / "run", config, reporter=Reporter(step=killed))
    assert [int(row["step"]) for row in rows_of(tmp_path / "run" / "validation.csv")] == [0, 4, 8]
    scores = {int(row["step"]): float(row["ratio"]) for row in rows_of(tmp_path / "run" / "validation.csv")}
    report = train([people], tmp_path / "run", config, reporter=Reporter(stop=lambda: True))
    assert report.steps == 6 and report.best_step == 8, "the checkpoint is older than the best weights"
    assert report.best["ratio"] == pytest.approx(scores[8], rel=1e-5)
    net = FranNet(4)
    net.load_state_dict(torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["state_dict"])
    kept = [one for one in list_people([people]) if one.name == "person_04"]
    pairs = validation_pairs(kept, config.validation.pairs_per_person, 1)
    assert validate(net, pairs, 64)[0].ratio == pytest.approx(scores[8], rel=1e-5)
    again = train([people], tmp_path / "run", make_config(optimiser={"steps": 1}), overwrite=True)
    assert [int(row["step"]) for row in rows_of(tmp_path / "run" / "validation.csv")] == [0, 1] and again.steps == 1


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_is_an_error(people, tmp_path, make_config, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot be read"):
        train([people], tmp_path / "run", make_config())


def test_people_of_one_age_are_listed_and_not_taken_for_a_wrong_model(tmp_path, make_people, make_config):
    people = make_people(tmp_path / "people", range(5), ages=(50,))
    with pytest.raises(UsageError, match=r"5 things are wrong .*\n.*only one age") as caught:
        train([people], tmp_path / "run", make_config())
    assert caught.value.code == "usage.bad-data"


def test_a_name_that_no_model_can_have_is_refused_before_anything_is_learnt(people, tmp_path, make_config):
    with pytest.raises(ModelError, match="name of model 'My Face'"):
        train([people], tmp_path / "run", make_config(model={"name": "My Face"}))
    assert not (tmp_path / "run").exists()


def test_a_network_that_diverges_is_told_and_nothing_of_it_is_kept(people, tmp_path, make_config):
    config = make_config(
        optimiser={"learning_rate": 1e30, "steps": 8}, validation={"checkpoint_every_steps": 1, "every_steps": 100}
    )
    with pytest.raises(ModelError, match="diverged in step") as caught:
        train([people], tmp_path / "run", config)
    assert "learning_rate" in caught.value.hint
    assert all(float(row["gradient_norm"]) >= 0.0 for row in rows_of(tmp_path / "run" / "train.csv"))


def test_a_discriminator_of_a_run_before_does_not_stay_beside_a_model_without_one(people, tmp_path, make_config):
    train([people], tmp_path / "run", make_config(loss={"adversarial": 0.1}, optimiser={"steps": 1}))
    assert (tmp_path / "run" / "tiny.discriminator.safetensors").exists()
    train([people], tmp_path / "run", make_config(optimiser={"steps": 1}), overwrite=True)
    assert not (tmp_path / "run" / "tiny.discriminator.safetensors").exists()


def test_the_model_loads_as_any_other_and_its_card_says_what_it_is(people, tmp_path, make_config):
    report = train(
        [people],
        tmp_path / "run",
        make_config(model={"lines": 0.5}, optimiser={"steps": 2}),
        command="reage train here",
    )
    descriptor = load_descriptor(report.model)
    assert descriptor.lines == 0.5 and descriptor.age_range == (20.0, 80.0)
    assert descriptor.installed and descriptor.width == 4 and len(descriptor.sha256) == 64
    weights = load_file(descriptor.weights_path)
    kept = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.allclose(weights[key].float(), kept[key], atol=2e-3) for key in kept)
    card = descriptor.card()
    for text in ("reage train here", descriptor.sha256, "person_04", "Known failings", "detail_ratio"):
        assert text in card


def test_training_can_start_from_weights_and_refuses_those_of_another_width(people, tmp_path, make_config):
    report = train([people], tmp_path / "one", make_config(optimiser={"steps": 10}))
    start = load_descriptor(report.model).weights_path
    again = train([people], tmp_path / "two", make_config(optimiser={"steps": 1}), start=start)
    first_score = float(rows_of(tmp_path / "two" / "validation.csv")[0]["ratio"])
    assert first_score == pytest.approx(report.best["ratio"], abs=0.01)
    assert again.best["ratio"] <= first_score + 1e-6
    with pytest.raises(ModelError, match="width"):
        train([people], tmp_path / "three", make_config(model={"width": 5}), start=start)


def test_validation_compares_the_source_plus_the_delta(people):
    person = list_people([people])[0]
    pairs = [Pair(person, 20, 80), Pair(person, 80, 20)]
    nothing = FranNet(4)
    with torch.no_grad():
        nothing.final_conv.weight.zero_()
        nothing.final_conv.bias.zero_()
    score, output = validate(nothing, pairs, 64)
    assert [score.ratio, score.detail_ratio, score.hue_ratio] == pytest.approx([1.0, 1.0, 1.0])
    assert score.null_l1 == 0.0
    assert torch.equal(output[0][2], output[0][0])
    with torch.no_grad():
        nothing.final_conv.bias += 0.1
    worse, _ = validate(nothing, pairs, 64)
    assert worse.null_l1 == pytest.approx(0.1, rel=1e-4)
    assert worse.ratio != pytest.approx(1.0, abs=0.01)
    with torch.no_grad():
        nothing.final_conv.bias.copy_(torch.tensor([0.1, -0.1, -0.1]))
    reddened, _ = validate(nothing, pairs, 64)
    assert reddened.hue_ratio > worse.hue_ratio + 0.5


def test_the_generator_step_gives_the_discriminator_no_gradient_and_the_other_way_round(people, make_config):
    config = make_config(loss={"adversarial": 1.0})
    learner = Learner(config, cpu_fabric())
    batch = batch_of(people, config)
    discriminator = [parameter.detach().clone() for parameter in learner._discriminator.parameters()]
    learner.config = dataclasses.replace(
        config, loss=dataclasses.replace(config.loss, l1=0.0, pyramid=0.0, gradient=0.0)
    )
    learner._discriminator_step = lambda batches, outputs: torch.zeros(())  # the generator's half of the step alone
    before = [parameter.detach().clone() for parameter in learner._net.parameters()]
    learner.step(0, [batch])
    assert all(parameter.grad is None for parameter in learner._discriminator.parameters())
    assert all(torch.equal(a, b) for a, b in zip(discriminator, learner._discriminator.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in learner._discriminator.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, learner._net.parameters(), strict=True))
    del learner._discriminator_step
    gradients = [parameter.grad.clone() for parameter in learner._net.parameters()]
    learner._discriminator_step([batch], [batch.source])
    assert all(parameter.grad is not None for parameter in learner._discriminator.parameters())
    assert all(torch.equal(a, b.grad) for a, b in zip(gradients, learner._net.parameters(), strict=True))


def test_what_should_change_more_counts_more():
    source = torch.full((1, 3, 64, 64), 0.2)
    target = source.clone()
    target[..., :32] += 0.5
    weight = torch.ones(1, 1, 64, 64)
    batch = Batch(source, target, weight, torch.tensor([30.0]), torch.tensor([60.0]))
    errors = {}
    for side, columns in (("changing", slice(8, 24)), ("still", slice(40, 56))):
        output = target.clone()
        output[..., 24:40, columns] += 0.1
        errors[side] = losses_of(output, batch, change_weight=6.0)
        assert float(losses_of(output, batch)["l1"]) == pytest.approx(0.1 / 16, rel=1e-4)
    for name in ("l1", "lines"):
        assert float(errors["changing"][name]) == pytest.approx(4.0 * float(errors["still"][name]), rel=0.05)


def test_freezing_ends_also_after_an_error():
    layer = torch.nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    with pytest.raises(RuntimeError), frozen(layer):
        assert not layer.weight.requires_grad
        raise RuntimeError
    assert layer.weight.requires_grad and not layer.bias.requires_grad


def test_the_learning_rate_warms_up_and_comes_down(make_config):
    optimiser = make_config(
        optimiser={"steps": 100, "warmup_steps": 10, "learning_rate": 1.0, "final_share": 0.1}
    ).optimiser
    rates = [learning_rate(step, optimiser) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, abs=0.01) and max(rates) > 0.95
    assert rates[100] == pytest.approx(0.1) and rates[50] == pytest.approx(0.55, abs=0.01)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
