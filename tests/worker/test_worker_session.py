"""The worker as Nuke uses it: a real process behind a real session."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from nuke_reage import __version__
from nuke_reage.client.session import WorkerSession
from nuke_reage.core.errors import CancelledError, MediaError, WorkerError
from nuke_reage.core.protocol import PROTOCOL_VERSION, decode, encode, message
from nuke_reage.core.site import Site

SITE = Site(python=sys.executable)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One worker for all tests that do not end it."""
    log = tmp_path_factory.mktemp("log") / "worker.log"
    with log.open("wb") as stream, WorkerSession(SITE, stream.fileno()) as one:
        yield one


def is_alive(pid: int) -> bool:
    try:
        return b"Z" not in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2][:3]
    except OSError:
        return False


def wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def job(shots, plate, baked, tmp_path):
    return shots.job(plate, tmp_path / "shot.####.exr", track=str(baked / "shot.track.json"))


def test_a_bad_frame_is_told_to_the_host_and_costs_no_other(session, shots, plate, baked, tmp_path):
    for frame in (1001, 1002, 1003):
        (tmp_path / f"plate.{frame}.exr").write_bytes(Path(plate.replace("####", str(frame))).read_bytes())
    (tmp_path / "plate.1002.exr").write_bytes(b"")
    track = str(baked / "shot.track.json")
    states = {}
    with pytest.raises(MediaError) as caught:
        for heard in session.run(shots.job(tmp_path / "plate.####.exr", tmp_path / "o.####.exr", track=track)):
            if heard["type"] == "frame":
                states[heard["frame"]] = heard["state"]
    assert caught.value.slug == "empty-file" and states == {1001: "baked", 1002: "failed", 1003: "baked"}


@pytest.mark.slow
def test_a_bake_through_the_worker_is_that_of_the_command_line(session, shots, job, baked, tmp_path):
    heard = list(session.run(job, [1002, 1004]))
    kinds = [one["type"] for one in heard]
    assert kinds[0] == "accepted" and heard[0]["frames"] == [1002, 1004]
    assert kinds.count("frame") == 2 and kinds[-1] == "done"
    assert [(one["done"], one["total"]) for one in heard if one["type"] == "progress"][-1] == (2, 2)
    assert [one["state"] for one in heard if one["type"] == "frame"] == ["baked", "baked"]
    for one in heard[-1]["report"]["frames"]:
        ours, theirs = shots.layers(one["path"]), shots.layers(baked / Path(one["path"]).name)
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    again = [one["state"] for one in session.run(job, [1001, 1002]) if one["type"] == "frame"]
    assert again == ["baked", "kept"]
    forced = [one["state"] for one in session.run(job, [1002], overwrite=True) if one["type"] == "frame"]
    assert forced == ["baked"]


def test_a_bake_with_openvino_never_imports_torch(job, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    log = tmp_path / "worker.log"
    with log.open("wb") as stream, WorkerSession(SITE, stream.fileno()) as session:
        assert [one["state"] for one in session.run(job, [1002]) if one["type"] == "frame"] == ["baked"]
    imported = {line.rpartition("|")[2].strip() for line in log.read_text(encoding="utf-8").splitlines()}
    assert "openvino" in imported and "torch" not in imported


def test_tracking_through_the_worker(session, shots, plate, tmp_path):
    job = shots.job(plate, tmp_path / "own.####.exr")
    heard = list(session.run(job, action="track"))
    assert heard[-1]["report"]["track"] == (tmp_path / "own.track.json").as_posix()
    assert (tmp_path / "own.track.json").exists()
    assert max(one["done"] for one in heard if one["type"] == "progress") == 6


def test_errors_come_back_as_what_they_are_and_the_worker_goes_on(session, shots, plate, tmp_path):
    pid = session.pid
    with pytest.raises(MediaError) as caught:
        list(session.run(shots.job(tmp_path / "no.exr", tmp_path / "o.exr")))
    assert caught.value.slug == "missing-file" and caught.value.hint and caught.value.exit_code == 3
    with pytest.raises(WorkerError) as refused:
        list(session.run(shots.job(plate, tmp_path / "o.####.exr"), action="paint"))
    assert "paint" in refused.value.message
    assert session.pid == pid


def test_a_job_can_be_stopped_while_it_runs(session, shots, plate, tmp_path):
    job = shots.job(plate, tmp_path / "shot.####.exr")
    ids: list[str] = []
    with pytest.raises(CancelledError):
        for one in session.run(job, on_accepted=ids.append):
            if one["type"] == "progress" and one["stage"] == "track" and one["done"] == 1:
                session.cancel(ids[0])
    assert not list(tmp_path.glob("*.exr")) and not list(tmp_path.glob("*.json"))
    # A late cancel of a job that is gone does nothing to the next one.
    session.cancel(ids[0])
    assert list(session.run(job, action="track"))[-1]["type"] == "done"


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again_by_the_same_session(shots, job, tmp_path):
    with WorkerSession(SITE) as session:
        first = session.pid
        with pytest.raises(WorkerError) as caught:
            for one in session.run(job):
                if one["type"] == "frame":
                    os.kill(first, signal.SIGKILL)
        assert caught.value.slug == "died" and "-9" in caught.value.message and caught.value.hint
        assert session.pid is None
        done = sorted(path.name for path in tmp_path.glob("*.exr"))
        assert done and all(len(shots.layers(tmp_path / name)) == 3 for name in done)
        states = [one["state"] for one in session.run(job, [1001, 1002]) if one["type"] == "frame"]
        assert states[0] == "kept" and session.pid not in (None, first)
    assert session.pid is None


class Wire:
    """A worker spoken to line by line."""

    def __init__(self, module: str = "-mnuke_reage.worker", *code: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, module, *code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.heard: queue.Queue[dict] = queue.Queue()
        self.log: list[bytes] = []
        self.readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._logs, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.heard.put(decode(line))

    def _logs(self) -> None:
        self.log.extend(self.process.stderr)

    def say(self, line: bytes) -> None:
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def next(self, *kinds: str) -> dict:
        while True:
            one = self.heard.get(timeout=60)
            if not kinds or one["type"] in kinds:
                return one

    def end(self) -> int:
        code = self.process.wait(30)
        for reader in self.readers:
            reader.join(10)
        return code

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        with suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()


def hello(protocol: int = PROTOCOL_VERSION) -> bytes:
    return encode(message("hello", protocol=protocol, version=__version__))


def submit(job, job_id: str, frames: list[int]) -> bytes:
    return encode(message("submit", id=job_id, job=job.to_dict(), frames=frames, overwrite=True, action="bake"))


def test_greeting_garbage_and_another_version():
    with Wire() as worker:
        worker.say(hello())
        ready = worker.next()
        assert (ready["type"], ready["protocol"], ready["pid"]) == ("ready", PROTOCOL_VERSION, worker.process.pid)
        for garbage in (b"once upon a time\n", b"\xff\xfe\x00\n", b"{}\n", b'{"type": "hello"}\n', b"[1]\n", b"\n"):
            worker.say(garbage)
            answer = worker.next()
            assert answer["type"] == "failed" and answer["id"] == ""
            assert answer["error"]["code"] == "worker.protocol" and answer["error"]["hint"]
        worker.say(encode(message("done", id="x", report={})))
        assert worker.next()["error"]["code"] == "worker.protocol", "a word of its own, from the host"
        worker.say(hello(PROTOCOL_VERSION + 1))
        answer = worker.next()
        assert answer["error"]["code"] == "worker.version" and str(PROTOCOL_VERSION + 1) in answer["error"]["message"]
        worker.say(hello())
        assert worker.next()["type"] == "ready", "and still there"
        # Stdin stays open: whoever waits there must not keep the worker from ending well.
        worker.say(encode(message("shutdown")))
        assert worker.end() == 0
        assert worker.log == []


def test_a_host_that_goes_takes_the_worker_with_it():
    with Wire() as worker:
        worker.say(hello())
        worker.next("ready")
        worker.process.stdin.close()
        assert worker.end() == 0


@pytest.mark.slow
def test_two_jobs_queue_and_the_waiting_one_can_be_taken_back(job, shots, plate, tmp_path):
    with Wire() as worker:
        worker.say(hello())
        for job_id, frame in (("a", 1001), ("b", 1002), ("c", 1003)):
            worker.say(submit(job, job_id, [frame]))
        worker.say(encode(message("cancel", id="b")))
        ended = [worker.next("done", "failed") for _ in range(3)]
        assert {one["id"]: one["type"] for one in ended} == {"a": "done", "b": "failed", "c": "done"}
        assert next(one for one in ended if one["id"] == "b")["error"]["code"] == "cancelled.by-user"
        assert sorted(path.name for path in tmp_path.glob("*.exr")) == ["shot.1001.exr", "shot.1003.exr"]
        # The host dies in the middle of a job: what is under way is finished, then the worker goes.
        worker.say(submit(job, "d", [1001, 1002, 1003, 1004, 1005, 1006]))
        worker.next("accepted")
        worker.process.stdin.close()
        worker.end()
        for path in tmp_path.glob("*.exr"):
            assert len(shots.layers(path)) == 3
        assert not list(tmp_path.glob(".*"))


def test_whatever_a_library_prints_does_not_reach_the_host():
    noisy = (
        "import os, sys, subprocess\n"
        "from nuke_reage.worker.stdio import Wire, claim_stdin, claim_stdout\n"
        "wire = Wire(claim_stdin(), claim_stdout())\n"
        "print('a stray print')\n"
        "os.write(1, b'a stray write\\n')\n"
        "subprocess.run(['echo', 'a stray child'], check=True)\n"
        "assert sys.stdin.read() == ''\n"
        "from nuke_reage.worker.server import Server\n"
        "Server(wire).run()\n"
    )
    with Wire("-c", noisy) as worker:
        worker.say(hello())
        assert worker.next()["type"] == "ready", "the first line is a message"
        worker.say(encode(message("shutdown")))
        assert worker.end() == 0
        log = b"".join(worker.log)
        assert all(text in log for text in (b"a stray print", b"a stray write", b"a stray child"))


def test_a_worker_that_cannot_be_is_an_error_with_a_hint(tmp_path):
    for python, slug in ((tmp_path / "no-python", "no-python"), (tmp_path, "no-start")):
        with pytest.raises(WorkerError) as caught:
            WorkerSession(Site(python=str(python))).start()
        assert caught.value.slug == slug and caught.value.hint


def test_a_worker_of_another_version_is_refused_and_ended(tmp_path):
    """A stand-in that answers as a newer worker would."""
    newer = tmp_path / "python"
    pid_file = tmp_path / "pid"
    newer.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
        "sys.stdin.readline()\n"
        "error = {'code': 'worker.version', 'message': 'Protocol 9.', 'hint': 'Install the same.', 'exit_code': 7}\n"
        "print(json.dumps({'type': 'failed', 'id': '', 'error': error}), flush=True)\n"
        "sys.stdin.readline()\n"
    )
    newer.chmod(0o755)
    session = WorkerSession(Site(python=str(newer)))
    for _ in range(2):
        with pytest.raises(WorkerError) as caught:
            session.start()
        assert caught.value.slug == "version" and session.pid is None, "the second call must not take it for greeted"
    wait_until(lambda: not is_alive(int(pid_file.read_text())))


def test_a_worker_that_dies_at_once_is_told_from_one_that_hangs(tmp_path):
    dead = tmp_path / "python"
    dead.write_text("#!/bin/sh\nexit 3\n")
    dead.chmod(0o755)
    with pytest.raises(WorkerError) as caught:
        WorkerSession(Site(python=str(dead))).start()
    assert caught.value.slug == "died" and "3" in caught.value.message
