"""Movies out: colour, sound, timing, and nothing under the name until it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.media.movie import MovieSource, MovieWriter
from nuke_reage.media.movie_colour import FrameConverter
from nuke_reage.media.sequence import open_plate

COLOURS = np.float32(
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0.5, 0.5, 0.5), (0.78, 0.59, 0.47), (0.12, 0.24, 0.35)]
)
RATE_HZ = 48000


def patches(height: int = 64, width: int = 64) -> np.ndarray:
    return np.concatenate([np.full((height, width, 3), colour, np.float32) for colour in COLOURS], axis=1)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", None), ("a.mov", "h264"), ("a.mov", "prores")])
def test_known_colours_come_back(tmp_path: Path, name: str, codec: str | None) -> None:
    picture = patches()
    with MovieWriter(tmp_path / name, 24, (512, 64), codec) as writer:
        for _ in range(3):
            writer.write(picture)
    plate = MovieSource(tmp_path / name).read(2)
    for index, colour in enumerate(COLOURS):
        np.testing.assert_allclose(plate.rgb[32, 64 * index + 32], colour, atol=2 / 255)
    assert plate.sample_type == ("uint10" if codec == "prores" else "uint8")


def test_another_reader_sees_the_same_colours(tmp_path: Path) -> None:
    """FFmpeg's own conversion, told nothing but what the file's tags say."""
    with MovieWriter(tmp_path / "a.mp4", 24, (512, 64)) as writer:
        writer.write(patches())
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        frame = next(container.decode(video=0))
        rgb = frame.to_ndarray(format="rgb24")
    assert [int(tag) for tag in tags] == [1, 1, 1, 1]
    np.testing.assert_allclose(rgb[32, 32::64] / 255, COLOURS, atol=3 / 255)


def test_prores_keeps_ten_bits(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0.2, 0.4, 1024, dtype=np.float32)[None, :, None], 3, axis=2).repeat(64, axis=0)
    with MovieWriter(tmp_path / "a.mov", 24, (1024, 64)) as writer:
        writer.write(ramp)
    row = MovieSource(tmp_path / "a.mov").read(1).rgb[32, :, 1]
    assert np.abs(row - ramp[32, :, 1]).max() < 1.5 / 1023
    assert len(np.unique(row)) > 120  # 8 bits would give 44 steps


def coloured_waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([0.5 + 0.4 * np.sin(x / 9), 0.5 + 0.4 * np.cos(y / 11), 0.5 + 0.3 * np.sin((x + y) / 13)], axis=-1)


@pytest.mark.parametrize(("codec", "tolerance"), [("h264", 0.009), ("prores", 0.004)])
def test_detail_and_colour_edges_stay_where_they_are(tmp_path: Path, codec: str, tolerance: float) -> None:
    y, x = np.mgrid[0:128, 0:192].astype(np.float32)
    picture = coloured_waves(x, y)
    with MovieWriter(tmp_path / "a.mov", 24, (192, 128), codec, crf=4) as writer:
        writer.write(picture)
    error = np.abs(MovieSource(tmp_path / "a.mov").read(1).rgb - picture)[4:-4, 4:-4]
    assert error.mean() < tolerance


@pytest.mark.parametrize(("pixel_format", "depth", "levels"), [("yuv420p", np.uint8, 1), ("yuv422p10le", np.uint16, 4)])
def test_chroma_lies_on_the_left_pixel(pixel_format: str, depth: type, levels: int) -> None:
    """Planes computed from the pattern's formula at the places that H.264 and ProRes give to chroma samples."""
    frame = av.VideoFrame(192, 128, pixel_format)
    frame.color_range = frame.colorspace = 1
    for index, plane in enumerate(frame.planes):
        step_x, step_y = 192 // plane.width, 128 // plane.height
        y, x = np.mgrid[0 : plane.height, 0 : plane.width].astype(np.float64)
        rgb = coloured_waves(x * step_x, y * step_y + (0.5 if step_y == 2 else 0.0))
        luma = rgb @ (0.2126, 0.7152, 0.0722)
        chroma = (rgb[..., 2] - luma) / 1.8556 if index == 1 else (rgb[..., 0] - luma) / 1.5748
        codes = np.round((16 + 219 * luma if index == 0 else 128 + 224 * chroma) * levels)
        rows = np.zeros((plane.height, plane.line_size // np.dtype(depth).itemsize), depth)
        rows[:, : plane.width] = codes
        plane.update(rows.tobytes())
    y, x = np.mgrid[0:128, 0:192].astype(np.float64)
    picture = coloured_waves(x, y)
    converter = FrameConverter()
    decoded, _ = converter.decode(frame)
    assert np.abs(decoded - picture)[4:-4, 4:-4].mean() < 0.003  # between pixels it would be 0.0073
    encoded = converter.encode(picture.astype(np.float32), pixel_format)
    for ours, ideal in zip(encoded.planes, frame.planes, strict=True):
        first, second = (
            np.frombuffer(plane, depth).reshape(plane.height, -1)[:, : plane.width].astype(np.float64) / levels
            for plane in (ours, ideal)
        )
        assert np.abs(first - second)[4:-4, 4:-4].mean() < 0.3  # codes of 8 bits, rounding is 0.25


def test_alpha_of_prores_4444(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint16)
    rgba[..., 0], rgba[:, :32, 3], rgba[:, 32:, 3] = 65535, 65535, 20000
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuva444p10le"
        stream.options = {"profile": "4", "alpha_bits": "16"}
        frame = av.VideoFrame.from_ndarray(rgba, format="rgba64le").reformat(format="yuva444p10le")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    alpha = MovieSource(tmp_path / "a.mov").read(1).channels["A"]
    np.testing.assert_allclose(alpha[32, [8, 56]], (1.0, 20000 / 65535), atol=2 / 1023)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(12), Fraction(60000, 1001)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_rate_count_and_order(tmp_path: Path, name: str, fps: Fraction) -> None:
    with MovieWriter(tmp_path / name, fps, (64, 32)) as writer:
        for index in range(20):
            writer.write(np.full((32, 64, 3), index / 20, np.float32))
    with MovieSource(tmp_path / name) as source:
        assert source.fps == fps
        assert not source.is_variable_rate
        assert source.timestamps == tuple(index / fps for index in range(20))
        levels = [float(source.read(frame).rgb.mean()) for frame in source.frames]
    np.testing.assert_allclose(levels, np.arange(20) / 20, atol=0.02)


def test_times_of_a_variable_rate_movie_are_kept(tmp_path: Path) -> None:
    stamps = [Fraction(0), Fraction(1, 30), Fraction(1, 10), Fraction(1, 2), Fraction(16, 30)]
    with MovieWriter(tmp_path / "a.mp4", 30, (64, 32)) as writer:
        for stamp in stamps:
            writer.write(np.full((32, 64, 3), 0.5, np.float32), timestamp_seconds=stamp)
        with pytest.raises(ValueError, match="does not come after"):
            writer.write(np.full((32, 64, 3), 0.5, np.float32), timestamp_seconds=Fraction(1, 2))
    with MovieSource(tmp_path / "a.mp4") as source:
        assert source.is_variable_rate
        assert source.timestamps == tuple(stamps)


@pytest.mark.parametrize(("size", "stored"), [((65, 33), (66, 34)), ((64, 33), (64, 34)), ((1, 1), (2, 2))])
def test_h264_repeats_the_last_line_of_odd_sizes(
    tmp_path: Path, size: tuple[int, int], stored: tuple[int, int]
) -> None:
    picture = np.full((size[1], size[0], 3), 0.25, np.float32)
    picture[:, -1] = 0.75
    with MovieWriter(tmp_path / "a.mp4", 24, size, crf=1) as writer:
        writer.write(picture)
    rgb = MovieSource(tmp_path / "a.mp4").read(1).rgb
    assert rgb.shape == (stored[1], stored[0], 3)
    assert np.abs(rgb[: size[1], : size[0]] - picture).max() < 0.04
    assert np.abs(rgb[:, size[0] - 1 :] - 0.75).max() < 0.04


def test_prores_keeps_odd_sizes(tmp_path: Path) -> None:
    with MovieWriter(tmp_path / "a.mov", 24, (65, 33)) as writer:
        writer.write(np.full((33, 65, 3), 0.5, np.float32))
    assert MovieSource(tmp_path / "a.mov").read(1).rgb.shape == (33, 65, 3)


def test_pixel_aspect_and_timecode(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mov"):
        with MovieWriter(tmp_path / name, 24, (64, 32), pixel_aspect=2.0, timecode="01:02:03:04") as writer:
            writer.write(np.zeros((32, 64, 3), np.float32))
        with MovieSource(tmp_path / name) as source:
            assert source.read(1).pixel_aspect == 2.0
            assert source.timecode == "01:02:03:04"


def test_players_can_start_before_the_whole_file_is_there(tmp_path: Path) -> None:
    with MovieWriter(tmp_path / "a.mp4", 24, (64, 32)) as writer:
        writer.write(np.zeros((32, 64, 3), np.float32))
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_what_a_video_has_no_code_for(tmp_path: Path) -> None:
    picture = np.full((32, 64, 3), 0.5, np.float32)
    picture[:, :16], picture[:, 16:32], picture[:, 32:48] = np.nan, np.inf, -5.0
    with MovieWriter(tmp_path / "a.mp4", 24, (64, 32), crf=1) as writer:
        writer.write(picture)
    row = MovieSource(tmp_path / "a.mp4").read(1).rgb[16, 8::16, 1]
    np.testing.assert_allclose(row, (0, 1, 0, 0.5), atol=0.02)


# Sound


def sounding_movie(path: Path, codec: str, *, beep_seconds: float = 1.0, offset_frames: int = 0) -> Path:
    """Two seconds at 25 fps, white and beeping for one frame at a known time; the picture may start late."""
    samples = np.zeros(2 * RATE_HZ, np.float32)
    start = int((beep_seconds + offset_frames / 25) * RATE_HZ)
    samples[start : start + RATE_HZ // 25] = np.sin(np.arange(RATE_HZ // 25) * 0.3) * 0.8
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 25)
        audio = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        resampler = av.AudioResampler(audio.codec_context.format, "mono", RATE_HZ, 1024)
        for index in range(50 - offset_frames):
            level = 235 if index == round(beep_seconds * 25) else 16
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane, code in zip(frame.planes, (level, 128, 128), strict=True):
                plane.update(bytes([code]) * plane.buffer_size)
            frame.pts, frame.time_base = index + offset_frames, Fraction(1, 25)
            container.mux(video.encode(frame))
        whole = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        whole.sample_rate, whole.pts, whole.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        for piece in [*resampler.resample(whole), *resampler.resample(None)]:
            container.mux(audio.encode(piece))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def beep_after_flash_seconds(path: Path) -> float:
    """How long after the white frame the beep begins, both on the file's own clock."""
    with av.open(str(path)) as container:
        flash = next(float(f.time) for f in container.decode(video=0) if f.to_ndarray(format="gray").mean() > 128)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            values = np.abs(frame.to_ndarray().astype(np.float64)).ravel()
            scale = 1.0 if "flt" in frame.format.name else 32768.0
            loud = np.flatnonzero(values / scale > 0.2)
            if loud.size:
                return float(frame.time) + loud[0] / frame.sample_rate / len(frame.layout.channels) - flash
    raise AssertionError("no beep")


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def copy_movie(source: Path, target: Path, first: int = 1) -> None:
    with MovieSource(source) as movie:
        assert movie.fps
        start = movie.timestamps[first - 1]
        size = movie.read(1).rgb.shape[1::-1]
        with MovieWriter(target, movie.fps, size, audio_from=source, audio_start_seconds=start) as writer:
            for frame in movie.frames[first - 1 :]:
                writer.write(movie.read(frame).rgb)


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [("a.mp4", "aac", "b.mp4"), ("a.mp4", "aac", "b.mov"), ("a.mov", "pcm_s16le", "b.mov"), ("a.mp4", "mp3", "b.mp4")],
)
def test_sound_is_copied_bit_for_bit_and_in_sync(tmp_path: Path, source: str, codec: str, target: str) -> None:
    original = sounding_movie(tmp_path / source, codec)
    copy_movie(original, tmp_path / target)
    assert sound_packets(tmp_path / target) == sound_packets(original)
    drift = beep_after_flash_seconds(tmp_path / target) - beep_after_flash_seconds(original)
    assert abs(drift) < 0.002


@pytest.mark.parametrize(("source", "codec"), [("a.mov", "pcm_s16le"), ("a.mkv", "flac")])
def test_sound_that_mp4_cannot_hold_becomes_aac_in_sync(tmp_path: Path, source: str, codec: str) -> None:
    original = sounding_movie(tmp_path / source, codec)
    copy_movie(original, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    assert abs(beep_after_flash_seconds(tmp_path / "b.mp4") - beep_after_flash_seconds(original)) < 0.005


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [("a.mp4", "aac", "b.mp4"), ("a.mov", "pcm_s16le", "b.mov"), ("a.mov", "pcm_s16le", "b.mp4")],
)
@pytest.mark.parametrize("first", [2, 14])
def test_a_part_of_a_movie_keeps_its_part_of_the_sound(
    tmp_path: Path, source: str, codec: str, target: str, first: int
) -> None:
    original = sounding_movie(tmp_path / source, codec)
    copy_movie(original, tmp_path / target, first=first)
    assert abs(beep_after_flash_seconds(tmp_path / target) - beep_after_flash_seconds(original)) < 0.005
    with av.open(str(tmp_path / target)) as container:
        assert container.duration / av.time_base == pytest.approx((51 - first) / 25, abs=0.05)


def test_a_picture_that_starts_after_the_sound_stays_in_sync(tmp_path: Path) -> None:
    original = sounding_movie(tmp_path / "a.mp4", "aac", beep_seconds=0.8, offset_frames=5)
    copy_movie(original, tmp_path / "b.mp4")
    assert abs(beep_after_flash_seconds(tmp_path / "b.mp4") - beep_after_flash_seconds(original)) < 0.005


def test_a_source_without_sound_is_fine_and_a_missing_one_is_not(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    with MovieWriter(silent, 24, (64, 32)) as writer:
        writer.write(np.zeros((32, 64, 3), np.float32))
    copy_movie(silent, tmp_path / "b.mp4")
    assert not MovieSource(tmp_path / "b.mp4").has_audio
    with (
        pytest.raises(MediaError) as caught,
        MovieWriter(tmp_path / "c.mp4", 24, (64, 32), audio_from=tmp_path / "none.mp4"),
    ):
        pass
    assert caught.value.slug == "no-audio-source"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mp4", "silent.mp4"]


# Whole or not at all


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), MovieWriter(tmp_path / "a.mp4", 24, (64, 32)) as writer:
        writer.write(np.zeros((32, 64, 3), np.float32))
        assert not (tmp_path / "a.mp4").exists()
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_an_operating_system_error_of_the_caller_is_not_blamed_on_the_movie(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), MovieWriter(tmp_path / "a.mp4", 24, (64, 32)):
        (tmp_path / "other").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_no_frames_and_wrong_shapes_and_names(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught, MovieWriter(tmp_path / "a.mp4", 24, (64, 32)):
        pass
    assert caught.value.slug == "empty-movie"
    with pytest.raises(ValueError, match=r"\(32, 64, 3\)"), MovieWriter(tmp_path / "a.mp4", 24, (64, 32)) as writer:
        writer.write(np.zeros((64, 32, 3), np.float32))
    for name, codec in (("a.mp4", "prores"), ("a.mkv", None), ("a", None)):
        with pytest.raises(MediaError) as caught:
            MovieWriter(tmp_path / name, 24, (64, 32), codec)
        assert caught.value.slug == "movie-format"
        assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


WRITE = """
import resource, sys
import numpy as np
from nuke_reage.core.errors import MediaError
from nuke_reage.media.movie import MovieWriter
noise = np.random.default_rng(1).random((6, 64, 64, 3)).astype(np.float32)
def write(name, count):
    with MovieWriter(f"{sys.argv[1]}/{name}", 24, (64, 64)) as writer:
        print("writing", flush=True)
        for index in range(count):
            writer.write(noise[index % 6])
"""


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_full_disk_leaves_no_movie(tmp_path: Path, suffix: str) -> None:
    code = (
        f"write('whole.{suffix}', 6)\nimport os\nsize = os.path.getsize(f'{{sys.argv[1]}}/whole.{suffix}')\n"
        "for limit in (0, 1000, size // 3, size * 2 // 3, size - 900, size - 100, size - 1):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        f"    try: write('out.{suffix}', 6)\n"
        "    except MediaError as error: print(error.code, 'out' in error.message, bool(error.hint))\n"
        "    else: print('no error at', limit, size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", WRITE + code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line != "writing"]
    assert said == ["media.disk-full True True"] * 7
    assert [path.name for path in tmp_path.iterdir()] == [f"whole.{suffix}"]


def test_a_killed_process_leaves_no_movie(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE + "write('out.mp4', 10**6)", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1
    assert names[0].startswith(".reage.")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MediaError) as caught, MovieWriter(tmp_path / "file" / "a.mp4", 24, (64, 32)):
        pass
    assert caught.value.slug == "unwritable"


@pytest.mark.shared
def test_a_real_clip_through_the_writer(tmp_path: Path, shared_dir: Path) -> None:
    source = open_plate(shared_dir / "plates" / "clip.mp4")
    assert source.fps
    kept = [source.read(frame).rgb for frame in (1, 2, 3)]
    with MovieWriter(tmp_path / "a.mp4", source.fps, (1080, 1080)) as writer:
        for rgb in kept:
            writer.write(rgb)
    with MovieSource(tmp_path / "a.mp4") as written:
        for frame, rgb in enumerate(kept, start=1):
            error = written.read(frame).rgb - rgb
            assert 10 * np.log10(1 / np.square(error).mean()) > 42  # decibels
            assert abs(error.mean()) < 0.002  # no shift of level
