"""``reage track``: the faces of a plate, as a trackfile."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.cli.options import job_options, make_job
from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.job import JobSpec, load_job
from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import load_site, path_rules

if TYPE_CHECKING:
    from nuke_reage.faces.crops import ManualCrop

__all__ = ["command"]

_USED = ("face", "detector", "smoothing", "max_gap", "input_colorspace", "ocio_config", "plate_layer")


@click.command("track")
@click.argument("plate")
@click.option(
    "-o",
    "--output",
    default="",
    metavar="FILE",
    help="Trackfile to write, such as shot.track.json. Default with a job file: the one that its bake uses.",
)
@click.option(
    "--crop",
    "crops",
    multiple=True,
    metavar="FRAME:X,Y,SIDE[,ANGLE]",
    help="Where the face is, by hand: middle and side in plate pixels from the top left, angle in degrees clockwise. "
    "Repeat it for more frames; frames without the face between two of them are filled.",
)
@click.option("--overwrite", is_flag=True, help="Track again even where the trackfile still fits the plate.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options(without=tuple(one.name for one in KNOBS if one.name not in _USED))
@click.pass_context
def command(
    context: click.Context,
    /,
    plate: str,
    output: str,
    crops: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Follow the faces of PLATE through the whole shot and write a trackfile.

    PLATE may be a job file: its plate is tracked with its settings.

    \b
    reage track shot.####.exr -o shot.track.json
    reage track job.json
    reage track clip.mp4 -o clip.track.json --smoothing 2
    reage track shot.####.exr -o shot.track.json --crop 1013:960,540,620 --crop 1040:1010,520,640,-4

    Crops by hand win over what is found, and stay when the plate is tracked again.
    """  # noqa: D301
    from nuke_reage.media.atomic import remove_own_partials
    from nuke_reage.pipeline.shot import track_job

    keys = dict(_parse_crop(text) for text in crops)
    log = FarmLog.from_environment(os.environ, stdout_is_taken=as_json)
    job = _job(context, plate, output, values)
    site = load_site()
    here = localise(job, path_rules(site), site.roots)
    named = output or here.face.track
    path = Path(named) if named else None
    folder = (path or Path(here.output.path)).expanduser().parent
    with interruptible(partial(remove_own_partials, folder)) as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop, log)
        track, place = track_job(job, reporter, path=path, crops=keys, overwrite=overwrite)
    output = str(place)
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


def _job(context: click.Context, plate: str, output: str, values: dict[str, Any]) -> JobSpec:
    if plate.lower().endswith(".json"):
        return make_job(context, values, base=load_job(plate))
    if not output:
        hint = "Add -o shot.track.json, or give a job file instead of the plate."
        raise UsageError("bad-command-line", "Where should the trackfile go?", hint)
    return make_job(context, {**values, "source_age": "0", "target_age": "0"}, plate, output)


def _parse_crop(text: str) -> tuple[int, ManualCrop]:
    from nuke_reage.faces.crops import ManualCrop

    try:
        frame, numbers = text.split(":")
        x, y, side, *angle = (float(number) for number in numbers.split(","))
        if len(angle) > 1:
            raise ValueError
        return int(frame), ManualCrop(x, y, side, *angle)
    except ValueError:
        hint = "Write FRAME:X,Y,SIDE or FRAME:X,Y,SIDE,ANGLE, such as 1013:960,540,620."
        raise UsageError("bad-crop", f"{text!r} is not a crop.", hint) from None
