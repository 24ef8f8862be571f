"""From averaged weights to a model that the registry knows: safetensors, descriptor, card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from nuke_reage.training.config import ModelConfig, TrainConfig

__all__ = ["describe_model", "write_model"]

# What it gives is the change, so that a gain on its weights is a gain on the change.
_LAST_LAYER = ("final_conv.weight", "final_conv.bias")
_FAILINGS = (
    "It learnt on faces that look into the camera; profiles and hidden faces come out weak.",
    "Lines finer than a pixel of the canvas cannot be drawn.",
    "Hair changes its colour only; hairlines stay where they are.",
    "Ages of the training pictures are partly estimates; an age is a direction, not a promise.",
)


def describe_model(
    config: ModelConfig, ages_years: Iterable[int], data: str, begun: tuple[float, float] | None = None
) -> ModelDescriptor:
    """What a model will be called and how it is to be used, before there are weights.

    Args:
        config: of the network.
        ages_years: of the pictures to learn from.
        data: what they are, where the configuration does not say.
        begun: years that the weights to begin from have seen.

    Raises:
        ModelError: ``bad-descriptor``, the configuration asks for what no model can have.
    """
    seen = [*map(float, ages_years), *(begun or ())]
    return ModelDescriptor(
        name=config.name,
        title=config.title,
        architecture="fran",
        width=config.width,
        canvas_px=config.canvas_px,
        tile_px=max(512, config.canvas_px),
        max_canvas_px=max(config.max_canvas_px, config.canvas_px),
        age_range=(min(seen), max(seen)),
        lines=config.lines,
        shade=config.shade,
        licence=config.licence,
        commercial_use=config.commercial_use,
        training_data=config.training_data or data,
        weights_file=f"{config.name}.safetensors",
    )


def write_model(
    path: Path,
    weights: Mapping[str, Tensor],
    described: ModelDescriptor,
    config: TrainConfig,
    score: Mapping[str, float],
    facts: Mapping[str, object],
) -> ModelDescriptor:
    """Write ``NAME.safetensors`` (fp16), ``NAME.json`` and ``NAME.md`` side by side.

    Args:
        path: of the descriptor.
        weights: state dict of the network.
        described: see :func:`describe_model`.
        config: that it was trained with.
        score: of the validation.
        facts: more lines for the card: data, people, command.

    Raises:
        ModelError: the files cannot be written.
    """
    weights_path = path.with_name(described.weights_file)
    header = {"reage": __version__, "name": described.name}
    written = {key: value * config.model.gain if key in _LAST_LAYER else value for key, value in weights.items()}
    save_weights(to_arrays(written), weights_path, dtype="float16", metadata=header)
    descriptor = replace(described, sha256=sha256_of(weights_path))
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
        f"canvas {descriptor.canvas_px} × {descriptor.canvas_px}, framing {dict(descriptor.framing)}, "
        f"pictures of {descriptor.age_range[0]:g} to {descriptor.age_range[1]:g} years.",
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
