"""Between a video frame's Y'CbCr and R'G'B' arrays: matrix, range, bit depth.

Sources: ITU-R BT.601, BT.709 and BT.2020 for the matrices, ISO/IEC 23091-2 for the code numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from nuke_reage.media.plate import FloatArray

__all__ = ["BT709", "frame_from_rgb", "has_alpha", "rgb_from_frame", "sample_bits"]

BT709 = 1
_BT2020 = (9, 10)
_BT601 = (5, 6)
_FCC, _SMPTE240M = 4, 7
_FULL_RANGE = 2
_HD_HEIGHT = 577
_HD_WIDTH = 1280
# Without these flags chroma is repeated instead of interpolated, half a pixel off, and rounding drifts.
_QUALITY = (
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
)


def rgb_from_frame(frame: VideoFrame) -> tuple[FloatArray, FloatArray | None]:
    """Decode a video frame to R'G'B'.

    Args:
        frame: of any pixel format; its tags tell matrix and range, else BT.709 from 720p or 1280 pixels upwards and
            BT.601 below, and the limited range that video has by custom.

    Returns:
        (h, w, 3) float32 R'G'B', 0 = black to 1 = white, display-encoded as the frame is; and (h, w) float32 alpha
        or None.
    """
    rgb = np.ascontiguousarray(_decoded(frame, "gbrpf32le").to_ndarray(), np.float32)
    if not has_alpha(frame):
        return rgb, None
    rgba = _decoded(frame, "rgba64le").to_ndarray()
    return rgb, rgba[..., 3].astype(np.float32) / np.float32(65535)


def frame_from_rgb(rgb: npt.NDArray[np.floating], pixel_format: str) -> VideoFrame:
    """Encode R'G'B' as a video frame, BT.709 matrix and limited range.

    Args:
        rgb: (h, w, 3) display-encoded, 0 to 1; what lies outside is clipped and NaN becomes black, a video has no
            code for them.
        pixel_format: for example ``yuv420p``.

    Returns:
        The frame, tagged.
    """
    codes = np.clip(np.nan_to_num(rgb, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    integers = np.ascontiguousarray(np.round(codes * 65535.0).astype(np.uint16))
    frame = VideoFrame.from_ndarray(integers, format="gbrp16le")
    return frame.reformat(
        format=pixel_format,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_QUALITY,
    )


def has_alpha(frame: VideoFrame) -> bool:
    """Whether a frame has an alpha plane."""
    return any(component.is_alpha for component in frame.format.components)


def sample_bits(frame: VideoFrame) -> int:
    """Bits per component of a frame's pixel format."""
    return int(frame.format.components[0].bits)


def _decoded(frame: VideoFrame, pixel_format: str) -> VideoFrame:
    return frame.reformat(
        format=pixel_format,
        src_colorspace=_matrix(frame),
        src_color_range=_range(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=_QUALITY,
    )


def _matrix(frame: VideoFrame) -> Colorspace:
    code = int(frame.colorspace)
    if code in _BT2020:
        return Colorspace.BT2020
    if code in _BT601:
        return Colorspace.ITU601
    if code == _FCC:
        return Colorspace.FCC
    if code == _SMPTE240M:
        return Colorspace.SMPTE240M
    high_definition = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH
    return Colorspace.ITU709 if code == BT709 or high_definition else Colorspace.ITU601


def _range(frame: VideoFrame) -> ColorRange:
    name = frame.format.name
    full = int(frame.color_range) == _FULL_RANGE or name.startswith(
        ("yuvj", "rgb", "bgr", "gbr", "gray", "argb", "abgr")
    )
    return ColorRange.JPEG if full else ColorRange.MPEG
