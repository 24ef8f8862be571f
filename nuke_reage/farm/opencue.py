"""OpenCue: an outline script that PyOutline launches, on Cuebot's own task tokens instead of a wrapper on each node.

The script needs ``opencue-pyoutline`` where it is run, the nodes need nothing of it.
"""

from __future__ import annotations

import os
import pprint
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import FarmError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FarmJob, Step, frame_text

__all__ = ["can_launch", "launch", "outline_script", "write_outline"]

_FRAMES_TOKEN = "#FRAMESPEC#"
_LAUNCH_SECONDS = 300
_SCRIPT = '''"""{title}

Launch: python {file}
"""

import outline
import outline.cuerun
import outline.modules.shell

NAME = {name}
SHOT = {shot}
SHOW = {show}
FACILITY = {facility}
FLAGS = {flags}
LAYERS = {layers}


def make():
    """The outline."""
    job = outline.Outline(NAME, shot=SHOT, show=SHOW, facility=FACILITY)
    for given in LAYERS:
        layer = outline.modules.shell.Shell(given["name"], env=given["env"], **given["arguments"])
        job.add_layer(layer)
        for name in given["after"]:
            layer.depend_all(job.get_layer(name))
    return job


if __name__ == "__main__":
    for launched in outline.cuerun.launch(make(), use_pycuerun=False, **FLAGS):
        print(launched.data.name)
'''


def outline_script(job: FarmJob, site: FarmSite, file: str = "job.outline.py") -> str:
    """The job as a Python script for PyOutline.

    Args:
        job: the job.
        site: the farm; show and facility come from here.
        file: what the script will be called.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", job.name).strip("_").lower() or "reage"
    return _SCRIPT.format(
        title=f"ReAge: {plain}.",
        file=file,
        name=repr(plain),
        shot=repr("reage"),
        show=repr(site.opencue_show),
        facility=repr(site.opencue_facility or None),
        flags=_literal({"priority": job.priority, "maxretries": job.retries}),
        layers=_literal([_layer(job, step) for step in job.steps]),
    )


def write_outline(job: FarmJob, site: FarmSite, folder: str | os.PathLike[str]) -> Path:
    """Write ``job.outline.py`` into a folder.

    Raises:
        UsageError: the folder cannot be written.
    """
    file = Path(folder) / "job.outline.py"
    write_text_atomic(file, outline_script(job, site, file.name))
    return file


def can_launch(environ: Mapping[str, str]) -> bool:
    """Whether PyOutline is installed here and a Cuebot is named."""
    return bool(environ.get("CUEBOT_HOSTS")) and find_spec("outline") is not None


def launch(script: str | os.PathLike[str]) -> tuple[str, ...]:
    """Run an outline script with this Python.

    Returns:
        The names of the jobs launched.

    Raises:
        FarmError: Cuebot cannot be reached or refuses the job.
    """
    try:
        done = subprocess.run(
            [sys.executable, os.fspath(script)], capture_output=True, text=True, check=False, timeout=_LAUNCH_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FarmError("submit-failed", f"OpenCue does not answer: {error}.", "Check CUEBOT_HOSTS.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise FarmError("submit-failed", f"OpenCue did not take the job: {last}", "Check CUEBOT_HOSTS and the show.")
    return tuple(done.stdout.split())


def _layer(job: FarmJob, step: Step) -> dict[str, Any]:
    command = [word if word == _FRAMES_TOKEN else shlex.quote(word) for word in step.words(_FRAMES_TOKEN)]
    # Nuke takes a chunk with gaps for something else; a single frame is never wrong.
    chunk = step.chunk if step.is_one_run or not step.only_runs else 1
    arguments: dict[str, Any] = {
        "command": command,
        "range": frame_text(step.frames) if step.frames else "1",
        "chunk": chunk,
        "threadable": True,
    }
    if step.gpus:
        arguments["gpus"] = step.gpus
        arguments["gpu_memory"] = f"{step.gpu_memory_mib}m"
    if step.limits:
        arguments["limits"] = list(step.limits)
    return {"name": step.name, "after": list(step.after), "env": dict(job.environment), "arguments": arguments}


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=100, sort_dicts=False)
