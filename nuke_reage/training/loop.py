"""Training from beginning to end: check the data, learn, validate, keep the best, write the model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from nuke_reage.core.errors import UsageError
from nuke_reage.training.batches import Batch, FileBatches
from nuke_reage.training.boards import Board, open_boards
from nuke_reage.training.check import check_people, require_sound
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.device_batches import DeviceBatches, fits
from nuke_reage.training.devices import open_fabric
from nuke_reage.training.export import describe_model, write_model
from nuke_reage.training.layout import Person, list_people
from nuke_reage.training.learner import Learner
from nuke_reage.training.lpips import read_lpips
from nuke_reage.training.sampling import Pair, require_shares, split_people, validation_pairs
from nuke_reage.training.start import discriminator_path, read_start, save_discriminator
from nuke_reage.training.state import CsvLog, fingerprint_of, read_checkpoint_file, write_checkpoint_file
from nuke_reage.training.validation import Score, validate, write_sheet

__all__ = ["Reporter", "TrainReport", "train"]

_TRAIN_COLUMNS = (
    "step",
    "l1",
    "pyramid",
    "lpips",
    "gradient",
    "lines",
    "hue",
    "adversarial",
    "discriminator",
    "gradient_norm",
    "learning_rate",
    "seconds",
)
_SCORE_COLUMNS = ("step", "ratio", "detail_ratio", "hue_ratio", "ratio_older", "ratio_younger", "null_l1")
_CHECKPOINT, _BEST = "last.ckpt", "best.ckpt"


@dataclass(frozen=True)
class TrainReport:
    """How a run ended.

    Attributes:
        steps: done in all.
        finished: whether that is all of them.
        best_step: of the weights that were kept.
        best: their score.
        model: descriptor of the model that was written.
    """

    steps: int
    finished: bool
    best_step: int
    best: dict[str, float]
    model: Path


@dataclass(frozen=True)
class Reporter:
    """What a run tells while it goes.

    Attributes:
        step: called after each with its number from 1, how many there are, and the losses.
        scored: called after each validation with the step and the score.
        stop: asked before each step; true = write a checkpoint and end.
    """

    step: Callable[[int, int, Mapping[str, float]], None] = lambda number, steps, losses: None
    scored: Callable[[int, Score], None] = lambda step, score: None
    stop: Callable[[], bool] = lambda: False


def train(
    data: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    config: TrainConfig,
    *,
    start: str | os.PathLike[str] | None = None,
    start_discriminator: str | os.PathLike[str] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    reporter: Reporter | None = None,
    command: str = "",
    wandb_project: str = "",
) -> TrainReport:
    """Train a model, or go on where a run in the same folder stopped.

    A continued run makes the same steps as one that never stopped, bit for bit on a CPU.

    Args:
        data: folders ``person/AGE.jpg|png``, aligned and square.
        out: folder for checkpoints, logs, picture sheets and, at the end, the model.
        config: settings.
        start: model or weights file of the same width to begin from, see :mod:`nuke_reage.training.start`; None = from
            nothing.
        start_discriminator: weights of its discriminator; None = those beside ``start``, if there are any.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: begin again where a run is there already.
        reporter: told about progress, asked whether to stop.
        command: for the model card.
        wandb_project: shows the run at Weights & Biases too; empty = not.

    Raises:
        UsageError: something is wrong with the data (all of it is listed), the folder holds another run, or a package
            that was asked for is not installed.
        DeviceError: no such device.
        ModelError: the weights to start from do not fit, no model can be as the configuration says, a checkpoint is
            damaged, or the network diverged.
    """
    reporter = reporter or Reporter()
    folder = Path(out)
    folders = [Path(one) for one in data]
    if len({one.name for one in folders}) != len(folders):
        raise UsageError("same-names", "Two data folders have the same name.", "Rename one, for the logs tell by name.")
    # What costs least to refuse comes first.
    require_shares(config.data, len(folders))
    people = list_people(folders)
    training_people, kept = split_people(people, config.data)
    begun = None if start is None else read_start(start, config, start_discriminator)
    lpips = read_lpips(config.loss.lpips_network, config.loss.lpips_heads) if config.loss.lpips else None
    require_sound(check_people(people, folders))
    data_names = ", ".join(one.name for one in folders)
    ages = [age for person in training_people for age in person.ages]
    described = describe_model(config.model, ages, data_names, begun.age_range if begun else None)
    pairs = validation_pairs(kept, config.validation.pairs_per_person, config.validation.max_people)
    fabric = open_fabric(device, config)
    generator, discriminator = (begun.generator, begun.discriminator) if begun else (None, None)
    learner = Learner(config, fabric, generator, discriminator, lpips)
    batches = _batches(training_people, config, fabric)
    weights = (begun.sha256, begun.discriminator_sha256) if begun else ()
    perceptual = lpips.sha256 if lpips else ()
    fingerprint = fingerprint_of(config, people, weights, perceptual, fabric.world_size, type(batches).__name__)
    boards = open_boards(folder, config, wandb_project) if fabric.is_global_zero else []
    run = _Run(folder, config, learner, fabric, pairs, boards, fingerprint)
    if overwrite:
        run.forget()
    run.resume()
    run.go(batches.batches(run.done * config.optimiser.accumulate), reporter)
    model = folder / f"{described.name}.json"
    if fabric.is_global_zero:
        files = " and ".join(name for name in (begun.name, begun.discriminator_name) if name) if begun else ""
        began = f"{files} (whoever that learnt from counts as seen)" if files else "nothing"
        facts = {
            "people learnt from": len(training_people),
            "people kept for validation": ", ".join(one.identity for one in kept),
            "data": data_names,
            "started from": began,
            "gain": "" if config.model.gain == 1 else f"{config.model.gain:g}; the scores below are without it",
            "LPIPS": " and ".join(lpips.names) if lpips else "",
            "steps": run.done,
            "best step": run.best_step,
            "command": command,
        }
        write_model(model, run.best_weights(), described, config, run.best, facts)
        if config.loss.adversarial > 0 and run.done > config.loss.adversarial_from_step:
            save_discriminator(learner.discriminator_network, model)
        else:
            discriminator_path(model).unlink(missing_ok=True)
    return TrainReport(run.done, run.done >= config.optimiser.steps, run.best_step, run.best, model)


class _Run:
    """The state of a run and its files."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        learner: Learner,
        fabric: Fabric,
        pairs: list[Pair],
        boards: list[Board],
        fingerprint: dict[str, str],
    ) -> None:
        self._folder, self._config, self._learner, self._fabric = folder, config, learner, fabric
        self._pairs, self._boards, self._fingerprint = pairs, boards, fingerprint
        self.done, self.best_step = 0, 0
        self.best: dict[str, float] = {}
        self._started, self._seconds_before = time.monotonic(), 0.0

    def forget(self) -> None:
        """Remove the checkpoints of a run before."""
        if self._fabric.is_global_zero:
            for name in (_CHECKPOINT, _BEST):
                (self._folder / name).unlink(missing_ok=True)
        # Nobody looks for a checkpoint before it is gone.
        self._fabric.barrier()

    def resume(self) -> None:
        """Take up the last checkpoint and the best weights, as far as there are any."""
        last, best = self._folder / _CHECKPOINT, self._folder / _BEST
        if last.exists():
            state = read_checkpoint_file(last, self._fingerprint)
            self._learner.load(state)
            self.done, self._seconds_before = int(state["step"]), float(state["seconds"])
        if best.exists():
            kept = read_checkpoint_file(best, self._fingerprint)
            self.best, self.best_step = dict(kept["score"]), int(kept["step"])
        # Everybody has read the checkpoint before anybody can write the next.
        self._fabric.barrier()
        if not self._fabric.is_global_zero:
            return
        names = tuple(f"ratio:{name}" for name in dict.fromkeys(pair.person.folder.name for pair in self._pairs))
        self._log = CsvLog(self._folder / "train.csv", _TRAIN_COLUMNS, self.done)
        self._scores = CsvLog(self._folder / "validation.csv", _SCORE_COLUMNS + names, self.done if self.best else -1)
        for board in self._boards:
            board.begin(self.done)

    def go(self, batches: Iterator[Batch], reporter: Reporter) -> None:
        """Learn until all steps are done or somebody wants it to stop."""
        optimiser, validation = self._config.optimiser, self._config.validation
        if not self.best:
            self._validate(reporter)
        while self.done < optimiser.steps and not self._agreed(reporter.stop()):
            taken = [self._to_device(batch) for batch in islice(batches, optimiser.accumulate)]
            losses = self._learner.step(self.done, taken)
            self.done += 1
            if self._fabric.is_global_zero:
                self._log.add({"step": self.done, "seconds": self._seconds(), **losses})
                reporter.step(self.done, optimiser.steps, losses)
                for board in self._boards:
                    board.numbers("train", losses, self.done)
            if self.done % validation.every_steps == 0 or self.done == optimiser.steps:
                self._validate(reporter)
            if self.done % validation.checkpoint_every_steps == 0:
                self._save()
        self._save()
        for board in self._boards:
            board.close()
        self.best, self.best_step = self._fabric.broadcast((self.best, self.best_step))

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights of the best validation."""
        return dict(read_checkpoint_file(self._folder / _BEST, self._fingerprint)["state_dict"])

    def _validate(self, reporter: Reporter) -> None:
        if not self._fabric.is_global_zero:
            return
        net = self._learner.averaged()
        score, output = validate(net, self._pairs, self._config.model.canvas_px, self._fabric.device)
        row = score.as_row()
        self._scores.add({"step": self.done, **row})
        sheet = self._folder / "sheets" / f"step_{self.done:07d}.jpg"
        write_sheet(sheet, output, self._pairs)
        for board in self._boards:
            board.numbers("validation", row, self.done)
            board.sheet(sheet, self.done)
        if not self.best or self._worth(row) < self._worth(self.best):
            self.best, self.best_step = row, self.done
            weights = {key: value.detach().cpu() for key, value in net.state_dict().items()}
            facts = {"fingerprint": self._fingerprint, "step": self.done, "score": row}
            write_checkpoint_file(self._folder / _BEST, {"state_dict": weights, **facts})
        reporter.scored(self.done, score)

    def _worth(self, row: Mapping[str, float]) -> float:
        """What is weighed: light, and hue where it is learnt; less is better."""
        return row["ratio"] + self._config.loss.hue * row["hue_ratio"]

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            facts = {"fingerprint": self._fingerprint, "step": self.done, "seconds": self._seconds()}
            write_checkpoint_file(self._folder / _CHECKPOINT, {**self._learner.state(), **facts})
        self._fabric.barrier()

    def _agreed(self, stop: bool) -> bool:
        """Whether any of the processes wants to stop; alone, oneself."""
        if self._fabric.world_size == 1:
            return stop
        votes = self._fabric.all_reduce(torch.tensor(float(stop), device=self._fabric.device), reduce_op="sum")
        return bool(torch.as_tensor(votes) > 0)

    def _to_device(self, batch: Batch) -> Batch:
        return Batch(*(value.to(self._fabric.device, non_blocking=True) for value in vars(batch).values()))

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def _batches(people: list[Person], config: TrainConfig, fabric: Fabric) -> FileBatches | DeviceBatches:
    where, device = config.data.on_device, fabric.device
    if where == "always" or (where == "auto" and fits(people, config.model.canvas_px, device)):
        return DeviceBatches(people, config, device, fabric.global_rank)
    return FileBatches(people, config, fabric.global_rank)
