"""A job for a render farm, before any engine's own words: steps, their order, frames, chunks and needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nuke_reage.core.errors import FarmError
from nuke_reage.core.frames import chunk_frames

__all__ = ["FRAMES", "FarmJob", "Step", "frame_text"]

FRAMES = "<frames>"
"""Stands in a command where a task's frames go, as a word of its own."""

_STEP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME = 128


@dataclass(frozen=True)
class Step:
    """One command, run once or over frames in chunks.

    Args:
        name: letters and digits, unique in the job.
        command: program and arguments; :data:`FRAMES` stands for a task's frames.
        after: steps that must be finished before.
        frames: frames in rising order; empty = the step is a single task.
        chunk: frames a task, 1 or more.
        only_runs: a task's frames must be one run ``first-last``, without gaps or steps.
        gpus: GPUs that a task needs, 0 or more.
        gpu_memory_mib: memory of each, in MiB.
        limits: names of licences or other limits of the farm that a task takes one of.
        tool: what the program is, ``reage`` or ``nuke``; empty = something else.

    Raises:
        FarmError: the name, the command or a number is wrong.
    """

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    chunk: int = 1
    only_runs: bool = False
    gpus: int = 0
    gpu_memory_mib: int = 0
    limits: tuple[str, ...] = ()
    tool: str = ""

    def __post_init__(self) -> None:
        if not _STEP_NAME.match(self.name):
            raise FarmError("bad-step", f"A step cannot be called {self.name!r}.", "Use up to 32 letters and digits.")
        if not self.command or any(_UNPRINTABLE.search(word) for word in self.command):
            raise FarmError(
                "bad-command",
                f"The command of step {self.name} is empty or has unprintable characters.",
                "Look at the paths and the site file.",
            )
        if (FRAMES in self.command) != bool(self.frames):
            raise FarmError(
                "bad-command", f"Step {self.name} has frames without a place for them, or a place without frames.",
                f"Put {FRAMES} into the command of every step with frames.",
            )  # fmt: skip
        if self.chunk < 1 or self.gpus < 0 or self.gpu_memory_mib < 0:
            raise FarmError("bad-step", f"Step {self.name} asks for a negative amount.", "Use a chunk of 1 or more.")

    @property
    def is_one_run(self) -> bool:
        """Whether the frames are ``first-last`` without gaps or steps."""
        return bool(self.frames) and self.frames[-1] - self.frames[0] + 1 == len(self.frames)

    def tasks(self) -> tuple[tuple[int, ...], ...]:
        """The frames of each task, in order; one empty task where the step has no frames."""
        if not self.frames:
            return ((),)
        if not self.only_runs:
            return tuple(chunk_frames(self.frames, self.chunk))
        return tuple(chunk for run in _runs(self.frames) for chunk in chunk_frames(run, self.chunk))

    def words(self, frames: str) -> tuple[str, ...]:
        """The command with this text for its frames."""
        return tuple(frames if word == FRAMES else word for word in self.command)


@dataclass(frozen=True)
class FarmJob:
    """Steps that belong together.

    Args:
        name: what people see in the queue, 1 to 128 printable characters.
        steps: in an order in which they can run.
        job_file: the ReAge job file that the commands name, an absolute path.
        environment: variables of every task.
        inputs: files and folders that the tasks read.
        outputs: folders that the tasks write.
        priority: 0 to 100.
        retries: how often a failed task is tried again.

    Raises:
        FarmError: a name is taken twice, or a step comes after one that does not come before it.
    """

    name: str
    steps: tuple[Step, ...]
    job_file: str
    environment: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    priority: int = 50
    retries: int = 2

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= _MAX_NAME or _UNPRINTABLE.search(self.name):
            raise FarmError("bad-name", f"A farm job cannot be called {self.name!r}.", "Give a short --name.")
        if not self.steps:
            raise FarmError("no-steps", "The farm job has no steps.", "Nothing is left to be done.")
        seen: set[str] = set()
        for step in self.steps:
            if step.name in seen or not seen.issuperset(step.after):
                raise FarmError(
                    "bad-order",
                    f"Step {step.name} comes twice, or after a step that does not come before it.",
                    f"The steps are {', '.join(one.name for one in self.steps)}.",
                )
            seen.add(step.name)
        for name, value in self.environment:
            if not _VARIABLE.match(name) or _UNPRINTABLE.search(value):
                raise FarmError("bad-variable", f"{name!r} cannot be a variable.", "Look at the site file.")

    def step(self, name: str) -> Step:
        """The step of this name.

        Raises:
            KeyError: there is none.
        """
        return {step.name: step for step in self.steps}[name]


def frame_text(frames: Iterable[int], step_mark: str = "x") -> str:
    """Frames as range text that also knows steps.

    Args:
        frames: any frames.
        step_mark: ``x`` as in Nuke, ReAge and Deadline, or ``:`` as in Open Job Description.

    >>> frame_text([1, 2, 3, 10, 12, 14, 20])
    '1-3,10-14x2,20'
    """
    rest = sorted(set(frames))
    pieces = []
    while rest:
        length = _run_length(rest, lambda gap: gap > 0)
        if length < 3:
            length = 2 if len(rest) > 1 and rest[1] == rest[0] + 1 else 1
        first, last = rest[0], rest[length - 1]
        step = (last - first) // max(length - 1, 1)
        mark = f"{step_mark}{step}" if step > 1 else ""
        pieces.append(str(first) if length == 1 else f"{first}-{last}{mark}")
        rest = rest[length:]
    return ",".join(pieces)


def _runs(frames: tuple[int, ...]) -> list[tuple[int, ...]]:
    runs = []
    rest = frames
    while rest:
        length = _run_length(rest, lambda gap: gap == 1)
        runs.append(rest[:length])
        rest = rest[length:]
    return runs


def _run_length(frames: tuple[int, ...] | list[int], accept: Callable[[int], bool]) -> int:
    """How many frames from the first on have one and the same accepted distance."""
    length = 1
    while length < len(frames):
        gap = frames[length] - frames[length - 1]
        if not accept(gap) or (length > 1 and gap != frames[1] - frames[0]):
            break
        length += 1
    return length
