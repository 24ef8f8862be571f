"""Lines that a render farm reads from a task's log: how far it is, what it does, why it failed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

import click

from nuke_reage.core.errors import ReageError, UsageError
from nuke_reage.core.strict import nearest

__all__ = ["PROGRESS_VARIABLE", "FarmLog"]

PROGRESS_VARIABLE = "REAGE_PROGRESS"
"""Names the dialect: ``openjd`` (Open Job Description), ``deadline`` (Deadline 10), or empty for none."""

_DIALECTS = ("openjd", "deadline")


class FarmLog:
    """Writes the lines, one for each whole percent at most.

    Args:
        dialect: ``openjd``, ``deadline`` or empty.
        stream: where to; None = stdout.

    Raises:
        UsageError: there is no such dialect.
    """

    def __init__(self, dialect: str = "", stream: TextIO | None = None) -> None:
        if dialect not in {"", *_DIALECTS}:
            raise UsageError(
                "unknown-progress", f"{PROGRESS_VARIABLE} cannot be {dialect!r}.", nearest(dialect, _DIALECTS)
            )
        self._dialect = dialect
        self._stream = stream
        self._last: tuple[str, int] = ("", -1)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, stdout_is_taken: bool = False) -> FarmLog:
        """The log that ``REAGE_PROGRESS`` asks for.

        Args:
            environ: the environment.
            stdout_is_taken: stdout holds a JSON document; the lines go to stderr.
        """
        return cls(environ.get(PROGRESS_VARIABLE, ""), sys.stderr if stdout_is_taken else None)

    def progress(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` frames of a stage are finished."""
        if not self._dialect:
            return
        percent = 100 * done // max(total, 1)
        if stage != self._last[0]:
            self._line("status", stage)
        if (stage, percent) != self._last:
            self._last = (stage, percent)
            self._line("progress", str(percent))

    def status(self, text: str) -> None:
        """What is going on."""
        self._line("status", text)

    def fail(self, error: ReageError) -> None:
        """Why the task fails."""
        self._line("fail", f"{error.code} {error.message} {error.hint}")

    def _line(self, kind: str, text: str) -> None:
        flat = " ".join(text.split())
        if self._dialect == "openjd":
            line = f"openjd_{kind}: {flat}"
        elif self._dialect == "deadline":
            line = {"progress": f"Progress: {flat}%", "status": f"STATUS: {flat}", "fail": f"ERROR: {flat}"}[kind]
        else:
            return
        click.echo(line, file=self._stream)
