"""Where weights come from, and what may be said of them: no more than is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.models.descriptor import HubFile, ModelDescriptor

__all__ = ["of_unknown_origin", "recorded_hub", "same_weights", "write_card"]

_AS_INSTALLED = "\n## As installed\n"


def of_unknown_origin(template: ModelDescriptor, name: str, path: Path) -> ModelDescriptor:
    """A descriptor of weights that are called as the template's are, and of which nothing else is known.

    Args:
        template: tells framing, canvas and ages.
        name: of the model.
        path: of the weights, for the title.
    """
    return dataclasses.replace(
        template,
        name=name,
        title=f"{name}, imported from {path.name}",
        licence="not stated",
        commercial_use=False,
        training_data="not stated",
        url="",
        hub=None,
    )


def recorded_hub(hub: HubFile, name: str, path: Path, found: str) -> HubFile:
    """The hub file with the SHA-256 that a file was found to have.

    Args:
        hub: where the file is published.
        name: of the model, for the hint.
        path: of the file, for the message.
        found: its SHA-256.

    Raises:
        ModelError: ``checksum``; another one is on record.
    """
    if hub.sha256 and found != hub.sha256:
        message = f"{path.name} has SHA-256 {found}; when first fetched it had {hub.sha256}."
        hint = f"It has changed at its source. If that is meant, delete {name}.json from your models."
        raise ModelError("checksum", message, hint)
    return dataclasses.replace(hub, sha256=found)


def same_weights(one: ModelDescriptor, other: ModelDescriptor) -> bool:
    """Whether both descriptors tell of the same file, or of the same file of a hub."""
    if one.hub is not None and other.hub is not None:
        return (one.hub.repository, one.hub.file) == (other.hub.repository, other.hub.file)
    return one.sha256 == other.sha256 != ""


def write_card(descriptor: ModelDescriptor, path: Path, *, source: str, known: str = "") -> None:
    """Write the card of installed weights, whole or not at all.

    Args:
        descriptor: of the weights as they are stored.
        path: of the card.
        source: where the weights come from, in words.
        known: card of the same weights, to be kept; empty = a short one is made from the descriptor.

    Raises:
        ModelError: ``unwritable``.
    """
    about = known.partition(_AS_INSTALLED)[0].rstrip() + "\n" if known else _short_card(descriptor)
    installed = f"{_AS_INSTALLED}\n- from: {source}\n- sha256: `{descriptor.sha256}`\n"
    try:
        write_text_atomic(path, about + installed)
    except UsageError as error:
        raise ModelError("unwritable", error.message, error.hint) from None


def _short_card(descriptor: ModelDescriptor) -> str:
    youngest, oldest = descriptor.age_range
    lines = [
        f"# {descriptor.name}: {descriptor.title}",
        "",
        f"{descriptor.architecture.upper()} of width {descriptor.width}, canvas {descriptor.canvas_px} × "
        f"{descriptor.canvas_px}, framing {dict(descriptor.framing)}, ages {youngest:g} to {oldest:g}.",
        "",
        f"- licence: {descriptor.licence}",
        f"- commercial use: {'yes' if descriptor.commercial_use else 'no'}",
        f"- training data: {descriptor.training_data}",
        "",
        f"What it is worth was not measured: `reage evaluate {descriptor.name}` does that.",
        "",
    ]
    return "\n".join(lines)
