"""``reage sweep``: one picture at many ages."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, stderr_console
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.ladder import parse_ladder

if TYPE_CHECKING:
    from nuke_reage.imaging.geometry import Window
    from nuke_reage.media.plate import Plate

__all__ = ["command"]

Bytes = npt.NDArray[np.uint8]

_CELL_PX = (360, 360)
_MOST_COLUMNS = 6
_ANIMATION_PX = 640
_FRAMES_PER_SECOND = 8


@click.command("sweep")
@click.argument("plate", type=home_path)
@click.option(
    "-o",
    "--output",
    type=home_path,
    required=True,
    metavar="FILE",
    help="Sheet (.png, .jpg) or animation (.mp4, .gif).",
)
@click.option(
    "--ages",
    default="20:80:10",
    show_default=True,
    metavar="AGES",
    help="Ages to show, in years: first:last:step, or a list.",
)
@click.option("--frame", type=int, default=None, help="Frame of a sequence or movie. Default: the first.")
@job_options(without=("target_age", "layers", "ladder", "compression"))
@click.pass_context
def command(context: click.Context, /, plate: str, output: str, ages: str, frame: int | None, **values: Any) -> None:
    """Show one frame of PLATE at many ages.

    \b
    reage sweep portrait.jpg -o sheet.png --source-age 35
    reage sweep portrait.jpg -o ages.gif --source-age 35 --ages 10:95:5
    reage sweep shot.####.exr --frame 1013 -o sheet.png --source-age 35 --ages 25,45,65,85
    """  # noqa: D301
    wanted = parse_ladder(ages)
    if not wanted:
        raise UsageError("no-age", "--ages names no age.", "Write 20:80:10, or 25,45,65.")
    file = Path(output)
    if file.suffix.lower() not in {".png", ".jpg", ".jpeg", ".mp4", ".gif"}:
        raise UsageError(
            "bad-output", f"{output} is neither a sheet nor an animation.", "Use .png, .jpg, .mp4 or .gif."
        )
    from nuke_reage.evaluation.sheets import screen_bytes
    from nuke_reage.media.sequence import open_plate
    from nuke_reage.pipeline.finished import square_pixels
    from nuke_reage.pipeline.outputs import require_apart
    from nuke_reage.pipeline.reporting import warn_of_ages
    from nuke_reage.pipeline.shot import open_shot
    from nuke_reage.pipeline.sweep import sweep_frame

    source = open_plate(plate)
    chosen = source.frames[0] if frame is None else frame
    if chosen not in source.frames:
        hint = f"The plate has {format_frames(source.frames)}; choose one of them with --frame."
        raise MediaError("missing-frame", f"{plate} has no frame {chosen}.", hint)
    require_apart([file], (source.path_of(one) for one in source.frames), "the plate")
    # A job knows no animated GIF: that is made here alone.
    still = str(file.with_suffix(".png")) if file.suffix.lower() == ".gif" else output
    job = make_job(context, {**values, "target_age": values["source_age"]}, plate, still, str(chosen))
    pictures: list[tuple[str, Bytes]] = []
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop)
        shot = open_shot(job, reporter)
        warn_of_ages(reporter, "row of ages", wanted, shot.descriptor)
        reporter.progress("sweep", 0, len(wanted))
        space = shot.encoding.working_space

        def shown(picture: Plate, window: Window) -> Bytes:
            part = picture.rgb[window.slices_in(picture.data_window)]
            return square_pixels(screen_bytes(part, space), picture.pixel_aspect)

        for age, picture, window in sweep_frame(shot, chosen, wanted):
            pictures.append((f"{age:g}", shown(picture, window)))
            reporter.progress("sweep", len(pictures), len(wanted))
        untouched = (f"plate, {job.source_age.at(chosen):g}", shown(shot.source.read(chosen), window))
        pictures.insert(0, untouched)
    if file.suffix.lower() in {".mp4", ".gif"}:
        _animate(file, pictures[1:])
    else:
        _sheet(file, pictures)
    click.echo(output)


def _sheet(file: Path, pictures: list[tuple[str, Bytes]]) -> None:
    from nuke_reage.evaluation.sheets import contact_sheet, even_rows
    from nuke_reage.media.still_write import write_still

    write_still(file, contact_sheet(even_rows(pictures, _MOST_COLUMNS), _CELL_PX) / 255.0)


def _animate(file: Path, pictures: list[tuple[str, Bytes]]) -> None:
    """Up through the ages and down again, captioned."""
    from PIL import Image

    from nuke_reage.evaluation.sheets import captioned
    from nuke_reage.media.atomic import atomic_path
    from nuke_reage.media.movie import MovieWriter

    cycle = pictures + pictures[-2:0:-1]
    frames = [captioned(caption, picture, (_ANIMATION_PX, _ANIMATION_PX)) for caption, picture in cycle]
    if file.suffix.lower() == ".gif":
        with atomic_path(file) as temporary:
            # One palette for all: with one each, what stands still would flicker.
            palette = Image.fromarray(np.concatenate(frames[: len(pictures)])[::2, ::2]).quantize(256)
            stills = [Image.fromarray(frame).quantize(palette=palette) for frame in frames]
            duration_ms = round(1000 / _FRAMES_PER_SECOND)
            stills[0].save(temporary, "GIF", save_all=True, append_images=stills[1:], duration=duration_ms, loop=0)
        return
    height, width = frames[0].shape[:2]
    with MovieWriter(file, Fraction(_FRAMES_PER_SECOND), (width, height)) as movie:
        for frame in frames:
            movie.write(frame / 255.0)
