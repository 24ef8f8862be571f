"""``reage track``: the faces of a plate, as a trackfile."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import require_own
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec, load_job
from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import load_site, path_rules
from nuke_reage.core.tracknodes import is_track_script

if TYPE_CHECKING:
    from nuke_reage.faces.crops import ManualCrop
    from nuke_reage.faces.trackfile import Track
    from nuke_reage.pipeline.age_hint import AgeHint

__all__ = ["command"]

_EXPORTS = ("transform", "cornerpin", "tracker", "stmap")
_NODES = {"transform": "Transform", "cornerpin": "CornerPin2D", "tracker": "Tracker4"}
_USED = ("face", "track", "detector", "smoothing", "max_gap", "input_colorspace", "ocio_config", "plate_layer")


@click.command("track")
@click.argument("plate", type=home_path)
@click.option(
    "-o",
    "--output",
    type=home_path,
    default="",
    metavar="FILE",
    help="Trackfile to write, such as shot.track.json; with --export the .nk file, or the EXR sequence of ST maps. "
    "Default with a job file: the trackfile that its bake uses.",
)
@click.option(
    "--export",
    type=click.Choice(_EXPORTS),
    default=None,
    help="Write the track as a node to paste into Nuke, or as ST maps. The trackfile is that of --track, or is made "
    "beside the output.",
)
@click.option(
    "--reference", type=int, default=None, help="With --export: frame that stays as it is. Default: the first."
)
@click.option(
    "--crop",
    "crops",
    multiple=True,
    metavar="FRAME:X,Y,SIDE[,ANGLE]",
    help="Where the face is, by hand: middle and side in plate pixels from the top left, angle in degrees clockwise. "
    "Repeat it for more frames; frames without the face between two of them are filled. FRAME:none takes one out.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Track again even where the trackfile still fits the plate; one that is damaged is kept as FILE.bak. With "
    "--export replace also a script that ReAge did not write.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
@job_options(without=tuple(one.name for one in KNOBS if one.name not in _USED))
@click.pass_context
def command(
    context: click.Context,
    /,
    plate: str,
    output: str,
    export: str | None,
    reference: int | None,
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
    reage track shot.####.exr -o shot.nk --export tracker --track shot.track.json
    reage track shot.####.exr -o st.####.exr --export stmap --reference 1001
    reage track shot.####.exr -o shot.track.json --crop 1013:960,540,620 --crop 1040:1010,520,640,-4
    reage track shot.####.exr -o shot.track.json --crop 1013:none

    Crops by hand win over what is found, and stay when the plate is tracked again, until they are taken out.

    Where an age estimator is installed (the extra "evaluate"), it says how old each face looks over the shot.  That is
    a hint for --source-age: nothing takes it by itself.
    """  # noqa: D301
    from nuke_reage.media.atomic import remove_own_partials
    from nuke_reage.pipeline.shot import track_job

    keys = {frame: crop for text in crops for frame, crop in _parse_crop(text)}
    log = FarmLog.from_environment(os.environ, stdout_is_taken=as_json)
    job = _job(context, plate, output, values)
    _check_export(context, export, output)
    site = load_site()
    here = localise(job, path_rules(site), site.roots)
    if export is not None:
        _check_target(here, export, output, reference, overwrite=overwrite)
    named = "" if export is not None else output or here.face.track
    path = Path(named) if named else None
    folder = (path or Path(here.output.path)).parent
    with interruptible(partial(remove_own_partials, folder)) as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop, log)
        track, place = track_job(job, reporter, path=path, crops=keys, overwrite=overwrite)
        if export is not None:
            exported = _export(here, track, export, output, reference, reporter)
    if export is not None:
        _show_export(output, exported, place, as_json=as_json)
        return
    output = str(place)
    hints = _age_hints(here, track)
    faces = [
        {
            "face": number,
            "frames": format_frames(frame for frame, one in face.frames.items() if one.is_present),
            "interpolated": format_frames(frame for frame, one in face.frames.items() if one.state == "interpolated"),
            "age_hint": asdict(hints[number]) if number in hints else None,
        }
        for number, face in track.faces.items()
    ]
    if as_json:
        show_json({"track": output, "faces": faces, "warnings": reporter.warnings})
        return
    click.echo(f"{output}: {len(faces)} face{'' if len(faces) == 1 else 's'}")
    for one in faces:
        filled = f", interpolated {one['interpolated']}" if one["interpolated"] else ""
        hint = f", {hints[one['face']]}" if one["face"] in hints else ""
        click.echo(f"  face {one['face']}: frames {one['frames']}{filled}{hint}")


def _job(context: click.Context, plate: str, output: str, values: dict[str, Any]) -> JobSpec:
    if plate.lower().endswith(".json"):
        return make_job(context, values, base=load_job(plate))
    if not output:
        hint = "Add -o shot.track.json, or give a job file instead of the plate."
        raise UsageError("bad-command-line", "Where should the trackfile go?", hint)
    return make_job(context, {**values, "source_age": "0", "target_age": "0"}, plate, output)


def _age_hints(job: JobSpec, track: Track) -> dict[int, AgeHint]:
    """How old each face looks, where an estimator is installed; said, and used for nothing."""
    from nuke_reage.faces.age_estimate import age_estimator_installed, create_age_estimator
    from nuke_reage.pipeline.age_hint import hint_age

    if not age_estimator_installed():
        return {}
    estimator = create_age_estimator()
    found = {number: hint_age(job, face, estimator) for number, face in track.faces.items()}
    return {number: hint for number, hint in found.items() if hint is not None}


def _check_export(context: click.Context, export: str | None, output: str) -> None:
    if export is not None and not output:
        hint = "Add -o shot.nk, or -o st.####.exr for ST maps."
        raise UsageError("bad-command-line", "Where should the export go?", hint)
    given = {
        name for name in ("track", "reference") if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if export is None and given:
        what = " and ".join(f"--{name}" for name in sorted(given))
        raise UsageError("bad-command-line", f"{what} goes with --export.", f"Leave {what} away, or add --export.")
    if export is None and output and Path(output).suffix.lower() != ".json":
        raise UsageError(
            "bad-output",
            f"{Path(output).name} is no name of a trackfile.",
            "Use a name that ends in .json; for a node add --export tracker, for ST maps --export stmap.",
        )
    if "track" in given and context.params["crops"]:
        hint = "Key the crops first, with -o and the trackfile's name and without --export."
        raise UsageError("bad-command-line", "A trackfile that --track names is not changed.", hint)


def _check_target(job: JobSpec, export: str, output: str, reference: int | None, *, overwrite: bool) -> None:
    """Now, not after an hour of tracking: whether the export can be written, and its reference frame be meant."""
    from nuke_reage.media.sequence import open_plate
    from nuke_reage.pipeline.outputs import check_st_maps

    source = open_plate(job.plate.path, layer=job.plate.layer or None)
    if reference is not None and reference not in source.frames:
        raise UsageError(
            "bad-reference",
            f"--reference {reference} is no frame of {source.spec}.",
            f"The plate has {format_frames(source.frames)}.",
        )
    if export == "stmap":
        check_st_maps(output, source, source.frames)
        return
    if Path(output).suffix.lower() != ".nk":
        raise UsageError(
            "bad-output", f"{Path(output).name} is no name of a Nuke script.", "Use a name that ends in .nk."
        )
    if not overwrite:
        hint = "Choose another name, or add --overwrite."
        require_own(output, is_track_script, "a track that ReAge exported", hint)


def _export(job: JobSpec, track: Track, export: str, output: str, reference: int | None, reporter: BarReporter) -> int:
    """Write the node or the maps; returns how many frames have the face."""
    from nuke_reage.core.files import write_text_atomic
    from nuke_reage.core.tracknodes import script_of, track_node
    from nuke_reage.media.sequence import open_plate
    from nuke_reage.pipeline.trackpath import open_track_path, write_st_maps

    if export == "stmap":
        source = open_plate(job.plate.path, layer=job.plate.layer or None)
        at = source.frames[0] if reference is None else reference
        return len(write_st_maps(source, track.face(job.face.select), output, at, reporter))
    path = open_track_path(job, track)
    first = path.near(-(10**9)).frame
    write_text_atomic(output, script_of(track_node(path, _NODES[export], first if reference is None else reference)))
    return len(path.steps)


def _show_export(output: str, frames: int, trackfile: Path, *, as_json: bool) -> None:
    if as_json:
        show_json({"export": output, "frames": frames, "track": trackfile.as_posix()})
    else:
        click.echo(f"{output}: {frames} frames, from {trackfile.as_posix()}")


def _parse_crop(text: str) -> list[tuple[int, ManualCrop | None]]:
    """Frames and where the face is in them, None where it is not to be given by hand any more."""
    from nuke_reage.faces.crops import ManualCrop

    try:
        frame, numbers = text.split(":")
        if numbers.strip().lower() == "none":
            return [(one, None) for one in parse_frames(frame)]
        x, y, side, *angle = (float(number) for number in numbers.split(","))
        if len(angle) > 1:
            raise ValueError
        return [(int(frame), ManualCrop(x, y, side, *angle))]
    except ValueError:
        hint = "Write FRAME:X,Y,SIDE or FRAME:X,Y,SIDE,ANGLE, such as 1013:960,540,620, or FRAME:none to take it out."
        raise UsageError("bad-crop", f"{text!r} is not a crop.", hint) from None
