"""Layer files: what Nuke will find in them, and that no value changes on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, blank_part, read_layers, read_plate, write_layers
from nuke_reage.media.metadata import Attribute

DISPLAY = Window(0, 0, 200, 100)
REGION = Window(-5, 3, 25, 41)
DELTA = ("reage_delta.red", "reage_delta.green", "reage_delta.blue")
REGIONS = tuple(f"reage_region.{n}" for n in ("forehead", "eyes", "undereye", "nose", "cheeks", "mouth", "jaw", "neck"))


def part(name: str, channels: tuple[str, ...], random: np.random.Generator, window: Window = REGION) -> Part:
    return Part(name, {c: random.normal(0, 1, window.shape).astype(np.float32) for c in channels}, window)


def headers(path: Path) -> list[oiio.ImageSpec]:
    image = oiio.ImageInput.open(str(path))
    assert image, oiio.geterror()
    found = []
    while image.seek_subimage(len(found), 0):
        found.append(image.spec().copy())
    return found


def test_parts_and_channels_are_named_as_the_table_says(tmp_path: Path, random: np.random.Generator) -> None:
    path = tmp_path / "out.1001.exr"
    parts = [
        part("delta", DELTA, random),
        part("mask", ("reage_mask.alpha",), random),
        part("regions", REGIONS, random),
        part("ladder_020", tuple(f"reage_delta_020.{c}" for c in ("red", "green", "blue")), random),
        part("comp", ("R", "G", "B", "A"), random, DISPLAY),
    ]
    write_layers(path, parts, display_window=DISPLAY, pixel_aspect=2.0, metadata={"reage/model": "tiny"})

    found = headers(path)
    assert [spec.get_string_attribute("name") for spec in found] == ["delta", "mask", "regions", "ladder_020", "comp"]
    assert set(found[0].channelnames) == set(DELTA)
    assert found[1].channelnames == ("reage_mask.alpha",)
    assert set(found[2].channelnames) == set(REGIONS)
    assert found[4].channelnames == ("R", "G", "B", "A")
    for spec in found:
        assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (0, 0, 200, 100)
        assert spec.get_string_attribute("compression") == "zips"
        assert str(spec.format) == "half"
        assert spec.get_float_attribute("PixelAspectRatio") == 2.0
        assert spec.get_string_attribute("reage/model") == "tiny"
    assert [(s.x, s.y, s.width, s.height) for s in found] == [(-5, 3, 30, 38)] * 4 + [(0, 0, 200, 100)]


@pytest.mark.parametrize("sample_type", ["half", "float"])
@pytest.mark.parametrize("compression", ["zips", "zip", "piz", "none", "rle"])
def test_values_come_back(tmp_path: Path, random: np.random.Generator, sample_type: str, compression: str) -> None:
    parts = [part("delta", DELTA, random), part("regions", REGIONS, random)]
    path = tmp_path / "out.exr"
    write_layers(path, parts, display_window=DISPLAY, compression=compression, sample_type=sample_type)
    layers = read_layers(path)
    assert layers.display_window == DISPLAY
    for written in parts:
        read = layers.parts[written.name]
        assert read.data_window == REGION
        assert layers.sample_types[written.name] == sample_type
        for name, values in written.channels.items():
            expected = values.astype(np.float16).astype(np.float32) if sample_type == "half" else values
            np.testing.assert_array_equal(read.channels[name], expected)


def test_every_half_value_survives_bit_for_bit(tmp_path: Path) -> None:
    """NaN with their payloads, both infinities, subnormals and negative zero included."""
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    values = codes.view(np.float16).astype(np.float32)
    path = tmp_path / "all.exr"
    window = Window.of_shape(values.shape)
    report = write_layers(path, [Part("comp", dict.fromkeys("RGB", values), window)], display_window=window)
    assert report.promoted_parts == ()
    plate = read_plate(path)
    assert plate.sample_type == "half"
    for channel in range(3):
        np.testing.assert_array_equal(plate.rgb[..., channel].view(np.uint32), values.view(np.uint32))
        np.testing.assert_array_equal(plate.rgb[..., channel].astype(np.float16).view(np.uint16), codes)


def test_every_kind_of_float_survives_bit_for_bit(tmp_path: Path, random: np.random.Generator) -> None:
    codes = random.integers(0, 2**32, (64, 64), dtype=np.uint32)
    values = codes.view(np.float32)
    assert np.isnan(values).any()
    path = tmp_path / "all.exr"
    window = Window.of_shape(values.shape)
    write_layers(
        path, [Part("comp", dict.fromkeys("RGBA", values), window)], display_window=window, sample_type="float"
    )
    plate = read_plate(path)
    np.testing.assert_array_equal(plate.rgb[..., 1].view(np.uint32), codes)
    np.testing.assert_array_equal(plate.channels["A"].view(np.uint32), codes)


def test_a_frame_without_a_face_has_one_pixel_of_zero(tmp_path: Path) -> None:
    display = Window(-10, 7, 190, 107)
    path = tmp_path / "out.exr"
    parts = [blank_part("delta", DELTA, display), blank_part("mask", ["reage_mask.alpha"], display)]
    write_layers(path, parts, display_window=display)
    layers = read_layers(path)
    assert layers.display_window == display
    assert layers.parts["delta"].data_window == Window(-10, 7, -9, 8)
    assert [float(values[0, 0]) for values in layers.parts["delta"].channels.values()] == [0.0, 0.0, 0.0]


def test_too_bright_for_half_is_written_as_float_and_said(tmp_path: Path, random: np.random.Generator) -> None:
    bright = part("delta", DELTA, random)
    bright.channels["reage_delta.green"][5, 6] = -70000.0
    bright.channels["reage_delta.green"][5, 7] = np.inf
    path = tmp_path / "out.exr"
    report = write_layers(path, [bright, part("mask", ("reage_mask.alpha",), random)], display_window=DISPLAY)
    assert report.promoted_parts == ("delta",)
    assert "-70000" in report.notes[0]
    assert [str(spec.format) for spec in headers(path)] == ["float", "half"]
    values = read_layers(path).parts["delta"].channels["reage_delta.green"]
    assert values[5, 6] == -70000.0
    np.testing.assert_array_equal(values, bright.channels["reage_delta.green"])


def test_too_bright_for_half_can_be_an_error(tmp_path: Path, random: np.random.Generator) -> None:
    bright = part("delta", DELTA, random)
    bright.channels["reage_delta.red"][0, 0] = 65520.0
    with pytest.raises(MediaError, match="65520") as caught:
        write_layers(tmp_path / "out.exr", [bright], display_window=DISPLAY, on_overflow="error")
    assert caught.value.code == "media.half-overflow"
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_last_value_that_half_holds_stays_half(tmp_path: Path) -> None:
    values = np.full((2, 2), 65519.0, np.float32)
    window = Window.of_shape(values.shape)
    report = write_layers(tmp_path / "a.exr", [Part("m", {"m.a": values}, window)], display_window=window)
    assert report.promoted_parts == ()
    assert read_layers(tmp_path / "a.exr").parts["m"].channels["m.a"].max() == 65504.0


ATTRIBUTES = {
    "smpte:TimeCode": Attribute("timecode", (0x01020304, 0x11)),
    "smpte:KeyCode": Attribute("keycode", (1, 2, 3, 4, 5, 6, 7)),
    "chromaticities": Attribute("float[8]", (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)),
    "FramesPerSecond": Attribute("rational", (24000, 1001)),
    "worldToCamera": Attribute("matrix", tuple(float(i) for i in range(16))),
    "arri/camera": Attribute("string", "ALEXA Mini LF"),
    "shot/take": Attribute("int", 3),
    "shot/names": Attribute("string[2]", ("á", "b")),
    "shot/box": Attribute("vector2i[2]", (0, 1, 20, 30)),
    "ExposureTime": Attribute("float", 0.02),
    "DateTime": Attribute("string", "2024:05:01 10:00:00"),
}


def value_of(attribute: object) -> object:
    if isinstance(attribute, tuple):
        return tuple(pytest.approx(v, rel=1e-6) if isinstance(v, float) else v for v in attribute)
    return pytest.approx(attribute, rel=1e-6) if isinstance(attribute, float) else attribute


def test_plate_metadata_goes_through_with_its_types(tmp_path: Path, random: np.random.Generator) -> None:
    """Plate to layers and back to layers: nothing is lost on the second trip either."""
    first, second = tmp_path / "plate.exr", tmp_path / "out.exr"
    write_layers(first, [part("rgba", ("R", "G", "B"), random)], display_window=DISPLAY, metadata=ATTRIBUTES)
    plate = read_plate(first)
    own = {"reage/version": "1.2", "reage/source_age": 35.5, "reage/frame": 1001}
    parts = [part("delta", DELTA, random), part("mask", ("reage_mask.alpha",), random)]
    write_layers(second, parts, display_window=DISPLAY, metadata={**plate.metadata, **own})
    for metadata in (plate.metadata, read_layers(second).metadata):
        for name, attribute in ATTRIBUTES.items():
            assert metadata[name].type_name == attribute.type_name, name
            assert metadata[name].value == value_of(attribute.value), name
    found = read_layers(second).metadata
    assert {name: found[name].value for name in own} == own


def test_facts_about_the_plates_file_stay_behind(tmp_path: Path, random: np.random.Generator, make_image) -> None:
    plate = make_image(
        "plate.exr",
        {c: np.zeros((4, 4), np.float32) for c in "RGB"},
        names=("beauty",),
        views=("left",),
        attributes={
            "compression": "piz",
            "Software": "Paint 1.0",
            "nuke/node_hash": "abc",
            "nuke/full_layer_names": 1,
            "nuke/version": "15.1v2",
            "cryptomatte/1234/manifest": "{}",
        },
    )
    metadata = read_plate(plate).metadata
    assert metadata["nuke/version"].value == "15.1v2"
    write_layers(tmp_path / "out.exr", [part("delta", DELTA, random)], display_window=DISPLAY, metadata=metadata)
    spec = headers(tmp_path / "out.exr")[0]
    names = {attribute.name for attribute in spec.extra_attribs}
    assert not names & {"Software", "nuke/node_hash", "nuke/full_layer_names", "view"}
    assert not any(name.startswith("cryptomatte/") for name in names)
    assert spec.get_string_attribute("name") == "delta"
    assert spec.get_string_attribute("compression") == "zips"


def test_a_malformed_standard_attribute_is_left_out_and_said(tmp_path: Path, random: np.random.Generator) -> None:
    """OpenImageIO reads it; OpenEXR writes no file of several parts with it."""
    parts = [part("delta", DELTA, random), part("mask", ("reage_mask.alpha",), random)]
    window = DISPLAY
    good = {"reelName": "A001", "chromaticities": Attribute("float[8]", (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.31, 0.33))}
    assert write_layers(tmp_path / "good.exr", parts, display_window=window, metadata=good).notes == ()
    assert "chromaticities" in read_layers(tmp_path / "good.exr").metadata
    bad = {**good, "chromaticities": Attribute("float", 1.0)}
    report = write_layers(tmp_path / "bad.exr", parts, display_window=window, metadata=bad)
    assert len(report.notes) == 1 and "chromaticities" in report.notes[0]
    written = read_layers(tmp_path / "bad.exr").metadata
    assert "chromaticities" not in written and written["reelName"].value == "A001"


def test_the_same_layers_make_the_same_bytes(tmp_path: Path, random: np.random.Generator) -> None:
    """No time of writing in the header: two bakes of one frame compare equal."""
    layer = part("delta", DELTA, random)
    for name in ("a.exr", "b.exr"):
        write_layers(tmp_path / name, [layer], display_window=DISPLAY, metadata={"reage/version": "1"})
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    assert b"capDate" not in (tmp_path / "a.exr").read_bytes()


def test_unknown_compression_names_the_known_ones(tmp_path: Path, random: np.random.Generator) -> None:
    with pytest.raises(MediaError, match="zipp") as caught:
        write_layers(tmp_path / "a.exr", [part("d", DELTA, random)], display_window=DISPLAY, compression="zipp")
    assert caught.value.code == "media.unknown-compression"
    assert "zips" in caught.value.hint


def test_parts_are_checked_at_the_door(tmp_path: Path, random: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        Part("delta", {"a.b": np.zeros((3, 3), np.float32)}, REGION)
    with pytest.raises(ValueError, match="float64"):
        Part("delta", {"a.b": np.zeros(REGION.shape)}, REGION)
    with pytest.raises(ValueError, match="blank_part"):
        Part("delta", {"a.b": np.zeros((0, 0), np.float32)}, Window(0, 0, 0, 0))
    twice = part("delta", DELTA, random)
    with pytest.raises(ValueError, match="different names"):
        write_layers(tmp_path / "a.exr", [twice, twice], display_window=DISPLAY)


def test_layers_of_a_truncated_file_are_an_error_at_every_length(tmp_path: Path, random: np.random.Generator) -> None:
    """A multi-part file holds its first part whole long before its last: half a file must not pass for one."""
    path = tmp_path / "out.exr"
    write_layers(path, [part("delta", DELTA, random), part("regions", REGIONS, random)], display_window=DISPLAY)
    whole = path.read_bytes()
    cut = tmp_path / "cut.exr"
    for length in [*range(0, len(whole), len(whole) // 60), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(MediaError) as caught:
            read_layers(cut)
        assert caught.value.slug in {"empty-file", "not-an-image", "truncated"}
        assert "cut.exr" in caught.value.message
        assert caught.value.hint
