"""``reage submit``: the same job on a render farm."""

from __future__ import annotations

import itertools
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from nuke_reage.cli.console import interruptible, make_progress, show_json, show_warning, stderr_console
from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.cli.idle import idle_flags_warning
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.cli.submit_job import JOB_FILE, nuke_farm_job, plate_farm_job
from nuke_reage.core.errors import UsageError
from nuke_reage.core.job import JobSpec, load_job, save_job
from nuke_reage.core.site import ENGINES, Site, load_site
from nuke_reage.farm.base import FarmJob, frame_text
from nuke_reage.farm.local import with_this_program
from nuke_reage.farm.shot import NukeScript

__all__ = ["command"]

_HELP = """Hand a shot to a render farm: track, then bake in chunks, then report.

PLATE, OUT and the flags are those of reage run; a job file stands for all of them.  With a Nuke script the plate is
exported first and the script rendered last.  All that a farm needs is written into the folder of -o, which the nodes
must see.

\b
reage submit shot.####.exr out/shot.####.exr --source-age 35 --target-age 65 --to openjd -o bundle
reage submit job.json --to deadline -o farm/sh010 --chunk 20 --gpu
reage submit job.json --to opencue -o farm/sh010
reage submit job.json --to local -o farm/sh010 --workers 2
reage submit --nuke shot.nk --node ReAge1 --frames 1001-1050 --to openjd -o bundle
reage submit --nuke stereo.nk --node ReAge1 --view left --frames 1001-1050 --to openjd -o bundle/left

openjd writes a job bundle.  deadline hands the job over where deadlinecommand is found, opencue where PyOutline is
installed and CUEBOT_HOSTS is set; else the files are all.  local runs it here.
"""


@click.command("submit", help=_HELP)
@click.argument("plate", type=home_path, required=False, default="")
@click.argument("out", type=home_path, required=False, default="")
@click.option(
    "--to", "engine", type=click.Choice(ENGINES), default=None, help="Engine that runs the job. Default: the site's."
)
@click.option(
    "-o",
    "--folder",
    type=home_path,
    default="",
    metavar="FOLDER",
    help="Where the job's files go; the nodes must see it.",
)
@click.option("--frames", default="", metavar="RANGE", help="Frames to bake, as 1001-1050x2. Default: all.")
@click.option("--chunk", type=click.IntRange(0), default=0, metavar="N", help="Frames a task. Default: the site's.")
@click.option("--gpu", is_flag=True, help="Bake on nodes with a GPU only.")
@click.option("--name", default="", metavar="TEXT", help="Name in the farm's queue. Default: after the output.")
@click.option(
    "--nuke", "script", type=home_path, default="", metavar="FILE.nk", help="Nuke script to export from and to render."
)
@click.option("--node", default="", metavar="NAME", help="ReAge node in the script.")
@click.option("--view", default="", metavar="NAME", help="View of the script; one job is one view.")
@click.option("--track-first", is_flag=True, help="With --nuke: the export tracks, and sets the node's face size.")
@click.option("--write", default="", metavar="NAME", help="Write node to render. Default: all.")
@click.option(
    "--report/--no-report",
    default=True,
    help="Write report.html beside the job's files at the end, where delta and mask are baked to EXR.",
)
@click.option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Tasks at a time, for local.")
@click.option("--gpus", default="", metavar="LIST", help="GPUs to share out among them, such as 0,1, for local.")
@click.option("--write-only", is_flag=True, help="Write the files, hand nothing over and run nothing.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options()
@click.pass_context
def command(
    context: click.Context,
    /,
    plate: str,
    out: str,
    engine: str | None,
    folder: str,
    frames: str,
    chunk: int,
    gpu: bool,
    name: str,
    script: str,
    node: str,
    view: str,
    track_first: bool,
    write: str,
    report: bool,
    workers: int,
    gpus: str,
    write_only: bool,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    if not folder and not dry_run:
        raise UsageError("bad-command-line", "Where should the job's files go?", "Add -o FOLDER.")
    site = load_site()
    engine = engine or site.farm.engine
    if engine == "local":
        site = replace(site, farm=with_this_program(site.farm))
    needs: dict[str, Any] = {"name": name, "chunk": chunk, "gpu": gpu, "report": report}
    place = folder or "."
    spec: JobSpec | None = None
    if script:
        if plate or out:
            raise UsageError("bad-command-line", "With --nuke the script names the plate.", "Leave PLATE and OUT away.")
        farm_job = nuke_farm_job(NukeScript(script, node, "", write, view, track_first), frames, place, site, **needs)
    elif view or track_first:
        raise UsageError("bad-command-line", "--view and --track-first belong to a Nuke script.", "Add --nuke FILE.nk.")
    else:
        job = _job(context, plate, out, frames, values)
        idle = idle_flags_warning(context, job)
        if idle:
            show_warning(idle)
        farm_job, spec = plate_farm_job(job, place, site, **needs)
    facts = _facts(farm_job, engine, folder)
    if not dry_run:
        if spec:
            save_job(spec, Path(folder) / JOB_FILE)
        facts |= _write(farm_job, engine, folder, site, hand_over=not write_only)
        if engine == "local" and not write_only:
            shared = tuple(part for part in gpus.split(",") if part)
            facts["results"] = _run_here(farm_job, folder, workers, shared, as_json=as_json)
    if as_json:
        show_json(facts)
    else:
        _show(facts)


def _job(context: click.Context, plate: str, out: str, frames: str, values: dict[str, Any]) -> JobSpec:
    if plate.lower().endswith(".json"):
        if out:
            raise UsageError("bad-command-line", "A job file names its output itself.", "Leave OUT away.")
        return make_job(context, values, frames=frames, base=load_job(plate))
    if not plate or not out:
        hint = "Write reage submit PLATE OUT, reage submit job.json or reage submit --nuke FILE.nk."
        raise UsageError("bad-command-line", "PLATE or OUT is missing.", hint)
    return make_job(context, values, plate, out, frames)


def _write(job: FarmJob, engine: str, folder: str, site: Site, *, hand_over: bool) -> dict[str, Any]:
    """Write the engine's files and hand them over; what to tell about it."""
    from nuke_reage.farm import deadline, opencue, openjd

    ids: dict[str, str] = {}
    if engine == "deadline":
        files = deadline.write_files(job, site.farm, folder)
        program = deadline.find_deadlinecommand(os.environ)
        if hand_over and program:
            ids = deadline.submit(job, site.farm, folder, program)
    elif engine == "opencue":
        files = (opencue.write_outline(job, site.farm, folder),)
        if hand_over and opencue.can_launch(os.environ):
            ids = {"job": " ".join(opencue.launch(files[0]))}
    else:
        files = openjd.write_bundle(job, folder)
    return {"files": [path.as_posix() for path in files], "ids": ids}


def _run_here(job: FarmJob, folder: str, workers: int, gpus: tuple[str, ...], *, as_json: bool) -> list[dict[str, Any]]:
    from nuke_reage.farm.local import TaskResult, run_local

    total = sum(len(step.tasks()) for step in job.steps)
    log, done = FarmLog.from_environment(os.environ, stdout_is_taken=as_json), itertools.count(1)
    with interruptible(lambda: None) as stop, make_progress(stderr_console()) as progress:
        bar = progress.add_task("tasks", total=total, note="")

        def told(result: TaskResult) -> None:
            note = f"{result.step} {result.frames}"
            log.progress("tasks", next(done), total)
            progress.update(bar, advance=1, note=note)
            if not result.ok:
                progress.console.print(f"{note.strip()} failed, see {result.log}", markup=False)

        results = run_local(job, Path(folder) / "logs", workers=workers, gpus=gpus, on_task=told, cancelled=stop.is_set)
    return [{**asdict(result), "log": result.log.as_posix()} for result in results]


def _facts(job: FarmJob, engine: str, folder: str) -> dict[str, Any]:
    steps = [
        {
            "name": step.name,
            "after": list(step.after),
            "tasks": len(step.tasks()),
            "gpus": step.gpus,
            "command": list(step.command),
        }
        for step in job.steps
    ]
    frames = next((frame_text(step.frames) for step in job.steps if step.frames), "")
    return {"engine": engine, "name": job.name, "folder": folder, "frames": frames, "steps": steps}


def _show(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['name']}: frames {facts['frames']}, for {facts['engine']}")
    for step in facts["steps"]:
        after = f" after {', '.join(step['after'])}" if step["after"] else ""
        tasks = f"{step['tasks']} task{'' if step['tasks'] == 1 else 's'}"
        click.echo(f"  {step['name']:7} {tasks}{after}{', GPU' if step['gpus'] else ''}: {' '.join(step['command'])}")
    for path in facts.get("files", ()):
        click.echo(f"wrote {path}")
    for step, number in facts.get("ids", {}).items():
        click.echo(f"submitted {step}: {number}")
    done = facts.get("results")
    if done:
        click.echo(f"{len(done)} tasks done in {facts['folder']}")
