"""Stills and movies in and out, and the kinds of file that an output may be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import read_layers, read_plate
from nuke_reage.media.movie import MovieSource, MovieWriter
from nuke_reage.pipeline.bake import bake

RATE = Fraction(24000, 1001)


def screen(picture: np.ndarray) -> np.ndarray:
    """Linear light as sRGB, 0 to 1."""
    light = np.clip(picture, 0.0, 1.0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def with_sound(path: Path, seconds: float) -> Path:
    """A tone as a movie's sound, in a file of its own."""
    rate = 48000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        time = np.arange(int(rate * seconds)) / rate
        tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
        for start in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            frame.rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def loudness(path: Path) -> float:
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def pictures(path: Path) -> list[bytes]:
    """The pixels of all frames."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def clip(shots, tmp_path_factory) -> Path:
    """Six frames of H.264 at 23.976 with a tone."""
    folder = tmp_path_factory.mktemp("clip")
    path = folder / "clip.mp4"
    sound = with_sound(folder / "tone.mp4", 6 / float(RATE) + 0.1)
    with MovieWriter(path, RATE, (640, 360), audio_from=sound, crf=4) as movie:
        for picture in shots.move().values():
            movie.write(screen(picture))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_movie_in_gives_a_movie_out_with_rate_and_sound(shots, clip, tmp_path, suffix):
    out = tmp_path / f"older{suffix}"
    results = shots.bake(shots.job(clip, out, source_age=35, target_age=80))
    assert [result.state for result in results] == ["baked"] * 6
    assert {path.name for path in tmp_path.iterdir()} == {out.name, "older.track.json"}
    with MovieSource(clip) as before, MovieSource(out) as after:
        assert after.frames == before.frames and after.fps == before.fps == RATE
        face, corner = (slice(70, 260), slice(250, 400)), (slice(0, 60), slice(500, 640))
        for frame in (1, 6):
            source, result = before.read(frame).rgb, after.read(frame).rgb
            assert result.shape == (360, 640, 3)
            assert np.abs(result[face] - source[face]).mean() > 0.006, "the face is another one"
            assert np.abs(result[corner] - source[corner]).mean() < 0.012, "the rest is only coded again"
    assert 0.1 < loudness(out) < 0.4 and abs(loudness(out) - loudness(clip)) < 0.02


def test_a_movie_in_gives_layers_out(shots, clip, tmp_path):
    shots.bake(shots.job(clip, tmp_path / "shot.####.exr"), "2-3")
    assert sorted(path.name for path in tmp_path.glob("*.exr")) == ["shot.0002.exr", "shot.0003.exr"]
    layers = read_layers(tmp_path / "shot.0002.exr")
    assert layers.sample_types["comp"] == "float", "8-bit codes / 255 are no half floats"
    with MovieSource(clip) as movie:
        plate = movie.read(2)
    comp = shots.layers(tmp_path / "shot.0002.exr")["comp"]
    mask = shots.spread(tmp_path / "shot.0002.exr", plate.data_window)["mask"]
    assert np.array_equal(comp[mask == 0], plate.rgb[mask == 0])
    assert np.abs(comp - plate.rgb)[mask > 0.9].mean() > 0.005


def test_a_movie_gets_its_layers_beside_it_in_one_run(shots, clip, tmp_path):
    job = shots.job(clip, tmp_path / "older.mov", source_age=35, target_age=80)
    layers = tmp_path / "layers" / "clip.####.exr"
    job = replace(
        job, output=replace(job.output, layers_path=str(layers), layers=("delta", "mask"), ladder=(60.0, 80.0))
    )
    shots.bake(job)
    files = sorted((tmp_path / "layers").iterdir())
    assert [path.name for path in files] == [f"clip.{frame:04d}.exr" for frame in range(1, 7)]
    assert loudness(tmp_path / "older.mov") > 0.1
    with MovieSource(clip) as before, MovieSource(tmp_path / "older.mov") as after:
        for frame in (1, 6):
            plate = before.read(frame)
            parts = shots.spread(tmp_path / "layers" / f"clip.{frame:04d}.exr", plate.data_window)
            comp = plate.rgb + parts["mask"][..., None] * parts["delta"]
            assert np.abs(comp - plate.rgb).max() > 0.05
            assert np.abs(after.read(frame).rgb - comp).mean() < 0.012, "what the movie shows is what the layers give"
    assert {"ladder_060", "ladder_080"} <= set(read_layers(files[0]).sample_types)

    kept, movie = [path.stat().st_mtime_ns for path in files], (tmp_path / "older.mov").read_bytes()
    files[2].unlink()
    (tmp_path / "older.mov").unlink()
    results = shots.bake(job)
    again = [path.stat().st_mtime_ns for path in files]
    assert [now == then for now, then in zip(again, kept, strict=True)] == [True, True, False, True, True, True]
    assert [result.state for result in results] == ["kept", "kept", "baked", "kept", "kept", "kept"]
    assert [result.layers for result in results] == files
    (tmp_path / "before.mov").write_bytes(movie)
    assert pictures(tmp_path / "older.mov") == pictures(tmp_path / "before.mov"), "the same to the last bit"
    assert all(state.state == "baked" for state in shots.bake(job, overwrite=True))
    assert all(now.stat().st_mtime_ns != then for now, then in zip(files, again, strict=True))


def test_layers_that_hold_are_shown_without_a_network(shots, clip, tmp_path):
    """Other adjustments make another movie from the same files; what a file lacks is made again, and it is kept."""
    layers = tmp_path / "clip.####.exr"

    def job(name, parts=("delta", "mask", "regions"), **knobs):
        made = shots.job(clip, tmp_path / name, layers=parts, **knobs)
        return replace(made, output=replace(made.output, layers_path=str(layers)))

    shots.bake(job("older.mp4"))
    files = {path: path.read_bytes() for path in tmp_path.glob("*.exr")}

    shot = shots.open(job("stronger.mp4", region_gain={"cheeks": 0.0}, track=str(tmp_path / "older.track.json")))
    without = replace(shot, load_predictor=lambda: pytest.fail("no network is needed"))
    assert {result.state for result in bake(without)} == {"kept"}
    assert {path: path.read_bytes() for path in tmp_path.glob("*.exr")} == files
    with MovieSource(tmp_path / "older.mp4") as plain, MovieSource(tmp_path / "stronger.mp4") as held:
        change = np.abs(plain.read(3).rgb - held.read(3).rgb)
    part = read_layers(tmp_path / "clip.0003.exr").parts["regions"]
    cheeks = np.zeros(change.shape[:2], np.float32)
    cheeks[part.data_window.slices_in(Window.of_shape(change.shape))] = part.channels["reage_region.cheeks"]
    assert change[cheeks > 0.9].mean() > 0.01 > change[cheeks == 0].mean()

    results = shots.bake(job("protected.mp4", protect={"lips": 1.0}, track=str(tmp_path / "older.track.json")))
    assert {result.state for result in results} == {"kept"}, "the protect mattes are made anew for the picture alone"
    assert {path: path.read_bytes() for path in tmp_path.glob("*.exr")} == files


@pytest.mark.parametrize(
    ("out", "layers", "code"),
    [
        ("shot.####.exr", "layers/clip.####.exr", "bad-output"),
        ("older.mov", "layers/clip.####.png", "bad-output"),
        ("older.mov", "layers/clip.exr", "one-file-for-many"),
    ],
)
def test_layers_that_cannot_lie_beside_an_output_are_refused_before_any_work(shots, clip, tmp_path, out, layers, code):
    job = shots.job(clip, tmp_path / out)
    job = replace(job, output=replace(job.output, layers_path=str(tmp_path / layers)))
    with pytest.raises(UsageError) as refused:
        shots.bake(job)
    assert refused.value.code == f"usage.{code}" and refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_a_movie_keeps_its_sound_in_step(shots, clip, tmp_path):
    shots.bake(shots.job(clip, tmp_path / "part.mp4"), "3-6")
    with MovieSource(clip) as before, MovieSource(tmp_path / "part.mp4") as after:
        assert len(after.frames) == 4
        assert (
            np.abs(after.read(1).rgb - before.read(3).rgb).mean()
            < np.abs(after.read(1).rgb - before.read(1).rgb).mean()
        )
    with av.open(str(tmp_path / "part.mp4")) as container:
        audio = container.streams.audio[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(4 / float(RATE), abs=0.06)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_still_in_gives_a_still_out_untouched_outside_the_mask(shots, tmp_path, suffix):
    codes = np.round(screen(shots.film()) * 255).astype(np.uint8)
    Image.fromarray(codes).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    out = tmp_path / f"older{suffix}"
    shots.bake(shots.job(tmp_path / "photo.png", out))
    shots.bake(shots.job(tmp_path / "photo.png", tmp_path / "layers.exr"))
    assert (tmp_path / "photo.png").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", out.name, "layers.exr"}, "no trackfile for one"

    found = np.asarray(Image.open(out))
    assert found.shape == codes.shape and found.dtype == np.uint8
    mask = shots.spread(tmp_path / "layers.exr", Window.of_shape(codes.shape))["mask"]
    change = np.abs(found.astype(int) - codes)
    if suffix == ".jpg":
        assert change[mask == 0].mean() < 2
    else:
        assert change[mask == 0].max() == 0, "outside the mask every code is the same"
    assert change[mask > 0.9].mean() > 1.5


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_the_alpha_of_a_still_is_kept_or_its_loss_is_told(shots, tmp_path, suffix):
    codes = np.round(screen(shots.film()) * 255).astype(np.uint8)
    alpha = np.linspace(0, 255, codes[..., 0].size).astype(np.uint8).reshape(codes.shape[:2])
    Image.fromarray(np.dstack([codes, alpha])).save(tmp_path / "photo.png")
    out = tmp_path / f"older{suffix}"
    (result,) = shots.bake(shots.job(tmp_path / "photo.png", out))
    if suffix == ".jpg":
        assert "alpha" in result.warnings[0]
        return
    assert result.warnings == ()
    found = np.asarray(Image.open(out))
    assert np.array_equal(found[..., 3], alpha)
    shots.bake(shots.job(tmp_path / "photo.png", tmp_path / "l.exr"))
    mask = shots.spread(tmp_path / "l.exr", Window.of_shape(codes.shape))["mask"]
    assert np.array_equal(found[..., :3][mask == 0], codes[mask == 0]), "not multiplied in"


def test_alpha_that_a_movie_leaves_out_is_told_once_and_an_opaque_one_never(shots, tmp_path):
    codes = np.round(screen(shots.film()) * 255).astype(np.uint8)
    for name, least in (("open", 0), ("opaque", 255)):
        alpha = np.linspace(least, 255, codes[..., 0].size).astype(np.uint8).reshape(codes.shape[:2])
        for frame in (1, 2):
            Image.fromarray(np.dstack([codes, alpha])).save(tmp_path / f"{name}.{frame:04d}.png")
    warnings = {
        name: [one.warnings for one in shots.bake(shots.job(tmp_path / f"{name}.####.png", tmp_path / f"{name}.mov"))]
        for name in ("open", "opaque")
    }
    assert warnings == {
        "open": [("the plate's alpha is not in open.mov; layers of an EXR have it in their comp",), ()],
        "opaque": [(), ()],
    }


def test_a_scene_linear_plate_becomes_a_still_for_the_screen(shots, tmp_path):
    """Overscan is cut off, what the plate does not hold is black, light is coded as sRGB."""
    window, display = Window(-40, -20, 600, 340), Window(0, 0, 620, 320)
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film()}, data_window=window, display_window=display)
    shots.bake(shots.job(pattern, tmp_path / "still.####.png", gain=0.0))
    found = np.asarray(Image.open(tmp_path / "still.0001.png"), np.float32)
    assert found.shape == (320, 620, 3)
    assert (found[:, 600:] == 0).all()
    expected = screen(shots.film())[20:340, 40:640] * 255
    assert np.abs(found[:, :600] - expected).mean() < 1.0
    assert np.abs(found[:, :600] - expected).max() < 6


def test_alpha_is_passed_on(shots, tmp_path):
    from nuke_reage.media.exr import Part, write_layers

    picture = shots.film()
    alpha = np.linspace(0, 1, picture[..., 0].size, dtype=np.float32).reshape(picture.shape[:2])
    alpha = alpha.astype(np.float16).astype(np.float32)
    channels = {name: np.ascontiguousarray(picture[..., i]) for i, name in enumerate("RGB")} | {"A": alpha}
    window = Window.of_shape(picture.shape)
    write_layers(tmp_path / "p.0001.exr", [Part("rgba", channels, window)], display_window=window)
    shots.bake(shots.job(tmp_path / "p.####.exr", tmp_path / "o.####.exr"))
    assert np.array_equal(read_plate(tmp_path / "o.0001.exr", layer="comp").channels["A"], alpha) or np.array_equal(
        read_layers(tmp_path / "o.0001.exr").parts["comp"].channels["A"], alpha
    )


@pytest.mark.parametrize(
    ("output", "frames", "slug"),
    [
        ("all.png", "", "one-file-for-many"),
        ("all.exr", "", "one-file-for-many"),
        ("gaps.mp4", "1001-1006x2", "movie-with-gaps"),
        ("layers.psd", "", "bad-output"),
        ("layers", "", "bad-output"),
        ("clip.mkv", "", "bad-output"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_anything_is_made(shots, plate, tmp_path, output, frames, slug):
    with pytest.raises(UsageError) as caught:
        shots.open(shots.job(plate, tmp_path / output), frames)
    assert caught.value.slug == slug and caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["plate.####.exr", "plate.1003.exr", "link.1003.exr", "hard.1003.exr"])
def test_no_frame_of_the_plate_is_ever_overwritten(shots, tmp_path, name):
    """Also not frame 1003 by the bake of 1001, and not through a link."""
    pattern = shots.write(tmp_path / "plate.####.exr", {1001: shots.film(), 1003: shots.film()})
    (tmp_path / "link.1003.exr").symlink_to(tmp_path / "plate.1003.exr")
    (tmp_path / "hard.1003.exr").hardlink_to(tmp_path / "plate.1003.exr")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError) as caught:
        shots.bake(shots.job(pattern, tmp_path / name), "1001", overwrite=True)
    assert caught.value.slug == "output-is-input"
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_movie_is_not_overwritten_by_itself(shots, clip, tmp_path):
    before = clip.read_bytes()
    with pytest.raises(UsageError) as caught:
        shots.open(shots.job(clip, clip))
    assert caught.value.slug == "output-is-input" and clip.read_bytes() == before


def test_a_format_that_changes_in_a_movie_is_found_before_and_while_it_is_made(shots, tmp_path):
    pictures = shots.move(4)
    pattern = shots.write(tmp_path / "p.####.exr", pictures)
    layers = tmp_path / "l.####.exr"
    job = shots.job(pattern, tmp_path / "m.mp4")
    job = replace(job, output=replace(job.output, layers_path=str(layers)))
    shot = shots.open(job)
    shots.write(pattern, {1003: pictures[1003][:300, :500]})
    with pytest.raises(MediaError) as caught:
        bake(shot)
    assert caught.value.slug == "format-changes"
    assert "Frame 1003 is 500 x 300, frame 1001 640 x 360" in caught.value.message
    assert sorted(path.name for path in tmp_path.glob("l.*.exr"))[:2] == ["l.1001.exr", "l.1002.exr"]
    assert not (tmp_path / "m.mp4").exists() and not list(tmp_path.glob(".*"))
    with pytest.raises(MediaError) as caught:
        shots.open(job)
    assert caught.value.slug == "format-changes"


def test_a_stopped_movie_leaves_nothing(shots, clip, tmp_path):
    from nuke_reage.core.errors import CancelledError
    from nuke_reage.pipeline.bake import bake
    from nuke_reage.pipeline.reporting import Silent

    class Stop(Silent):
        count = 0

        def frame(self, result):
            self.count += 1

        def cancelled(self):
            return self.count >= 2

    shot = shots.open(shots.job(clip, tmp_path / "m.mp4"))
    with pytest.raises(CancelledError):
        bake(shot, Stop())
    assert [path.name for path in tmp_path.iterdir()] == ["m.track.json"]


def test_values_that_half_cannot_hold_are_reported_not_lost(shots, tmp_path):
    picture = shots.film()
    picture[10, 10] = 100000.0
    pattern = shots.write_raw(tmp_path / "p.####.exr", {1: picture}, sample_type="float")
    job = shots.job(pattern, tmp_path / "o.####.exr", input_colorspace="lin_rec709")
    shots.bake(job)
    assert shots.layers(tmp_path / "o.0001.exr")["comp"][10, 10, 0] == 100000.0
    bright = shots.write_raw(tmp_path / "b.####.exr", {1: shots.film() * 2e6}, sample_type="float")
    (result,) = shots.bake(shots.job(bright, tmp_path / "ob.####.exr", input_colorspace="lin_rec709"))
    assert any("float" in text for text in result.warnings), "the delta itself is beyond half"
    assert np.isfinite(shots.layers(tmp_path / "ob.0001.exr")["delta"]).all()


def test_a_layer_that_is_not_there_is_named(shots, plate, tmp_path):
    with pytest.raises(MediaError) as caught:
        shots.bake(shots.job(plate, tmp_path / "o.####.exr", plate_layer="beauty"))
    assert "beauty" in caught.value.message and caught.value.hint
