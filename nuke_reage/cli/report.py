"""``reage report``: what to look at in a baked shot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nuke_reage.cli.console import interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import job_options, make_job
from nuke_reage.core.errors import CancelledError, UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.job import load_job
from nuke_reage.core.knobs import KNOBS

__all__ = ["command"]

_USED = ("face", "track", "model", "input_colorspace", "ocio_config", "plate_layer")


@click.command("report")
@click.argument("plate")
@click.argument("out", required=False, default="")
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Page to write. Default: report.html beside the layers."
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

    Writes a page with plots and thumbnails, and the same as JSON beside it. Reads the layers, the trackfile and the
    plate; needs no network. Ends with 0, whatever it finds: warnings are in the report.
    """  # noqa: D301
    from nuke_reage.evaluation.quality import measure_quality
    from nuke_reage.evaluation.quality_page import quality_html, quality_json, warnings_of

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
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        bar = progress.add_task("frames", total=None, note="")

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)
            if stop.is_set():
                raise CancelledError("by-user", "Stopped.", "Run the same command again.")

        quality = measure_quality(job, frames=frames, progress=show)
    data = quality_json(quality)
    write_text_atomic(page, quality_html(quality))
    write_text_atomic(page.with_suffix(".json"), json.dumps(data, indent=1) + "\n")
    if as_json:
        show_json(data)
        return
    console = stderr_console()
    for text in warnings_of(quality):
        console.print(f"[yellow]warning[/] {text}")
    click.echo(page)
