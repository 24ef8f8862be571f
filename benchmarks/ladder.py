"""The age ladder: how well a dissolve between two steps gives the exact bake, and what the steps cost.

Error: the delta dissolved from the two neighbours against the delta baked for the very age, both times the mask.  Per
age in between: root mean square and 99th percentile of the difference inside the mask, in percent of the range of the
picture's deltas (0.1 to 99.9 percentile of those of both ends of the ladder).  Cost: the wall time of a frame with its
ladder against so many passes of the network, taken inside the same run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plates import install_full_size_network
from benchmarks.shot import timed_network

__all__ = ["main"]

_FIRST, _LAST = 20, 80


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ladder", description=__doc__)
    parser.add_argument("stills", nargs="+", help="pictures with a face")
    parser.add_argument("--source-age", type=float, default=40.0)
    parser.add_argument("--model", default="fran-lite", help="full-size = 31 M parameters, or a name in the registry")
    parser.add_argument("--steps", default="5,10,15,20,30", help="sizes of step in years; empty = no errors")
    parser.add_argument("--cost", type=int, default=13, help="steps of the ladder that is timed; 0 = none")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REAGE_MODELS"] = f"{folder}/models"
        if options.model == "full-size":
            install_full_size_network(Path(folder) / "models")
        run(options)
    return 0


def run(options: argparse.Namespace) -> None:
    steps = [int(size) for size in options.steps.split(",") if size]
    shots = [(Path(still).stem, _open(still, options)) for still in options.stills]
    errors: dict[int, list[tuple[float, float]]] = {size: [] for size in steps}
    for name, shot in shots if steps else ():
        deltas = _deltas(shot)
        years = [_difference(deltas, deltas[age], deltas[age + 1])[0] for age in range(_FIRST, _LAST)]
        print(
            f"{name}, one year more: rms {np.mean(years):.2f} % in the mean, {np.max(years):.2f} % at most", flush=True
        )
        for size in steps:
            found = [_error(deltas, age, size) for age in range(_FIRST, _LAST + 1) if (age - _FIRST) % size]
            errors[size] += found
            rms, high = np.array(found).max(axis=0)
            print(f"{name}, step {size:2}: worst age rms {rms:.2f} %, 99th percentile {high:.2f} %", flush=True)
    if steps:
        print("step   rms mean  rms worst  99th percentile worst")
    for size in steps:
        table = np.array(errors[size])
        print(f"{size:4}   {table[:, 0].mean():6.2f} %   {table[:, 0].max():6.2f} %   {table[:, 1].max():6.2f} %")
    if options.cost:
        for name, shot in shots:
            _cost(name, shot, options.cost)


def _open(still: str, options: argparse.Namespace) -> Any:
    from nuke_reage.core.ages import AgeCurve
    from nuke_reage.core.job import JobSpec
    from nuke_reage.core.settings import ModelSettings, OutputSettings, PlateSettings
    from nuke_reage.pipeline.shot import open_shot

    job = JobSpec(
        PlateSettings(still),
        # Nothing is written there; a single still has no trackfile.
        OutputSettings(f"{Path.cwd()}/ladder.####.exr"),
        AgeCurve.constant(options.source_age),
        AgeCurve.constant(_LAST),
        model=ModelSettings(name=options.model),
    )
    return open_shot(job)


def _ladder(shot: Any, plate: Any, ages: list[float]) -> Any:
    from nuke_reage.pipeline.frame import reage_ladder

    frame = shot.frames[0]
    face = shot.face_at(frame)
    source = shot.job.source_age.at(frame)
    return reage_ladder(plate, face, shot.canvas, source, ages, shot.predictor, shot.encoding, shot.job.mask)


def _deltas(shot: Any) -> dict[int, Any]:
    """The masked delta for every year, (h, w, 3) float32, and the mask under -1."""
    ages = list(range(_FIRST, _LAST + 1))
    plate = shot.source.read(shot.frames[0])
    made: dict[int, Any] = {}
    for age, layers in zip(ages, _ladder(shot, plate, [float(age) for age in ages]), strict=True):
        made[age] = layers.delta * layers.mask[..., None]
        made[-1] = layers.mask
    return made


def _error(deltas: dict[int, Any], age: int, size: int) -> tuple[float, float]:
    low = _FIRST + (age - _FIRST) // size * size
    share = (age - low) / size
    return _difference(deltas, deltas[low] * (1 - share) + deltas[low + size] * share, deltas[age])


def _difference(deltas: dict[int, Any], one: Any, other: Any) -> tuple[float, float]:
    """Root mean square and 99th percentile inside the mask, in percent of the range."""
    inside = deltas[-1] > 0.02
    ends = np.concatenate([deltas[_FIRST][inside], deltas[_LAST][inside]])
    extent = np.subtract(*np.percentile(ends, [99.9, 0.1]))
    away = np.abs(one - other)[inside] / extent * 100
    return float(np.sqrt(np.mean(away**2))), float(np.percentile(away, 99))


def _cost(name: str, shot: Any, count: int) -> None:
    ages = [float(age) for age in np.linspace(_FIRST, _LAST, count)]
    for _ in _ladder(shot, shot.source.read(shot.frames[0]), ages[:1]):
        pass
    with timed_network(shot) as seconds:
        begin = time.perf_counter()
        plate = shot.source.read(shot.frames[0])
        for _ in _ladder(shot, plate, ages):
            pass
        wall = time.perf_counter() - begin
    network = sum(seconds)
    print(
        f"{name}: {count} steps {wall * 1000:.0f} ms, the network in it {network * 1000:.0f} ms "
        f"({network / count * 1000:.0f} ms a pass), beside {(wall - network) / network:.1%}"
    )
