"""What ReAge costs inside Nuke, against a stand-in for it: start, opening a script, dragging a knob, Bake's checks."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_FAKES = _ROOT / "tests" / "fakes"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks host", description=__doc__)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(_FAKES))
    with tempfile.TemporaryDirectory() as folder:
        rows = [_start(options.runs), *_open(Path(folder), options.nodes, options.runs)]
        rows += _work(Path(folder), options.frames, options.runs)
    for name, seconds in rows:
        print(f"{name:52} {1000 * statistics.median(seconds):10.4f} ms median, worst {1000 * max(seconds):.4f}")
    return 0


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _start(runs: int) -> tuple[str, list[float]]:
    """init.py in a fresh Python, less what that Python takes by itself."""

    def process(code: str) -> float:
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path[:0] = [{str(_FAKES)!r}, {str(_ROOT)!r}]; {code}",
        ]
        return _timed(lambda: subprocess.run(command, check=True))

    bare = statistics.median(process("import nuke") for _ in range(runs))
    file = str(_ROOT / "init.py")
    run = f"exec(compile(open({file!r}).read(), 'init.py', 'exec'), {{'__file__': {file!r}}})"
    return "init.py, beyond Python's own start", [process(run) - bare for _ in range(runs)]


def _open(folder: Path, count: int, runs: int) -> list[tuple[str, list[float]]]:
    """Opening a script of baked nodes, with the callbacks and without."""
    import nuke

    from nuke_reage.nuke_host import callbacks

    app = nuke.fake_app
    app.reset(gui=True)
    read = nuke.nodes.Read(file="/plates/shot.%04d.exr", first=1001, last=1100)
    for _ in range(count):
        node = nuke.createNode("ReAge", inpanel=False)
        node.setInput(0, read)
        node["bake_record"].setValue('{"uid":"a","frames":"1001-1100","views":[{"view":"main","done":"1001-1100"}]}')
        node["face_size"].fromScript("{curve L " + " ".join(f"x{frame} 400" for frame in range(1001, 1101)) + "}")
    script = str(folder / "many.nk")
    nuke.scriptSaveAs(script)

    def load() -> None:
        nuke.scriptClear()
        nuke.scriptOpen(script)

    load()
    without = [_timed(load) for _ in range(runs)]
    callbacks.install()
    extra = [_timed(load) - statistics.median(without) for _ in range(runs)]
    node = nuke.toNode("ReAge1")
    drag = [_timed(lambda: callbacks.knob_changed(node, "gain")) for _ in range(1000)]
    stale = [_timed(lambda: callbacks.knob_changed(node, "mask_feather")) for _ in range(1000)]
    return [
        (f"open a script with {count} nodes: what ReAge adds", extra),
        ("a step of dragging a knob that acts after the bake", drag),
        ("a step of dragging any other knob", stale),
    ]


def _work(folder: Path, frames: int, runs: int) -> list[tuple[str, list[float]]]:
    """What Bake does before the worker has anything to do, when all plates hold."""
    import nuke

    from nuke_reage.nuke_host import bridge, work
    from nuke_reage.nuke_host.status import refresh

    nuke.fake_app.reset(gui=False)
    above = nuke.nodes.Constant(first=1001, last=1000 + frames)
    for _ in range(20):
        above = nuke.nodes.Grade(inputs=[above])
    node = nuke.createNode("ReAge", inpanel=False)
    node.setInput(0, above)
    node["target_age"].fromScript(f"{{curve L x1001 40 x{1000 + frames} 60}}")
    node["cache_dir"].setValue((folder / "cache").as_posix())
    work.prepare(node, bridge.frames_of(node))
    again = [_timed(lambda: work.prepare(node, bridge.frames_of(node))) for _ in range(runs)]
    node["bake_record"].setValue('{"uid":"a","frames":"1001","views":[{"view":"main","done":"1001"}]}')
    opened = [_timed(lambda: refresh(node)) for _ in range(runs)]
    return [
        (f"Bake: keys and job of {frames} frames, 20 nodes above", again),
        ("open the panel: hold the bake against the graph", opened),
    ]
