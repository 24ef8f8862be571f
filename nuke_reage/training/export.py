"""From averaged weights to a model that the registry knows: safetensors, descriptor, card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from nuke_reage import __version__
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.strict import canonical_json
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import ModelDescriptor, save_descriptor
from nuke_reage.models.torch_state import to_arrays
from nuke_reage.models.weights import save_weights
from nuke_reage.training.config import TrainConfig

__all__ = ["write_model"]

_FAILINGS = (
    "It learnt on faces that look into the camera; profiles and hidden faces come out weak.",
    "Lines finer than a pixel of the canvas cannot be drawn.",
    "Hair changes its colour only; hairlines stay where they are.",
    "Ages of the training pictures are partly estimates; an age is a direction, not a promise.",
)


def write_model(
    path: Path,
    weights: Mapping[str, Tensor],
    config: TrainConfig,
    score: Mapping[str, float],
    facts: Mapping[str, object],
) -> ModelDescriptor:
    """Write ``NAME.safetensors`` (fp16), ``NAME.json`` and ``NAME.md`` side by side.

    Args:
        path: of the descriptor.
        weights: state dict of the network.
        config: that it was trained with.
        score: of the validation.
        facts: more lines for the card: data, people, command.

    Raises:
        ModelError: the files cannot be written.
    """
    model = config.model
    weights_path = path.with_name(f"{model.name}.safetensors")
    header = {"reage": __version__, "name": model.name}
    save_weights(to_arrays(weights), weights_path, dtype="float16", metadata=header)
    descriptor = ModelDescriptor(
        name=model.name,
        title=model.title,
        architecture="fran",
        width=model.width,
        canvas_px=model.canvas_px,
        tile_px=max(512, model.canvas_px),
        max_canvas_px=max(model.max_canvas_px, model.canvas_px),
        lines=model.lines,
        licence=model.licence,
        commercial_use=model.commercial_use,
        training_data=model.training_data or str(facts.get("data", "")),
        weights_file=weights_path.name,
        sha256=sha256_of(weights_path),
    )
    save_descriptor(descriptor, path)
    parameters = sum(value.numel() for key, value in weights.items() if not key.endswith(".filt"))
    write_text_atomic(path.with_suffix(".md"), _card(descriptor, parameters, config, score, facts))
    return replace(descriptor, weights_path=weights_path, card_path=path.with_suffix(".md"))


def _card(
    descriptor: ModelDescriptor,
    parameters: int,
    config: TrainConfig,
    score: Mapping[str, float],
    facts: Mapping[str, object],
) -> str:
    lines = [
        f"# {descriptor.name}: {descriptor.title}",
        "",
        f"FRAN U-Net of width {descriptor.width}, {parameters / 1e6:.1f} M parameters, fp16, "
        f"canvas {descriptor.canvas_px} × {descriptor.canvas_px}, framing {dict(descriptor.framing)}.",
        "",
        f"- licence: {descriptor.licence}",
        f"- commercial use: {'yes' if descriptor.commercial_use else 'no'}",
        f"- training data: {descriptor.training_data}",
        f"- sha256: `{descriptor.sha256}`",
        *(f"- {name}: {value}" for name, value in facts.items() if value not in ("", None)),
        "",
        "## Measured on people that training never saw",
        "",
        "L1 in the face against the target, relative to doing nothing (1 = no better than nothing; lower is better).",
        "",
        "| what | value |",
        "| --- | --- |",
        *(f"| {name} | {value:.4f} |" for name, value in score.items()),
        "",
        "## Known failings",
        "",
        *(f"- {text}" for text in _FAILINGS),
        "",
        "## Settings",
        "",
        "```json",
        canonical_json(config),
        "```",
        "",
    ]
    return "\n".join(lines)
