"""``reage report``: what to look at in a baked shot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nuke_reage.cli.console import interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.core.errors import CancelledError, MediaError, UsageError
from nuke_reage.core.files import require_own, write_text_atomic
from nuke_reage.core.job import JobSpec, load_job
from nuke_reage.core.knobs import KNOBS

__all__ = ["command"]

_USED = ("face", "track", "model", "input_colorspace", "ocio_config", "plate_layer")


@click.command("report")
@click.argument("plate", type=home_path)
@click.argument("out", type=home_path, required=False, default="")
@click.option(
    "-o",
    "--output",
    type=home_path,
    default="",
    metavar="FILE",
    help="Page to write. Default: report.html beside what was baked.",
)
@click.option("--frames", default="", metavar="RANGE", help="Frames to report on. Default: the job's, else all.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options(without=tuple(one.name for one in KNOBS if one.name not in _USED))
@click.pass_context
def command(
    context: click.Context, /, plate: str, out: str, output: str, frames: str, as_json: bool, **values: Any
) -> None:
    """Check a baked shot and say which frames to look at first.

    \b
    reage report job.json
    reage report shot.####.exr out/shot.####.exr -o review/shot.html

    Writes a page with plots and thumbnails, and the same as JSON beside it, under its name. Reads the layers (delta and
    mask), the trackfile and the plate; needs no network. Of a still or movie the layers that lie beside it are read.
    Ends with 0, whatever it finds: warnings are in the report.
    """  # noqa: D301
    from nuke_reage.evaluation.quality import measure_quality
    from nuke_reage.evaluation.quality_page import is_report_text, quality_html, quality_json, warnings_of

    if plate.lower().endswith(".json"):
        job = make_job(context, values, base=load_job(plate))
    elif out:
        job = make_job(context, {**values, "source_age": "0", "target_age": "0"}, plate, out)
    else:
        raise UsageError(
            "bad-command-line", "OUT is missing.", "Write reage report PLATE OUT, or reage report job.json."
        )
    page = Path(output) if output else Path(job.output.path).parent / "report.html"
    if page.suffix.lower() not in {".html", ".htm"}:
        raise UsageError("bad-output", f"{page.name} is no page.", "Use a name that ends in .html.")
    numbers = page.with_suffix(".json")
    hint = f"Name the page otherwise with -o: its numbers go beside it, into {numbers.name}."
    require_own(numbers, is_report_text, "a report of ReAge", hint)
    job = _with_layers(job)
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        bar = progress.add_task("frames", total=None, note="")

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)
            if stop.is_set():
                raise CancelledError("by-user", "Stopped.", "Run the same command again.")

        quality = measure_quality(job, frames=frames, progress=show)
    data = quality_json(quality)
    write_text_atomic(page, quality_html(quality))
    write_text_atomic(numbers, json.dumps(data, indent=1) + "\n")
    if as_json:
        show_json(data)
        return
    console = stderr_console()
    for text in warnings_of(quality):
        console.print(f"[yellow]warning[/] {text}")
    click.echo(page)


def _with_layers(job: JobSpec) -> JobSpec:
    """The job; where it writes a still or movie alone, with the layers that lie beside that."""
    if job.output.exr:
        return job
    from nuke_reage.media.layers import part_names
    from nuke_reage.pipeline.outputs import baked_files, layers_beside

    def is_layers(file: Path) -> bool:
        try:
            return {"delta", "mask"} <= set(part_names(file))
        except MediaError:
            return False

    beside = layers_beside(job.output.path)
    if not any(is_layers(file) for file in baked_files(beside)):
        raise UsageError(
            "no-layers",
            f"{job.output.path} has no layers to check, and there are none in {beside}.",
            "Bake with --layers delta,mask or --layers-to, or give the layers as OUT (and the trackfile with --track).",
        )
    return replace(job, output=replace(job.output, layers_path=beside))
