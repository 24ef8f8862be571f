"""A farm's SIGTERM: gone within five seconds, whatever the process is doing, and nothing half-written stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nuke_reage.cli.farmlog import FarmLog
from nuke_reage.core.errors import MediaError, UsageError

ROOT = Path(__file__).resolve().parents[2]
BUSY = {
    "Python": "while True:\n    pass",
    "a library": "import numpy as np\nmatrix = np.random.default_rng(1).normal(size=(1500, 1500))\n"
    "while True:\n    np.linalg.svd(matrix)",
    "nothing": "time.sleep(3600)",
}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a signal of POSIX systems")
def test_what_cannot_stop_is_ended(tmp_path, request):
    busy = {work: _busy(work, tmp_path / work) for work in BUSY}
    request.addfinalizer(lambda: [process.kill() for process in busy.values()])
    for process in busy.values():
        assert process.stdout is not None and process.stdout.readline() == "busy\n"
    time.sleep(0.3)
    sent = {}
    for work, process in busy.items():
        assert len(list((tmp_path / work).iterdir())) == 1
        sent[work] = time.monotonic()
        process.send_signal(signal.SIGTERM)
    waiting = set(busy)
    while waiting:
        for work in sorted(waiting):
            took = time.monotonic() - sent[work]
            if busy[work].poll() is not None:
                assert 3.0 < took < 5.0 and busy[work].returncode == 130, work
                assert not list((tmp_path / work).iterdir()), work
                busy[work].communicate()
                waiting.remove(work)
            assert took < 30, work
        time.sleep(0.02)


def _busy(work: str, folder: Path) -> subprocess.Popen[str]:
    """A process that has begun to write a file and does not look up."""
    folder.mkdir()
    code = (
        "import sys, time\n"
        "from functools import partial\n"
        "from nuke_reage.cli.console import interruptible\n"
        "from nuke_reage.core.files import partial_path\n"
        "from nuke_reage.media.atomic import remove_own_partials\n"
        "folder = sys.argv[1]\n"
        "with interruptible(partial(remove_own_partials, folder)):\n"
        "    partial_path(folder).write_bytes(b'half a picture')\n"
        "    print('busy', flush=True)\n"
    ) + "".join(f"    {line}\n" for line in BUSY[work].splitlines())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_openjd_and_deadline_are_told_in_their_own_words(capsys):
    for dialect, wanted in {
        "openjd": ["openjd_status: bake", "openjd_progress: 0", "openjd_progress: 50", "openjd_progress: 100",
                   "openjd_fail: media.disk-full no room Free some space"],
        "deadline": ["STATUS: bake", "Progress: 0%", "Progress: 50%", "Progress: 100%",
                     "ERROR: media.disk-full no room Free some space"],
        "": [],
    }.items():  # fmt: skip
        log = FarmLog(dialect)
        for done in (0, 1, 1, 2):
            log.progress("bake", done, 2)
        log.fail(MediaError("disk-full", "no room", "Free\nsome space"))
        assert capsys.readouterr().out.splitlines() == wanted
    with pytest.raises(UsageError) as caught:
        FarmLog("opnjd")
    assert "openjd" in caught.value.hint


def test_the_lines_leave_json_alone(reage, shots, farm_plate, farm_reference, tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_PROGRESS", "openjd")
    flags = ("--source-age", 35, "--target-age", 70, "--track", farm_reference / "o.track.json", "--frames", "1001")
    done = reage("run", farm_plate, tmp_path / "o.####.exr", *flags, "--json")
    assert done.code == 0 and done.json["frames"][0]["state"] == "baked"
    assert "openjd_progress: 100" in done.err
    failed = reage("run", farm_plate, tmp_path / "o.####.exr", *flags, "--model", "none", "--json")
    assert failed.code == 5 and failed.json["error"] and "openjd_fail: model.unknown-model" in failed.err
    monkeypatch.setenv("REAGE_PROGRESS", "opnjd")
    assert reage("run", farm_plate, tmp_path / "o.####.exr", *flags, "--json").code == 2
