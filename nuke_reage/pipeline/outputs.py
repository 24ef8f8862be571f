"""Which files a job writes, and whether it can: looked at before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.ladder import ladder_part
from nuke_reage.core.settings import OutputSettings
from nuke_reage.media.layers import part_names, read_layer_metadata
from nuke_reage.media.movie_read import MOVIE_SUFFIXES
from nuke_reage.media.pattern import FramePattern
from nuke_reage.media.sequence import PlateSource, output_path, overwritten
from nuke_reage.media.still_write import STILL_SUFFIXES
from nuke_reage.pipeline.fingerprint import FINGERPRINT_KEY

__all__ = [
    "EXR_SUFFIXES",
    "baked_files",
    "check_output",
    "check_st_maps",
    "check_unnamed_layers",
    "is_movie",
    "layers_beside",
    "name_of_shot",
    "output_folders",
    "require_apart",
]

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
    if is_movie(path):
        first = source.frames.index(frames[0])
        if frames != source.frames[first : first + len(frames)]:
            raise UsageError(
                "movie-with-gaps",
                f"Frames {format_frames(frames)} leave gaps in a movie.",
                "Bake a range without gaps, or write stills or EXR.",
            )
    else:
        _check_names(output.path, frames)
    _require_plate_apart(output.path, source, frames)


def check_st_maps(path: str, source: PlateSource, frames: Collection[int]) -> None:
    """See to it, before anything is computed, that ST maps can be written and do not overwrite the plate.

    Args:
        path: EXR sequence to write.
        source: the plate.
        frames: frames to write.

    Raises:
        UsageError: the name is no EXR's, all maps would go into one file, or a frame of the plate would be overwritten.
    """
    if Path(path).suffix.lower() not in EXR_SUFFIXES:
        raise UsageError(
            "bad-output", f"ST maps cannot be written to {Path(path).name or path!r}.", "Write EXR: st.####.exr."
        )
    _check_names(path, frames)
    _require_plate_apart(path, source, frames)


def check_unnamed_layers(output: OutputSettings) -> None:
    """See to it that layers whose file nobody named replace nothing but the same layers.

    Args:
        output: what is to be written, ``layers_path`` made from the name of ``path``.

    Raises:
        UsageError: an EXR there is not ReAge's, cannot be read, or has parts that the new one would lack.
    """
    wanted = {*output.layers, *(ladder_part(age) for age in output.ladder)}
    for file in baked_files(output.layers_path):
        try:
            is_own = FINGERPRINT_KEY in read_layer_metadata(file)
            lost = sorted(set(part_names(file)) - wanted)
        except MediaError:
            is_own, lost = False, []
        if not is_own or lost:
            what = f"has parts that would be lost: {', '.join(lost)}" if is_own else "is not a layer file of ReAge"
            raise UsageError(
                "foreign-file",
                f"{file} is there, and {what}.",
                "Name a file for the layers with --layers-to (this one, to replace it), or run with --overwrite.",
            )


def baked_files(path: str) -> tuple[Path, ...]:
    """The files that are there of what was, or may have been, baked to a sequence or a single file."""
    pattern = FramePattern.parse(path)
    if pattern is None:
        return (Path(path),) if Path(path).is_file() else ()
    try:
        return tuple(pattern.find().values())
    except MediaError:
        return ()


def layers_beside(path: str) -> str:
    """Where layers go beside a still or movie, unless somebody names a place.

    >>> layers_beside("out/clip.mov"), layers_beside("older.####.png")
    ('out/clip.####.exr', 'older.####.exr')
    """
    finished = Path(path)
    return str(finished.with_name(f"{finished.stem}{'.####' if is_movie(finished) else ''}.exr"))


def name_of_shot(path: str) -> str:
    """What an output is called without its frame number and ending; empty where nothing is left.

    >>> name_of_shot("out/take #2.####.exr"), name_of_shot("clip.mp4"), name_of_shot("%04d.exr")
    ('take #2', 'clip', '')
    """
    pattern = FramePattern.parse(path)
    return (pattern.prefix if pattern else Path(path).stem).rstrip("._-")


def require_apart(targets: Iterable[Path], inputs: Iterable[Path], what: str) -> None:
    """Refuse to write over what is read, under another name or through a link too.

    Args:
        targets: files to write.
        inputs: files that are read.
        what: what these are, for the message: ``the plate``.

    Raises:
        UsageError: a target is one of the inputs.
    """
    target = overwritten(targets, inputs)
    if target is not None:
        raise UsageError(
            "output-is-input", f"Writing {target} would overwrite {what}.", "Choose another folder or name."
        )


def _check_names(path: str, frames: Collection[int]) -> None:
    if len({output_path(path, frame) for frame in frames}) < len(frames):
        raise UsageError(
            "one-file-for-many",
            f"{len(frames)} frames cannot all be written to {path}.",
            "Put the frame number into the name: name.####.exr.",
        )


def _require_plate_apart(path: str, source: PlateSource, frames: Collection[int]) -> None:
    plate = (source.path_of(frame) for frame in source.frames)
    require_apart((output_path(path, frame) for frame in frames), plate, "the plate")


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


def is_movie(path: Path) -> bool:
    """Whether a file of this name is a movie."""
    return path.suffix.lower() in MOVIE_SUFFIXES
