"""Sound from one movie into another, in sync, copied bit for bit where the container can hold it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from nuke_reage.core.errors import MediaError

__all__ = ["AudioCopier"]

_COPIED = {
    "mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"}),
    "mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
}
_AAC_FRAME_SAMPLES = 1024
_AAC_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class AudioCopier:
    """Feeds the sound of a movie into an output, a little ahead of the picture.

    Args:
        source: the movie that has the sound; one without is fine.
        output: open output; its sound streams are added here, before anything is written.
        container_format: ``mp4`` or ``mov``.
        start_seconds: time in the source, after its first frame, that becomes 0 in the output.

    Raises:
        MediaError: the source cannot be read.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        output: OutputContainer,
        container_format: str,
        start_seconds: Fraction = Fraction(0),
    ) -> None:
        self._output = output
        try:
            self._input: InputContainer = av.open(os.fspath(source))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                "no-audio-source", f"the sound of {source} cannot be read: {error}", "Check the path of the movie."
            ) from error
        self._origin = self._first_picture() + start_seconds
        self._tracks = [_Track(stream, output, container_format, self._origin) for stream in self._input.streams.audio]
        self._by_index = {track.stream.index: track for track in self._tracks}
        self._packets = self._read()
        self._pending: Packet[Any] | None = None

    @property
    def is_exact_copy(self) -> bool:
        """Whether every sound track is passed on bit for bit."""
        return all(track.copies for track in self._tracks)

    def feed(self, until_seconds: Fraction) -> None:
        """Write the sound that starts before a time of the output."""
        while (packet := self._pending or next(self._packets, None)) is not None:
            self._pending = packet
            track = self._by_index[packet.stream.index]
            if track.start_of(packet) >= until_seconds:
                return
            self._pending = None
            self._output.mux(track.convert(packet))

    def finish(self, end_seconds: Fraction) -> None:
        """Write the rest of the sound, up to the end of the picture."""
        self.feed(end_seconds)
        for track in self._tracks:
            self._output.mux(track.flush())

    def close(self) -> None:
        self._input.close()

    def _first_picture(self) -> Fraction:
        """When the source's picture starts on its own clock: sound is kept relative to that."""
        for stream in self._input.streams.video:
            if stream.start_time is not None and stream.time_base is not None:
                return stream.start_time * stream.time_base
        return Fraction(0)

    def _read(self) -> Iterator[Packet[Any]]:
        if not self._tracks:
            return
        for packet in self._input.demux([track.stream for track in self._tracks]):
            # A packet that ends where the picture starts still primes the decoder.
            if packet.size and packet.pts is not None and self._by_index[packet.stream.index].end_of(packet) >= 0:
                yield packet


class _Track:
    def __init__(
        self, stream: AudioStream, output: OutputContainer, container_format: str, origin_seconds: Fraction
    ) -> None:
        self.stream = stream
        self._origin_seconds = origin_seconds
        name = stream.codec_context.name
        # FFmpeg's decoders of one codec bear several names: mp3 and mp3float.
        codec = "mp3" if name.startswith("mp3") else name
        self.copies = codec in _COPIED[container_format] or (container_format == "mov" and codec.startswith("pcm_"))
        self._resampler: AudioResampler | None = None
        if self.copies:
            self._output_stream: AudioStream = output.add_stream_from_template(stream)
            return
        wanted_hz = stream.codec_context.sample_rate
        rate_hz = wanted_hz if wanted_hz in _AAC_RATES_HZ else 48000
        self._output_stream = output.add_stream("aac", rate=rate_hz)
        self._output_stream.codec_context.layout = stream.codec_context.layout
        self._output_stream.codec_context.bit_rate = 128_000 * max(stream.codec_context.layout.nb_channels, 1)
        self._resampler = AudioResampler("fltp", stream.codec_context.layout, rate_hz, _AAC_FRAME_SAMPLES)

    def start_of(self, packet: Packet[Any]) -> Fraction:
        return Fraction(packet.pts or 0) * packet.time_base - self._origin_seconds

    def end_of(self, packet: Packet[Any]) -> Fraction:
        return self.start_of(packet) + Fraction(packet.duration or 0) * packet.time_base

    def convert(self, packet: Packet[Any]) -> list[Packet[Any]]:
        if self._resampler is None:
            shift = round(self._origin_seconds / packet.time_base)
            packet.pts = (packet.pts or 0) - shift
            packet.dts = packet.dts - shift if packet.dts is not None else packet.pts
            packet.stream = self._output_stream
            return [packet]
        encoded = []
        for frame in self.stream.codec_context.decode(packet):
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(self._origin_seconds / frame.time_base)
            for piece in self._resampler.resample(frame):
                encoded += self._output_stream.encode(piece)
        return encoded

    def flush(self) -> list[Packet[Any]]:
        if self._resampler is None:
            return []
        encoded = []
        for piece in self._resampler.resample(None):
            encoded += self._output_stream.encode(piece)
        return encoded + self._output_stream.encode(None)
