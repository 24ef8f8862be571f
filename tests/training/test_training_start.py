"""Beginning from weights: which files are read, and that a model learns one actor without forgetting the others."""

import csv
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.models.descriptor import load_descriptor
from nuke_reage.models.fran import FranNet, he_init
from nuke_reage.models.torch_state import to_arrays
from nuke_reage.models.weights import save_weights
from nuke_reage.training.layout import list_people
from nuke_reage.training.loop import train
from nuke_reage.training.losses import AgeDiscriminator
from nuke_reage.training.sampling import Pair
from nuke_reage.training.start import PublishedDiscriminator, discriminator_beside, read_discriminator
from nuke_reage.training.validation import validate

STANDING_STILL = {"steps": 1, "learning_rate": 0.0, "discriminator_learning_rate": 0.0, "batch_size": 2}


def write_generator(path, width=4, seed=3):
    net = FranNet(width)
    he_init(net, seed=seed)
    save_weights(to_arrays(net.state_dict()), path, dtype="float32", metadata={})
    return net.state_dict()


def written_discriminator(run):
    return load_file(run / "tiny.discriminator.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.allclose(one[key], other[key]) for key in one)


@pytest.mark.parametrize("beside", [True, False], ids=["beside", "named"])
def test_generator_and_discriminator_are_both_begun_from(people, tmp_path, make_config, beside):
    generator = write_generator(tmp_path / "old.safetensors")
    torch.manual_seed(11)
    discriminator = AgeDiscriminator(width=8)
    file = tmp_path / ("old.discriminator.safetensors" if beside else "elsewhere.safetensors")
    save_weights(to_arrays(discriminator.state_dict()), file, dtype="float32", metadata={})
    config = make_config(loss={"adversarial": 0.1}, optimiser=STANDING_STILL)
    report = train(
        [people], tmp_path / "run", config, start=tmp_path / "old.safetensors",
        start_discriminator=None if beside else file,
    )  # fmt: skip
    made = {key: value.float() for key, value in load_file(load_descriptor(report.model).weights_path).items()}
    assert all(torch.allclose(made[key], generator[key], atol=2e-3) for key in generator)
    assert same(written_discriminator(tmp_path / "run"), discriminator.state_dict())
    card = load_descriptor(report.model).card()
    assert "old.safetensors and " + file.name in card


def test_a_discriminator_that_is_not_wanted_is_not_read(people, tmp_path, make_config):
    write_generator(tmp_path / "old.safetensors")
    (tmp_path / "old.discriminator.safetensors").write_bytes(b"damaged")
    train([people], tmp_path / "run", make_config(optimiser=STANDING_STILL), start=tmp_path / "old.safetensors")
    assert not (tmp_path / "run" / "tiny.discriminator.safetensors").exists()
    with pytest.raises(ModelError, match="whole safetensors"):
        train(
            [people], tmp_path / "other", make_config(loss={"adversarial": 0.1}, optimiser=STANDING_STILL),
            start=tmp_path / "old.safetensors",
        )  # fmt: skip


def test_what_a_run_writes_another_begins_from(people, tmp_path, make_config):
    config = make_config(loss={"adversarial": 0.1}, optimiser={"steps": 2})
    first = train([people], tmp_path / "one", config)
    assert discriminator_beside(first.model.with_suffix(".safetensors")) is not None
    still = make_config(loss={"adversarial": 0.1}, optimiser=STANDING_STILL)
    train([people], tmp_path / "two", still, start=first.model)
    assert same(written_discriminator(tmp_path / "one"), written_discriminator(tmp_path / "two"))


def test_published_files_are_begun_from_and_their_statistics_stay(people, tmp_path, make_config):
    torch.save(write_generator(tmp_path / "spare.safetensors"), tmp_path / "best_unet_model.pth")
    torch.manual_seed(5)
    discriminator = PublishedDiscriminator(width=4)
    with torch.no_grad():
        discriminator.model[3].running_mean.uniform_(-0.5, 0.5)
        discriminator.model[6].running_var.uniform_(0.5, 2.0)
    torch.save(discriminator.state_dict(), tmp_path / "best_discriminator_model.pth")
    read = read_discriminator(tmp_path / "best_discriminator_model.pth")
    rgb, years = torch.rand(2, 3, 64, 64), torch.tensor([20.0, 70.0])
    discriminator.eval()
    assert torch.allclose(read.train()(rgb, years), discriminator(rgb, years))
    assert not torch.allclose(read(rgb, years), read(rgb, years.flip(0))), "it looks at the age"
    config = make_config(loss={"adversarial": 0.1}, optimiser={"steps": 3, "discriminator_learning_rate": 0.01})
    train([people], tmp_path / "run", config, start=tmp_path / "best_unet_model.pth")
    learnt, before = written_discriminator(tmp_path / "run"), discriminator.state_dict()
    assert torch.equal(learnt["model.3.running_mean"], before["model.3.running_mean"])
    assert torch.equal(learnt["model.6.running_var"], before["model.6.running_var"])
    assert not torch.equal(learnt["model.0.weight"], before["model.0.weight"])


def test_what_does_not_fit_is_said(people, tmp_path, make_config):
    generator = tmp_path / "old.safetensors"
    write_generator(generator, width=5)
    with pytest.raises(ModelError) as caught:
        train([people], tmp_path / "run", make_config(), start=generator)
    assert caught.value.code == "model.other-width" and "width = 5" in caught.value.hint
    with pytest.raises(ModelError) as caught:
        read_discriminator(generator)
    assert caught.value.code == "model.wrong-discriminator"
    with pytest.raises(ModelError) as caught:
        train([people], tmp_path / "run", make_config(), start="fran-light")
    assert caught.value.code == "model.unknown-model" and "fran-lite" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_a_few_pictures_of_an_actor_teach_the_actor_and_cost_nobody_else(tmp_path, make_people, make_config):
    crowd = make_people(tmp_path / "crowd", range(4))
    actor = make_people(tmp_path / "actor", [7], ages=(20, 50, 80))
    # The same face in other light is kept back.
    (actor / "kept").mkdir()
    for path in (actor / "person_07").iterdir():
        cv2.imwrite(str(actor / "kept" / path.name), np.rint(cv2.imread(str(path)) * 0.9).astype(np.uint8))
    base = train(
        [crowd], tmp_path / "base",
        make_config(
            data={"validation_people": ["person_03"]}, optimiser={"steps": 20, "learning_rate": 0.003, "seed": 2},
        ),
    )  # fmt: skip
    config = make_config(
        data={"validation_people": ["kept"], "folder_shares": [0.6, 0.4]},
        optimiser={"steps": 80, "learning_rate": 0.003, "seed": 2}, validation={"every_steps": 10},
    )  # fmt: skip
    tuned = train([actor, crowd], tmp_path / "tuned", config, start=base.model)
    with (tmp_path / "tuned" / "validation.csv").open(newline="") as stream:
        before = float(next(csv.DictReader(stream))["ratio"])
    assert tuned.best["ratio"] < 0.85 * before < 0.85
    (stranger,) = (one for one in list_people([crowd]) if one.name == "person_03")
    pairs = [Pair(stranger, 20, 80), Pair(stranger, 80, 20)]
    scores = []
    for report in (base, tuned):
        net = FranNet(4)
        weights = load_file(load_descriptor(report.model).weights_path)
        net.load_state_dict({key: value.float() for key, value in weights.items()})
        scores.append(validate(net, pairs, 64)[0].ratio)
    assert scores[1] < scores[0] + 0.05


def test_the_command_keeps_whom_it_is_told_and_wants_a_model_for_a_discriminator(people, tmp_path, reage):
    write_generator(tmp_path / "old.safetensors", width=20)
    done = reage(
        "train", people, "--finetune", tmp_path / "old.safetensors", "--config", "finetune", "-o", tmp_path / "run",
        "--validate-on", "person_01,person_02", "--json",
    )  # fmt: skip
    assert done.json["error"]["code"] == "usage.bad-setting" and "folder_shares" in done.json["error"]["message"]
    tiny = tmp_path / "tiny.toml"
    tiny.write_text(
        '[model]\nname = "tiny"\nwidth = 20\ncanvas_px = 64\n[data]\ncrop_px = 64\n[loss]\nadversarial = 0.0\n'
        "[optimiser]\nsteps = 1\nbatch_size = 1\n[validation]\npairs_per_person = 1\n"
    )
    done = reage(
        "train", people, "--finetune", tmp_path / "old.safetensors", "--config", tiny, "-o", tmp_path / "run",
        "--validate-on", "person_01,person_02",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "people/person_01, people/person_02" in (tmp_path / "run" / "tiny.md").read_text(encoding="utf-8")
    done = reage("train", people, "--start-discriminator", "discriminator.pth", "-o", tmp_path / "no", "--json")
    assert done.json["error"]["code"] == "usage.no-start"


@pytest.mark.parametrize(
    ("package", "code", "options", "validation"),
    [
        ("wandb", "usage.no-wandb", {"wandb_project": "faces"}, {}),
        ("torch.utils.tensorboard", "usage.no-tensorboard", {}, {"tensorboard": True}),
    ],
)
def test_a_board_that_is_not_installed_is_named_before_anything_is_learnt(
    people, tmp_path, make_config, monkeypatch, package, code, options, validation
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError) as caught:
        train([people], tmp_path / "run", make_config(validation=validation), **options)
    assert caught.value.code == code and "pip install" in caught.value.hint
    assert not (tmp_path / "run" / "train.csv").exists()
