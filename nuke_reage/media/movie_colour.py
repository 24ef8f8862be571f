"""Between a video frame's Y'CbCr and R'G'B' arrays: matrix, range, chroma siting, bit depth.

Sources: ITU-R BT.601, BT.709 and BT.2020 for the matrices, ISO/IEC 23091-2 for the code numbers, ITU-T H.264 annex E
for where chroma samples lie.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from nuke_reage.media.plate import FloatArray

__all__ = ["BT709", "FrameConverter", "has_alpha", "sample_bits"]

BT709 = 1
_MATRICES = {BT709: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_FULL_RANGE = 2
_HD_HEIGHT = 577
_HD_WIDTH = 1280
# FFmpeg's scaler widens n-bit codes to 16 bits by shifting: white is 255 * 256 of 65535.  Taken at its word it would be
# 0.4 % too dark on the way in and as much too bright on the way out.
_SCALER_WHITE = 255.0 * 256.0
_SCALER_LARGEST = 65535.0
# Without these flags chroma is repeated instead of interpolated, and rounding drifts.
_QUALITY = "flags=bicubic+full_chroma_int+full_chroma_inp+accurate_rnd"


class FrameConverter:
    """Converts frames of one movie; keeps what it set up for the last kind of frame.

    FFmpeg's plain conversion takes chroma samples to lie between pixels, as JPEG has them; in video they lie on the
    left pixel, and colour edges would move by half a pixel.  Its scale filter can be told.  Not for several threads
    at once.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def decode(self, frame: VideoFrame) -> tuple[FloatArray, FloatArray | None]:
        """Decode a video frame to R'G'B'.

        Args:
            frame: of any pixel format; its tags tell matrix and range, else BT.709 from 720p or 1280 pixels upwards
                and BT.601 below, and the limited range that video has by custom.

        Returns:
            (h, w, 3) float32 R'G'B', 0 = black to 1 = white, display-encoded as the frame is; and (h, w) float32
            alpha or None.
        """
        alpha = has_alpha(frame)
        matrix = _matrix(frame)
        options = f"{_QUALITY}:in_color_matrix={matrix}:in_range={_range(frame)}:out_range=pc"
        if _range(frame) == "tv":
            options += _siting("in", frame.format, top=matrix == "bt2020")
        pixels = self._convert(frame, options, "gbrapf32le" if alpha else "gbrpf32le").to_ndarray()
        rgb = np.ascontiguousarray(pixels[..., :3], np.float32) * np.float32(_SCALER_LARGEST / _white(frame))
        np.minimum(rgb, np.float32(1), out=rgb)
        if not alpha:
            return rgb, None
        bits = sample_bits(frame)
        # Alpha of 8 bits is widened by repeating instead.
        scale = 1.0 if bits == 8 else _SCALER_LARGEST / _shifted_white(bits)
        return rgb, np.minimum(pixels[..., 3] * np.float32(scale), np.float32(1))

    def encode(self, rgb: npt.NDArray[np.floating], pixel_format: str) -> VideoFrame:
        """Encode R'G'B' as a video frame, BT.709 matrix and limited range.

        Args:
            rgb: (h, w, 3) display-encoded, 0 to 1; what lies outside is clipped and NaN becomes black, a video has no
                code for them.
            pixel_format: for example ``yuv420p``.

        Returns:
            The frame, tagged.
        """
        codes = np.clip(np.nan_to_num(rgb, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
        integers = np.ascontiguousarray(np.round(codes * _SCALER_WHITE).astype(np.uint16))
        frame = VideoFrame.from_ndarray(integers, format="gbrp16le")
        options = f"{_QUALITY}:in_range=pc:out_color_matrix=bt709:out_range=tv"
        options += _siting("out", VideoFormat(pixel_format), top=False)
        return self._convert(frame, options, pixel_format)

    def _convert(self, frame: VideoFrame, options: str, pixel_format: str) -> VideoFrame:
        key = (frame.width, frame.height, frame.format.name, options, pixel_format)
        if self._graph is None or key != self._key:
            self._graph, self._key = _graph(frame, options, pixel_format), key
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, VideoFrame)
        return converted


def has_alpha(frame: VideoFrame) -> bool:
    """Whether a frame has an alpha plane."""
    return any(component.is_alpha for component in frame.format.components)


def sample_bits(frame: VideoFrame) -> int:
    """Bits per component of a frame's pixel format."""
    return int(frame.format.components[0].bits)


def _graph(frame: VideoFrame, options: str, pixel_format: str) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 90000)
    )
    scale = graph.add("scale", options)
    wanted = graph.add("format", f"pix_fmts={pixel_format}")
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(wanted)
    wanted.link_to(sink)
    graph.configure()
    return graph


def _siting(side: str, pixel_format: VideoFormat, *, top: bool) -> str:
    """Filter options that put chroma on the left pixel; in 4:2:0 between two lines, of BT.2020 on the upper one."""
    if pixel_format.is_rgb or pixel_format.chroma_width(64) == 64:
        return ""
    lines = pixel_format.chroma_height(64) == 32
    return f":{side}_h_chr_pos=0" + (f":{side}_v_chr_pos={0 if top else 128}" if lines else "")


def _white(frame: VideoFrame) -> float:
    """What the scaler makes of white, of 65535."""
    grey_or_rgb = frame.format.is_rgb or frame.format.name.startswith("gray")
    return _shifted_white(sample_bits(frame)) if grey_or_rgb else _SCALER_WHITE


def _shifted_white(bits: int) -> float:
    return float((2**bits - 1) << (16 - bits)) if bits <= 16 else _SCALER_LARGEST


def _matrix(frame: VideoFrame) -> str:
    code = int(frame.colorspace)
    high_definition = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH
    return _MATRICES.get(code, "bt709" if high_definition else "bt601")


def _range(frame: VideoFrame) -> str:
    full = (
        int(frame.color_range) == _FULL_RANGE or frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray"))
    )
    return "pc" if full else "tv"
