"""What goes wrong on farms, done for real: kills, many writers, full and read-only disks, clocks, new plates."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import full_disk, kills, mounted, writers
from benchmarks.soak_bench import Bench, pixels_of
from benchmarks.soak_worker import worker_kills

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nothing_lost")]

COUNT = 3
PARTIAL = ".reage.some-other-node.4711.0a1b2c3d4e5f.partial"


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    pytest.importorskip("skimage")
    return Bench(tmp_path_factory.mktemp("bench"), COUNT)


@pytest.fixture
def out(bench, tmp_path) -> Path:
    """An output folder with the track in it."""
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(bench.track, folder)
    return folder


def finish(process: subprocess.Popen[bytes]) -> dict:
    said = process.communicate(timeout=200)[0]
    return {"code": process.returncode, **json.loads(said)}


def test_a_bake_that_is_killed_again_and_again_is_the_undisturbed_one(bench):
    told = kills(bench, 2, seed=3)
    assert told["kills"] == 2 and told["frames compared"] >= COUNT


def test_four_writers_into_one_folder_from_nothing(bench):
    assert writers(bench, 4)["frames compared"] == COUNT


def test_a_disk_that_fills_up_costs_no_finished_frame(bench, tmp_path):
    with mounted(tmp_path / "disk", 1) as disk:
        if disk is None:
            pytest.skip("mounting is refused here")
        told = full_disk(bench, disk)
    assert told["frames after"] == COUNT > told["frames before"] > 0


def test_a_read_only_disk_is_an_error_and_stays_as_it_is(bench, tmp_path):
    with mounted(tmp_path / "disk", 2) as disk:
        if disk is None:
            pytest.skip("mounting is refused here")
        assert bench.start(disk / "out", "--frames", "1001-1002").wait() == 0
        before = {path.name: path.stat().st_mtime_ns for path in (disk / "out").iterdir()}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        told = finish(bench.start(disk / "out", "--json", stdout=subprocess.PIPE))
        assert told["code"] == 3 and told["error"]["code"] == "media.unwritable" and told["error"]["hint"]
        assert {path.name: path.stat().st_mtime_ns for path in (disk / "out").iterdir()} == before
        assert bench.check(disk / "out", all_of_them=False) == 2


SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *text = getenv("CLOCK_SHIFT"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(id, t);
  if (id == CLOCK_REALTIME) t->tv_sec += shift();
  return code;
}
time_t time(time_t *out) {
  struct timespec t; clock_gettime(CLOCK_REALTIME, &t);
  if (out) *out = t.tv_sec;
  return t.tv_sec;
}
"""


@pytest.fixture(scope="module")
def shifted_clock(tmp_path_factory):
    """Environments in which a process takes the time for another; the disk keeps the right one."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "shift.c").write_text(SHIFT)
    library = folder / "shift.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "shift.c"), "-ldl"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the compiler cannot make a library")

    def environment(seconds: int) -> dict[str, str]:
        return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds)}

    asked = [sys.executable, "-c", "import time; print(time.time())"]
    said = subprocess.run(asked, env={**os.environ, **environment(10_000)}, capture_output=True, text=True, check=True)
    assert 9_000 < float(said.stdout) - time.time() < 11_000
    return environment


@pytest.mark.parametrize("days", [-3, 3])
def test_a_node_whose_clock_is_days_off_harms_nothing(bench, out, shifted_clock, monkeypatch, days):
    """It neither takes another node's file for an old one, nor its own frames for stale ones."""
    fresh, old = out / PARTIAL, out / PARTIAL.replace("0a1b", "ffff")
    for path in (fresh, old):
        path.write_bytes(b"half a picture")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    with monkeypatch.context() as patched:
        for name, value in shifted_clock(days * 86_400).items():
            patched.setenv(name, value)
        told = finish(bench.start(out, "--json", stdout=subprocess.PIPE))
    assert told["code"] == 0, told
    assert fresh.exists(), "another node is writing that file right now"
    assert not old.exists(), "and this one nobody will finish"
    fresh.unlink()
    assert bench.check(out, all_of_them=True) == COUNT
    again = finish(bench.start(out, "--json", stdout=subprocess.PIPE))
    assert {one["state"] for one in again["frames"]} == {"kept"}


def test_plates_rewritten_while_they_are_read_are_never_half_used(shots, bench, tmp_path):
    """A render that delivers in place, block by block: what comes out was a whole plate once, at last the last one."""
    from nuke_reage.core.errors import MediaError
    from nuke_reage.media.exr import Part, read_plate, write_layers
    from nuke_reage.pipeline.bake import bake

    plates = tmp_path / "plate"
    plates.mkdir()
    names = [f"plate.{1001 + index}.exr" for index in range(COUNT)]

    def job(out: Path):
        knobs = {"track": str(bench.track), "auto_exposure": False, "layers": ("delta", "mask")}
        return shots.job(plates / "plate.####.exr", out / "o.####.exr", **knobs)

    versions, wanted = [], []
    for gain in (1.0, 0.5):
        for name in names:
            plate = read_plate(Path(bench.plate).parent / name)
            channels = {key: np.ascontiguousarray(plate.rgb[..., i] * gain) for i, key in enumerate("RGB")}
            part = Part("rgb", channels, plate.data_window)
            # Without compression any mixture of the two is a picture that can be read.
            write_layers(plates / name, [part], display_window=plate.display_window, compression="none")
        versions.append([(plates / name).read_bytes() for name in names])
        shots.bake(job(tmp_path / f"version{gain}"))
        wanted.append({path.name: pixels_of(path) for path in (tmp_path / f"version{gain}").glob("*.exr")})
    assert len(versions[0][0]) == len(versions[1][0]) and len(wanted[0]) == COUNT

    def is_of(version: dict, path: Path) -> bool:
        found = pixels_of(path)
        return all(np.array_equal(found[key], version[path.name][key]) for key in found)

    shots.bake(job(tmp_path / "out"))
    assert not any(is_of(wanted[0], path) for path in (tmp_path / "out").glob("*.exr")), "the two can be told apart"
    stop = threading.Event()

    def rewrite() -> None:
        turn = 0
        while not stop.is_set() or turn % 2:
            for name, content in zip(names, versions[turn % 2], strict=True):
                with (plates / name).open("r+b") as file:
                    for start in range(0, len(content), 100_000):
                        file.write(content[start : start + 100_000])
                        file.flush()
                        time.sleep(0.006)
            turn += 1

    thread = threading.Thread(target=rewrite)
    thread.start()
    refused = 0
    try:
        for _ in range(4):
            try:
                bake(shots.open(job(tmp_path / "out")), overwrite=True)
            except MediaError as error:
                assert error.slug == "changed-while-reading" and error.hint
                refused += 1
            torn = [p for p in (tmp_path / "out").glob("*.exr") if not any(is_of(one, p) for one in wanted)]
            assert torn == []
    finally:
        stop.set()
        thread.join()
    assert refused > 0, "the render did get in the way"
    shots.bake(job(tmp_path / "out"))
    assert all(is_of(wanted[1], path) for path in (tmp_path / "out").glob("*.exr"))
    assert {result.state for result in shots.bake(job(tmp_path / "out"))} == {"kept"}


def test_nodes_without_a_network_on_a_read_only_share_of_models(bench, tmp_path):
    """Two at once, nothing cached, no home: the model comes from a share that nobody can write to."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-n", "true"], check=False).returncode:
        pytest.skip("a network cannot be taken away here")
    models = Path(os.environ["REAGE_MODELS"])
    with mounted(tmp_path / "share", 40) as share:
        if share is None:
            pytest.skip("mounting is refused here")
        card = json.loads((models / "fran-lite.json").read_text())
        shutil.copy(models / card["weights_file"], share)
        (share / "house.json").write_text(json.dumps({**card, "name": "house"}))
        subprocess.run(["mount", "-o", "remount,ro", str(share)], check=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "REAGE_MODELS": str(share),
            "HF_HUB_OFFLINE": "1",
            "HOME": "/nowhere",
            "OMP_NUM_THREADS": "1",
        }
        code = "from nuke_reage.cli.main import main; main()"
        flags = ("--source-age", "38", "--target-age", "70", "--device", "cpu", "--model", "house")
        command = [unshare, "-n", sys.executable, "-c", code, "run", bench.plate, f"{tmp_path}/out/o.####.exr", *flags]
        started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for process in started:
            said = process.communicate(timeout=300)[1]
            assert process.returncode == 0, said
    bench.check(tmp_path / "out", all_of_them=True)


def test_a_worker_that_is_killed_again_and_again_loses_nothing(bench):
    told = worker_kills(bench, 3, seed=5)
    assert told["kills"] == 3 and told["frames compared"] >= 2 * COUNT
