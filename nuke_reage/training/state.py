"""What a run keeps on disk so that it can go on: checkpoints, averaged weights, logs."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.core.strict import canonical_json
from nuke_reage.media.atomic import atomic_path
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.layout import Person

__all__ = ["CsvLog", "Ema", "fingerprint_of", "read_checkpoint_file", "write_checkpoint_file"]


class Ema:
    """An exponential moving average of a network's parameters; young averages forget faster.

    Args:
        net: the network; its parameters are the first average.
        decay: in the long run.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values: dict[str, Tensor] = {key: value.detach().clone() for key, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take the network's present parameters in."""
        self.updates += 1
        decay = min(self.decay, (1.0 + self.updates) / (10.0 + self.updates))
        for key, value in net.state_dict().items():
            self.values[key].lerp_(value.detach().to(self.values[key].dtype), 1.0 - decay)


def fingerprint_of(
    config: TrainConfig,
    people: Sequence[Person],
    begun: Sequence[str],
    lpips: Sequence[str],
    processes: int,
    pictures_come_from: str,
) -> dict[str, str]:
    """What must stay the same for a run to be continued, by the name that a message gives it.

    Its length may change, and what no step depends on: names, licence, lines, threads, logs, where files lie.

    Args:
        config: of the run.
        people: all of them.
        begun: SHA-256 of the weights that it begins from.
        lpips: SHA-256 of the weights of its perceptual loss.
        processes: that learn together.
        pictures_come_from: how batches are made, which decides the chance in them.
    """
    default = TrainConfig()
    model = replace(default.model, width=config.model.width, canvas_px=config.model.canvas_px)
    same = replace(
        config,
        model=model,
        loss=replace(config.loss, lpips_network="anywhere", lpips_heads="anywhere"),
        data=replace(config.data, threads=default.data.threads, on_device=default.data.on_device),
        optimiser=replace(config.optimiser, steps=default.optimiser.steps),
        validation=replace(
            config.validation,
            checkpoint_every_steps=default.validation.checkpoint_every_steps,
            tensorboard=default.validation.tensorboard,
        ),
    )
    pictures = hashlib.sha256()
    for person in people:
        for age, path in person.pictures:
            pictures.update(f"{person.identity} {age} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return {
        "settings": hashlib.sha256(canonical_json(same).encode()).hexdigest(),
        "pictures": pictures.hexdigest(),
        "weights to begin from": " ".join(begun),
        "weights of LPIPS": " ".join(lpips),
        "number of processes": str(processes),
        "data.on_device": pictures_come_from,
    }


def write_checkpoint_file(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        MediaError: the folder cannot be written or the disk is full.
    """
    with atomic_path(path) as temporary:
        torch.save(dict(state), temporary)


def read_checkpoint_file(path: Path, fingerprint: Mapping[str, str]) -> dict[str, Any]:
    """Read a checkpoint of the same run; nothing that it holds is executed.

    Raises:
        ModelError: it is damaged.
        UsageError: it belongs to another run; the message says what differs.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(state["fingerprint"])
    except Exception as error:
        # A damaged file can fail anywhere in the reader, with any exception.
        raise ModelError(
            "bad-checkpoint", f"{path} cannot be read ({type(error).__name__}).", "Remove it to begin again."
        ) from None
    other = [name for name, value in fingerprint.items() if found.get(name) != value]
    if other:
        raise UsageError(
            "other-run",
            f"{path} belongs to another run; what differs: {', '.join(other)}.",
            "Give another output folder, or --overwrite to begin again.",
        )
    return dict(state)


class CsvLog:
    """A table that grows by a row at a time; a resumed run drops what it is about to do again.

    Args:
        path: the file.
        columns: names; the first is the step.
        last_step: rows after this step are dropped; -1 = all.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], last_step: int) -> None:
        self._path, self._columns = path, columns
        kept = [row for row in self._rows() if int(row[columns[0]]) <= last_step]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns, extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(kept)
        temporary.replace(path)

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row."""
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns, restval="")
            writer.writerow({key: value if isinstance(value, int) else f"{value:.6g}" for key, value in row.items()})

    def _rows(self) -> list[dict[str, str]]:
        if not self._path.exists():
            return []
        with self._path.open(newline="", encoding="utf-8") as stream:
            return [row for row in csv.DictReader(stream) if str(row.get(self._columns[0]) or "").isdigit()]
