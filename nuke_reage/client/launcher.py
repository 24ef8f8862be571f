"""Start the worker or a command: the right Python, and an environment without the host's own libraries."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nuke_reage.core.errors import WorkerError
from nuke_reage.core.site import Site

__all__ = ["clean_environment", "find_python", "start_command", "start_worker"]

_HOST_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH")
_ROOT = Path(__file__).resolve().parents[2]


def find_python(site: Site) -> Path:
    """The Python that runs the worker.

    Args:
        site: site settings; ``python`` counts first (``REAGE_PYTHON`` is already in it).

    Returns:
        That of the site settings, else of ``.venv`` beside the package, else the running one where it is a plain
        Python that has torch.

    Raises:
        WorkerError: there is none, or the one named is not there.
    """
    if site.python:
        named = Path(site.python)
        if not named.exists():
            raise WorkerError(
                "no-python", f"The worker's Python {named} is not there.", "Correct REAGE_PYTHON or the site file."
            )
        return named
    for beside in (_ROOT / ".venv" / "bin" / "python", _ROOT / ".venv" / "Scripts" / "python.exe"):
        if beside.exists():
            return beside
    # A host's own Python may be called python too, but has no torch.
    if Path(sys.executable).stem.lower().startswith("python") and importlib.util.find_spec("torch") is not None:
        return Path(sys.executable)
    raise WorkerError(
        "no-python",
        "No Python for the worker was found.",
        f"Run 'make demo' in {_ROOT} once, or set REAGE_PYTHON to a Python with ReAge installed.",
    )


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what the host has set for its own Python and Qt.

    >>> clean_environment({"PYTHONHOME": "/opt/Nuke", "QT_PLUGIN_PATH": "x", "OCIO": "c.ocio"})
    {'OCIO': 'c.ocio'}
    """
    return {
        name: value for name, value in environ.items() if name not in _HOST_VARIABLES and not name.startswith("QT_")
    }


def start_worker(site: Site, log: int | None = None) -> subprocess.Popen[bytes]:
    """Start the worker process.

    Args:
        site: site settings.
        log: file descriptor for the worker's stderr; None = inherit.

    Raises:
        WorkerError: no Python, or it cannot be started.
    """
    return _start(site, ["-m", "nuke_reage.worker"], {}, stdin=subprocess.PIPE, stderr=log)


def start_command(site: Site, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start ``reage`` with arguments; its output comes through pipes, and on stderr there are lines of progress.

    Args:
        site: site settings.
        arguments: without the program's name.

    Raises:
        WorkerError: no Python, or it cannot be started.
    """
    code = "from nuke_reage.cli.main import main; main()"
    words = ["-c", code, *arguments]
    return _start(site, words, {"REAGE_PROGRESS": "openjd"}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _start(
    site: Site, arguments: Sequence[str], variables: Mapping[str, str], *, stdin: int, stderr: int | None
) -> subprocess.Popen[bytes]:
    environment = {**clean_environment(os.environ), **variables}
    environment["PYTHONPATH"] = str(_ROOT)
    environment["PYTHONUNBUFFERED"] = "1"
    command = [str(find_python(site)), *arguments]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=environment, creationflags=flags
        )
    except OSError as error:
        raise WorkerError(
            "no-start", f"Cannot start {command[0]}: {error}.", "Correct REAGE_PYTHON or the site file."
        ) from None
