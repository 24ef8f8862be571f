"""A plate and its undisturbed bake, against which baked frames are held bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plates import make_plate

__all__ = ["AGES", "REAGE", "ROOT", "Bench", "pixels_of"]

ROOT = Path(__file__).resolve().parents[1]
REAGE = (sys.executable, "-c", "from nuke_reage.cli.main import main; main()")
AGES = ("--source-age", "38", "--target-age", "70", "--device", "cpu")


class Bench:
    """A plate, its track and its undisturbed bake.

    Args:
        folder: where all of it goes.
        frames: how many.
    """

    def __init__(self, folder: Path, frames: int) -> None:
        self.folder = folder
        self.plate = make_plate(folder, "small", 120.0, frames)
        self.names = [f"o.{1001 + index}.exr" for index in range(frames)]
        self.reference = folder / "reference"
        begin = time.monotonic()
        process = self.start(self.reference)
        assert process.wait() == 0
        self.seconds = time.monotonic() - begin
        self.track = self.reference / "o.track.json"
        self.pixels = {name: pixels_of(self.reference / name) for name in self.names}
        assert all(np.abs(parts["delta/reage_delta.red"]).max() > 0 for parts in self.pixels.values())

    def start(self, out: Path, *flags: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start ``reage run`` into a folder, in a session of its own."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        command = [*REAGE, "run", self.plate, str(out / "o.####.exr"), *AGES, *flags]
        return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)

    def check(self, out: Path, *, all_of_them: bool) -> int:
        """Compare what is visible with the undisturbed bake; how many frames that were."""
        found = [name for name in self.names if (out / name).exists()]
        for name in found:
            ours, theirs = pixels_of(out / name), self.pixels[name]
            assert ours.keys() == theirs.keys(), name
            assert all(np.array_equal(ours[key], theirs[key]) for key in ours), f"{name} differs"
        if all_of_them:
            assert found == self.names, f"only {found}"
            assert not list(out.glob(".*")), "something half-written is left"
        return len(found)


def pixels_of(path: Path) -> dict[str, np.ndarray]:
    """Every channel of every part."""
    from nuke_reage.media.exr import read_layers

    parts = read_layers(path).parts
    return {f"{name}/{key}": pixels for name, part in parts.items() for key, pixels in part.channels.items()}
