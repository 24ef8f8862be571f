"""What ``reage submit`` hands to a farm: a job file with whole paths, and the steps around it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import parse_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.pathmap import PATH_SETTINGS
from nuke_reage.core.site import Site
from nuke_reage.farm.base import FarmJob
from nuke_reage.farm.shot import NukeScript, ShotFiles, shot_job

__all__ = ["JOB_FILE", "nuke_farm_job", "plate_farm_job", "whole"]

JOB_FILE = "job.json"
_FILE_LIKE = re.compile(r"[/\\]|\.(?:json|safetensors)\Z", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def whole(path: str) -> str:
    """A path from the root on, with forward slashes; links and frame tokens stay as they are."""
    return Path(os.path.abspath(Path(path).expanduser())).as_posix()  # noqa: PTH100


def plate_farm_job(
    job: JobSpec, folder: str, site: Site, *, name: str, chunk: int, gpu: bool, report: bool
) -> tuple[FarmJob, JobSpec]:
    """The farm job of a plate that is there, checked on this machine.

    Args:
        job: the job as asked for.
        folder: where the job file will lie.
        site: the site.
        name: of the farm job; empty = after the output.
        chunk: frames a task; 0 = as the site says.
        gpu: the bake needs a GPU.
        report: write a report at the end, where the job writes layers that can be checked.

    Returns:
        The farm job, and the ReAge job that its job file must hold.

    Raises:
        ReageError: the job cannot be run, as :func:`~nuke_reage.pipeline.plan.plan_shot`.
    """
    from nuke_reage.media.sequence import output_path
    from nuke_reage.pipeline.outputs import name_of_shot, output_folders
    from nuke_reage.pipeline.plan import plan_shot

    plan = plan_shot(job)
    spec = _whole_paths(replace(plan.job, face=replace(plan.job.face, track=str(plan.track.path))))
    spec = spec.with_sampled_ages(plan.frames)
    out = spec.output.path
    outputs = [one.as_posix() for one in output_folders(spec.output)]
    # What goes into one file is written by one task.
    one_file = output_path(spec.output.path, 1) == output_path(spec.output.path, 2)
    farm_job = shot_job(
        name or f"ReAge {name_of_shot(out) or 'shot'}",
        plan.frames,
        ShotFiles(
            whole(f"{folder}/{JOB_FILE}"),
            tuple(dict.fromkeys(_inputs(spec))),
            tuple(dict.fromkeys([*outputs, Path(spec.face.track).parent.as_posix(), whole(folder)])),
            whole(f"{folder}/report.html") if report and spec.output.can_be_checked else "",
        ),
        site.farm,
        chunk=len(plan.frames) if one_file else chunk,
        gpu=gpu,
        track=plan.track.state in {"missing", "stale"},
    )
    return farm_job, spec


def nuke_farm_job(
    script: NukeScript, frames: str, folder: str, site: Site, *, name: str, chunk: int, gpu: bool, report: bool
) -> FarmJob:
    """The farm job around a Nuke script, whose first step writes the plate and the job file.

    Args:
        script: the script.
        frames: frame range.
        folder: where the job file will lie.
        site: the site.
        name: of the farm job; empty = after the script.
        chunk: frames a task; 0 = as the site says.
        gpu: the bake needs a GPU.
        report: write a report at the end.

    Raises:
        UsageError: the script is not there, or no frames are given.
    """
    if not Path(script.path).is_file():
        raise UsageError("no-script", f"There is no Nuke script {script.path}.", "Check --nuke.")
    if not frames:
        raise UsageError("bad-frames", "A Nuke script needs a frame range.", "Add --frames 1001-1050.")
    if not script.node:
        raise UsageError("bad-command-line", "Which node of the script?", "Add --node ReAge1.")
    path = whole(script.path)
    if Path(path).parent == Path(whole(folder)):
        raise UsageError("output-is-input", f"{path} lies in the folder of -o.", "Give -o another folder.")
    return shot_job(
        name or " ".join(filter(None, ("ReAge", Path(path).stem, script.node, script.view))),
        parse_frames(frames),
        ShotFiles(whole(f"{folder}/{JOB_FILE}"), (path,), (whole(folder),), whole(f"{folder}/report.html") * report),
        site.farm,
        chunk=chunk,
        gpu=gpu,
        nuke=replace(script, path=path, rendered=whole(f"{folder}/{Path(path).name}")),
    )


def _whole_paths(job: JobSpec) -> JobSpec:
    for setting in PATH_SETTINGS:
        group, _, name = setting.partition(".")
        settings: Any = getattr(job, group)
        text = getattr(settings, name)
        if text and not _URI.match(text) and (setting != "model.name" or _FILE_LIKE.search(text)):
            job = replace(job, **{group: replace(settings, **{name: whole(text)})})
    return job


def _inputs(job: JobSpec) -> list[str]:
    """Folders of sequences, and single files."""
    named = [job.plate.path, job.mask.matte, job.mask.holdout, job.age_map.path, job.plate.ocio_config]
    if _FILE_LIKE.search(job.model.name):
        named.append(job.model.name)
    files = [path for path in named if path and not _URI.match(path)]
    return [path if Path(path).is_file() else Path(path).parent.as_posix() for path in files]
