"""How a long job tells what it is doing, without knowing who listens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nuke_reage.core.errors import ReageError

if TYPE_CHECKING:
    from nuke_reage.models.descriptor import ModelDescriptor

__all__ = ["FrameResult", "Reporter", "Silent", "warn_of_ages"]


@dataclass(frozen=True)
class FrameResult:
    """What became of one frame.

    Attributes:
        frame: frame number.
        state: ``baked``, ``kept`` (was there already, with the same fingerprint), ``no-face``, or ``failed`` (its
            plate or one of its maps cannot be read).
        path: file that holds it, or would.
        warnings: what the artist should know, in sentences.
        mean_delta: mean absolute delta inside the mask, plate values; None where nothing was made.
        peak_delta: largest absolute delta inside the mask, likewise.
        layers: EXR that holds the layers beside a still or movie; None = there is none.
        network_seconds: how long the network itself ran.
        error: why the frame failed; None = it did not.
    """

    frame: int
    state: str
    path: Path
    warnings: tuple[str, ...] = ()
    mean_delta: float | None = None
    peak_delta: float | None = None
    layers: Path | None = None
    network_seconds: float = 0.0
    error: ReageError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; paths as text with forward slashes, ``layers`` empty where there is none."""
        layers = self.layers.as_posix() if self.layers else ""
        error = self.error.to_dict() if self.error else None
        return {**asdict(self), "path": self.path.as_posix(), "layers": layers, "error": error}


class Reporter(Protocol):
    """Listener of a job.  Called from one thread only; raising ends the job."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` frames of a stage (``track`` or ``bake``) are finished."""

    def frame(self, result: FrameResult) -> None:
        """A frame is finished and on disk, or has failed."""

    def warn(self, text: str) -> None:
        """Something about the whole job that the artist should know."""

    def cancelled(self) -> bool:
        """Whether to stop after the frames that are under way."""


class Silent:
    """A reporter that says nothing and never cancels."""

    def progress(self, stage: str, done: int, total: int) -> None:
        return None

    def frame(self, result: FrameResult) -> None:
        return None

    def warn(self, text: str) -> None:
        return None

    def cancelled(self) -> bool:
        return False


def warn_of_ages(reporter: Reporter, name: str, ages_years: Sequence[float], model: ModelDescriptor) -> None:
    """Warn where ages lie outside those that a model has learnt; they are made all the same.

    Args:
        reporter: who is told.
        name: what the ages are, such as ``"target age"``.
        ages_years: at least one.
        model: the model's card.
    """
    low, high = model.age_range
    first, last = min(ages_years), max(ages_years)
    if first < low or last > high:
        reach = f"runs from {first:g} to {last:g}" if first < last else f"is {first:g}"
        reporter.warn(f"The {name} {reach}; {model.name} has learnt {low:g} to {high:g}.")
