"""Plates of every shape: channel names, parts, windows, sample types, stills, and what is refused."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import read_header, read_plate
from nuke_reage.media.image_open import open_image

RGB = ("R", "G", "B")


def expect_rgb(plate, channels: dict[str, np.ndarray], names: tuple[str, str, str] = RGB) -> None:
    assert plate.rgb.flags.c_contiguous
    assert plate.rgb.dtype == np.float32
    np.testing.assert_array_equal(plate.rgb, np.stack([channels[name] for name in names], axis=-1))


def named(channels: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    """The three channels of the fixture under other names, then zeros, ones, ... for further names."""
    values = list(channels.values())
    shape = values[0].shape
    values += [np.full(shape, float(i), np.float32) for i in range(len(names) - 3)]
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    "names",
    [
        ("R", "G", "B"),
        ("red", "green", "blue"),
        ("rgba.red", "rgba.green", "rgba.blue"),
        ("beauty.R", "beauty.G", "beauty.B"),
        ("diffuse.R", "diffuse.G", "diffuse.B"),
        ("r", "g", "b"),
    ],
)
def test_colour_is_found_by_name_whatever_the_order(make_image, rgb_channels, names) -> None:
    channels = named(rgb_channels, *names)
    scrambled = {"u": channels[names[0]] * 0, **{n: channels[n] for n in (names[2], names[0], names[1])}}
    plate = read_plate(make_image("a.exr", scrambled))
    expect_rgb(plate, channels, names)
    assert set(plate.channels) == {"u"}


@pytest.mark.parametrize("alpha", ["A", "rgba.alpha"])
def test_alpha_is_called_a(make_image, rgb_channels, alpha) -> None:
    prefix = alpha.rpartition(".")[0]
    names = tuple(f"{prefix}.{n}" if prefix else n for n in ("red", "green", "blue"))
    channels = {**named(rgb_channels, *names), alpha: np.full((12, 17), 0.25, np.float32)}
    plate = read_plate(make_image("a.exr", channels))
    expect_rgb(plate, channels, names)
    assert (plate.channels["A"] == 0.25).all()


def test_a_layer_can_be_chosen_and_the_main_one_is_the_default(make_image, rgb_channels) -> None:
    diffuse = {f"diffuse.{name}": values + 1 for name, values in rgb_channels.items()}
    path = make_image("a.exr", {**diffuse, **rgb_channels, "A": rgb_channels["R"]}, formats="float")
    expect_rgb(read_plate(path), rgb_channels)
    chosen = read_plate(path, layer="Diffuse")
    assert chosen.layer == "diffuse"
    expect_rgb(chosen, diffuse, ("diffuse.R", "diffuse.G", "diffuse.B"))
    assert set(chosen.channels) == {"R", "G", "B", "A"}
    with pytest.raises(MediaError, match="'spec'") as caught:
        read_plate(path, layer="spec")
    assert caught.value.slug == "unknown-layer"
    assert "diffuse" in caught.value.hint


def test_parts_with_plain_channel_names_are_layers(make_image, rgb_channels) -> None:
    other = {name: -values for name, values in rgb_channels.items()}
    depth = {"Z": rgb_channels["R"]}
    path = make_image("a.exr", other, rgb_channels, depth, names=("diffuse", "rgba", "depth"))
    plate = read_plate(path)
    expect_rgb(plate, rgb_channels)
    assert set(plate.channels) == {"diffuse.R", "diffuse.G", "diffuse.B", "depth.Z"}
    np.testing.assert_array_equal(plate.channels["diffuse.R"], other["R"])
    np.testing.assert_array_equal(plate.channels["depth.Z"], depth["Z"])
    expect_rgb(read_plate(path, layer="diffuse"), other)


def test_the_first_view_of_a_stereo_plate_is_read(make_image, rgb_channels) -> None:
    right = {name: values + 9 for name, values in rgb_channels.items()}
    path = make_image("a.exr", rgb_channels, right, names=("rgba.left", "rgba.right"), views=("left", "right"))
    expect_rgb(read_plate(path), rgb_channels)


def test_only_the_channels_asked_for_are_read(make_image, rgb_channels) -> None:
    path = make_image("a.exr", {**rgb_channels, "A": rgb_channels["G"], "Z": rgb_channels["B"]})
    assert set(read_plate(path).channels) == {"A", "Z"}
    assert set(read_plate(path, channels=("A", "nothing")).channels) == {"A"}
    assert set(read_plate(path, channels=()).channels) == set()


def test_greyscale_becomes_three_equal_channels(make_image, rgb_channels) -> None:
    plate = read_plate(make_image("a.exr", {"Y": rgb_channels["G"], "A": rgb_channels["B"]}))
    expect_rgb(plate, rgb_channels, ("G", "G", "G"))
    np.testing.assert_array_equal(plate.channels["A"], rgb_channels["B"])


def test_half_float_and_whole_number_channels_in_one_part(make_image, rgb_channels) -> None:
    ids = np.arange(12 * 17, dtype=np.float32).reshape(12, 17) + 0.125
    path = make_image(
        "a.exr", {**rgb_channels, "Z": ids, "id": ids * 0}, formats=("half", "half", "half", "float", "uint")
    )
    plate = read_plate(path)
    assert plate.sample_type == "half"
    expect_rgb(plate, rgb_channels)
    np.testing.assert_array_equal(plate.channels["Z"], ids)


def test_object_ids_keep_their_value(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(4, 3, 4, "uint")
    spec.channelnames = ("R", "G", "B", "id")
    pixels = np.arange(48, dtype=np.uint32).reshape(3, 4, 4)
    output = oiio.ImageOutput.create(str(tmp_path / "a.exr"))
    assert output.open(str(tmp_path / "a.exr"), spec)
    assert output.write_image(pixels)
    output.close()
    plate = read_plate(tmp_path / "a.exr")
    assert plate.sample_type == "uint32"
    np.testing.assert_array_equal(plate.channels["id"], pixels[..., 3])
    np.testing.assert_array_equal(plate.rgb, pixels[..., :3])


@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("formats", ["half", "float"])
@pytest.mark.parametrize(
    ("origin", "display"),
    [((0, 0), (0, 0, 17, 12)), ((-7, -3), (0, 0, 10, 8)), ((40, 25), (0, 0, 100, 60)), ((-30, 5), (-64, -32, 80, 90))],
)
def test_any_window_tiled_or_not(make_image, rgb_channels, tile, formats, origin, display) -> None:
    path = make_image(
        "a.exr",
        rgb_channels,
        origin=origin,
        display=display,
        tile=tile,
        formats=formats,
        attributes={"PixelAspectRatio": 2.0},
    )
    plate = read_plate(path)
    expect_rgb(plate, rgb_channels)
    assert plate.data_window == Window(origin[0], origin[1], origin[0] + 17, origin[1] + 12)
    x, y, width, height = display
    assert plate.display_window == Window(x, y, x + width, y + height)
    assert plate.pixel_aspect == 2.0
    assert plate.sample_type == formats
    header = read_header(path)
    assert (header.data_window, header.display_window) == (plate.data_window, plate.display_window)
    assert (header.pixel_aspect, header.sample_type) == (2.0, formats)


def test_a_channel_of_another_data_window_is_brought_to_the_colours(tmp_path: Path, rgb_channels) -> None:
    specs = []
    for name, window, channels in (("rgba", (5, 5, 17, 12), RGB), ("depth", (0, 10, 10, 20), ("Z",))):
        spec = oiio.ImageSpec(window[2], window[3], len(channels), "float")
        spec.x, spec.y = window[:2]
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, 40, 40
        spec.channelnames = channels
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    path = str(tmp_path / "a.exr")
    output = oiio.ImageOutput.create(path)
    assert output.open(path, tuple(specs))
    assert output.write_image(np.stack(list(rgb_channels.values()), axis=-1))
    assert output.open(path, specs[1], "AppendSubimage")
    assert output.write_image(np.ones((20, 10, 1), np.float32))
    output.close()
    depth = read_plate(path).channels["depth.Z"]
    expected = np.zeros((12, 17), np.float32)
    expected[5:12, 0:5] = 1  # rows 10 to 16 of columns 5 to 9
    np.testing.assert_array_equal(depth, expected)


@pytest.mark.parametrize(
    ("name", "sample", "bits", "tolerance"),
    [
        ("a.png", "uint8", 8, 1e-7),
        ("a.png", "uint16", 16, 1e-7),
        ("a.tif", "uint8", 8, 1e-7),
        ("a.tif", "uint16", 16, 1e-7),
        ("a.bmp", "uint8", 8, 1e-7),
        ("a.dpx", "uint10", 10, 2e-5),
        ("a.dpx", "uint16", 16, 1e-7),
        ("a.jpg", "uint8", 8, 0.02),
    ],
)
def test_integer_stills_are_scaled_to_one(make_image, name, sample, bits, tolerance) -> None:
    """A ramp over all codes comes back as code / largest code."""
    largest = 2**bits - 1
    codes = np.linspace(0, largest, 64 * 64).round().reshape(64, 64)
    ramp = (codes / largest).astype(np.float32)
    stored = "uint16" if sample == "uint10" else sample
    attributes = {"oiio:BitsPerSample": bits} if bits == 10 else {"CompressionQuality": 100}
    path = make_image(name, dict.fromkeys(RGB, ramp), formats=stored, attributes=attributes)
    plate = read_plate(path)
    assert plate.sample_type == sample
    assert not plate.is_floating_point
    np.testing.assert_allclose(plate.rgb, np.stack([ramp] * 3, axis=-1), atol=tolerance)
    assert plate.rgb.max() == 1.0


def test_float_tiff_keeps_what_is_outside_zero_to_one(make_image, rgb_channels) -> None:
    plate = read_plate(make_image("a.tif", rgb_channels, formats="float"))
    expect_rgb(plate, rgb_channels)
    assert plate.sample_type == "float"
    assert plate.rgb.min() < 0 < 1000 < plate.rgb.max()


def test_a_transparent_png_keeps_the_colour_that_was_painted(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    spec = oiio.ImageSpec(8, 8, 4, "uint8")
    spec.attribute("oiio:UnassociatedAlpha", 1)
    output = oiio.ImageOutput.create(path)
    assert output.open(path, spec)
    assert output.write_image(np.full((8, 8, 4), (200, 100, 50, 64), np.uint8))
    output.close()
    plate = read_plate(path)
    np.testing.assert_allclose(plate.rgb[4, 4] * 255, (200, 100, 50), atol=1e-4)
    np.testing.assert_allclose(plate.channels["A"] * 255, 64, atol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_still_is_shown_upright(make_image, orientation) -> None:
    """Written as a camera held that way would write it; OpenImageIO's own reorientation is the reference."""
    upright = np.linspace(0, 1, 6 * 10, dtype=np.float32).reshape(6, 10)
    path = make_image("a.tif", dict.fromkeys(RGB, upright), formats="float", attributes={"Orientation": orientation})
    expected = oiio.ImageBufAlgo.reorient(oiio.ImageBuf(str(path))).get_pixels(oiio.FLOAT)
    plate = read_plate(path)
    np.testing.assert_array_equal(plate.rgb, expected)
    assert plate.display_window == Window(0, 0, expected.shape[1], expected.shape[0])
    if orientation == 6:  # the sensor's first row is the right-hand side of the scene
        np.testing.assert_array_equal(plate.rgb[:, -1, 0], upright[0])


def test_private_notes_of_a_camera_stay_behind(make_image, rgb_channels) -> None:
    path = make_image(
        "a.jpg",
        rgb_channels,
        formats="uint8",
        attributes={"GPS:Latitude": "1 2 3", "Software": "x", "Exif:LensModel": "y", "Copyright": "someone"},
    )
    assert set(read_plate(path).metadata) == {"Copyright"}


# What is refused


def refused(path: Path, slug: str, **options: object) -> MediaError:
    with pytest.raises(MediaError) as caught:
        read_plate(path, **options)
    assert caught.value.slug == slug, caught.value
    assert path.name in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3
    return caught.value


def test_missing_empty_garbage_and_folders(tmp_path: Path) -> None:
    refused(tmp_path / "no.exr", "missing-file")
    (tmp_path / "zero.exr").touch()
    refused(tmp_path / "zero.exr", "empty-file")
    (tmp_path / "text.exr").write_bytes(b"this is not a picture " * 100)
    refused(tmp_path / "text.exr", "not-an-image")
    refused(tmp_path, "is-folder")


@pytest.mark.parametrize("name", ["a.exr", "a.png", "a.tif", "a.jpg", "a.dpx"])
def test_a_truncated_picture_is_an_error_at_every_length(tmp_path: Path, make_image, random, name) -> None:
    channels = {c: random.random((64, 48)).astype(np.float32) for c in RGB}
    formats = "half" if name == "a.exr" else "uint16" if name == "a.dpx" else "uint8"
    whole = make_image(name, channels, formats=formats).read_bytes()
    cut = tmp_path / f"cut{Path(name).suffix}"
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(MediaError) as caught:
            read_plate(cut)
        assert caught.value.slug in {"not-an-image", "truncated"}
        assert "cut" in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(("tile", "compression"), [(0, "zips"), (0, "none"), (0, "piz"), (16, "zip")])
def test_an_exr_still_being_written_is_an_error(tmp_path: Path, make_image, random, tile, compression) -> None:
    """OpenEXR writes its table of chunks last: until then the header is whole and the table is zero."""
    channels = {c: random.random((64, 48)).astype(np.float32) for c in RGB}
    path = make_image("a.exr", channels, tile=tile, attributes={"compression": compression})
    whole = bytearray(path.read_bytes())
    chunks = {0: 64 if compression != "piz" else 2, 16: 12}[tile]
    first_chunk = 8 * chunks
    start = next(
        at for at in range(8, len(whole) - first_chunk) if struct.unpack_from("<Q", whole, at)[0] == at + first_chunk
    )
    whole[start : start + first_chunk] = bytes(first_chunk)
    middle = start + first_chunk + (len(whole) - start - first_chunk) * 6 // 10
    (tmp_path / "half.exr").write_bytes(whole[:middle])
    refused(tmp_path / "half.exr", "truncated")


def test_a_file_rewritten_while_it_is_read_is_an_error(tmp_path: Path, make_image, rgb_channels) -> None:
    path = make_image("a.exr", rgb_channels)
    with pytest.raises(MediaError) as caught, open_image(path) as image:
        image.read_image(0, 0, 0, 3, oiio.FLOAT)
        path.write_bytes(path.read_bytes() + b"more")
    assert caught.value.slug == "changed-while-reading"


def test_deep_pixels_are_refused(tmp_path: Path, make_image, rgb_channels) -> None:
    flat = make_image("flat.exr", {**rgb_channels, "A": rgb_channels["R"], "Z": rgb_channels["G"]}, formats="float")
    deep = oiio.ImageBufAlgo.deepen(oiio.ImageBuf(str(flat)))
    assert deep.write(str(tmp_path / "deep.exr")), deep.geterror()
    assert "DeepToImage" in refused(tmp_path / "deep.exr", "deep").hint


def test_channels_that_are_no_picture(make_image, rgb_channels) -> None:
    uv = make_image("uv.exr", named(rgb_channels, "u", "v", "w"))
    assert "u, v, w" in refused(uv, "no-colour").hint
    chroma = make_image("chroma.exr", named(rgb_channels, "Y", "RY", "BY"))
    refused(chroma, "luminance-chroma")
    both = {**{f"diffuse.{c}": v for c, v in rgb_channels.items()}, **{f"spec.{c}": v for c, v in rgb_channels.items()}}
    assert "diffuse, spec" in refused(make_image("two.exr", both), "ambiguous-layer").hint


def test_a_file_that_may_not_be_read(tmp_path: Path, make_image, rgb_channels, as_nobody) -> None:
    path = make_image("a.exr", rgb_channels)
    path.chmod(0)
    message = as_nobody(
        "from nuke_reage.media.exr import read_plate\n"
        "from nuke_reage.core.errors import MediaError\n"
        "try: read_plate(sys.argv[1])\n"
        "except MediaError as error: print(error.code, error.hint)\n",
        path,
    )
    assert message.startswith("media.unreadable Check")


def test_many_threads_read_at_once(make_image, random) -> None:
    paths = []
    for index in range(4):
        channels = {c: np.full((40, 40), index + k / 10, np.float32) for k, c in enumerate(RGB)}
        paths.append(make_image(f"{index}.exr", channels, formats="float"))
    wrong: list[int] = []

    def read(index: int) -> None:
        for _ in range(20):
            plate = read_plate(paths[index])
            if not (plate.rgb == np.float32([index, index + 0.1, index + 0.2])).all():
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_exr_by_the_reference_tool(tmp_path: Path, make_image, rgb_channels) -> None:
    """oiiotool, which comes with OpenImageIO, autocrops a comp as a renderer would."""
    tool = shutil.which("oiiotool", path=str(Path(oiio.__file__).parent / "bin") + os.pathsep + os.environ["PATH"])
    if tool is None:
        pytest.skip("this OpenImageIO comes without oiiotool")
    channels = {c: np.zeros((60, 80), np.float32) for c in RGB}
    channels["G"][20:30, 40:55] = 4.5
    source, target = make_image("a.exr", channels), tmp_path / "cropped.exr"
    subprocess.run([tool, str(source), "--trim", "-o", str(target)], check=True, capture_output=True)
    plate = read_plate(target)
    assert plate.data_window == Window(40, 20, 55, 30)
    assert plate.display_window == Window(0, 0, 80, 60)
    assert (plate.rgb == (0.0, 4.5, 0.0)).all()
