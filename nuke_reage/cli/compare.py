"""``reage compare``: two results, looked at together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nuke_reage.cli.console import interruptible, make_progress, stderr_console
from nuke_reage.cli.options import home_path
from nuke_reage.core.errors import CancelledError, MediaError, UsageError
from nuke_reage.core.frames import parse_frames

if TYPE_CHECKING:
    from nuke_reage.evaluation.sheets import Bytes
    from nuke_reage.media.sequence import PlateSource

__all__ = ["command"]

_FRAMES_PER_SECOND = Fraction(24)
_SWINGS_SECONDS = 4.0


@click.command("compare")
@click.argument("first", type=home_path)
@click.argument("second", type=home_path)
@click.option(
    "-o",
    "--output",
    type=home_path,
    required=True,
    metavar="FILE",
    help="Movie (.mp4, .mov), still, or stills name.####.png.",
)
@click.option(
    "--mode", type=click.Choice(("wipe", "side", "difference")), default="wipe", show_default=True,
    help="wipe: FIRST left of a line, SECOND right of it. difference: SECOND minus FIRST around grey.",
)  # fmt: skip
@click.option("--frames", default="", metavar="RANGE", help="Frames to show. Default: all that both have.")
@click.option(
    "--position",
    type=click.FloatRange(0, 1),
    default=None,
    help="Wipe's line, 0 = left edge, 1 = right edge. Default: it swings in a movie, else 0.5.",
)
@click.option("--gain", type=float, default=4.0, show_default=True, help="Factor on the difference.")
@click.option(
    "--input-colorspace",
    default="",
    metavar="TEXT",
    help="Of both. Default: what ReAge wrote into either EXR, else scene_linear for EXR, sRGB for the rest.",
)
@click.option("--ocio-config", default="", metavar="FILE", help="Empty: $OCIO, else the built-in ACES config.")
def command(first: str, second: str, output: str, mode: Any, frames: str, position: float | None, gain: float,
            input_colorspace: str, ocio_config: str) -> None:  # fmt: skip
    """Show FIRST and SECOND in one picture or movie.

    Either is a plate, a comp or a movie.

    \b
    reage compare plate/shot.####.exr out/shot.####.exr -o wipe.mp4
    reage compare soft/shot.####.exr hard/shot.####.exr -o diff.####.png --mode difference --frames 1001-1010
    reage compare photo.jpg older.png -o both.png --mode side
    """  # noqa: D301
    from nuke_reage.cli.compare_pair import Pair
    from nuke_reage.evaluation.compare import compare
    from nuke_reage.media.movie import MovieWriter
    from nuke_reage.media.sequence import output_path
    from nuke_reage.media.still_write import write_still
    from nuke_reage.pipeline.outputs import require_apart

    one, other = _open(first), _open(second)
    wanted = _common(one, other, frames)
    movie = Path(output).suffix.lower() in {".mp4", ".m4v", ".mov"}
    if not movie and len(wanted) > 1 and len({output_path(output, frame) for frame in wanted}) < len(wanted):
        raise UsageError("one-file-for-many", f"{len(wanted)} frames do not fit into {output}.",
                         "Write a movie, name.####.png, or choose one with --frames.")  # fmt: skip
    targets = [Path(output)] if movie else [output_path(output, frame) for frame in wanted]
    # Frames that are not shown count too.
    inputs = [source.path_of(frame) for source in (one, other) for frame in source.frames]
    require_apart(targets, inputs, "what is compared")
    rate = one.fps or other.fps or _FRAMES_PER_SECOND
    swing = movie and position is None
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        bar = progress.add_task("frames", total=len(wanted), note="")
        pair = Pair(one, other, input_colorspace, ocio_config, lambda text: progress.console.print(text, markup=False))

        def pictures() -> Iterator[tuple[int, Bytes]]:
            for index, frame in enumerate(wanted):
                if stop.is_set():
                    raise CancelledError("by-user", "Stopped.", "Run the same command again.")
                turn = math.sin(2 * math.pi * index / float(rate) / _SWINGS_SECONDS)
                line = 0.5 + 0.25 * turn if swing else 0.5 if position is None else position
                yield frame, compare(*pair.pictures(frame), mode, position=line, gain=gain)
                progress.update(bar, completed=index + 1)

        if movie:
            made = pictures()
            frame, picture = next(made)
            with MovieWriter(output, rate, (picture.shape[1], picture.shape[0])) as writer:
                writer.write(picture / 255.0)
                for later, one_more in made:
                    if one_more.shape != picture.shape:
                        raise _changed(later, one_more, frame, picture)
                    writer.write(one_more / 255.0)
        else:
            for frame, picture in pictures():
                write_still(output_path(output, frame), picture / 255.0)
    click.echo(output)


def _open(spec: str) -> PlateSource:
    """A plate, or the comp where ReAge wrote the file: its layers alone would be ambiguous."""
    from nuke_reage.media.layers import part_names
    from nuke_reage.media.sequence import open_plate

    source = open_plate(spec)
    parts = part_names(source.path_of(source.frames[0]))
    if "comp" in parts:
        return open_plate(spec, layer="comp")
    if "delta" in parts or "mask" in parts:
        raise MediaError("no-comp", f"{spec} has layers, but no picture.", "Bake it with --layers delta,mask,comp.")
    return source


def _common(one: PlateSource, other: PlateSource, text: str) -> tuple[int, ...]:
    """The frames to show: those that were asked for, else all that both have."""
    both = tuple(frame for frame in one.frames if frame in set(other.frames))
    wanted = parse_frames(text) if text else both
    missing = [frame for frame in wanted if frame not in both]
    if missing or not wanted:
        raise MediaError(
            "missing-frame",
            f"{one.spec} and {other.spec} have {'no frame' if not both else 'not all of these frames'} in common.",
            f"Both have {both[0]} to {both[-1]}." if both else "Give two results of the same frames.",
        )
    return wanted


def _changed(frame: int, picture: Bytes, first: int, before: Bytes) -> MediaError:
    sizes = [f"{one.shape[1]} x {one.shape[0]}" for one in (picture, before)]
    return MediaError(
        "format-changes",
        f"Frame {frame} is {sizes[0]}, frame {first} {sizes[1]}: they do not fit into one movie.",
        "Write stills, name.####.png, or choose frames of one format with --frames.",
    )
