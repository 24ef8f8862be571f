"""Real processes, interrupted and killed: only whole frames are left, and the next run finishes the work."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.media.exr import read_layers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli_process")]

COUNT = 24
AGES = ("--source-age", "35", "--target-age", "70")
LAYERS = ("--layers", "delta,mask,comp")


@pytest.fixture(scope="module")
def long_plate(shots, tmp_path_factory) -> tuple[str, Path]:
    """A plate long enough to be interrupted, with its trackfile."""
    folder = tmp_path_factory.mktemp("long")
    still = shots.film((320, 180), side=300)
    plate = shots.write(folder / "p.####.exr", dict.fromkeys(range(1, COUNT + 1), still))
    shot = shots.open(shots.job(plate, folder / "t.####.exr"))
    assert shot.face.present_frames == tuple(range(1, COUNT + 1))
    return plate, folder / "t.track.json"


def frames_in(folder: Path) -> list[int]:
    return sorted(int(re.findall(r"\d{4}", path.name)[0]) for path in folder.glob("*.exr"))


def check_whole(folder: Path, frames: list[int]) -> None:
    for frame in frames:
        layers = read_layers(folder / f"o.{frame:04d}.exr")
        assert list(layers.parts) == ["delta", "mask", "comp"]


def wait_for_frames(folder: Path, process: subprocess.Popen[str], count: int = 2) -> None:
    deadline = time.monotonic() + 90
    while len(list(folder.glob("*.exr"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no frame came"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(shots, long_plate, tmp_path_factory) -> Callable[[int], dict[str, np.ndarray]]:
    """Frames of a run that nothing has happened to."""
    plate, track = long_plate
    folder = tmp_path_factory.mktemp("undisturbed")

    def frame(number: int) -> dict[str, np.ndarray]:
        shots.bake(shots.job(plate, folder / "o.####.exr", track=str(track)), str(number))
        return shots.layers(folder / f"o.{number:04d}.exr")

    return frame


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_run_that_is_stopped_leaves_only_whole_frames(shots, reage_process, long_plate, undisturbed, tmp_path, how):
    plate, track = long_plate
    arguments = ("run", plate, tmp_path / "o.####.exr", *AGES, *LAYERS, "--track", track, "--json")
    process = reage_process(*arguments)
    wait_for_frames(tmp_path, process)
    process.send_signal(getattr(signal, how))
    out, err = process.communicate(timeout=60)
    found = frames_in(tmp_path)
    assert 2 <= len(found) < COUNT, "it was stopped midway"
    check_whole(tmp_path, found)
    if how == "SIGKILL":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert json.loads(out)["error"]["code"] == "cancelled.by-user"
        assert "Traceback" not in err and not list(tmp_path.glob(".*"))

    job = shots.job(plate, tmp_path / "o.####.exr", track=str(track))
    last = found[-1] + 1
    states = {result.frame: result.state for result in shots.bake(job, f"1-{last}")}
    assert {frame for frame, state in states.items() if state == "kept"} >= set(found)
    assert states[last] == "baked"
    for frame in (found[-1], last):
        ours = shots.layers(tmp_path / f"o.{frame:04d}.exr")
        theirs = undisturbed(frame)
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs), frame
    assert not list(tmp_path.glob(".reage.*")), "nor is anything left of the killed run"


def test_two_runs_on_one_output_do_not_hurt_each_other(shots, reage_process, plate, baked, tmp_path):
    """Two farm machines that got the same chunk; neither finds a track."""
    arguments = ("run", plate, tmp_path / "o.####.exr", *AGES, *LAYERS, "--frames", "1001-1002", "--json")
    both = [reage_process(*arguments) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert len(json.loads(out)["frames"]) == 2
    assert frames_in(tmp_path) == [1001, 1002]
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".exr"} == {"o.track.json"}
    for frame in frames_in(tmp_path):
        ours, theirs = shots.layers(tmp_path / f"o.{frame}.exr"), shots.layers(baked / f"shot.{frame}.exr")
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_errors_and_results_of_the_real_process(reage_process, tmp_path):
    process = reage_process("run", tmp_path / "no.exr", tmp_path / "o.exr", *AGES)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3 and out == ""
    assert "media.missing-file" in err and "→" in err and "Traceback" not in err
    process = reage_process("runn")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Did you mean run" in err


def test_a_signal_after_two_networks_is_only_a_signal():
    """OpenVINO left a signal stack that was no longer there; the next Ctrl-C was a segmentation fault."""
    pytest.importorskip("openvino")
    code = (
        "import os, signal, time\n"
        "import numpy as np\n"
        "from nuke_reage.models.backends import create_predictor\n"
        "from nuke_reage.models.registry import Registry\n"
        "def work():\n"
        "    card = Registry.from_environment({}).get('fran-lite')\n"
        "    make = lambda how: create_predictor(card, device='cpu', backend='openvino', precision=how)\n"
        "    picture = np.zeros((64, 64, 3), np.float32)\n"
        "    exact = make('exact')\n"
        "    exact.predict(picture, 30.0, 60.0)\n"
        "    fast = make('fast')\n"
        "    fast.predict(picture, 30.0, 60.0)\n"
        "work()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(5)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "stopped"), done.stderr
