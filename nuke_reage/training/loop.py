"""Training from beginning to end: check the data, learn, validate, keep the best, write the model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from nuke_reage.core.errors import DeviceError, UsageError
from nuke_reage.models.architectures import architecture
from nuke_reage.models.weights import check_layout, read_checkpoint
from nuke_reage.training.check import check_people, require_sound
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.export import write_model
from nuke_reage.training.layout import list_people
from nuke_reage.training.learner import Learner
from nuke_reage.training.sampling import Batch, BatchMaker, Pair, split_people, validation_pairs
from nuke_reage.training.state import CsvLog, config_digest, read_checkpoint_file, write_checkpoint_file
from nuke_reage.training.validation import Score, validate, write_sheet

__all__ = ["Reporter", "TrainReport", "train"]

_TRAIN_COLUMNS = ("step", "l1", "pyramid", "gradient", "adversarial", "discriminator", "learning_rate", "seconds")
_SCORE_COLUMNS = ("step", "ratio", "detail_ratio", "ratio_older", "ratio_younger", "null_l1")
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
    device: str = "auto",
    overwrite: bool = False,
    reporter: Reporter | None = None,
    command: str = "",
) -> TrainReport:
    """Train a model, or go on where a run in the same folder stopped.

    A continued run makes the same steps as one that never stopped, bit for bit on a CPU.

    Args:
        data: folders ``person/AGE.jpg|png``, aligned and square.
        out: folder for checkpoints, logs, picture sheets and, at the end, the model.
        config: settings.
        start: weights to begin from (safetensors or state dict of the same width); None = from nothing.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: begin again where a run is there already.
        reporter: told about progress, asked whether to stop.
        command: for the model card.

    Raises:
        UsageError: something is wrong with the data (all of it is listed), or the folder holds another run.
        DeviceError: no such device.
        ModelError: the weights to start from do not fit.
    """
    reporter = reporter or Reporter()
    folder = Path(out)
    folders = [Path(one) for one in data]
    if len({one.name for one in folders}) != len(folders):
        raise UsageError("same-names", "Two data folders have the same name.", "Rename one, for the logs tell by name.")
    people = list_people(folders)
    require_sound(check_people(people, folders))
    learners, kept = split_people(people, config.data)
    pairs = validation_pairs(kept, config.validation.pairs_per_person, config.validation.max_people)
    fabric = _fabric(device, config)
    learner = Learner(config, fabric, _start_weights(start, config))
    run = _Run(folder, config, learner, fabric, pairs, config_digest(config, [one.identity for one in people]))
    if overwrite:
        for name in (_CHECKPOINT, _BEST):
            (folder / name).unlink(missing_ok=True)
    run.resume()
    maker = BatchMaker(
        learners,
        config.data,
        config.augment,
        canvas_px=config.model.canvas_px,
        face_gain=config.loss.face_weight,
        batch_size=config.optimiser.batch_size,
        seed=config.optimiser.seed,
        rank=fabric.global_rank,
    )
    run.go(maker.batches(run.done * config.optimiser.accumulate), reporter)
    model = folder / f"{config.model.name}.json"
    if fabric.is_global_zero:
        began = f"{Path(start).name} (whoever that learnt from counts as seen)" if start else "nothing"
        facts = {
            "people learnt from": len(learners),
            "people kept for validation": ", ".join(one.identity for one in kept),
            "data": ", ".join(one.name for one in folders),
            "started from": began,
            "steps": run.done,
            "best step": run.best_step,
            "command": command,
        }
        write_model(model, run.best_weights(), config, run.best, facts)
    return TrainReport(run.done, run.done >= config.optimiser.steps, run.best_step, run.best, model)


class _Run:
    """The state of a run and its files."""

    def __init__(
        self, folder: Path, config: TrainConfig, learner: Learner, fabric: Fabric, pairs: list[Pair], digest: str
    ) -> None:
        self._folder, self._config, self._learner, self._fabric = folder, config, learner, fabric
        self._pairs, self._digest = pairs, digest
        self.done, self.best_step = 0, 0
        self.best: dict[str, float] = {}
        self._started, self._seconds_before = time.monotonic(), 0.0

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one."""
        path = self._folder / _CHECKPOINT
        if path.exists():
            state = read_checkpoint_file(path, self._digest)
            self._learner.load(state)
            self.done, self.best_step = int(state["step"]), int(state["best_step"])
            self.best, self._seconds_before = dict(state["best"]), float(state["seconds"])
        names = tuple(f"ratio:{name}" for name in dict.fromkeys(pair.person.folder.name for pair in self._pairs))
        self._log = CsvLog(self._folder / "train.csv", _TRAIN_COLUMNS, self.done)
        self._scores = CsvLog(self._folder / "validation.csv", _SCORE_COLUMNS + names, self.done)

    def go(self, batches: Iterator[Batch], reporter: Reporter) -> None:
        """Learn until all steps are done or somebody wants it to stop."""
        optimiser, validation = self._config.optimiser, self._config.validation
        board = _tensorboard(self._folder) if validation.tensorboard else None
        if not self.best:
            self._validate(reporter, board)
        while self.done < optimiser.steps and not reporter.stop():
            taken = [self._to_device(batch) for batch in islice(batches, optimiser.accumulate)]
            losses = self._learner.step(self.done, taken)
            self.done += 1
            if self._fabric.is_global_zero:
                self._log.add({"step": self.done, "seconds": self._seconds(), **losses})
                reporter.step(self.done, optimiser.steps, losses)
                if board is not None:
                    for name, value in losses.items():
                        board.add_scalar(f"train/{name}", value, self.done)
            if self.done % validation.every_steps == 0 or self.done == optimiser.steps:
                self._validate(reporter, board)
            if self.done % validation.checkpoint_every_steps == 0:
                self._save()
        self._save()
        if board is not None:
            board.close()

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights of the best validation."""
        return dict(torch.load(self._folder / _BEST, map_location="cpu", weights_only=True))

    def _validate(self, reporter: Reporter, board: Any) -> None:
        if not self._fabric.is_global_zero:
            return
        net = self._learner.averaged()
        score, output = validate(net, self._pairs, self._config.model.canvas_px, self._fabric.device)
        row = score.as_row()
        self._scores.add({"step": self.done, **row})
        sheet = self._folder / "sheets" / f"step_{self.done:07d}.jpg"
        write_sheet(sheet, output, self._pairs)
        if board is not None:
            for name, value in row.items():
                board.add_scalar(f"validation/{name}", value, self.done)
        if not self.best or score.ratio < self.best["ratio"]:
            self.best, self.best_step = row, self.done
            weights = {key: value.detach().cpu() for key, value in net.state_dict().items()}
            write_checkpoint_file(self._folder / _BEST, weights)
        reporter.scored(self.done, score)

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            facts = {"digest": self._digest, "step": self.done, "best_step": self.best_step, "best": self.best}
            state = {**self._learner.state(), **facts, "seconds": self._seconds()}
            write_checkpoint_file(self._folder / _CHECKPOINT, state)
        self._fabric.barrier()

    def _to_device(self, batch: Batch) -> Batch:
        return Batch(*(value.to(self._fabric.device, non_blocking=True) for value in vars(batch).values()))

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def _fabric(device: str, config: TrainConfig) -> Fabric:
    if (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    ):
        raise DeviceError("no-such-device", f"This machine has no {device} device.", "Give --device auto.")
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if config.optimiser.precision == "bf16" else "32-true"
    # Without torchrun there is one process; with it, Fabric takes all of them from the environment.
    devices: Any = "auto" if "LOCAL_RANK" in os.environ else 1
    fabric = Fabric(accelerator="cuda" if device == "cuda" else device, devices=devices, precision=precision)
    fabric.launch()
    return fabric


def _start_weights(start: str | os.PathLike[str] | None, config: TrainConfig) -> dict[str, Tensor] | None:
    if start is None:
        return None
    path = Path(start)
    state = read_checkpoint(path)
    check_layout(state, architecture("fran"), config.model.width, path)
    return {key: value.float() for key, value in state.items()}


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError(
            "no-tensorboard",
            "TensorBoard is not installed.",
            "pip install tensorboard, or set it false.",
        ) from None
    return SummaryWriter(str(folder / "tensorboard"))
