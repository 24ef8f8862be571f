"""Where finished frames go: layered EXR, stills or a movie."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.errors import CancelledError, UsageError
from nuke_reage.core.settings import OutputSettings
from nuke_reage.imaging.adjust import adjusted_comp
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.exr import write_layers
from nuke_reage.media.movie import MovieWriter
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource, output_path
from nuke_reage.media.still_write import write_still
from nuke_reage.pipeline.fingerprint import FINGERPRINT_KEY, holds
from nuke_reage.pipeline.frame import FrameLayers
from nuke_reage.pipeline.layer_parts import layer_parts
from nuke_reage.pipeline.outputs import EXR_SUFFIXES, is_movie

__all__ = [
    "ExrSink",
    "MovieSink",
    "Sink",
    "StillSink",
    "WithLayers",
    "finished_picture",
    "open_sink",
]

Image = npt.NDArray[np.float32]

_DEFAULT_RATE = Fraction(24)
_SRGB = DisplayCurve(knee=1.0)


class Sink(Protocol):
    """Writes frames.  ``resumable`` sinks keep what is there; the others need every frame, in order."""

    resumable: bool

    def path(self, frame: int) -> Path: ...

    def write(self, frame: int, plate: Plate, layers: FrameLayers | None, provenance: Mapping[str, str]) -> list[str]:
        """Write one frame; returns warnings."""

    def close(self, *, complete: bool) -> None:
        """Finish; an incomplete movie is thrown away."""


def finished_picture(plate: Plate, layers: FrameLayers | None, adjust: AdjustSettings, space: WorkingSpace) -> Plate:
    """The plate with the adjusted delta added through the adjusted mask; everything else stays bit for bit.

    Args:
        plate: the frame.
        layers: what was baked; None = no face, the plate as it is.
        adjust: gain and all the rest.
        space: of the plate; it gives the weights of luminance.

    Raises:
        UsageError: a region's gain or protection is set, and the layers have no such mattes.
    """
    if layers is None:
        return plate
    if layers.regions is None and adjust.regions != RegionGains():
        raise UsageError("no-mattes", "There are no region mattes for the region gains.", "Leave --region-gain out.")
    if layers.protect is None and adjust.protect != Protection():
        raise UsageError("no-mattes", "There are no mattes to protect anything with.", "Leave --protect out.")
    rgb = plate.rgb.copy()
    inside = layers.window.slices_in(plate.data_window)
    around, own = plate.data_window, layers.window
    rgb[inside] = adjusted_comp(
        plate.rgb[inside],
        layers.mask,
        layers.delta,
        adjust,
        layers.face_size_px,
        regions=layers.regions,
        protect=layers.protect,
        luma_weights=space.luma_weights,
        margins_px=(
            own.y_min - around.y_min,
            around.y_max - own.y_max,
            own.x_min - around.x_min,
            around.x_max - own.x_max,
        ),
        pixel_aspect=plate.pixel_aspect,
    )
    return replace(plate, rgb=rgb)


class ExrSink:
    """Multi-part EXR with the asked-for layers, one file a frame."""

    resumable = True

    def __init__(self, output: OutputSettings, adjust: AdjustSettings, space: WorkingSpace) -> None:
        self._output = output
        self._adjust = adjust
        self._space = space

    def path(self, frame: int) -> Path:
        return output_path(self._output.path, frame)

    def write(self, frame: int, plate: Plate, layers: FrameLayers | None, provenance: Mapping[str, str]) -> list[str]:
        picture = finished_picture(plate, layers, self._adjust, self._space) if "comp" in self._output.layers else None
        parts = layer_parts(plate, layers, self._output, picture)
        report = write_layers(
            self.path(frame),
            parts,
            display_window=plate.display_window,
            pixel_aspect=plate.pixel_aspect,
            metadata={**plate.metadata, **provenance},
            compression=self._output.compression,
        )
        return list(report.notes)

    def close(self, *, complete: bool) -> None:
        return None


def _on_screen(picture: Plate, space: WorkingSpace) -> Image:
    """The display window as a screen wants it: overscan cut off, black where the plate has no pixels.

    Scene-linear light becomes sRGB, anything else stays as the plate has it.
    """
    rgb = picture.rgb
    if picture.data_window != picture.display_window:
        common = picture.data_window.intersect(picture.display_window)
        rgb = np.zeros((*picture.display_window.shape, 3), np.float32)
        if not common.is_empty:
            rgb[common.slices_in(picture.display_window)] = picture.rgb[common.slices_in(picture.data_window)]
    return _SRGB.encode(space.to_linear_rec709(rgb)) if space.is_linear else rgb


class StillSink:
    """The finished picture as PNG, TIFF or JPEG: 8 bit where the plate has 8, else 16 where the format has them."""

    resumable = False

    def __init__(self, output: OutputSettings, adjust: AdjustSettings, space: WorkingSpace) -> None:
        self._output = output
        self._adjust = adjust
        self._space = space

    def path(self, frame: int) -> Path:
        return output_path(self._output.path, frame)

    def write(self, frame: int, plate: Plate, layers: FrameLayers | None, provenance: Mapping[str, str]) -> list[str]:
        picture = _on_screen(finished_picture(plate, layers, self._adjust, self._space), self._space)
        write_still(self.path(frame), picture, bits=8 if plate.sample_type == "uint8" else 16)
        return []

    def close(self, *, complete: bool) -> None:
        return None


class MovieSink:
    """The finished picture as a movie, with the frame rate and the sound of the movie that it came from."""

    resumable = False

    def __init__(
        self, output: OutputSettings, adjust: AdjustSettings, source: PlateSource, space: WorkingSpace
    ) -> None:
        self._path = Path(output.path)
        self._space = space
        self._adjust = adjust
        self._source = source
        self._stack = ExitStack()
        self._writer: MovieWriter | None = None

    def path(self, frame: int) -> Path:
        return self._path

    def write(self, frame: int, plate: Plate, layers: FrameLayers | None, provenance: Mapping[str, str]) -> list[str]:
        picture = _on_screen(finished_picture(plate, layers, self._adjust, self._space), self._space)
        if self._writer is None:
            self._writer = self._stack.enter_context(self._open(frame, plate))
        self._writer.write(picture)
        return []

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

    Every frame is needed for the movie; an EXR that still holds is left as it is.
    """

    resumable = False

    def __init__(self, finished: Sink, layers: ExrSink) -> None:
        self._finished = finished
        self._layers = layers

    def path(self, frame: int) -> Path:
        return self._finished.path(frame)

    def write(self, frame: int, plate: Plate, layers: FrameLayers | None, provenance: Mapping[str, str]) -> list[str]:
        # The layers first: a movie that is broken off is thrown away, they are kept.
        notes = []
        if not holds(self._layers.path(frame), provenance[FINGERPRINT_KEY]):
            notes = self._layers.write(frame, plate, layers, provenance)
        return notes + self._finished.write(frame, plate, layers, provenance)

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
