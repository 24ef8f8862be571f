"""``reage run``: track what is not tracked, bake what is not baked."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, show_warning, stderr_console
from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.cli.idle import idle_flags_warning
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.core.errors import ReageError, UsageError
from nuke_reage.core.files import require_own
from nuke_reage.core.frames import format_frames
from nuke_reage.core.job import JobSpec, is_job_text, load_job, save_job
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import load_site, path_rules

if TYPE_CHECKING:
    import threading

    from rich.progress import Progress

    from nuke_reage.pipeline.plan import ShotPlan
    from nuke_reage.pipeline.reporting import FrameResult
    from nuke_reage.pipeline.shot import Shot

__all__ = ["command"]

_HELP = """Re-age the face in PLATE and write OUT.

PLATE is a sequence (shot.####.exr, shot.%04d.exr), a still or a movie.  OUT is an EXR sequence for layers,
or a still or movie for the finished picture.  Instead of both, a job file may be given.

\b
reage run shot.####.exr out/shot.####.exr --source-age 35 --target-age 65
reage run shot.####.exr out/shot.####.exr --source-age 35 --target-age 1001:35,1050:70 --frames 1001-1050x2
reage run photo.jpg older.png --source-age 30 --target-age 75
reage run clip.mp4 older.mov --source-age 30 --target-age 60
reage run clip.mp4 older.mov --source-age 30 --target-age 60 --layers-to layers/clip.####.exr
reage run job.json --frames 1001-1010

On a farm the environment variable REAGE_PROGRESS (openjd or deadline) adds lines that the farm reads to the log.

The track is made once for the whole plate and kept beside OUT.  A second run keeps every frame that was made from
the same plate, track, model and settings.
"""


@click.command("run", help=_HELP)
@click.argument("plate", type=home_path)
@click.argument("out", type=home_path, required=False, default="")
@click.option("--frames", default="", metavar="RANGE", help="Frames to bake, as 1001-1050x2. Default: all.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Bake also what is there already, and track again; a damaged track is kept as FILE.bak.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; write nothing.")
@click.option(
    "--save-job",
    "job_file",
    type=home_path,
    default="",
    metavar="FILE",
    help="Write the job to a file and stop there. A file that is there is replaced only if it is a job file.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options()
@click.pass_context
def command(
    context: click.Context,
    /,
    plate: str,
    out: str,
    frames: str,
    overwrite: bool,
    dry_run: bool,
    job_file: str,
    as_json: bool,
    **values: Any,
) -> None:
    job = _job(context, plate, out, frames, values)
    idle = idle_flags_warning(context, job)
    from nuke_reage.pipeline.bake import bake
    from nuke_reage.pipeline.outputs import is_movie, output_folders
    from nuke_reage.pipeline.plan import plan_shot, require_this_machine
    from nuke_reage.pipeline.shot import open_shot

    if job_file or dry_run:
        if job_file:
            require_own(job_file, is_job_text, "a job file", "Choose another name, or delete the file first.")
        plan = plan_shot(job, overwrite=overwrite)
        if dry_run:
            require_this_machine(plan)
        if job_file:
            # The machine that runs it may have what this one lacks.
            save_job(plan.job.with_sampled_ages(plan.frames), job_file)
        _show_plan(plan, job_file, (*filter(None, (idle,)), *plan.warnings), as_json=as_json)
        return
    log = FarmLog.from_environment(os.environ, stdout_is_taken=as_json)
    site = load_site()
    folders = output_folders(localise(job, path_rules(site), site.roots).output)
    with interruptible(partial(_clear_away, folders)) as stop, make_progress(stderr_console()) as progress:
        reporter = _Listener(progress, stop, log)
        if idle:
            reporter.warn(idle)
        shot = open_shot(job, reporter, overwrite=overwrite)
        try:
            bake(shot, reporter, overwrite=overwrite)
        except ReageError as error:
            # A movie that was broken off is thrown away, whatever frames it had.
            if not is_movie(Path(job.output.path)):
                error.report = reporter.report(shot)
                if not as_json:
                    _show_counts(job, reporter.results)
            raise
    if as_json:
        show_json(reporter.report(shot))
    else:
        _show_counts(job, reporter.results)


class _Listener(BarReporter):
    """Keeps what became of the frames: it is told also when the run ends with an error."""

    def __init__(self, progress: Progress, stop: threading.Event, log: FarmLog) -> None:
        super().__init__(progress, stop, log)
        self.results: list[FrameResult] = []

    def frame(self, result: FrameResult) -> None:
        self.results.append(result)
        super().frame(result)

    def report(self, shot: Shot) -> dict[str, Any]:
        return {
            "frames": [result.to_dict() for result in self.results],
            "track": shot.job.face.track,
            "warnings": self.warnings,
        }


def _show_counts(job: JobSpec, results: list[FrameResult]) -> None:
    counts = Counter(result.state for result in results)
    if not counts:
        return
    if job.output.layers_path:
        click.echo(f"{job.output.layers_path}: {', '.join(job.output.layers)}")
    click.echo(f"{job.output.path}: {', '.join(f'{number} {state}' for state, number in counts.items())}")


def _clear_away(folders: Iterable[Path]) -> None:
    from nuke_reage.media.atomic import remove_own_partials

    for folder in folders:
        remove_own_partials(folder)


def _job(context: click.Context, plate: str, out: str, frames: str, values: dict[str, Any]) -> JobSpec:
    if plate.lower().endswith(".json"):
        if out:
            raise UsageError("bad-command-line", "A job file names its output itself.", "Leave OUT away.")
        return make_job(context, values, frames=frames, base=load_job(plate))
    if not out:
        raise UsageError("bad-command-line", "OUT is missing.", "Write reage run PLATE OUT, or reage run job.json.")
    return make_job(context, values, plate, out, frames)


def _show_plan(plan: ShotPlan, job_file: str, warnings: tuple[str, ...], *, as_json: bool) -> None:
    for text in warnings:
        show_warning(text)
    facts = {
        "plate": plan.job.plate.path,
        "frames": format_frames(plan.frames),
        "colourspace": plan.space.name,
        "model": plan.descriptor.name,
        "source_age": str(plan.job.source_age),
        "target_age": str(plan.job.target_age),
        "track": f"{plan.track.path.as_posix()} ({plan.track.state})",
        "output": plan.job.output.path,
        "layers": plan.job.output.layers_path,
        "job": job_file,
    }
    if as_json:
        show_json({**facts, "warnings": list(warnings)})
        return
    for name, value in facts.items():
        if value:
            click.echo(f"{name:12} {value}")
