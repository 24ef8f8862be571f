from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.models.backends import create_predictor
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import save_descriptor
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.loading import load_network
from nuke_reage.models.registry import Registry
from nuke_reage.models.torch_state import to_tensors
from nuke_reage.models.weights import save_weights


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """The bundled models and an empty folder for own ones."""
    return Registry(Registry.from_environment({}).bundled_dir, [tmp_path / "user"])


def code(call, *args, **kwargs) -> str:
    with pytest.raises(ModelError) as caught:
        call(*args, **kwargs)
    assert caught.value.hint
    return caught.value.slug


def test_bundled_models(registry: Registry):
    models = {one.name: one for one in registry.list()}
    assert registry.problems() == ()
    assert models["fran-lite"].installed and models["fran-lite"].sha256 and models["fran-lite"].width == 20
    assert not models["fran"].installed and models["fran"].hub.file == "best_unet_model.pth"
    assert all(len(one.card()) > 500 and one.licence and one.training_data for one in models.values())
    assert registry.verify("fran-lite").origin == "bundled"


def test_bundled_model_leaves_equal_ages_alone_and_changes_others(registry: Registry, face: np.ndarray):
    predictor = create_predictor(registry.get("fran-lite"), backend="torch", device="cpu")
    size = {age: float(np.abs(predictor.predict(face, 35.0, age)).mean()) for age in (20.0, 35.0, 80.0)}
    assert size[35.0] < 0.001
    assert size[20.0] > 5 * size[35.0] and size[80.0] > 20 * size[35.0], "the network must do something"
    exchanged = predictor.predict(np.ascontiguousarray(face[..., ::-1]), 35.0, 80.0)
    assert np.abs(exchanged).mean() < 0.7 * size[80.0], "it knows skin only with red first"


def test_environment_names_the_folders(tmp_path: Path, make_model):
    first, second = tmp_path / "first", tmp_path / "second"
    make_model("shared-name", folder=first, width=2)
    make_model("shared-name", folder=second, width=3)
    make_model("only-second", folder=second, width=3)
    registry = Registry.from_environment({"REAGE_MODELS": f"{first}:{second}"})
    assert registry.user_dirs == (first, second)
    assert registry.get("shared-name").width == 2, "the first folder wins, as in PATH"
    assert registry.get("only-second").origin == "user"
    assert Registry.from_environment({}).user_dirs[0].name == "models"


def test_unknown_name_suggests_the_nearest(registry: Registry):
    with pytest.raises(ModelError, match="fran-lit'") as caught:
        registry.get("fran-lit")
    assert caught.value.slug == "unknown-model" and "fran-lite" in caught.value.hint


def test_files_are_models_too(registry: Registry, make_model, tmp_path: Path):
    descriptor = make_model(folder=tmp_path / "elsewhere")
    assert registry.get(tmp_path / "elsewhere" / "tiny.json").installed
    assert registry.get(str(descriptor.weights_path)).name == "tiny"
    assert code(registry.get, tmp_path / "no.json") == "missing-descriptor"
    assert code(registry.get, "loose.pth") == "no-descriptor"


def test_a_broken_descriptor_does_not_hide_the_others(registry: Registry, make_model, tmp_path: Path):
    make_model()
    (tmp_path / "user" / "broken.json").write_text("{")
    assert {"tiny", "fran-lite"} <= {one.name for one in registry.list()}
    assert len(registry.problems()) == 1
    assert code(registry.get, "broken") == "bad-descriptor"


def test_import_takes_a_checkpoint_and_runs_it(registry: Registry, tmp_path: Path, face: np.ndarray):
    source = tmp_path / "mine.pth"
    torch.save(to_tensors(formula_state_dict(5)), source)
    installed = registry.import_weights(source, "mine", like="fran-lite", dtype="float16")
    source.unlink()
    assert installed.width == 5 and installed.installed and registry.get("mine") == installed
    assert installed.framing == registry.get("fran-lite").framing
    assert installed.licence == "not stated" and not installed.commercial_use
    assert registry.verify("mine").sha256 == sha256_of(installed.weights_path)
    expected = load_network(installed)(torch.zeros(1, 5, 64, 64))
    assert float(expected.std()) > 0


def test_import_guards(registry: Registry, tmp_path: Path):
    source = tmp_path / "mine.pth"
    torch.save(to_tensors(formula_state_dict(5)), source)
    assert code(registry.import_weights, source, "mine") == "which-framing"
    assert code(registry.import_weights, source, "fran-lite") == "name-taken"
    assert code(registry.import_weights, source, "fran") == "wrong-layout", "fran is of width 64"
    assert code(registry.import_weights, source, "../up", like="fran-lite") == "bad-descriptor"
    assert code(registry.import_weights, tmp_path / "no.pth", "mine") == "missing-weights"
    assert not list(tmp_path.rglob("*.safetensors"))
    registry.import_weights(source, "mine", like="fran-lite")
    assert code(registry.import_weights, source, "mine", like="fran-lite") == "name-taken"
    registry.import_weights(source, "mine", like="fran-lite", overwrite=True)


def test_other_weights_under_a_bundled_name_get_neither_its_licence_nor_its_card(registry: Registry, tmp_path: Path):
    source = tmp_path / "foreign.pth"
    torch.save(to_tensors(formula_state_dict(20)), source)
    bundled = registry.get("fran-lite-clean")
    installed = registry.import_weights(source, "fran-lite-clean", overwrite=True)
    assert installed.framing == bundled.framing and installed.canvas_px == bundled.canvas_px
    assert (installed.licence, installed.training_data) == ("not stated", "not stated")
    assert bundled.commercial_use and not installed.commercial_use
    card = registry.get("fran-lite-clean").card()
    assert sha256_of(source) in card and installed.sha256 in card and "commercial use: no" in card
    assert bundled.sha256 not in card and "Congress" not in card


def test_the_same_weights_keep_licence_and_card_under_any_name(registry: Registry):
    bundled = registry.get("fran-lite-clean")
    for name in ("a-copy", "fran-lite-clean"):
        copy = registry.import_weights(
            bundled.weights_path, name, like="fran-lite-clean", dtype="float16", overwrite=True
        )
        assert copy.commercial_use and (copy.licence, copy.training_data) == (bundled.licence, bundled.training_data)
        assert copy.card().startswith(bundled.card().rstrip()) and copy.card().count("As installed") == 1
        assert copy.sha256 in copy.card()


def test_a_card_of_other_weights_is_not_shown(registry: Registry, make_model):
    """A model of the user's that hides a bundled one, without a card of its own."""
    make_model("fran-lite", width=20)
    assert registry.get("fran-lite").card() == ""


def test_the_mean_of_two_models_lies_between_them_and_keeps_the_stricter_terms(registry: Registry, make_model):
    free = make_model("free", commercial_use=True, lines=1.0, shade=0.6)
    bound = make_model("bound", commercial_use=False, lines=2.0, licence="CC-BY-4.0")
    shifted = {key: value + (0.5 if key == "final_conv.bias" else 0.0) for key, value in formula_state_dict(4).items()}
    save_weights(shifted, bound.weights_path, dtype="float32", metadata={})
    save_descriptor(
        dataclasses.replace(bound, sha256=sha256_of(bound.weights_path)), bound.weights_path.with_suffix(".json")
    )
    mean = registry.average({"free": 3.0, "bound": 1.0}, "mean")
    given = torch.full((1, 5, 64, 64), 0.4)
    delta = load_network(mean)(given) - load_network(free)(given)
    assert float(delta.mean()) == pytest.approx(0.125, abs=2e-3) and float(delta.std()) < 1e-3
    assert (
        (mean.lines, mean.shade) == pytest.approx((1.25, 0.45))
        and not mean.commercial_use
        and mean.licence == "CC0-1.0; CC-BY-4.0"
    )
    assert registry.verify("mean") == mean
    assert all(one.sha256 in mean.card() for one in (mean, free, registry.get("bound")))
    assert code(registry.average, {"free": 1.0, "bound": 1.0}, "mean") == "name-taken"


def test_only_models_that_are_alike_are_averaged(registry: Registry, make_model):
    make_model("one")
    make_model("wide", width=5)
    assert code(registry.average, {"one": 1.0, "wide": 1.0}, "mean") == "unlike-models"
    for shares in ({"one": 1.0}, {"one": 1.0, "wide": 0.0}, {"one": 1.0, "wide": float("nan")}):
        with pytest.raises(UsageError, match="shares above 0"):
            registry.average(shares, "mean")
    assert "mean" not in [one.name for one in registry.list()]


def test_a_mean_put_over_a_model_gets_a_card_of_its_own(registry: Registry, make_model, tmp_path: Path):
    old = make_model("mine")
    (tmp_path / "user" / "mine.md").write_text(f"# mine: learnt from ann, sha256 {old.sha256}")
    make_model("other")
    make_model("third")
    card = registry.average({"other": 1.0, "third": 1.0}, "mine", overwrite=True).card()
    assert "learnt from ann" not in card and "1 other" in card and "1 third" in card


def test_a_mean_is_for_the_ages_and_sizes_that_all_its_parts_know(registry: Registry, make_model):
    make_model("young", age_range=(18.0, 60.0), max_canvas_px=512)
    make_model("old", age_range=(40.0, 90.0), tile_px=256)
    make_model("oldest", age_range=(70.0, 90.0))
    mean = registry.average({"young": 1.0, "old": 1.0}, "mean")
    assert mean.age_range == (40.0, 60.0) and (mean.tile_px, mean.max_canvas_px) == (256, 512)
    assert code(registry.average, {"young": 1.0, "oldest": 1.0}, "none") == "unlike-models"


def test_a_share_given_twice_is_refused_and_not_dropped(make_model, tmp_path: Path, monkeypatch, reage):
    make_model("a")
    make_model("b")
    monkeypatch.setenv("REAGE_MODELS", str(tmp_path / "user"))
    done = reage("models", "average", "a=.3", "b=.3", "a=.4", "--name", "mean")
    assert done.code == 2 and "a is given twice" in done.err
    assert not (tmp_path / "user" / "mean.json").exists()


def test_verify_looks_at_every_model_before_it_fails(make_model, tmp_path: Path, monkeypatch, reage):
    monkeypatch.setenv("REAGE_MODELS", str(tmp_path / "user"))
    for name in ("a-bad", "b-good", "c-bad"):
        path = make_model(name).weights_path
        if name.endswith("bad"):
            path.write_bytes(path.read_bytes()[:-1])
    done = reage("models", "verify")
    assert done.code == 5 and "broken-models" in done.err
    assert "b-good: whole" in done.out and "fran-lite: whole" in done.out
    assert all(
        f"{name}.safetensors has SHA-256" in text for name in ("a-bad", "c-bad") for text in (done.out, done.err)
    )
    (tmp_path / "user" / "d.json").write_text("{")
    assert "d.json" in reage("models", "verify").err, "a descriptor that cannot be read is broken too"
    alone = reage("models", "verify", "a-bad", "b-good")
    assert alone.code == 5 and "model.checksum" in alone.err and "b-good: whole" in alone.out


def test_a_hub_model_copied_by_hand_is_recorded_and_compared(registry: Registry, tmp_path: Path, make_model):
    hub = {"repository": "a/b", "file": "best.pth", "revision": "main", "sha256": ""}
    make_model("far", folder=tmp_path / "bundled", width=2)
    path = tmp_path / "bundled" / "far.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hub": hub, "sha256": ""}))
    (tmp_path / "bundled" / "far.safetensors").unlink()
    registry = Registry(tmp_path / "bundled", [tmp_path / "user"])

    source = tmp_path / "best.pth"
    torch.save(to_tensors(formula_state_dict(2)), source)
    installed = registry.import_weights(source, "far")
    assert installed.licence == "not stated", "that it is the file of the hub could not be told"
    assert installed.hub.sha256 == sha256_of(source) and registry.get("far").origin == "user"
    state = formula_state_dict(2)
    state["final_conv.bias"][0] += 1
    torch.save(to_tensors(state), source)
    assert code(registry.import_weights, source, "far", overwrite=True) == "checksum"
    assert registry.verify("far") == installed


def test_an_unwritable_folder_is_an_error_with_a_hint(tmp_path: Path):
    (tmp_path / "file").write_text("")
    registry = Registry(Registry.from_environment({}).bundled_dir, [tmp_path / "file" / "models"])
    torch.save(to_tensors(formula_state_dict(2)), tmp_path / "mine.pth")
    assert code(registry.import_weights, tmp_path / "mine.pth", "mine", like="fran-lite") == "unwritable"
