"""Movies in: every frame by number, exactly, forwards fast and in any order."""

from __future__ import annotations

import bisect
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.fingerprint import file_fingerprint
from nuke_reage.media.metadata import Attribute
from nuke_reage.media.movie_colour import FrameConverter, sample_bits
from nuke_reage.media.plate import Plate

__all__ = ["MOVIE_SUFFIXES", "MovieSource"]

MOVIE_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".avi", ".mxf", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts"})
# Every frame stands alone in these, so the container's index says all and gigabytes need not be scanned.
_INTRA_CODECS = frozenset({"prores", "dnxhd", "mjpeg", "qtrle", "png", "v210", "rawvideo", "cfhd", "jpeg2000"})
_SEEK_COST_FRAMES = 8


@dataclass(frozen=True)
class _Timeline:
    """When the frames of a stream are shown, in its time base, rising; and where decoding can begin."""

    pts: tuple[int, ...]
    key_pts: tuple[int, ...]
    key_dts: tuple[int, ...]


class MovieSource:
    """The frames of a movie, numbered from 1.

    Pixels come as display-encoded R'G'B', 0 to 1: the stream's own matrix and range are undone (BT.709 above standard
    definition and BT.601 below where the file does not say), its transfer curve is not.  Noted rotation is applied.
    Reading is safe from several threads, one at a time.

    Args:
        path: the movie.

    Raises:
        MediaError: missing, empty, no movie, no video in it, or cut short.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser()
        self._lock = threading.Lock()
        # FFmpeg's own words for a missing file are of no help.
        file_fingerprint(self._path)
        if self._path.stat().st_size == 0:
            raise MediaError("empty-file", f"{self._path} is empty (0 bytes)", "Export or copy the movie again.")
        try:
            self._container = av.open(str(self._path))
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                "not-a-movie",
                f"{self._path} is not a movie that can be read: {error}",
                "The file may be cut short or of another kind; export or copy it again.",
            ) from error
        try:
            self._stream = self._video_stream()
            self._stream.thread_type = "AUTO"
            self._timeline = self._read_timeline()
        except BaseException:
            self._container.close()
            raise
        self._decoder: Iterator[VideoFrame] | None = None
        self._held: VideoFrame | None = None
        self._converter = FrameConverter()
        self._closed = False

    def __enter__(self) -> MovieSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def spec(self) -> str:
        return str(self._path)

    @property
    def frames(self) -> tuple[int, ...]:
        return tuple(range(1, len(self._timeline.pts) + 1))

    @property
    def is_scene_linear(self) -> bool:
        return False

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the stream's clock."""
        return self._stream.time_base or Fraction(1, 90000)

    @property
    def timestamps(self) -> tuple[Fraction, ...]:
        """When each frame is shown, in seconds after the first."""
        first = self._timeline.pts[0]
        return tuple((pts - first) * self.time_base for pts in self._timeline.pts)

    @property
    def is_variable_rate(self) -> bool:
        """Whether frames are not evenly spaced, as in many phone and screen recordings."""
        pts = np.array(self._timeline.pts, np.float64)
        if len(pts) < 3:
            return False
        step = (pts[-1] - pts[0]) / (len(pts) - 1)
        deviation = np.abs(pts - (pts[0] + step * np.arange(len(pts)))).max()
        # Clocks too coarse for the rate round each stamp by less than a tick.
        return bool(deviation > (1.0 if step >= 8 else 0.51))

    @property
    def fps(self) -> Fraction | None:
        """Frames per second; of a movie with a variable rate the average."""
        rates = (self._stream.average_rate, self._stream.base_rate)
        rate = rates[0] if self.is_variable_rate else self._stream.guessed_rate or rates[0] or rates[1]
        return Fraction(rate) if rate else None

    @property
    def has_audio(self) -> bool:
        return bool(self._container.streams.audio)

    @property
    def timecode(self) -> str | None:
        """SMPTE timecode of the first frame, where the file has one."""
        return self._stream.metadata.get("timecode") or self._container.metadata.get("timecode")

    def path_of(self, frame: int) -> Path:
        """The movie itself.

        Args:
            frame: frame number, from 1.

        Raises:
            MediaError: there is no such frame.
        """
        if not 1 <= frame <= len(self._timeline.pts):
            raise MediaError(
                "missing-frame",
                f"frame {frame} is not in {self._path}, which has the frames 1 to {len(self._timeline.pts)}",
                "Choose frames of the movie; they count from 1.",
            )
        return self._path

    def fingerprint(self, frame: int) -> str:
        return file_fingerprint(self.path_of(frame), salt=str(frame))

    def read(self, frame: int) -> Plate:
        """Read a frame.

        Args:
            frame: frame number, from 1.

        Returns:
            The plate; its data window is its display window.

        Raises:
            MediaError: there is no such frame, or it is damaged.
        """
        self.path_of(frame)
        with self._lock:
            picture = self._decode(self._timeline.pts[frame - 1], frame)
            rgb, alpha = self._converter.decode(picture)
        quarter_turns = round(picture.rotation / 90) % 4
        rgb = np.ascontiguousarray(np.rot90(rgb, quarter_turns))
        window = Window(0, 0, rgb.shape[1], rgb.shape[0])
        aspect = float(self._stream.sample_aspect_ratio or 1) or 1.0
        channels = {}
        if alpha is not None:
            channels["A"] = np.ascontiguousarray(np.rot90(alpha, quarter_turns))
        metadata = {}
        if self.fps:
            metadata["FramesPerSecond"] = Attribute("rational", (self.fps.numerator, self.fps.denominator))
        return Plate(
            rgb=rgb,
            data_window=window,
            display_window=window,
            pixel_aspect=1 / aspect if quarter_turns % 2 else aspect,
            channels=MappingProxyType(channels),
            metadata=MappingProxyType(metadata),
            sample_type=f"uint{sample_bits(picture)}",
        )

    def close(self) -> None:
        """Close the file; reading afterwards raises ``ValueError``."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._decoder = self._held = None
                self._container.close()

    def _video_stream(self) -> VideoStream:
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise MediaError(
                "no-video",
                f"{self._path} has no picture in it",
                "Choose a movie with a video track; one whose copy stopped early may look the same, copy it again.",
            )
        return stream

    def _read_timeline(self) -> _Timeline:
        """List the frames by their time stamps, without decoding one."""
        entries = list(getattr(self._stream, "index_entries", ()))
        size_bytes = self._path.stat().st_size
        shown = [entry for entry in entries if not entry.is_discard]
        if any(entry.pos + entry.size > size_bytes for entry in entries):
            raise self._cut_short(f"its index names {len(shown)} frames, the last of which lie beyond its end")
        if shown and self._stream.codec_context.name in _INTRA_CODECS and all(entry.is_keyframe for entry in entries):
            stamps = tuple(sorted(entry.timestamp for entry in shown))
            return _Timeline(stamps, stamps, stamps)
        pts, keys = [], []
        try:
            for packet in self._container.demux(self._stream):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None or not packet.size:
                    continue
                if packet.is_keyframe:
                    keys.append((stamp, packet.dts if packet.dts is not None else stamp))
                if not getattr(packet, "is_discard", False):
                    pts.append(stamp)
            self._container.seek(keys[0][1] if keys else 0, stream=self._stream, backward=True)
        except av.FFmpegError as error:
            raise self._cut_short(str(error)) from error
        if not pts or not keys:
            raise self._cut_short("no frame was found")
        keys.sort()
        return _Timeline(tuple(sorted(set(pts))), tuple(key[0] for key in keys), tuple(key[1] for key in keys))

    def _decode(self, target_pts: int, frame: int) -> VideoFrame:
        if self._closed:
            raise ValueError(f"{self._path} has been closed")
        if self._held is not None and self._held.pts == target_pts:
            return self._held
        key = max(bisect.bisect_right(self._timeline.key_pts, target_pts) - 1, 0)
        attempts = [key, key - 1, 0] if key > 1 else [key, 0]
        try:
            if self._is_near(target_pts, key) and (picture := self._advance(target_pts)):
                return picture
            for attempt in attempts:
                self._container.seek(self._timeline.key_dts[attempt], stream=self._stream, backward=True)
                self._decoder = self._container.decode(self._stream)
                self._held = None
                if picture := self._advance(target_pts):
                    return picture
        except av.FFmpegError as error:
            self._decoder = None
            raise self._cut_short(f"frame {frame}: {error}") from error
        raise self._cut_short(f"frame {frame} cannot be decoded")

    def _is_near(self, target_pts: int, key: int) -> bool:
        """Whether going on from the held frame costs less than starting at a key frame."""
        if self._decoder is None or self._held is None or self._held.pts is None:
            return False
        position = bisect.bisect_left(self._timeline.pts, self._held.pts)
        target = bisect.bisect_left(self._timeline.pts, target_pts)
        start = bisect.bisect_left(self._timeline.pts, self._timeline.key_pts[key])
        return 0 < target - position <= target - start + _SEEK_COST_FRAMES

    def _advance(self, target_pts: int) -> VideoFrame | None:
        """Decode until the target appears; None where it has been passed."""
        assert self._decoder is not None
        for picture in self._decoder:
            if picture.pts is None or picture.pts < target_pts:
                continue
            self._held = picture
            return picture if picture.pts == target_pts and not picture.is_corrupt else None
        self._decoder = self._held = None
        return None

    def _cut_short(self, detail: str) -> MediaError:
        return MediaError(
            "truncated", f"{self._path} is cut short or damaged: {detail}", "Export or copy the movie again."
        )
