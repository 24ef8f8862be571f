"""Reading one channel of a picture beside the plate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, write_layers
from nuke_reage.media.map_read import MapSource, split_channel

SIZE = Window(0, 0, 8, 6)


def exr(path: Path, parts: dict[str, dict[str, float]], data: Window = SIZE, display: Window = SIZE) -> str:
    """Channels of one even value each."""
    made = [
        Part(name, {channel: np.full(data.shape, value, np.float32) for channel, value in channels.items()}, data)
        for name, channels in parts.items()
    ]
    write_layers(path, made, display_window=display)
    return str(path)


@pytest.mark.parametrize(
    ("channels", "alpha", "first"),
    [
        ({"R": 1.0, "G": 2.0, "B": 3.0, "A": 4.0}, 4.0, 1.0),
        ({"R": 1.0, "G": 2.0, "B": 3.0}, 1.0, 1.0),
        ({"A": 4.0}, 4.0, 4.0),
        ({"Y": 5.0}, 5.0, 5.0),
        ({"roto.alpha": 6.0}, 6.0, 6.0),
        ({"Z": 7.0}, 7.0, 7.0),
        ({"A": 4.0, "paint.red": 8.0, "R": 1.0}, 4.0, 1.0),
    ],
)
def test_without_a_name_alpha_or_the_first_channel_is_taken(tmp_path, channels, alpha, first):
    path = exr(tmp_path / "m.exr", {"one": channels})
    assert (MapSource(path, prefer_alpha=True).read(3).values == alpha).all()
    assert (MapSource(path, prefer_alpha=False).read(3).values == first).all()


def test_channels_are_found_by_name_in_any_part(tmp_path):
    path = exr(
        tmp_path / "m.exr", {"rgba": {"R": 1.0, "G": 1.0, "B": 1.0}, "roto": {"roto.red": 2.0, "roto.blue": 3.0}}
    )
    assert (MapSource(f"{path}:roto.blue", prefer_alpha=True).read(1).values == 3).all()
    assert (MapSource(f"{path}:Roto.Red", prefer_alpha=True).read(1).values == 2).all()
    with pytest.raises(MediaError) as caught:
        MapSource(f"{path}:roto.green", prefer_alpha=True).read(1)
    assert caught.value.code == "media.unknown-channel" and "roto.red" in caught.value.hint


def test_values_are_what_they_are_in_floating_point_and_shares_of_white_else(tmp_path):
    map_frame = MapSource(exr(tmp_path / "m.exr", {"a": {"R": -35.5}}), prefer_alpha=False).read(1)
    assert (map_frame.values == -35.5).all() and not map_frame.is_integer
    picture = np.zeros((6, 8, 4), np.uint8)
    picture[..., 2], picture[..., 3] = 51, 204
    cv2.imwrite(str(tmp_path / "m.png"), picture)
    for spec, value in (("m.png", 0.8), ("m.png:R", 0.2), ("m.png:r", 0.2), ("m.png:A", 0.8), ("m.png:B", 0.0)):
        found = MapSource(str(tmp_path / spec), prefer_alpha=True).read(1)
        assert found.is_integer and np.allclose(found.values, value, atol=1e-6), spec


def test_a_map_is_laid_onto_the_plates_pixels_by_the_corner_of_its_format(tmp_path):
    path = exr(tmp_path / "m.exr", {"a": {"A": 1.0}}, Window(102, 1, 105, 4), Window(100, 0, 108, 6))
    placed = MapSource(path, prefer_alpha=True).read(1).placed(Window(-2, -1, 6, 5), Window(0, 0, 8, 6))
    expected = np.zeros((6, 8), np.float32)
    # Two pixels into the format; the plate's data window begins two before it.
    expected[2:5, 4:7] = 1
    assert np.array_equal(placed, expected)


def test_a_sequence_has_its_frames_and_a_picture_has_all(tmp_path):
    for frame in (5, 6):
        exr(tmp_path / f"s.{frame:04d}.exr", {"a": {"A": float(frame)}})
    source = MapSource(f"{tmp_path}/s.####.exr:A", prefer_alpha=True)
    source.require_frames((5, 6))
    assert (source.read(6).values == 6).all()
    assert source.fingerprint(5) != source.fingerprint(6)
    with pytest.raises(MediaError) as caught:
        source.require_frames((4, 5, 6, 7))
    assert caught.value.code == "media.missing-map-frame"
    assert "4,7" in caught.value.message and "5-6" in caught.value.hint
    single = MapSource(str(tmp_path / "s.0005.exr"), prefer_alpha=True)
    single.require_frames(range(1000, 1100))
    assert (single.read(1050).values == 5).all() and single.fingerprint(1) == single.fingerprint(2)


@pytest.mark.parametrize(
    ("spec", "path", "channel"),
    [
        ("m.exr", "m.exr", ""),
        ("m.####.exr:A", "m.####.exr", "A"),
        ("/a/m.exr:roto.alpha", "/a/m.exr", "roto.alpha"),
        (r"C:\roto\m.exr", r"C:\roto\m.exr", ""),
        ("C:/roto/m.%04d.exr:A", "C:/roto/m.%04d.exr", "A"),
        (r"C:\m.exr:R", r"C:\m.exr", "R"),
    ],
)
def test_the_channel_stands_behind_the_last_colon(spec, path, channel):
    assert split_channel(spec) == (path, channel)


def test_a_file_whose_name_has_a_colon_is_that_file(tmp_path):
    path = exr(tmp_path / "odd:name.exr", {"a": {"A": 2.0}})
    assert split_channel(path) == (path, "")
    assert (MapSource(path, prefer_alpha=True).read(1).values == 2).all()
