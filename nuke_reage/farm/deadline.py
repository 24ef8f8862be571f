"""Deadline 10: a job of the CommandLine plug-in for each step, handed over by ``deadlinecommand``.

Keys of the two files: Deadline's manual, "Manual Job Submission" and "CommandLine".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nuke_reage.core.errors import FarmError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FarmJob, Step, frame_text

__all__ = ["find_deadlinecommand", "job_info", "plugin_info", "submit", "write_files"]

_FRAMES = "<STARTFRAME>-<ENDFRAME>"
_JOB_ID = re.compile(r"^\s*JobID\s*=\s*(\w+)", re.MULTILINE)
_SUBMIT_SECONDS = 300


def job_info(job: FarmJob, step: Step, site: FarmSite, after: Sequence[str] = ()) -> str:
    """The job-info file of a step.

    Args:
        job: the job; its name becomes the batch.
        step: one of its steps.
        site: the farm; pool and group come from here.
        after: Deadline's ids of the jobs that must be finished before.
    """
    group = site.deadline_gpu_group if step.gpus and site.deadline_gpu_group else site.deadline_group
    # A task is told its first and last frame only: with gaps between them each frame is a task.
    chunk = step.chunk if step.is_one_run else 1
    facts = {
        "Plugin": "CommandLine",
        "Name": f"{job.name} - {step.name}",
        "BatchName": job.name,
        "Comment": "ReAge",
        "Priority": job.priority,
        "Pool": site.deadline_pool,
        "Group": group,
        "Frames": frame_text(step.frames) if step.frames else "0",
        "ChunkSize": chunk if step.frames else 1,
        "LimitGroups": ",".join(step.limits),
        "JobDependencies": ",".join(after),
        "OverrideTaskFailureDetection": "True",
        "FailureDetectionTaskErrors": job.retries + 1,
    }
    lines = [f"{key}={value}" for key, value in facts.items() if value != ""]
    lines += [f"OutputDirectory{index}={folder}" for index, folder in enumerate(job.outputs)]
    variables = (("REAGE_PROGRESS", "deadline"), *job.environment)
    lines += [f"EnvironmentKeyValue{index}={name}={value}" for index, (name, value) in enumerate(variables)]
    return "\n".join(lines) + "\n"


def plugin_info(step: Step) -> str:
    """The plug-in-info file of a step."""
    program, *words = step.words(_FRAMES)
    lines = {
        "Executable": program,
        "Arguments": " ".join(_quoted(word) for word in words),
        "Shell": "default",
        "ShellExecute": "False",
        "SingleFramesOnly": "False",
        "StartupDirectory": "",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def write_files(job: FarmJob, site: FarmSite, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write both files of every step: ``1_track_job.txt``, ``1_track_plugin.txt``, ``2_bake_job.txt`` and so on.

    The dependencies are missing in them: Deadline makes up the ids when it takes the jobs.

    Raises:
        UsageError: the folder cannot be written.
    """
    written = []
    for index, step in enumerate(job.steps, start=1):
        stem = f"{index}_{step.name.lower()}"
        for kind, text in (("job", job_info(job, step, site)), ("plugin", plugin_info(step))):
            file = Path(folder) / f"{stem}_{kind}.txt"
            write_text_atomic(file, text)
            written.append(file)
    return tuple(written)


def find_deadlinecommand(environ: Mapping[str, str]) -> str:
    """The program ``deadlinecommand``: on the path, else in ``$DEADLINE_PATH``; empty where there is none."""
    folder = environ.get("DEADLINE_PATH", "")
    places = os.pathsep.join(part for part in (environ.get("PATH", ""), folder) if part)
    return shutil.which("deadlinecommand", path=places) or ""


def submit(
    job: FarmJob, site: FarmSite, folder: str | os.PathLike[str], program: str = "deadlinecommand"
) -> dict[str, str]:
    """Hand every step over, each after those that it depends on.

    Args:
        job: the job.
        site: the farm.
        folder: where the files lie; the job files are written again, with the dependencies.
        program: ``deadlinecommand``.

    Returns:
        Step → Deadline's id.

    Raises:
        FarmError: Deadline does not answer or refuses a job; the hint names those that it has taken.
        UsageError: the folder cannot be written.
    """
    ids: dict[str, str] = {}
    files = write_files(job, site, folder)
    for index, step in enumerate(job.steps):
        info, plugin = files[2 * index : 2 * index + 2]
        write_text_atomic(info, job_info(job, step, site, [ids[name] for name in step.after]))
        ids[step.name] = _hand_over(program, info, plugin, tuple(ids.values()))
    return ids


def _hand_over(program: str, info: Path, plugin: Path, taken: Sequence[str]) -> str:
    hint = f"Deadline holds already {', '.join(taken)}; delete them there." if taken else "Ask who keeps the farm."
    try:
        done = subprocess.run(
            [program, str(info), str(plugin)], capture_output=True, text=True, check=False, timeout=_SUBMIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FarmError("submit-failed", f"{program} does not answer: {error}.", hint) from None
    found = _JOB_ID.search(done.stdout)
    if done.returncode or not found:
        said = " ".join((done.stdout + done.stderr).split())[-400:] or "nothing"
        raise FarmError("submit-failed", f"Deadline did not take {info.name}; it said: {said}", hint)
    return found[1]


def _quoted(word: str) -> str:
    if '"' in word:
        raise FarmError("bad-word", f"{word} has a quote in it.", "Deadline cannot carry that; rename the file.")
    return f'"{word}"' if not word or re.search(r"\s", word) else word
