"""Run ``reage`` as a process of its own and hear what it says: progress, result, or the error."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from nuke_reage.client.launcher import start_command
from nuke_reage.core.errors import CancelledError, ReageError, WorkerError, error_from_dict
from nuke_reage.core.site import Site

__all__ = ["run_command"]

_LOOK_SECONDS = 0.1
_STOP_SECONDS = 12.0
_LINGER_SECONDS = 2.0
_STATUS, _PROGRESS = "openjd_status: ", "openjd_progress: "
_TAIL_LINES = 5


def run_command(
    site: Site, arguments: Sequence[str], say: Callable[[str, int], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Run a command that knows ``--json``, and wait for it.

    Args:
        site: site settings, which know the Python.
        arguments: without the program's name and without ``--json``.
        say: called, from this thread, with what the command is doing and how far that is, 0 to 100 percent.
        stopped: asked several times a second; once it is true the command is told to end.

    Returns:
        The command's report.

    Raises:
        ReageError: the error that the command ended with, as the same class.
        CancelledError: it was stopped.
        WorkerError: there is no Python for it, or it ended without a report.
    """
    process = start_command(site, [*arguments, "--json"])
    lines: deque[str] = deque()
    answer: list[bytes] = []
    readers = [
        threading.Thread(target=_hear, args=(process, lines), name="reage-command-log", daemon=True),
        threading.Thread(target=_collect, args=(process, answer), name="reage-command-answer", daemon=True),
    ]
    for reader in readers:
        reader.start()
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    stage, asked_at = "", 0.0
    try:
        while True:
            over = _wait(process)
            while lines:
                line = lines.popleft()
                if line.startswith(_STATUS):
                    stage = line[len(_STATUS) :]
                elif line.startswith(_PROGRESS):
                    say(stage, int(line[len(_PROGRESS) :]))
                else:
                    tail.append(line)
            if over:
                break
            if not asked_at and stopped():
                asked_at = time.monotonic()
                process.terminate()
            elif asked_at and time.monotonic() > asked_at + _STOP_SECONDS:
                process.kill()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        # What the command has started may outlive it for a while and hold its pipes: each reader closes its own.
        for reader in readers:
            reader.join(_LINGER_SECONDS)
    if asked_at and process.returncode:
        raise CancelledError("by-user", "Stopped.", "Press the button again.")
    return _report(process.returncode, b"".join(answer), " ".join([*tail, *lines]))


def _wait(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _report(code: int, answer: bytes, words: str) -> dict[str, Any]:
    error: ReageError | None = None
    told: Any = None
    try:
        told = json.loads(answer)
        error = error_from_dict(told["error"]) if code else None
    except (ValueError, TypeError, KeyError):
        told = None
    if error is not None:
        raise error
    if code or not isinstance(told, dict):
        raise WorkerError(
            "command-failed",
            f"ReAge's command ended with status {code}: {words or 'it said nothing'}"[:800],
            "Run reage doctor; it says what is missing.",
        )
    return told


def _hear(process: subprocess.Popen[bytes], lines: deque[str]) -> None:
    assert process.stderr is not None
    with process.stderr as pipe:
        for line in pipe:
            text = line.decode("utf-8", "replace").strip()
            if text:
                lines.append(text)


def _collect(process: subprocess.Popen[bytes], answer: list[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout as pipe:
        answer.append(pipe.read())
