"""From nothing to the first frame: start the worker, bake one frame of a tracked shot with the bundled model."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.plates import make_plate

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks worker", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="fran-lite")
    options = parser.parse_args(arguments)

    from nuke_reage.client.session import WorkerSession
    from nuke_reage.core.ages import AgeCurve
    from nuke_reage.core.job import JobSpec
    from nuke_reage.core.settings import ModelSettings, OutputSettings, PlateSettings
    from nuke_reage.core.site import load_site

    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("wb") as nowhere:
        plate = make_plate(Path(folder), "2k", 500.0, 4)
        job = JobSpec(
            PlateSettings(plate),
            OutputSettings(f"{folder}/out.####.exr"),
            AgeCurve.constant(38),
            AgeCurve.constant(70),
            model=ModelSettings(name=options.model),
        )
        with WorkerSession(load_site(), log=nowhere.fileno()) as session:
            list(session.run(job, action="track"))
        first, warm = [], []
        for _ in range(options.runs):
            begin = time.perf_counter()
            with WorkerSession(load_site(), log=nowhere.fileno()) as session:
                list(session.run(job, [1001], overwrite=True, action="bake"))
                first.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                list(session.run(job, [1002], overwrite=True, action="bake"))
                warm.append(time.perf_counter() - begin)
    for name, seconds in (("start to first frame", first), ("next frame, worker warm", warm)):
        print(f"{name:24} {statistics.median(seconds):6.2f} s median, {min(seconds):.2f} to {max(seconds):.2f} s")
    return 0
