"""The command line's comp is the plate with the stored layers, adjusted: in EXR, stills and movies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.adjust import adjusted_comp
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.regions import face_size_px
from nuke_reage.media.exr import read_layers, read_plate
from nuke_reage.media.sequence import open_plate
from nuke_reage.pipeline.finished import finished_picture
from nuke_reage.pipeline.frame import reage_frame

FLAGS = (
    "--detail-gain", "1.7", "--tone-gain", "0.6", "--luma-gain", "1.3", "--chroma-gain", "0.5", "--darken-gain", "1.5",
    "--lighten-gain", "0.8", "--mask-dilate", "-0.05", "--mask-blur", "0.1", "--mask-gamma", "1.4", "--gain", "1.2",
)  # fmt: skip
SETTINGS = AdjustSettings(1.2, 0.6, 1.7, 0.03, 1.3, 0.5, 1.5, 0.8, mask_dilate=-0.05, mask_blur=0.1, mask_gamma=1.4)
AGES = ("--source-age", "35", "--target-age", "70")


def margins(outer, inner):
    return (
        inner.y_min - outer.y_min,
        outer.y_max - inner.y_max,
        inner.x_min - outer.x_min,
        outer.x_max - inner.x_max,
    )


def test_the_comp_is_the_plate_with_the_adjusted_layers(reage, shots, plate, baked, tmp_path):
    out = tmp_path / "shot.####.exr"
    done = reage("run", plate, out, *AGES, "--layers", "delta,mask,comp", "--frames", "1003", *FLAGS, "--json")
    assert done.code == 0, done.err
    found, plain = shots.layers(tmp_path / "shot.1003.exr"), shots.layers(baked / "shot.1003.exr")
    assert np.array_equal(found["delta"], plain["delta"]), "layers are baked as they are"
    assert np.array_equal(found["mask"], plain["mask"])

    picture = read_plate(plate.replace("####", "1003"))
    window = read_layers(tmp_path / "shot.1003.exr").parts["delta"].data_window
    inside = window.slices_in(picture.data_window)
    shot = shots.open(shots.job(plate, out))
    expected = picture.rgb.copy()
    expected[inside] = adjusted_comp(
        picture.rgb[inside],
        found["mask"],
        found["delta"],
        SETTINGS,
        face_size_px(shot.face_at(1003).landmarks),
        luma_weights=WorkingSpace.from_name("ACEScg").luma_weights,
        margins_px=margins(picture.data_window, window),
    )
    # The delta is the file's, rounded to half, and the gains multiply that too.
    np.testing.assert_allclose(found["comp"], expected, rtol=2**-10, atol=6e-4)
    apart = np.abs(found["comp"] - plain["comp"])[inside]
    assert apart.mean() > 0.001 and apart.max() > 0.02


def test_stills_and_movies_are_adjusted_too(reage, plate, tmp_path):
    pictures = {}
    for name, flags in (("plain", ()), ("bent", FLAGS), ("none", ("--gain", "0"))):
        for suffix in ("png", "mov"):
            out = tmp_path / f"{name}.{suffix}"
            done = reage("run", plate, out, *AGES, "--frames", "1002", *flags)
            assert done.code == 0, done.err
            source = open_plate(str(out))
            pictures[name, suffix] = source.read(source.frames[0]).rgb
    for suffix in ("png", "mov"):
        bent, plain, none = (pictures[name, suffix] for name in ("bent", "plain", "none"))
        changed = np.abs(bent - plain).max(axis=2) > 0.02
        assert 200 < changed.sum() < changed.size / 2, suffix
        # Only where the plain bake changes the plate, to the noise of a movie's codec.
        touched = np.abs(plain - none).max(axis=2) > 0.002
        assert (changed & touched).sum() > 0.9 * changed.sum(), suffix


def test_mattes_weigh_the_picture_and_are_missed_where_they_are_missing(shots, plate, tmp_path):
    shot = shots.open(shots.job(plate, tmp_path / "o.exr", frames="1001"))
    picture = shot.source.read(1001)
    space = shot.encoding.working_space
    layers = reage_frame(picture, shot.face_at(1001), shot.canvas, 35, 70, shot.predictor, shot.encoding, shot.job.mask)
    assert layers is not None and layers.face_size_px == face_size_px(shot.face_at(1001).landmarks)
    regions = np.zeros((*layers.mask.shape, 8), np.float32)
    regions[: len(regions) // 2, :, 0] = 1
    with_mattes = replace(layers, regions=regions, protect=regions[..., :3])
    no_forehead = AdjustSettings(regions=RegionGains(forehead=0.0))
    shown = finished_picture(picture, with_mattes, no_forehead, space).rgb
    plain = finished_picture(picture, layers, AdjustSettings(), space).rgb
    middle = layers.window.y_min - picture.data_window.y_min + len(regions) // 2
    assert np.array_equal(shown[:middle], picture.rgb[:middle])
    assert np.array_equal(shown[middle:], plain[middle:]) and not np.array_equal(plain[middle:], picture.rgb[middle:])
    protected = finished_picture(picture, with_mattes, AdjustSettings(protect=Protection(eyes=1.0)), space).rgb
    assert np.array_equal(protected, shown)
    for adjust in (no_forehead, AdjustSettings(protect=Protection(eyes=1.0))):
        with pytest.raises(UsageError) as caught:
            finished_picture(picture, layers, adjust, space)
        assert caught.value.code == "usage.no-mattes" and "--" in caught.value.hint


def test_luma_weights_are_those_of_the_plates_primaries():
    assert WorkingSpace.linear_rec709().luma_weights == (0.2126, 0.7152, 0.0722)
    # Y of ACEScg's primaries, adapted to Rec.709's white: near the 0.2722, 0.6741, 0.0537 of AP1 under its own.
    np.testing.assert_allclose(WorkingSpace.from_name("ACEScg").luma_weights, (0.2722, 0.6741, 0.0537), atol=0.006)
    assert WorkingSpace.from_name("srgb").luma_weights == (0.2126, 0.7152, 0.0722)
