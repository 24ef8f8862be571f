"""``reage track``: the faces of a plate, as a trackfile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import job_options, make_job
from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.knobs import KNOBS

if TYPE_CHECKING:
    from nuke_reage.faces.crops import ManualCrop

__all__ = ["command"]

_USED = ("face", "detector", "smoothing", "max_gap", "input_colorspace", "ocio_config", "plate_layer")


@click.command("track")
@click.argument("plate")
@click.option("-o", "--output", required=True, metavar="FILE", help="Trackfile to write, such as shot.track.json.")
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

    \b
    reage track shot.####.exr -o shot.track.json
    reage track clip.mp4 -o clip.track.json --smoothing 2
    reage track shot.####.exr -o shot.track.json --crop 1013:960,540,620 --crop 1040:1010,520,640,-4

    Crops by hand win over what is found, and stay when the plate is tracked again.
    """  # noqa: D301
    from nuke_reage.pipeline.shot import track_job

    keys = dict(_parse_crop(text) for text in crops)
    ages = {"source_age": "0", "target_age": "0"}
    job = make_job(context, {**values, **ages}, plate, output)
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop)
        track, _ = track_job(job, reporter, path=Path(output), crops=keys, overwrite=overwrite)
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
