"""Movies in: the right frame, at the right time, in the right colour."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.movie import MovieSource
from nuke_reage.media.movie_colour import FrameConverter
from nuke_reage.media.sequence import open_plate

BITS = 8
BLOCK = 16


def barcode(index: int, height: int = 64) -> np.ndarray:
    """A picture that says its own number: one black or white column per binary digit."""
    digits = [(index >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(digits, np.uint8) * 219 + 16, BLOCK)
    return np.broadcast_to(row, (height, row.size)).copy()


def number_of(rgb: np.ndarray) -> int:
    middle = rgb[rgb.shape[0] // 2, BLOCK // 2 :: BLOCK, 1]
    return sum(1 << bit for bit, value in enumerate(middle) if value > 0.5)


def luma_frame(luma: np.ndarray, pixel_format: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], pixel_format)
    for index, plane in enumerate(frame.planes):
        rows = np.full((plane.height, plane.line_size), 128, np.uint8)
        if index == 0:
            rows[:, : luma.shape[1]] = luma
        plane.update(rows.tobytes())
    return frame


def make_movie(
    path: Path,
    count: int,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    fps: Fraction = Fraction(24),
    pts: list[int] | None = None,
    options: dict[str, str] | None = None,
    rotation: int = 0,
) -> Path:
    """A movie of barcodes, made with PyAV alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = BITS * BLOCK, 64, pixel_format
        stream.options = options or {}
        stream.codec_context.time_base = 1 / fps
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(count):
            frame = luma_frame(barcode(index))
            if pixel_format != "yuv420p":
                frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = (pts[index] if pts else index), 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


ORDER = [1, 40, 39, 2, 13, 12, 14, 25, 60, 1, 60, 59, 31, 30, 30]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("long.mp4", "libx264", "yuv420p", {"g": "250", "bf": "3"}),
        ("short.mp4", "libx264", "yuv420p", {"g": "12", "bf": "2"}),
        ("open.mp4", "libx264", "yuv420p", {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-pyramid=2"}),
        ("intra.mov", "libx264", "yuv420p", {"g": "1"}),
        ("editorial.mov", "prores_ks", "yuv422p10le", {"profile": "3"}),
        ("web.mkv", "libx264", "yuv420p", {"g": "20"}),
    ],
)
def test_any_frame_in_any_order(
    tmp_path: Path, name: str, codec: str, pixel_format: str, options: dict[str, str]
) -> None:
    path = make_movie(tmp_path / name, 60, codec=codec, pixel_format=pixel_format, options=options)
    with MovieSource(path) as source:
        assert source.frames == tuple(range(1, 61))
        in_order = {frame: source.read(frame).rgb for frame in source.frames}
        assert [number_of(rgb) for rgb in in_order.values()] == list(range(60))
        for frame in ORDER:
            np.testing.assert_array_equal(source.read(frame).rgb, in_order[frame])
    with MovieSource(path) as fresh:
        np.testing.assert_array_equal(fresh.read(37).rgb, in_order[37])
        assert fresh.fps == 24
        assert not fresh.is_variable_rate
        assert fresh.timestamps[36] == pytest.approx(36 / 24, abs=0.001)


def test_the_index_of_an_intra_codec_agrees_with_its_packets(tmp_path: Path) -> None:
    path = make_movie(tmp_path / "a.mov", 10, codec="prores_ks", pixel_format="yuv422p10le", fps=Fraction(30000, 1001))
    with av.open(str(path)) as container:
        stamps = sorted(p.pts * p.time_base for p in container.demux(video=0) if p.size)
    with MovieSource(path) as source:
        assert list(source.timestamps) == stamps
        assert source.fps == Fraction(30000, 1001)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_frame_rate_is_exact(tmp_path: Path, fps: Fraction, suffix: str) -> None:
    with MovieSource(make_movie(tmp_path / f"a.{suffix}", 30, fps=fps)) as source:
        assert source.fps == fps
        assert not source.is_variable_rate  # although a Matroska clock counts whole milliseconds


def test_variable_rate_is_said_and_its_times_kept(tmp_path: Path) -> None:
    pts = [0, 1, 2, 5, 6, 9, 10, 20, 21, 22]
    with MovieSource(make_movie(tmp_path / "a.mp4", 10, pts=pts)) as source:
        assert source.is_variable_rate
        assert source.timestamps == tuple(Fraction(stamp, 24) for stamp in pts)
        assert [number_of(source.read(frame).rgb) for frame in (8, 3, 10)] == [7, 2, 9]


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3)])
def test_a_phone_held_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    """The noted rotation says how far to turn the stored picture counter-clockwise to show it."""
    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a rotation to read back")
    path = make_movie(tmp_path / "a.mp4", 3, options={"crf": "4"}, rotation=rotation)
    with MovieSource(path) as source:
        plate = source.read(3)
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))[2].to_ndarray(format="rgb24") / 255
    assert plate.rgb.shape == np.rot90(stored, turns).shape
    assert np.abs(plate.rgb - np.rot90(stored, turns)).mean() < 0.01
    assert plate.display_window == Window(0, 0, plate.rgb.shape[1], plate.rgb.shape[0])


def coded(
    path: Path, codes: tuple[int, int, int], *, matrix: int, full: bool, size: tuple[int, int] = (64, 64)
) -> Path:
    """One flat picture of given Y'CbCr codes, coded without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"qp": "0"}
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, code in zip(frame.planes, codes, strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        frame.color_range, frame.colorspace = 2 if full else 1, matrix
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}


def decoded_by_the_standard(codes: tuple[int, int, int], matrix: int, full: bool) -> np.ndarray:
    """ITU-R BT.601, BT.709, BT.2020: R'G'B' of 8-bit codes."""
    red, blue = WEIGHTS[matrix]
    luma = codes[0] / 255 if full else (codes[0] - 16) / 219
    cb, cr = ((code - 128) / (255 if full else 224) for code in codes[1:])
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    return np.array([r, (luma - red * r - blue * b) / (1 - red - blue), b])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("codes", [(16, 128, 128), (235, 128, 128), (120, 100, 170), (90, 150, 110)])
def test_matrix_and_range_follow_the_standard(tmp_path: Path, codes, matrix: int, full: bool) -> None:
    plate = MovieSource(coded(tmp_path / "a.mp4", codes, matrix=matrix, full=full)).read(1)
    expected = np.clip(decoded_by_the_standard(codes, matrix, full), 0, 1)
    np.testing.assert_allclose(plate.rgb[32, 32], expected, atol=0.15 / 255)
    assert plate.sample_type == "uint8"


@pytest.mark.parametrize(
    ("pixel_format", "white"),
    [("rgb24", 255), ("gbrp", 255), ("gbrp10le", 1023), ("gbrp12le", 4095), ("rgb48le", 65535), ("gray", 255)],
)
def test_white_is_one_in_every_format_without_a_matrix(pixel_format: str, white: int) -> None:
    depth = np.uint8 if white == 255 else np.uint16
    for code in (0, white // 3, white):
        frame = av.VideoFrame(64, 64, pixel_format)
        for plane in frame.planes:
            plane.update(np.full(plane.buffer_size // np.dtype(depth).itemsize, code, depth).tobytes())
        rgb, alpha = FrameConverter().decode(frame)
        assert alpha is None
        np.testing.assert_allclose(rgb, code / white, atol=1e-4)


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((720, 576), 6)])
def test_an_untagged_movie_is_bt709_from_720p_upwards(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    codes = (120, 90, 180)
    plate = MovieSource(coded(tmp_path / "a.mp4", codes, matrix=2, full=False, size=size)).read(1)
    np.testing.assert_allclose(plate.rgb[32, 32], decoded_by_the_standard(codes, matrix, False), atol=0.15 / 255)


def test_the_source_behind_open_plate(tmp_path: Path) -> None:
    path = make_movie(tmp_path / "a.mp4", 5)
    source = open_plate(path)
    assert isinstance(source, MovieSource)
    assert source.path_of(5) == path
    assert not source.is_scene_linear
    assert len({source.fingerprint(frame) for frame in source.frames}) == 5
    before = source.fingerprint(1)
    plate = source.read(2)
    assert plate.data_window == plate.display_window == Window(0, 0, 128, 64)
    assert plate.metadata["FramesPerSecond"].value == (24, 1)
    source.close()
    with pytest.raises(ValueError, match="closed"):
        source.read(3)
    make_movie(path, 6)
    assert MovieSource(path).fingerprint(1) != before


@pytest.mark.parametrize("frame", [0, -1, 6])
def test_a_frame_that_is_not_there(tmp_path: Path, frame: int) -> None:
    with MovieSource(make_movie(tmp_path / "a.mp4", 5)) as source, pytest.raises(MediaError, match="1 to 5") as caught:
        source.read(frame)
    assert caught.value.code == "media.missing-frame"


def test_files_that_are_no_movies(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "text.mov").write_bytes(b"not a movie at all " * 200)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for name, slug in (
        ("no.mp4", "missing-file"),
        ("zero.mp4", "empty-file"),
        ("text.mov", "not-a-movie"),
        ("sound.mp4", "no-video"),
    ):
        with pytest.raises(MediaError) as caught:
            MovieSource(tmp_path / name)
        assert caught.value.slug == slug
        assert name in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_movie_that_was_cut_short(tmp_path: Path, suffix: str, share: float) -> None:
    """With the index in front, as downloads have it, a cut file opens and even plays for a while."""
    codec, pixel_format = ("libx264", "yuv420p") if suffix == "mp4" else ("prores_ks", "yuv422p10le")
    whole = make_movie(tmp_path / f"a.{suffix}", 40, codec=codec, pixel_format=pixel_format)
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / f"front.{suffix}"), "w", options={"movflags": "+faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    content = (tmp_path / f"front.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(MediaError) as caught:
        MovieSource(tmp_path / f"cut.{suffix}")
    assert caught.value.slug in {"truncated", "not-a-movie", "no-video"}
    assert "copy it again" in caught.value.hint or "copy the movie again" in caught.value.hint
    assert "cut" in caught.value.message


@pytest.mark.shared
def test_a_real_clip_with_dropped_frames(shared_dir: Path) -> None:
    """Its last frames come late: a gap of four ticks, which a count by rate would get wrong."""
    with MovieSource(shared_dir / "plates" / "clip.mp4") as source:
        assert len(source.frames) == 242
        assert source.is_variable_rate
        first, forty = source.read(1).rgb, source.read(40).rgb
        np.testing.assert_array_equal(source.read(1).rgb, first)
        np.testing.assert_array_equal(source.read(40).rgb, forty)
        assert first.shape == (1080, 1080, 3)
        assert np.abs(first - forty).mean() > 0.001
