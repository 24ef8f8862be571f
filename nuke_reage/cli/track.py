"""``reage track``: the faces of a plate, as a trackfile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import job_options, make_job
from nuke_reage.core.frames import format_frames
from nuke_reage.core.knobs import KNOBS

__all__ = ["command"]

_USED = ("detector", "smoothing", "max_gap", "input_colorspace", "ocio_config", "plate_layer")


@click.command("track")
@click.argument("plate")
@click.option("-o", "--output", required=True, metavar="FILE", help="Trackfile to write, such as shot.track.json.")
@click.option("--overwrite", is_flag=True, help="Track again even where the trackfile still fits the plate.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options(without=tuple(one.name for one in KNOBS if one.name not in _USED))
@click.pass_context
def command(context: click.Context, /, plate: str, output: str, overwrite: bool, as_json: bool, **values: Any) -> None:
    r"""Follow the faces of PLATE through the whole shot and write a trackfile.

    \b
    reage track shot.####.exr -o shot.track.json
    reage track clip.mp4 -o clip.track.json --smoothing 2

    Frames that an artist has set by hand in the trackfile (state "manual") are kept.
    """
    from nuke_reage.pipeline.shot import track_job

    ages = {"source_age": "0", "target_age": "0"}
    job = make_job(context, {**values, **ages}, plate, output)
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop)
        track, _ = track_job(job, reporter, path=Path(output), overwrite=overwrite)
    faces = [
        {
            "face": number,
            "frames": format_frames(frame for frame, one in face.frames.items() if one.is_present),
            "interpolated": format_frames(frame for frame, one in face.frames.items() if one.state == "interpolated"),
        }
        for number, face in track.faces.items()
    ]
    if as_json:
        show_json({"track": output, "faces": faces, "warnings": reporter.warnings})
        return
    click.echo(f"{output}: {len(faces)} face{'' if len(faces) == 1 else 's'}")
    for one in faces:
        filled = f", interpolated {one['interpolated']}" if one["interpolated"] else ""
        click.echo(f"  face {one['face']}: frames {one['frames']}{filled}")
