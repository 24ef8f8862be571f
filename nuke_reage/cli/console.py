"""What the commands show: bars and logs on stderr, results on stdout, errors with a hint."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.cli.stopping import leave_in_time
from nuke_reage.core.errors import ReageError
from nuke_reage.pipeline.reporting import FrameResult

__all__ = ["BarReporter", "interruptible", "make_progress", "show_error", "show_json", "show_warning", "stderr_console"]


def stderr_console() -> Console:
    """A console on stderr, so that stdout stays clean for results."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show_json(data: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(data, indent=2))


def show_error(error: ReageError, *, as_json: bool) -> None:
    """The error, and what can be done about it."""
    if as_json:
        show_json({"error": error.to_dict()})
    console = stderr_console()
    console.print(f"[bold red]{error.code}[/] {escape(error.message)}")
    if error.hint:
        console.print(f"  [dim]→[/] {escape(error.hint)}")


def show_warning(text: str) -> None:
    """A sentence that the user should know, where no bars run."""
    stderr_console().print(f"[yellow]warning[/] {escape(text)}")


def make_progress(console: Console) -> Progress:
    """Bars with count and remaining time; on a farm's log they are simply absent."""
    return Progress(
        TextColumn("{task.description:>6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


class BarReporter:
    """Shows a job's progress as one bar a stage.

    Args:
        progress: the bars.
        stop: set to stop after the frames that are under way.
        log: what a render farm reads; None = nothing.
    """

    def __init__(self, progress: Progress, stop: threading.Event, log: FarmLog | None = None) -> None:
        self._progress = progress
        self._stop = stop
        self._log = log or FarmLog()
        self._bars: dict[str, TaskID] = {}
        self.warnings: list[str] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=total, note="")
        self._progress.update(self._bars[stage], completed=done, total=total)
        self._log.progress(stage, done, total)

    def frame(self, result: FrameResult) -> None:
        if "bake" in self._bars:
            self._progress.update(self._bars["bake"], note=f"{result.frame} {result.state}")
        for text in result.warnings:
            self.warn(f"frame {result.frame}: {text}")

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self._progress.console.print(f"[yellow]warning[/] {escape(text)}")

    def cancelled(self) -> bool:
        return self._stop.is_set()


@contextmanager
def interruptible(
    clear_away: Callable[[], None] | None = None, *, first: str = "the frames that are under way"
) -> Iterator[threading.Event]:
    """Turn Ctrl-C and the farm's SIGTERM into an event; a second Ctrl-C ends at once.

    Args:
        clear_away: where it is given, the process ends within five seconds after SIGTERM even if the work cannot stop
            so soon; this is called before.
        first: what is still done after the first signal, for the message.

    Yields:
        The event.
    """
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        stderr_console().print(f"Stopping after {first}; press Ctrl-C again to end at once.")

    signals = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        with leave_in_time(clear_away) if clear_away else nullcontext():
            yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
