"""Plates over time: a numbered sequence, a still or a movie behind one interface."""

from __future__ import annotations

import bisect
import os
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

from nuke_reage.core.errors import MediaError
from nuke_reage.media.fingerprint import file_fingerprint
from nuke_reage.media.image_read import read_header, read_plate
from nuke_reage.media.movie_read import MOVIE_SUFFIXES, MovieSource
from nuke_reage.media.pattern import FramePattern, describe_sequences, output_path, overwritten, same_file
from nuke_reage.media.plate import Plate

__all__ = [
    "ImageSource",
    "PlateSource",
    "file_fingerprint",
    "open_plate",
    "output_path",
    "overwritten",
    "same_file",
]

_SCENE_LINEAR_SUFFIXES = frozenset({".exr", ".hdr", ".sxr"})
STILL_FRAME = 1


class PlateSource(Protocol):
    """Frames of a plate, wherever they come from.  Reading is safe from several threads."""

    @property
    def spec(self) -> str:
        """What the source was opened with."""

    @property
    def frames(self) -> tuple[int, ...]:
        """The frame numbers there are, rising."""

    @property
    def fps(self) -> Fraction | None:
        """Frames per second, None where the files do not say."""

    @property
    def is_scene_linear(self) -> bool:
        """Whether files of this kind are scene-linear by custom; a guess that a flag overrides."""

    def read(self, frame: int) -> Plate:
        """Read a frame."""

    def path_of(self, frame: int) -> Path:
        """The file that holds a frame."""

    def fingerprint(self, frame: int) -> str:
        """A short text that changes when the frame's pixels may have changed."""

    def close(self) -> None:
        """Let go of files; reading afterwards is an error."""


class ImageSource:
    """A numbered sequence, or a still as frame 1.

    Args:
        spec: pattern or path.
        layer: the layer to read the colour from, None for the main one.
        channels: the other channels to read, None for all.

    Raises:
        MediaError: nothing is there.
    """

    def __init__(self, spec: str, *, layer: str | None = None, channels: Collection[str] | None = ("A",)) -> None:
        self._spec = spec
        self._layer = layer
        self._channels = channels
        self._pattern = FramePattern.parse(spec)
        path = Path(spec).expanduser()
        if self._pattern is None and not path.exists():
            raise _missing_still(path)
        self._files = self._pattern.find() if self._pattern else {STILL_FRAME: path}
        self._frames = tuple(self._files)
        self._fps: Fraction | None = None
        self._fps_known = False

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def frames(self) -> tuple[int, ...]:
        return self._frames

    @property
    def fps(self) -> Fraction | None:
        """The frame rate in the first frame's header."""
        if not self._fps_known:
            attribute = read_header(self._files[self._frames[0]], layer=self._layer).metadata.get("FramesPerSecond")
            self._fps = _rate(attribute.value) if attribute else None
            self._fps_known = True
        return self._fps

    @property
    def is_scene_linear(self) -> bool:
        return self._files[self._frames[0]].suffix.lower() in _SCENE_LINEAR_SUFFIXES

    def path_of(self, frame: int) -> Path:
        """The file that holds a frame.

        Args:
            frame: frame number.

        Raises:
            MediaError: there is no such frame; the message names its neighbours.
        """
        if frame in self._files:
            return self._files[frame]
        late = self._pattern.path(frame) if self._pattern else None
        if late and late.exists():
            # A render may still be delivering frames.
            return late
        raise MediaError(
            "missing-frame",
            f"frame {frame} of {self._pattern or self._spec} is not on disk; {self._neighbours(frame)}",
            "Render the missing frame, or leave it out of the frame range.",
        )

    def read(self, frame: int) -> Plate:
        """Read a frame.

        Args:
            frame: frame number.

        Returns:
            The plate.

        Raises:
            MediaError: as :func:`~nuke_reage.media.image_read.read_plate`, or ``missing-frame``.
        """
        path = self.path_of(frame)
        try:
            return read_plate(path, layer=self._layer, channels=self._channels)
        except MediaError as error:
            if error.slug != "missing-file":
                raise
            raise MediaError(
                "missing-frame",
                f"frame {frame} of {self._pattern or self._spec} has been removed; {self._neighbours(frame)}",
                "Render the missing frame, or leave it out of the frame range.",
            ) from error

    def fingerprint(self, frame: int) -> str:
        return file_fingerprint(self.path_of(frame))

    def close(self) -> None:
        """Nothing is kept open between frames."""

    def _neighbours(self, frame: int) -> str:
        position = bisect.bisect_left(self._frames, frame)
        before = self._frames[position - 1 : position] if position else ()
        after = tuple(other for other in self._frames[position : position + 2] if other != frame)[:1]
        nearest = [str(other) for other in (*before, *after)]
        verb = "neighbours are" if len(nearest) == 2 else "nearest is"
        return f"the {verb} {' and '.join(nearest)}" if nearest else "no other frame is there"


def open_plate(
    spec: str | os.PathLike[str], *, layer: str | None = None, channels: Collection[str] | None = ("A",)
) -> PlateSource:
    """Open a plate.

    Args:
        spec: a sequence (``shot.####.exr``, ``shot.%04d.exr``, ``shot.@@@@.exr``, ``shot.$F4.exr``), a still, whose
            only frame is 1, or a movie (``mp4``, ``mov``, ...), whose frames count from 1.
        layer: the layer to read the colour from, for EXR; None for the main one.
        channels: the other channels to read; None for all.  Only alpha is read by default: a plate may carry dozens
            of render passes that nobody asked for.

    Returns:
        The source.

    Raises:
        MediaError: nothing is there, or it cannot be read.
    """
    text = os.fspath(spec)
    path = Path(text).expanduser()
    if path.is_dir():
        found = describe_sequences(path)
        raise MediaError(
            "is-folder",
            f"{text} is a folder, not a plate",
            f"It holds {', '.join(found)}." if found else "Name a sequence such as shot.####.exr.",
        )
    if path.suffix.lower() in MOVIE_SUFFIXES and FramePattern.parse(text) is None:
        return MovieSource(path)
    return ImageSource(text, layer=layer, channels=channels)


def _missing_still(path: Path) -> MediaError:
    others = describe_sequences(path.parent)
    hint = f"That folder holds {', '.join(others)}." if others else "Check the path."
    return MediaError("missing-file", f"{path} does not exist", hint)


def _rate(value: object) -> Fraction | None:
    """A header's frame rate as a fraction; 23.976 and its like become the NTSC rate that was meant."""
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return Fraction(int(value[0]), int(value[1]))
    if isinstance(value, int | float) and value > 0:
        ntsc = Fraction(round(value * 1.001) * 1000, 1001)
        near = abs(float(ntsc) - value) < 0.002
        return ntsc if near and abs(value - round(value)) > 0.002 else Fraction(value).limit_denominator(1001)
    return None
