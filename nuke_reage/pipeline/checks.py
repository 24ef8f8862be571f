"""What can be found out about a job before anything is tracked or computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nuke_reage.core.errors import DeviceError, MediaError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.plugins import require_plugin
from nuke_reage.faces.trackfile import parse_selector
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.image_read import PlateHeader, read_header
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource
from nuke_reage.models.backends import BACKENDS
from nuke_reage.pipeline.maps import FrameMaps
from nuke_reage.pipeline.outputs import is_movie

__all__ = ["PictureFormat", "check_choices", "first_readable", "matte_warnings"]


@dataclass(frozen=True)
class PictureFormat:
    """Size and shape of a frame's pixels, which no movie can change midway.

    Attributes:
        frame: frame number.
        width: of the display window, in pixels.
        height: likewise.
        pixel_aspect: width of a pixel over its height.
    """

    frame: int
    width: int
    height: int
    pixel_aspect: float

    @classmethod
    def of(cls, frame: int, picture: Plate | PlateHeader) -> PictureFormat:
        """The format of a frame."""
        display: Window = picture.display_window
        return cls(frame, display.width, display.height, picture.pixel_aspect)

    def require_same(self, other: PictureFormat) -> None:
        """Make sure that another frame is like this one.

        Raises:
            MediaError: it is not.
        """
        if (self.width, self.height, self.pixel_aspect) != (other.width, other.height, other.pixel_aspect):
            raise MediaError(
                "format-changes",
                f"Frame {other.frame} is {other}, frame {self.frame} {self}: they do not fit into one movie.",
                "Write stills or EXR, or choose frames of one format with --frames.",
            )

    def __str__(self) -> str:
        aspect = "" if self.pixel_aspect == 1.0 else f" with pixels {self.pixel_aspect:g} wide"
        return f"{self.width} x {self.height}{aspect}"


def check_choices(job: JobSpec, source: PlateSource, frames: tuple[int, ...]) -> None:
    """Check what a job chooses by name, and that a movie keeps one format; holds for every machine.

    Args:
        job: the job.
        source: its plate.
        frames: frames to bake.

    Raises:
        ReageError: the face, the detector, the layer or the backend cannot be, or the format changes in a movie.
    """
    parse_selector(job.face.select)
    if job.face.detector != "manual":
        require_plugin("face_backend", job.face.detector)
    backend, device = job.model.backend, job.model.device
    if "auto" not in {backend, device} and device not in BACKENDS[backend]:
        hint = f"{backend} runs on: {', '.join(BACKENDS[backend])}."
        raise DeviceError("wrong-device", f"The backend {backend!r} cannot use the device {device!r}.", hint)
    if is_movie(source.path_of(frames[0])):
        return
    if is_movie(Path(job.output.path)):
        formats = [PictureFormat.of(frame, _header(job, source, frame)) for frame in frames]
        for one in formats[1:]:
            formats[0].require_same(one)
    elif job.plate.layer:
        _require_layer(job, source, frames)


def first_readable(source: PlateSource, frames: tuple[int, ...]) -> tuple[int, Plate]:
    """The first of some frames that can be read.

    Raises:
        MediaError: none can; the error of the first.
    """
    first: MediaError | None = None
    for frame in frames:
        try:
            return frame, source.read(frame)
        except MediaError as error:
            first = first or error
    assert first is not None
    raise first


def _require_layer(job: JobSpec, source: PlateSource, frames: tuple[int, ...]) -> None:
    """Look for the layer in the first frame that can be read; what else is wrong with a frame, its bake says."""
    for frame in frames:
        try:
            _header(job, source, frame)
        except MediaError as error:
            if error.slug == "unknown-layer":
                raise
        else:
            return


def _header(job: JobSpec, source: PlateSource, frame: int) -> PlateHeader:
    return read_header(source.path_of(frame), layer=job.plate.layer or None)


def matte_warnings(maps: FrameMaps, frame: int) -> tuple[str, ...]:
    """What the artist should know about a job's matte: one that is the same everywhere shapes nothing.

    Args:
        maps: of one frame.
        frame: its number.
    """
    matte = maps.matte
    if matte is None or not matte.size or matte.min() != matte.max():
        return ()
    return (
        f"The matte is {matte.min():g} everywhere in frame {frame}; if it was drawn in another channel, "
        "name that: roto.png:R.",
    )
