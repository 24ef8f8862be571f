"""A real bake, and the shipped gizmo on it: the picture that the command line gives for the same settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.regions import face_size_px
from nuke_reage.media.exr import read_layers, read_plate
from nuke_reage.pipeline.bake import bake
from nuke_text.images import Image
from nuke_text.render import render
from nuke_text.script import read_script

REAGE = read_script(Path(__file__).resolve().parents[2] / "gizmos" / "ReAge.gizmo")
KNOBS = {
    "gain": 1.3, "tone_gain": 0.5, "detail_gain": 2.0, "split_radius": 0.05, "luma_gain": 1.2, "chroma_gain": 0.4,
    "darken_gain": 1.5, "lighten_gain": 0.7, "mask_dilate": -0.04, "mask_blur": 0.15, "mask_gamma": 1.5,
}  # fmt: skip


def gizmo(shown_plate, folder, **knobs):
    channels = {f"rgba.{name}": shown_plate.rgb[..., i] for i, name in enumerate(("red", "green", "blue"))}
    image = Image(shown_plate.data_window, channels, shown_plate.display_window)
    files = {"layers_file": str(folder / "shot.%04d.exr"), "first_frame": 1001, "last_frame": 1006}
    shown = render(REAGE, {0: image}, {**files, **knobs}, frame=1003)
    return np.stack([shown.channels[name] for name in channels], axis=-1)


def comp_of(folder):
    channels = read_layers(folder / "shot.1003.exr").parts["comp"].channels
    return np.stack([channels[name] for name in "RGB"], axis=-1)


def test_the_gizmo_gives_the_picture_of_the_command_line(shots, plate, baked, tmp_path):
    picture = read_plate(plate.replace("####", "1003"))
    plain = gizmo(picture, baked)
    # The command line has the delta as it was computed, the gizmo as the file holds it: half.
    np.testing.assert_allclose(plain, comp_of(baked), rtol=2**-10, atol=5e-4)
    assert np.abs(plain - picture.rgb).max() > 0.05

    job = shots.job(plate, tmp_path / "shot.####.exr", track=str(baked / "shot.track.json"), **KNOBS)
    shot = shots.open(job, "1003")
    assert [one.state for one in bake(shot)] == ["baked"]
    size = face_size_px(shot.face_at(1003).landmarks)
    weights = WorkingSpace.from_name("ACEScg").luma_weights
    adjusted = gizmo(picture, tmp_path, face_size=size, luma_weights=weights, **KNOBS)
    np.testing.assert_allclose(adjusted, comp_of(tmp_path), rtol=2**-10, atol=5e-4)
    assert np.abs(adjusted - plain).max() > 0.02
