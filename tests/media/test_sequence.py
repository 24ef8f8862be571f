"""Sequences, stills and output names as artists type them."""

from __future__ import annotations

import os
import unicodedata
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, write_layers
from nuke_reage.media.pattern import FramePattern
from nuke_reage.media.sequence import ImageSource, file_fingerprint, open_plate, output_path, same_file

DISPLAY = Window(0, 0, 8, 4)


def write_frame(path: Path, value: float, fps: float | None = None) -> Path:
    pixels = {name: np.full(DISPLAY.shape, value, np.float32) for name in "RGB"}
    metadata = {} if fps is None else {"FramesPerSecond": fps}
    write_layers(path, [Part("rgba", pixels, DISPLAY)], display_window=DISPLAY, metadata=metadata, sample_type="float")
    return path


def write_shot(folder: Path, name: str, frames: tuple[int, ...]) -> None:
    for frame in frames:
        write_frame(folder / (name % frame), float(frame))


@pytest.mark.parametrize("token", ["####", "%04d", "@@@@", "$F4"])
def test_every_way_to_write_four_digits(tmp_path: Path, token: str) -> None:
    write_shot(tmp_path, "shot.%04d.exr", (1001, 998, 1003))
    write_shot(tmp_path, "other.%04d.exr", (1,))
    source = open_plate(str(tmp_path / f"shot.{token}.exr"))
    assert source.frames == (998, 1001, 1003)
    assert [float(source.read(frame).rgb[0, 0, 0]) for frame in source.frames] == [998.0, 1001.0, 1003.0]
    assert source.path_of(998) == tmp_path / "shot.0998.exr"
    assert output_path(tmp_path / f"out_{token}.exr", 7) == tmp_path / "out_0007.exr"
    source.close()


@pytest.mark.parametrize(
    ("token", "name"), [("%d", "a.7.exr"), ("#", "a.7.exr"), ("%06d", "a.000007.exr"), ("@@", "a.07.exr")]
)
def test_other_paddings(tmp_path: Path, token: str, name: str) -> None:
    write_frame(tmp_path / name, 7.0)
    source = open_plate(tmp_path / f"a.{token}.exr")
    assert source.frames == (7,)
    assert output_path(f"b.{token}.exr", 7).name == name.replace("a", "b")


def test_frames_wider_than_the_padding_and_negative_ones(tmp_path: Path) -> None:
    write_shot(tmp_path, "shot.%04d.exr", (-12, -1, 0, 9999, 10000, 123456))
    source = open_plate(tmp_path / "shot.####.exr")
    assert source.frames == (-12, -1, 0, 9999, 10000, 123456)
    assert [float(source.read(frame).rgb[0, 0, 0]) for frame in source.frames] == [-12, -1, 0, 9999, 10000, 123456]
    assert output_path("out.####.exr", -12).name == "out.-012.exr"
    assert output_path("out.####.exr", 123456).name == "out.123456.exr"


@pytest.mark.parametrize("name", ["my shot v002", "プレート", "Zoë", "take-2_1-10", "a.1001.b", "50%", "c#1 d"])
def test_names_with_spaces_accents_and_numbers(tmp_path: Path, name: str) -> None:
    write_frame(tmp_path / "sub dir" / f"{name}.0005.exr", 5.0)
    source = open_plate(tmp_path / "sub dir" / f"{name}.####.exr")
    assert source.frames == (5,)
    assert source.read(5).rgb.max() == 5.0


def test_accents_stored_the_way_a_mac_does(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Zoë.0005.exr")
    write_frame(tmp_path / name, 5.0)
    source = open_plate(tmp_path / unicodedata.normalize("NFC", "Zoë.####.exr"))
    assert source.read(5).rgb.max() == 5.0


def test_a_token_in_the_name_of_an_existing_file_is_just_a_name(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "photo #1.exr", 3.0)
    source = open_plate(path)
    assert source.frames == (1,)
    assert source.read(1).rgb.max() == 3.0
    assert FramePattern.parse(path) is None


def test_a_still_is_frame_one(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "shot.1001.exr", 2.0)
    with ImageSource(str(path)) as source:
        assert source.frames == (1,)
        assert source.is_scene_linear
        assert source.path_of(1) == path
        with pytest.raises(MediaError, match="frame 2"):
            source.read(2)
    assert output_path("out/photo.png", 1) == Path("out/photo.png")


def test_a_missing_frame_names_its_neighbours(tmp_path: Path) -> None:
    write_shot(tmp_path, "shot.%04d.exr", (1001, 1004, 1009))
    source = open_plate(tmp_path / "shot.####.exr")
    for frame, nearest in ((1002, "1001 and 1004"), (1008, "1004 and 1009"), (7, "1001"), (2000, "1009")):
        with pytest.raises(MediaError) as caught:
            source.read(frame)
        assert caught.value.code == "media.missing-frame"
        assert f"frame {frame} " in caught.value.message
        assert caught.value.message.endswith(nearest)
        assert caught.value.hint


def test_frames_that_come_and_go_after_opening(tmp_path: Path) -> None:
    write_shot(tmp_path, "shot.%04d.exr", (1, 2, 3))
    source = open_plate(tmp_path / "shot.####.exr")
    write_frame(tmp_path / "shot.0004.exr", 4.0)
    assert source.read(4).rgb.max() == 4.0
    (tmp_path / "shot.0002.exr").unlink()
    with pytest.raises(MediaError, match="removed; the neighbours are 1 and 3") as caught:
        source.read(2)
    assert caught.value.slug == "missing-frame"
    with pytest.raises(MediaError):
        source.fingerprint(2)


def test_nothing_there_tells_what_is(tmp_path: Path) -> None:
    write_shot(tmp_path, "plate_v2.%05d.exr", (1001, 1002, 1003))
    for spec, slug in (
        (tmp_path / "plate.####.exr", "no-frames"),
        (tmp_path / "plate_v2.####.exr", "no-frames"),
        (tmp_path, "is-folder"),
        (tmp_path / "plate.exr", "missing-file"),
    ):
        with pytest.raises(MediaError) as caught:
            open_plate(spec)
        assert caught.value.slug == slug
        assert "plate_v2.#####.exr 1001-1003" in caught.value.hint, spec
    with pytest.raises(MediaError) as caught:
        open_plate(tmp_path / "nowhere" / "a.####.exr")
    assert caught.value.slug == "no-frames"
    assert "nowhere" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (24.0, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94006, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (None, None),
        (25.0, Fraction(25)),
    ],
)
def test_the_frame_rate_of_a_sequence(tmp_path: Path, stored: float | None, expected: Fraction | None) -> None:
    write_frame(tmp_path / "a.1.exr", 0.0, stored)
    assert open_plate(tmp_path / "a.#.exr").fps == expected


def test_a_fingerprint_follows_the_content(tmp_path: Path) -> None:
    write_shot(tmp_path, "a.%04d.exr", (1, 2))
    source = open_plate(tmp_path / "a.####.exr")
    first = source.fingerprint(1)
    assert first == source.fingerprint(1) == open_plate(tmp_path / "a.####.exr").fingerprint(1)
    assert first != source.fingerprint(2)
    status = (tmp_path / "a.0001.exr").stat()
    content = bytearray((tmp_path / "a.0001.exr").read_bytes())
    content[-1] ^= 1
    (tmp_path / "a.0001.exr").write_bytes(content)
    os.utime(tmp_path / "a.0001.exr", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (tmp_path / "a.0001.exr").stat().st_size == status.st_size
    assert source.fingerprint(1) != first  # same size and time, other pixels
    assert file_fingerprint(tmp_path / "a.0002.exr") == source.fingerprint(2)


def test_output_on_top_of_the_input_is_seen_through_links(tmp_path: Path) -> None:
    plate = write_frame(tmp_path / "plate" / "a.0001.exr", 1.0)
    (tmp_path / "link").symlink_to(tmp_path / "plate")
    assert same_file(plate, tmp_path / "link" / "a.0001.exr")
    assert same_file(plate, tmp_path / "plate" / ".." / "plate" / "a.0001.exr")
    assert same_file(tmp_path / "link" / "new.exr", tmp_path / "plate" / "new.exr")
    assert not same_file(plate, tmp_path / "plate" / "a.0002.exr")
    assert not same_file(plate, write_frame(tmp_path / "plate" / "b.0001.exr", 1.0))
    assert same_file(output_path(tmp_path / "link" / "a.%04d.exr", 1), plate)


def test_only_alpha_is_read_unless_more_is_asked_for(tmp_path: Path, make_image, rgb_channels) -> None:
    make_image("p.0001.exr", {**rgb_channels, "A": rgb_channels["R"], "Z": rgb_channels["G"]})
    spec = tmp_path / "p.####.exr"
    assert set(open_plate(spec).read(1).channels) == {"A"}
    assert set(open_plate(spec, channels=None).read(1).channels) == {"A", "Z"}
    assert not open_plate(make_image("s.png", rgb_channels, formats="uint8")).is_scene_linear
