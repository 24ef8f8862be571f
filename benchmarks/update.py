"""What "Update frame" costs beside the network: the button of a stand-in for Nuke, the real worker, a tracked 2K shot.

Everything between the press and the picture on the node counts, but for Nuke's own rendering of the plate.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.plates import SIZES, make_plate

__all__ = ["main"]

_FAKES = Path(__file__).resolve().parents[1] / "tests" / "fakes"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks update", description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="length of the shot")
    parser.add_argument("--runs", type=int, default=10, help="frames that are updated with a warm worker")
    parser.add_argument("--size", choices=SIZES, default="2k")
    parser.add_argument("--face", type=float, default=500.0, help="height of the face in pixels")
    parser.add_argument("--model", default="fran-lite")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(_FAKES))
    # The worker's Python is this one.
    os.environ.setdefault("REAGE_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        rows = _measure(Path(folder), options)
    print(f"{'seconds, of ' + str(len(rows)) + ' frames':34} {'best':>7} {'median':>7} {'worst':>7}")
    for name in rows[0]:
        seconds = [row[name] for row in rows]
        print(f"{name:34} {min(seconds):7.3f} {statistics.median(seconds):7.3f} {max(seconds):7.3f}")
    return 0


def _measure(folder: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    import nuke

    from nuke_reage.nuke_host import api, bridge, callbacks, work
    from nuke_reage.nuke_host.session import host_session

    app = nuke.fake_app
    app.reset(gui=True)
    callbacks.install()
    plate = make_plate(folder, options.size, options.face, options.frames).replace("####", "%04d")
    node = nuke.createNode("ReAge")
    node.setInput(0, nuke.nodes.Read(file=plate, first=1001, last=1000 + options.frames))
    for name, value in {"target_age": 70, "model": options.model, "cache_dir": (folder / "cache").as_posix()}.items():
        node[name].setValue(value)
    session = host_session()
    rendering = [0.0]
    execute = api.execute

    def timed(*given: Any) -> None:
        begin = time.perf_counter()
        execute(*given)
        rendering[0] += time.perf_counter() - begin

    def wait() -> None:
        app.pump(lambda: not session.is_busy(work.key_of(node)) and app.calls.empty(), 3600.0)

    def update(frame: int) -> dict[str, float]:
        """As the button does, step by step, to hear what the worker reports."""
        app.frame, rendering[0], heard = frame, 0.0, []
        begin = time.perf_counter()
        frames = tuple(sorted({*bridge.frames_of(node), frame}))
        prepared = work.prepare(node, frames, only=frame)
        ready = time.perf_counter()
        task = work.bake_task(node, prepared, only=frame)
        task.on_step = _also(task.on_step, heard)
        work.run(session, node, task)
        wait()
        end = time.perf_counter()
        (one,) = heard[0]["frames"]
        assert one["state"] == "baked" and one["frame"] == frame, one
        whole = end - begin - rendering[0]
        return {
            "Nuke's rendering of the plate": rendering[0],
            "looking at the node and the graph": ready - begin - rendering[0],
            "worker, network and all": end - ready,
            "network": one["network_seconds"],
            "all but the network": whole - one["network_seconds"],
        }

    api.execute = timed
    try:
        node["do_track"].execute()
        wait()
        assert node["status"].value() == "tracked, nothing baked", node["status"].value()
        update(1001)
        update(1002)
        return [update(1003 + index) for index in range(options.runs)]
    finally:
        api.execute = execute
        session.close()
        host_session.cache_clear()


def _also(call: Callable[[Any, dict[str, Any]], None], heard: list[dict[str, Any]]) -> Callable[..., None]:
    def called(step: Any, report: dict[str, Any]) -> None:
        heard.append(report)
        call(step, report)

    return called
