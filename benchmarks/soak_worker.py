"""Workers killed at random moments: is a frame ever lost, a file left behind, a process forgotten?

The client asks a real worker for bakes.  The worker is killed with SIGKILL while it starts, is greeted, tracks, infers
or writes, and while it waits for the next job; the client starts another and asks again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.soak_bench import Bench
    from nuke_reage.client.session import WorkerSession

__all__ = ["MOMENTS", "worker_kills"]

MOMENTS = ("starting", "greeting", "working", "writing", "waiting")
_MARK = "REAGE_SOAK"
_PATIENCE = 40


def worker_kills(bench: Bench, count: int, seed: int) -> dict[str, int]:
    """Kill the worker of one client again and again, until the bakes are whole in spite of it.

    Args:
        bench: plate and undisturbed bake.
        count: kills.
        seed: of the moments.

    Returns:
        Kills by moment, how many of them left a half-written file, finished bakes and compared frames.

    Raises:
        AssertionError: a frame is lost, damaged or not the undisturbed one; a hidden file, process, thread or open
            file is left; the client gave another error than that the worker died.
    """
    from nuke_reage.client.session import WorkerSession
    from nuke_reage.core.ages import AgeCurve
    from nuke_reage.core.job import JobSpec
    from nuke_reage.core.settings import ModelSettings, OutputSettings, PlateSettings
    from nuke_reage.core.site import load_site

    out = bench.folder / "worker kills"
    job = JobSpec(
        PlateSettings(bench.plate),
        OutputSettings(f"{out}/o.####.exr"),
        AgeCurve.constant(38),
        AgeCurve.constant(70),
        model=ModelSettings(device="cpu"),
    )
    told: Counter[str] = Counter()
    chance, before, others = random.Random(seed), _belongings(), _children()
    with _environment() as mark, Path(os.devnull).open("wb") as log:
        begin = time.monotonic()
        with WorkerSession(load_site(), log.fileno()) as session:
            start_seconds = time.monotonic() - begin
            list(session.run(job))
            told["frames compared"] += bench.check(out, all_of_them=True)
            shutil.rmtree(out)
            while told["kills"] < count:
                plan = [chance.choice(MOMENTS) for _ in range(chance.randint(1, 4))]
                for moment in plan[: count - told["kills"]]:
                    _kill_once(session, job, out, moment, chance, (start_seconds, bench.seconds), told)
                    told["frames compared"] += bench.check(out, all_of_them=False)
                    assert _marked(mark) <= {session.pid}, "a process is left"
                list(session.run(job))
                told["frames compared"] += bench.check(out, all_of_them=True)
                told["finished bakes"] += 1
                shutil.rmtree(out)
        assert not _marked(mark), "a process is left"
    assert _children() <= others, "a zombie is left"
    after = _belongings()
    assert all(now <= then for now, then in zip(after, before, strict=True)), f"threads, open files: {before}, {after}"
    return dict(told)


def _kill_once(
    session: WorkerSession,
    job: Any,
    out: Path,
    moment: str,
    chance: random.Random,
    seconds: tuple[float, float],
    told: Counter[str],
) -> None:
    """Ask for a bake and kill the worker, once; a bake that was done before its moment came is begun again."""
    from nuke_reage.core.errors import WorkerError

    start_seconds, bake_seconds = seconds
    for attempt in range(_PATIENCE):
        if moment in {"starting", "greeting"}:
            session.close()
        elif moment == "waiting":
            session.start()
            os.kill(_pid(session), signal.SIGKILL)
            while session.pid is not None:
                time.sleep(0.001)
            told["kills"] += 1
            told[moment] += 1
            return
        else:
            session.start()
        wait = {
            "starting": chance.uniform(0.0, 0.1 * start_seconds),
            "greeting": chance.uniform(0.0, start_seconds),
            "working": chance.uniform(0.0, bake_seconds),
            "writing": chance.uniform(0.0, 0.5 * bake_seconds),
        }[moment]
        # How long a bake takes was measured once; the machine may have grown quicker since.
        killer = _Killer(session, out, wait * 0.8**attempt, writing=moment == "writing")
        with killer:
            try:
                list(session.run(job))
                died = False
            except WorkerError as error:
                assert error.slug == "died" and error.hint, error.code
                died = True
        if killer.killed:
            told["kills"] += 1
            told[moment] += 1
            told["left half-written"] += bool(list(out.glob(".reage*"))) if out.exists() else 0
            return
        assert not died, "a worker that nobody killed is dead"
        shutil.rmtree(out)
    raise AssertionError(f"the worker could never be killed while {moment}")


class _Killer:
    """A thread that kills the worker of a session at its moment, at most once."""

    def __init__(self, session: WorkerSession, out: Path, wait_seconds: float, *, writing: bool) -> None:
        self._session = session
        self._out = out
        self._wait_seconds = wait_seconds
        self._writing = writing
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-killer")
        self.killed = False

    def __enter__(self) -> _Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if not self._until(lambda: self._session.pid is not None):
            return
        if self._over.wait(self._wait_seconds):
            return
        if self._writing and not self._until(lambda: _is_writing(self._out)):
            return
        pid = self._session.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.killed = True

    def _until(self, happened: Callable[[], bool]) -> bool:
        while not happened():
            if self._over.wait(0.0005):
                return False
        return True


def _is_writing(out: Path) -> bool:
    """Whether a picture is being written: the probe of the folder and the track are smaller."""
    for path in out.glob(".reage*"):
        try:
            with path.open("rb") as file:
                if file.read(4) == b"v/1\x01":
                    return True
        except OSError:
            continue
    return False


def _pid(session: WorkerSession) -> int:
    pid = session.pid
    assert pid is not None
    return pid


@contextmanager
def _environment() -> Iterator[str]:
    """A mark in the environment that every descendant carries, orphans too; one thread each, as the reference bake."""
    mark = uuid.uuid4().hex
    before = {name: os.environ.get(name) for name in (_MARK, "OMP_NUM_THREADS")}
    os.environ.update({_MARK: mark, "OMP_NUM_THREADS": "1"})
    try:
        yield mark
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _marked(mark: str) -> set[int | None]:
    """Living processes with the mark, of whatever parent; this one's own environment was taken before it was set."""
    found: set[int | None] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _children() -> set[int]:
    """Processes that this one has to wait for, zombies too."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            found.add(int(folder.name))
    return found


def _belongings() -> tuple[int, int]:
    """How many threads and open files this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
