"""Where finished frames go: layered EXR, stills or a movie."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.errors import CancelledError
from nuke_reage.core.settings import OutputSettings
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.exr import write_layers
from nuke_reage.media.movie import MovieWriter
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource, output_path
from nuke_reage.media.still_write import holds_alpha, write_still
from nuke_reage.pipeline.checks import PictureFormat
from nuke_reage.pipeline.finished import finished_picture, on_screen
from nuke_reage.pipeline.frame import FrameLayers
from nuke_reage.pipeline.layer_parts import layer_parts
from nuke_reage.pipeline.outputs import EXR_SUFFIXES, is_movie
from nuke_reage.pipeline.stored import as_stored

__all__ = [
    "ExrSink",
    "MadeFrame",
    "MovieSink",
    "Sink",
    "StillSink",
    "WithLayers",
    "open_sink",
]

Image = npt.NDArray[np.float32]

_DEFAULT_RATE = Fraction(24)


@dataclass(frozen=True)
class MadeFrame:
    """A frame to write.

    Attributes:
        frame: its number.
        plate: the plate.
        layers: what was baked; None = no face.
        provenance: metadata of the layers.
        layers_hold: the EXR beside a still or movie holds these layers already, and is left as it is.
    """

    frame: int
    plate: Plate
    layers: FrameLayers | None
    provenance: Mapping[str, str]
    layers_hold: bool = False


class Sink(Protocol):
    """Writes frames.  ``resumable`` sinks keep what is there; the others are given every frame, in order.

    Where one ``may_have_holes`` a frame that cannot be read is left out, and the rest is written all the same.
    """

    resumable: bool
    may_have_holes: bool

    def path(self, frame: int) -> Path: ...

    def layers_path(self, frame: int) -> Path | None:
        """The EXR that holds the frame's layers, where there is one."""

    def write(self, made: MadeFrame) -> list[str]:
        """Write one frame; returns warnings."""

    def close(self, *, complete: bool) -> None:
        """Finish; an incomplete movie is thrown away."""


class ExrSink:
    """Multi-part EXR with the asked-for layers, one file a frame."""

    resumable = True
    may_have_holes = True

    def __init__(self, output: OutputSettings, adjust: AdjustSettings, space: WorkingSpace) -> None:
        self._output = output
        self._adjust = adjust
        self._space = space

    def path(self, frame: int) -> Path:
        return output_path(self._output.path, frame)

    def layers_path(self, frame: int) -> Path | None:
        return self.path(frame)

    def write(self, made: MadeFrame) -> list[str]:
        plate, layers = made.plate, made.layers
        picture = finished_picture(plate, layers, self._adjust, self._space) if "comp" in self._output.layers else None
        parts = layer_parts(plate, layers, self._output, picture)
        report = write_layers(
            self.path(made.frame),
            parts,
            display_window=plate.display_window,
            pixel_aspect=plate.pixel_aspect,
            metadata={**plate.metadata, **made.provenance},
            compression=self._output.compression,
        )
        return list(report.notes)

    def close(self, *, complete: bool) -> None:
        return None


class _LostAlpha:
    """Says once that a picture leaves out an alpha that says anything."""

    def __init__(self) -> None:
        self._has_told = False

    def told(self, plate: Plate, target: Path) -> list[str]:
        alpha = plate.channels.get("A")
        if self._has_told or alpha is None or bool((alpha == 1).all()):
            return []
        self._has_told = True
        return [f"the plate's alpha is not in {target.name}; layers of an EXR have it in their comp"]


class StillSink:
    """The finished picture as PNG, TIFF or JPEG: 8 bit where the plate has 8, else 16 where the format has them.

    The alpha of a plate that is a still itself is kept where the format has one.  That of an EXR belongs to light, not
    to codes.
    """

    resumable = False
    may_have_holes = True

    def __init__(self, output: OutputSettings, adjust: AdjustSettings, space: WorkingSpace) -> None:
        self._output = output
        self._adjust = adjust
        self._space = space
        self._lost_alpha = _LostAlpha()

    def path(self, frame: int) -> Path:
        return output_path(self._output.path, frame)

    def layers_path(self, frame: int) -> Path | None:
        return None

    def write(self, made: MadeFrame) -> list[str]:
        plate, target = made.plate, self.path(made.frame)
        picture = on_screen(finished_picture(plate, made.layers, self._adjust, self._space), self._space)
        alpha = plate.channels.get("A")
        fits = not plate.is_floating_point and plate.data_window == plate.display_window
        kept = alpha if fits and holds_alpha(target) else None
        write_still(target, picture, alpha=kept, bits=8 if plate.sample_type == "uint8" else 16)
        return [] if kept is not None else self._lost_alpha.told(plate, target)

    def close(self, *, complete: bool) -> None:
        return None


class MovieSink:
    """The finished picture as a movie, with the frame rate and the sound of the movie that it came from."""

    resumable = False
    may_have_holes = False

    def __init__(
        self, output: OutputSettings, adjust: AdjustSettings, source: PlateSource, space: WorkingSpace
    ) -> None:
        self._path = Path(output.path)
        self._space = space
        self._adjust = adjust
        self._source = source
        self._stack = ExitStack()
        self._writer: MovieWriter | None = None
        self._format: PictureFormat | None = None
        self._lost_alpha = _LostAlpha()

    def path(self, frame: int) -> Path:
        return self._path

    def layers_path(self, frame: int) -> Path | None:
        return None

    def write(self, made: MadeFrame) -> list[str]:
        if self._writer is None or self._format is None:
            self._format = PictureFormat.of(made.frame, made.plate)
            self._writer = self._stack.enter_context(self._open(made.frame, made.plate))
        self._format.require_same(PictureFormat.of(made.frame, made.plate))
        picture = on_screen(finished_picture(made.plate, made.layers, self._adjust, self._space), self._space)
        self._writer.write(picture)
        return self._lost_alpha.told(made.plate, self._path)

    def close(self, *, complete: bool) -> None:
        if complete:
            self._stack.close()
        elif self._writer is not None:
            stopped = CancelledError("incomplete", "The movie is not finished.", "Run the same command again.")
            self._stack.__exit__(type(stopped), stopped, None)

    def _open(self, frame: int, plate: Plate) -> MovieWriter:
        rate = self._source.fps or _DEFAULT_RATE
        origin = self._source.path_of(frame)
        from_movie = is_movie(origin)
        size = (plate.display_window.width, plate.display_window.height)
        start = Fraction(frame - self._source.frames[0]) / rate
        return MovieWriter(
            self._path,
            rate,
            size,
            pixel_aspect=plate.pixel_aspect,
            audio_from=origin if from_movie else None,
            audio_start_seconds=start if from_movie else Fraction(0),
        )


class WithLayers:
    """A still or a movie, and the layers that it was made from as EXR beside it.

    The picture is made from the layers as their file holds them, so that it is the same from layers that are read back.
    """

    resumable = False

    def __init__(self, finished: Sink, layers: ExrSink) -> None:
        self.may_have_holes = finished.may_have_holes
        self._finished = finished
        self._layers = layers

    def path(self, frame: int) -> Path:
        return self._finished.path(frame)

    def layers_path(self, frame: int) -> Path | None:
        return self._layers.path(frame)

    def write(self, made: MadeFrame) -> list[str]:
        # The layers first: a movie that is broken off is thrown away, they are kept.
        notes = [] if made.layers_hold else self._layers.write(made)
        stored = None if made.layers is None else as_stored(made.layers)
        return notes + self._finished.write(replace(made, layers=stored))

    def close(self, *, complete: bool) -> None:
        self._layers.close(complete=complete)
        self._finished.close(complete=complete)


def open_sink(output: OutputSettings, adjust: AdjustSettings, source: PlateSource, space: WorkingSpace) -> Sink:
    """Choose by the output's name; :func:`~nuke_reage.pipeline.outputs.check_output` has seen it before."""
    if output.layers_path:
        layers = ExrSink(replace(output, path=output.layers_path, layers_path=""), adjust, space)
        return WithLayers(open_sink(replace(output, layers_path=""), adjust, source, space), layers)
    if is_movie(Path(output.path)):
        return MovieSink(output, adjust, source, space)
    if Path(output.path).suffix.lower() in EXR_SUFFIXES:
        return ExrSink(output, adjust, space)
    return StillSink(output, adjust, space)
