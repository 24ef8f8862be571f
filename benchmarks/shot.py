"""A whole bake: how much time everything but the network adds, and whether memory stays flat.

Frames are read, warped, encoded, inferred, blended and written as in any job.  The network's own time is taken inside
the same run; "beside" is the wall time of the bake without it, as a share of it.  Tracking counts for the memory alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.plates import SIZES

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks shot", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="2k")
    parser.add_argument("--face", type=float, default=500.0, help="height of the face in pixels")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--model", default="full-size", help="full-size = 31 M parameters, or a name in the registry")
    parser.add_argument("--precision", choices=["exact", "fast"], default="exact")
    parser.add_argument("--layers", default="delta,mask")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REAGE_MODELS"] = f"{folder}/models"
        run(options, Path(folder))
    return 0


def run(options: argparse.Namespace, folder: Path) -> None:
    from nuke_reage.core.ages import AgeCurve
    from nuke_reage.core.job import JobSpec
    from nuke_reage.core.settings import ModelSettings, OutputSettings, PlateSettings
    from nuke_reage.pipeline.bake import bake
    from nuke_reage.pipeline.shot import open_shot

    model, plate = _prepared(options, folder)
    job = JobSpec(
        PlateSettings(plate),
        OutputSettings(str(folder / "out.####.exr"), layers=tuple(options.layers.split(","))),
        AgeCurve.constant(38),
        AgeCurve.constant(70),
        model=ModelSettings(name=model, precision=options.precision),
    )
    shot = open_shot(job)
    warm = replace(shot, frames=shot.frames[:1])
    bake(warm, overwrite=True)
    resident: list[float] = []
    with timed_network(shot) as seconds:
        begin = time.perf_counter()
        bake(shot, _Memory(resident), overwrite=True)
        wall = time.perf_counter() - begin
    network = sum(seconds)
    count = len(shot.frames)
    canvas = shot.canvas.canvas_px if shot.canvas else 0
    print(f"{options.size}, face {options.face:g} px, canvas {canvas}, {shot.predictor.name}, {count} frames")
    print(f"  wall     {wall / count * 1000:8.0f} ms a frame")
    print(f"  network  {network / count * 1000:8.0f} ms a frame")
    print(
        f"  beside   {(wall - network) / count * 1000:8.0f} ms a frame, {(wall - network) / network:.1%} of the network"
    )
    print(
        f"  memory   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:8.2f} GB at its peak, tracking included"
    )
    for share in (0.1, 0.5, 1.0):
        index = max(0, round(count * share) - 1)
        print(f"           {resident[index] / 1e9:8.2f} GB after frame {index + 1}")
    sys.stdout.flush()


def _prepared(options: argparse.Namespace, folder: Path) -> tuple[str, str]:
    """Model and plate, made in a process of their own, whose memory is not that of a bake."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.plates import install_full_size_network, make_plate\n"
        "folder, size, face_px, frames, model = sys.argv[1:]\n"
        "print(install_full_size_network(Path(folder) / 'models') if model == 'full-size' else model)\n"
        "print(make_plate(Path(folder), size, float(face_px), int(frames)))"
    )
    arguments = [str(folder), options.size, str(options.face), str(options.frames), options.model]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    model, plate = done.stdout.splitlines()[-2:]
    return model, plate


class _Memory:
    """A reporter that notes the resident memory after every frame."""

    def __init__(self, resident: list[float]) -> None:
        self._resident = resident

    def progress(self, stage: str, done: int, total: int) -> None:
        return None

    def frame(self, result: Any) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
        self._resident.append(pages * resource.getpagesize())

    def warn(self, text: str) -> None:
        print(f"warning: {text}", file=sys.stderr)

    def cancelled(self) -> bool:
        return False


@contextmanager
def timed_network(shot: Any) -> Iterator[list[float]]:
    """Note how long each call of the network takes."""
    seconds: list[float] = []
    predictor = shot.predictor
    own = predictor.predict

    def predict(*arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        try:
            return own(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - begin)

    predictor.predict = predict
    try:
        yield seconds
    finally:
        del predictor.predict
