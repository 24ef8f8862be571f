"""Where a run's curves and sheets are shown while it goes: TensorBoard, Weights & Biases, both or neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import to_dict
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.pictures import read_picture

__all__ = ["Board", "open_boards"]

_WANDB_NAME = "wandb.id"


class Board(Protocol):
    """Something that shows numbers and pictures by step."""

    def begin(self, done: int) -> None:
        """Go on after so many steps; what it shows of later ones is of a run that stopped and does them again."""

    def numbers(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Show the values as ``group/name``."""

    def sheet(self, path: Path, step: int) -> None:
        """Show a picture file."""

    def close(self) -> None:
        """Write what is still held."""


def open_boards(folder: Path, config: TrainConfig, wandb_project: str = "") -> list[Board]:
    """The boards that a run asks for; nothing is written before they begin.

    Args:
        folder: of the run.
        config: ``validation.tensorboard`` asks for TensorBoard files in ``folder/tensorboard``.
        wandb_project: a project at Weights & Biases; empty = none.  Where it goes and whether it goes anywhere is a
            matter of wandb's own settings (``WANDB_MODE=offline`` keeps it in the folder).

    Raises:
        UsageError: ``no-tensorboard`` or ``no-wandb``, the package is not installed.
    """
    boards: list[Board] = []
    if config.validation.tensorboard:
        boards.append(_TensorBoard(folder))
    if wandb_project:
        boards.append(_Wandb(folder, config, wandb_project))
    return boards


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "no-tensorboard",
                "TensorBoard is not installed.",
                "pip install tensorboard, or set it false.",
            ) from None
        self._open: Any = SummaryWriter
        self._folder = folder / "tensorboard"

    def begin(self, done: int) -> None:
        # The first validation is of step 0.
        self._writer: Any = self._open(str(self._folder), purge_step=done + 1 if done else 0)

    def numbers(self, group: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def sheet(self, path: Path, step: int) -> None:
        self._writer.add_image("sheet", read_picture(path), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, folder: Path, config: TrainConfig, project: str) -> None:
        try:
            import wandb
        except ImportError:
            raise UsageError(
                "no-wandb", "Weights & Biases is not installed.", "pip install wandb, or leave --wandb out."
            ) from None
        self._wandb: Any = wandb
        self._about = {"project": project, "dir": str(folder), "config": to_dict(config)}
        self._name = folder / _WANDB_NAME

    def begin(self, done: int) -> None:
        known = self._name.read_text(encoding="ascii").strip() if done and self._name.is_file() else None
        self._run: Any = self._wandb.init(**self._about, id=known, resume="allow")
        self._name.write_text(f"{self._run.id}\n", encoding="ascii")
        for group in ("train", "validation"):
            self._run.define_metric(f"{group}/*", step_metric=f"{group}/step")

    def numbers(self, group: str, values: Mapping[str, float], step: int) -> None:
        # Not "step=": validation and training report of the same step at different times.
        self._run.log({f"{group}/{name}": value for name, value in values.items()} | {f"{group}/step": step})

    def sheet(self, path: Path, step: int) -> None:
        self._run.log({"validation/sheet": self._wandb.Image(str(path)), "validation/step": step})

    def close(self) -> None:
        self._run.finish()
