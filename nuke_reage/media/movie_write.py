"""Movies out: H.264 for review, ProRes 422 HQ for editorial; whole or not at all."""

from __future__ import annotations

import contextlib
import os
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.video.stream import VideoStream

from nuke_reage.core.errors import MediaError
from nuke_reage.media.atomic import atomic_path, write_error
from nuke_reage.media.movie_audio import AudioCopier
from nuke_reage.media.movie_colour import BT709, FrameConverter
from nuke_reage.media.movie_read import MovieSource

__all__ = ["MovieWriter"]

_LIMITED_RANGE = 1
_VARIABLE_TIME_BASE = Fraction(1, 90000)
_ENCODERS = {"h264": "libx264", "prores": "prores_ks"}
_PIXEL_FORMATS = {"h264": "yuv420p", "prores": "yuv422p10le"}


class MovieWriter:
    """Writes a movie frame by frame; it appears under its name when the ``with`` block ends well.

    H.264 is written as yuv420p with the index in front, ProRes as 422 HQ, both BT.709 and limited range, and tagged
    so.  H.264 needs even sides: an odd last column or row is repeated once, nothing is cropped.

    Args:
        path: ``.mp4`` or ``.m4v`` (H.264), or ``.mov`` (either).
        fps: frames per second.
        size: (width, height) in pixels.
        codec: ``h264`` or ``prores``; None for H.264 in mp4 and ProRes in mov.
        pixel_aspect: width of a pixel over its height.
        audio_from: a movie whose sound is kept; one without sound is fine.
        audio_start_seconds: time in that movie at which this one starts.
        timecode: SMPTE timecode of the first frame, for example ``01:00:00:00``.
        crf: constant rate factor of H.264, 0 (lossless) to 51; 16 is hard to tell from the original.

    Raises:
        MediaError: the name's ending does not fit the codec, the encoder is missing, the sound cannot be read, the
            disk is full or not writable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: Fraction | int,
        size: tuple[int, int],
        codec: Literal["h264", "prores"] | None = None,
        *,
        pixel_aspect: float = 1.0,
        audio_from: str | os.PathLike[str] | None = None,
        audio_start_seconds: Fraction = Fraction(0),
        timecode: str | None = None,
        crf: int = 16,
    ) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        self._format = "mov" if suffix == ".mov" else "mp4"
        self.codec: str = codec or ("prores" if self._format == "mov" else "h264")
        if suffix not in {".mp4", ".m4v", ".mov"} or (self.codec == "prores" and self._format != "mov"):
            raise MediaError(
                "movie-format",
                f"{self.path.name} cannot hold {self.codec}",
                "Use .mp4 or .mov for H.264 and .mov for ProRes.",
            )
        if min(size) < 1 or fps <= 0:
            raise ValueError(f"expected a size and a frame rate above 0, got {size} and {fps}")
        self._fps = Fraction(fps)
        self._size = size
        self._pixel_aspect = pixel_aspect
        self._audio_from = audio_from
        self._audio_start_seconds = audio_start_seconds
        self._timecode = timecode
        self._crf = crf
        self._count = 0
        self._last_seconds = Fraction(-1)
        self._converter = FrameConverter()
        self._stack = ExitStack()
        self._audio: AudioCopier | None = None
        self._temporary: Path
        self._container: OutputContainer
        self._stream: VideoStream

    def __enter__(self) -> MovieWriter:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_path(self.path))
            try:
                self._container = av.open(
                    str(self._temporary), "w", format=self._format, options={"movflags": "+faststart"}
                )
            except (av.FFmpegError, OSError) as error:
                raise write_error(self.path, str(error), temporary=self._temporary) from error
            stack.callback(self._close_quietly)
            self._stream = self._add_picture()
            if self._audio_from is not None:
                self._audio = AudioCopier(self._audio_from, self._container, self._format, self._audio_start_seconds)
                stack.callback(self._audio.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        # The stack renames the file last, and removes it where anything before fails.
        with self._stack:
            if not self._count:
                raise MediaError("empty-movie", f"no frame was given for {self.path}", "Check the frame range.")
            try:
                self._container.mux(self._stream.encode(None))
                if self._audio:
                    self._audio.finish(self._last_seconds + 1 / self._fps)
                self._container.close()
            except (av.FFmpegError, OSError) as failure:
                raise write_error(self.path, str(failure), temporary=self._temporary) from failure
            self._check()

    def write(self, rgb: npt.NDArray[np.floating], *, timestamp_seconds: Fraction | None = None) -> None:
        """Add a frame.

        Args:
            rgb: (h, w, 3) display-encoded R'G'B', 0 to 1; values outside are clipped, NaN becomes black.
            timestamp_seconds: when it is shown, after the first frame; None for the next tick of the frame rate.
                Stamps must rise; give one for every frame or for none.

        Raises:
            MediaError: the disk is full or not writable.
            ValueError: the array has another shape, or the time does not rise.
        """
        width, height = self._size
        if rgb.shape != (height, width, 3):
            raise ValueError(f"expected a frame of shape {(height, width, 3)}, got {rgb.shape}")
        seconds = Fraction(self._count) / self._fps if timestamp_seconds is None else timestamp_seconds
        if seconds <= self._last_seconds:
            raise ValueError(f"frame {self._count + 1} at {seconds} s does not come after {self._last_seconds} s")
        if self.codec == "h264" and (width % 2 or height % 2):
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._converter.encode(rgb, _PIXEL_FORMATS[self.codec])
        time_base = self._stream.codec_context.time_base or _VARIABLE_TIME_BASE
        frame.time_base = time_base
        frame.pts = round(seconds / time_base)
        frame.duration = round(1 / self._fps / time_base)
        try:
            if self._audio:
                self._audio.feed(seconds)
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise write_error(self.path, str(error), temporary=self._temporary) from error
        self._count += 1
        self._last_seconds = seconds

    def _add_picture(self) -> VideoStream:
        encoder = _ENCODERS[self.codec]
        try:
            stream = self._container.add_stream(encoder, rate=self._fps)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                "no-encoder",
                f"the installed PyAV cannot write {self.codec}: {error}",
                "Install PyAV from PyPI (pip install av), whose packages carry it.",
            ) from error
        assert isinstance(stream, VideoStream)
        width, height = self._size
        even = self.codec == "h264"
        stream.width, stream.height = width + (width % 2 if even else 0), height + (height % 2 if even else 0)
        stream.pix_fmt = _PIXEL_FORMATS[self.codec]
        stream.options = {"crf": str(self._crf), "preset": "medium"} if even else {"profile": "3", "vendor": "apl0"}
        context = stream.codec_context
        # Fine enough for stamps that do not fall on the frame rate, and a whole multiple of it otherwise.
        context.time_base = Fraction(1, self._fps.numerator * max(90000 // self._fps.numerator, 1))
        context.sample_aspect_ratio = Fraction(self._pixel_aspect).limit_denominator(1000)
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT709
        if self._timecode:
            stream.metadata["timecode"] = self._timecode
        return stream

    def _check(self) -> None:
        """Open the finished file: the last flush to a full disk can fail without a word."""
        try:
            with MovieSource(self._temporary) as written:
                count = len(written.frames)
        except MediaError as error:
            raise write_error(self.path, error.message, temporary=self._temporary) from error
        if count != self._count:
            text = f"{count} of {self._count} frames arrived"
            raise write_error(self.path, text, temporary=self._temporary)

    def _close_quietly(self) -> None:
        # After a failure the trailer cannot be written; the reason has been told already.
        with contextlib.suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
