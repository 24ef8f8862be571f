"""The session of tests/host in a licensed Nuke; the stand-in is only as good as what it was written from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
NUKE = os.environ.get("NUKE_EXECUTABLE", "")

pytestmark = [
    pytest.mark.nuke,
    pytest.mark.slow,
    pytest.mark.skipif(not NUKE, reason="NUKE_EXECUTABLE does not name a licensed Nuke"),
]


@pytest.fixture(scope="module")
def seen(shots, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuke")
    pictures = {1001 + i: shots.film((320, 240), side=420.0, centre=(218 + 3 * i, 150)) for i in range(3)}
    plate = shots.write(folder / "plate.%04d.exr", pictures)
    script = Path(__file__).with_name("nuke_session.py")
    environment = {**os.environ, "REAGE_PYTHON": sys.executable}
    done = subprocess.run(
        [NUKE, "-t", str(script), ROOT.as_posix(), Path(plate).as_posix(), folder.as_posix()],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
        check=False,
    )
    assert (folder / "seen.json").is_file(), done.stdout + done.stderr
    return json.loads((folder / "seen.json").read_text()), folder, plate


def test_track_bake_stale_bake(seen):
    said, _, _ = seen
    assert said["gizmos"] and said["fresh"] == "nothing baked" and said["tracked"] == "tracked, nothing baked"
    assert said["baked"] == said["again"] == said["reloaded"] == "3 of 3 frames"
    assert said["stale"].startswith("stale since ") and "the plate changed" in said["stale"]
    assert all(60 < size < 200 for size in said["face_size"])


def test_the_render_shows_the_layers_over_the_plate(seen, shots):
    import OpenImageIO

    said, folder, plate = seen
    read = lambda name: np.asarray(OpenImageIO.ImageBuf(str(name)).get_pixels(OpenImageIO.FLOAT))[..., :3]  # noqa: E731
    change = np.abs(read(folder / "comp.1002.exr") - 1.5 * read(plate % 1002))
    assert change.max() > 0.005 and change[:8].max() < 2e-3
    assert np.abs(shots.layers(said["layers"] % 1002)["delta"]).max() > 1e-3


def test_every_kind_of_track_was_made(seen):
    said, _, _ = seen
    assert {"Transform", "CornerPin2D", "Tracker4", "STMap"} <= set(said["made"]) and said["tracks"] >= 10
