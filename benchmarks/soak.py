"""Is anything ever lost?  Bakes killed at random moments, several writers, a full disk, damaged input.

A bake is killed with SIGKILL again and again and taken up again; after every kill each frame that is visible must be
the undisturbed one, bit for bit, and at the end all of them.  So is the worker behind a client.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.soak_bench import AGES, REAGE, ROOT, Bench
from benchmarks.soak_worker import worker_kills

__all__ = ["attack", "full_disk", "kills", "main", "mounted", "writers"]

KINDS = ("kills", "worker", "writers", "disk", "damage")
MEMORY_LIMIT_MIB = 1024
SLOW_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--only", choices=KINDS, action="append", help="kind of trouble; default: all of them")
    parser.add_argument("--kills", type=int, default=200, help="of bakes, and as many of workers")
    parser.add_argument("--mutations", type=int, default=10_000, help="of all kinds together; tracks get a tenth")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), options.frames)
        begin = time.monotonic()
        print(f"an undisturbed bake of {options.frames} frames takes {bench.seconds:.1f} s", flush=True)
        for kind in options.only or KINDS:
            for told in _trouble(bench, kind, options):
                print(told, flush=True)
        print(f"nothing was lost; {time.monotonic() - begin:.0f} s")
    return 0


def _trouble(bench: Bench, kind: str, options: argparse.Namespace) -> Iterator[str]:
    if kind == "kills":
        yield f"kills {kills(bench, options.kills, options.seed)}"
    elif kind == "worker":
        yield f"worker {worker_kills(bench, options.kills, options.seed)}"
    elif kind == "writers":
        yield from (f"writers {writers(bench, count)}" for count in (2, 4))
    elif kind == "disk":
        with mounted(bench.folder / "full", 1) as disk:
            yield f"full disk {full_disk(bench, disk) if disk else 'mounting is refused here'}"
    else:
        share = options.mutations // 3
        for what, number in {"job": share, "protocol": share, "exr": share, "track": share // 10}.items():
            yield f"{what} {attack(bench, what, number, options.seed)}"


def kills(bench: Bench, count: int, seed: int) -> dict[str, int]:
    """Kill bakes at random moments, from the first import to the last rename, and take them up again.

    Returns:
        How many kills, how many of them left a half-written file, how many bakes were finished in between, and how
        many frames were compared.
    """
    chance, out = random.Random(seed), bench.folder / "kills"
    told = {"kills": 0, "while writing": 0, "finished bakes": 0, "frames compared": 0}
    while told["kills"] < count:
        before = len(list(out.glob("*.exr"))) if out.exists() else 0
        process = bench.start(out)
        where = chance.randrange(3)
        if where == 0:
            time.sleep(chance.uniform(0.0, bench.seconds))
        elif where == 1:
            _wait_for(process, lambda now=before: len(list(out.glob("*.exr"))) > now)
            time.sleep(chance.uniform(0.0, 0.2))
        else:
            _wait_for_writing(process, out, chance.randint(2, 2 + len(bench.names) - before))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            told["kills"] += 1
            told["while writing"] += bool(list(out.glob(".reage*")))
            told["frames compared"] += bench.check(out, all_of_them=False)
        else:
            assert process.returncode == 0, process.returncode
            told["frames compared"] += bench.check(out, all_of_them=True)
            told["finished bakes"] += 1
            shutil.rmtree(out)
    assert bench.start(out).wait() == 0
    told["frames compared"] += bench.check(out, all_of_them=True)
    told["finished bakes"] += 1
    shutil.rmtree(out)
    return told


def writers(bench: Bench, count: int) -> dict[str, int]:
    """Several bakes of the same frames into one folder, without a track and on a cold cache, begun at once."""
    out = bench.folder / f"writers{count}"
    processes = [bench.start(out) for _ in range(count)]
    codes = [process.wait() for process in processes]
    assert codes == [0] * count, codes
    assert (out / "o.track.json").exists()
    compared = bench.check(out, all_of_them=True)
    shutil.rmtree(out)
    return {"writers": count, "frames compared": compared}


def full_disk(bench: Bench, disk: Path) -> dict[str, int]:
    """A bake onto a disk that fills up; after room has been made it goes on."""
    out, ballast = disk / "out", disk / "ballast"
    out.mkdir()
    frame_bytes = (bench.reference / bench.names[0]).stat().st_size
    track_bytes = bench.track.stat().st_size
    free = shutil.disk_usage(disk).free
    # Room for the track and two frames and a half.
    ballast.write_bytes(bytes(max(0, free - track_bytes - 5 * frame_bytes // 2 - 8192)))
    process = bench.start(out, "--json", stdout=subprocess.PIPE)
    said = process.communicate()[0]
    assert process.returncode == 3, said
    error = json.loads(said)["error"]
    assert error["code"] == "media.disk-full" and error["hint"], error
    kept = bench.check(out, all_of_them=False)
    assert 0 < kept < len(bench.names)
    assert not list(out.glob(".*")), "something half-written is left"
    ballast.unlink()
    assert bench.start(out).wait() == 0
    return {"frames before": kept, "frames after": bench.check(out, all_of_them=True)}


def attack(bench: Bench, kind: str, count: int, seed: int) -> dict[str, Any]:
    """Damaged input of one kind, in a process of its own.

    Raises:
        AssertionError: a crash, a traceback, more than a gibibyte, or a minute for one of them.
    """
    folder = bench.folder / "attack"
    folder.mkdir(exist_ok=True)
    shutil.copy(bench.reference / bench.names[0], folder)
    shutil.copy(bench.track, folder)
    for path in Path(bench.plate).parent.glob("plate.*.exr"):
        shutil.copy(path, folder)
    if not (folder / "job.json").exists():
        saved = (*REAGE, "run", f"{folder}/plate.####.exr", "out.####.exr", *AGES, "--save-job", "job.json")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(saved, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
    command = [sys.executable, "-m", "benchmarks.attack", kind, str(count), str(seed), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = (folder / "last.txt").read_text() if (folder / "last.txt").exists() else ""
    assert done.returncode == 0, f"it died at {last}: {done.stderr[-500:]}"
    told: dict[str, Any] = json.loads(done.stdout)
    assert not told["broken"], told["broken"][:5]
    assert told["grown_mib"] < MEMORY_LIMIT_MIB, told
    assert told["slowest_seconds"] < SLOW_SECONDS, told
    refused = sum(number for code, number in told["outcomes"].items() if "." in code)
    return {
        "damaged": count,
        "refused": refused,
        "taken": count - refused,
        "slowest": f"{told['slowest_seconds']:.1f} s",
        "memory": f"+{told['grown_mib']:.0f} MiB",
    }


@contextmanager
def mounted(folder: Path, size_mib: int) -> Iterator[Path | None]:
    """A real small disk in memory; None where mounting is refused."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
    try:
        refused = subprocess.run(options, capture_output=True, check=False).returncode != 0
    except OSError:
        refused = True
    if refused:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _wait_for(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    while process.poll() is None and not happened():
        time.sleep(0.005)


def _wait_for_writing(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Return while the so-manieth temporary file is there; the first is only a probe of the folder."""
    seen: set[str] = set()
    while process.poll() is None and len(seen) < count:
        seen |= {path.name for path in out.glob(".reage*")}
