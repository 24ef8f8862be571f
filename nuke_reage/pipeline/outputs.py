"""Which files a job writes, and whether it can: looked at before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.settings import OutputSettings
from nuke_reage.media.movie_read import MOVIE_SUFFIXES
from nuke_reage.media.sequence import PlateSource, output_path
from nuke_reage.media.still_write import STILL_SUFFIXES

__all__ = ["EXR_SUFFIXES", "check_output", "is_movie", "output_folders"]

EXR_SUFFIXES = (".exr",)
"""Endings of files that hold layers."""

_MOVIES_WRITTEN = (".mp4", ".m4v", ".mov")


def output_folders(output: OutputSettings) -> tuple[Path, ...]:
    """The folders that a job writes to."""
    paths = filter(None, (output.path, output.layers_path))
    return tuple(dict.fromkeys(Path(path).expanduser().parent for path in paths))


def check_output(output: OutputSettings, source: PlateSource, frames: tuple[int, ...]) -> None:
    """See to it, before anything is computed, that the output can be written and is not the plate.

    Raises:
        UsageError: the output's kind of file is unknown or cannot hold the ladder, it would overwrite a frame of the
            plate, several frames would go to one still, a movie would have gaps, or layers beside it are no EXR.
    """
    if output.layers_path:
        _check_layers_beside(output)
        check_output(replace(output, path=output.layers_path, layers_path=""), source, frames)
        output = replace(output, layers_path="", ladder=())
    path = Path(output.path)
    if path.suffix.lower() not in {*EXR_SUFFIXES, *STILL_SUFFIXES, *_MOVIES_WRITTEN}:
        raise UsageError(
            "bad-output",
            f"{path.name or output.path!r} is no kind of file that can be written.",
            f"Use {', '.join([*EXR_SUFFIXES, *STILL_SUFFIXES, *_MOVIES_WRITTEN])}.",
        )
    if output.ladder and path.suffix.lower() not in EXR_SUFFIXES:
        raise UsageError(
            "ladder-needs-exr",
            f"{path.name} cannot hold an age ladder.",
            "Write EXR, beside it too, or leave the ladder away.",
        )
    targets = {output_path(output.path, frame) for frame in frames}
    if is_movie(path):
        first = source.frames.index(frames[0])
        if frames != source.frames[first : first + len(frames)]:
            raise UsageError(
                "movie-with-gaps",
                f"Frames {format_frames(frames)} leave gaps in a movie.",
                "Bake a range without gaps, or write stills or EXR.",
            )
    elif len(targets) < len(frames):
        raise UsageError(
            "one-file-for-many",
            f"{len(frames)} frames cannot all be written to {output.path}.",
            "Put the frame number into the name: name.####.exr.",
        )
    plate = {_identity(source.path_of(frame)) for frame in source.frames}
    for target in sorted(targets):
        if target.exists() and _identity(target) in plate:
            raise UsageError(
                "output-is-input", f"Writing {target} would overwrite the plate.", "Choose another folder or name."
            )


def _check_layers_beside(output: OutputSettings) -> None:
    if Path(output.path).suffix.lower() in EXR_SUFFIXES:
        raise UsageError(
            "bad-output",
            f"{output.path} holds the layers already.",
            "Leave the path of the layers away, or write a movie or a still.",
        )
    if Path(output.layers_path).suffix.lower() not in EXR_SUFFIXES:
        raise UsageError(
            "bad-output",
            f"Layers cannot be written to {Path(output.layers_path).name or output.layers_path!r}.",
            "Write an EXR sequence: layers/clip.####.exr.",
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """What stays the same for one file under all its names and links."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_movie(path: Path) -> bool:
    """Whether a file of this name is a movie."""
    return path.suffix.lower() in MOVIE_SUFFIXES
