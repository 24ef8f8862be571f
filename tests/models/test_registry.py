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
    exchanged = predictor.predict(np.ascontiguousarray(face[..., ::-1]), 35.0, 20.0)
    assert np.abs(exchanged).mean() < 0.8 * size[20.0], "it knows skin only with red first"


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


def test_the_mean_of_two_models_lies_between_them_and_keeps_the_stricter_terms(registry: Registry, make_model):
    free = make_model("free", commercial_use=True, lines=1.0)
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
    assert mean.lines == 1.25 and not mean.commercial_use and mean.licence == "CC0-1.0; CC-BY-4.0"
    assert registry.verify("mean") == mean
    assert code(registry.average, {"free": 1.0, "bound": 1.0}, "mean") == "name-taken"


def test_only_models_that_are_alike_are_averaged(registry: Registry, make_model):
    make_model("one")
    make_model("wide", width=5)
    assert code(registry.average, {"one": 1.0, "wide": 1.0}, "mean") == "unlike-models"
    for shares in ({"one": 1.0}, {"one": 1.0, "wide": 0.0}, {"one": 1.0, "wide": float("nan")}):
        with pytest.raises(UsageError, match="shares above 0"):
            registry.average(shares, "mean")
    assert "mean" not in [one.name for one in registry.list()]


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
