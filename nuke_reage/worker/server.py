"""The worker: takes jobs from a host, one at a time, and keeps the network warm between them."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any

from nuke_reage import __version__
from nuke_reage.core.errors import CancelledError, ReageError, WorkerError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.protocol import ACTIONS, PROTOCOL_VERSION
from nuke_reage.core.strict import to_dict
from nuke_reage.media.sequence import open_plate
from nuke_reage.pipeline.bake import bake
from nuke_reage.pipeline.memory import ShotMemory
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.pipeline.reporting import FrameResult
from nuke_reage.pipeline.shot import Shot, open_shot, track_job
from nuke_reage.pipeline.trackpath import open_track_path, write_st_maps
from nuke_reage.worker.stdio import Wire

__all__ = ["Server"]

_GRACE_SECONDS = 10.0


class _WireReporter:
    """Passes a job's progress on to the host."""

    def __init__(self, wire: Wire, job_id: str, stop: threading.Event) -> None:
        self._wire = wire
        self._id = job_id
        self._stop = stop

    def progress(self, stage: str, done: int, total: int) -> None:
        self._wire.send("progress", id=self._id, stage=stage, done=done, total=total)

    def frame(self, result: FrameResult) -> None:
        self._wire.send(
            "frame",
            id=self._id,
            frame=result.frame,
            path=result.path.as_posix(),
            state=result.state,
            warnings=list(result.warnings),
        )

    def warn(self, text: str) -> None:
        self._wire.send("log", level="warning", text=text)

    def cancelled(self) -> bool:
        return self._stop.is_set()


class Server:
    """Runs until the host says ``shutdown`` or goes away.

    Args:
        wire: the host.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._running = ""
        self._ended = False
        self._predictors = PredictorCache()
        self._memory = ShotMemory()

    def run(self) -> None:
        """Serve jobs; returns when the host is done with this worker."""
        threading.Thread(target=self._listen, name="reage-listen", daemon=True).start()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                submitted = self._waiting.popleft()
                self._running = submitted["id"]
                self._stop.clear()
            self._work(submitted)
            with self._wake:
                self._running = ""

    def _listen(self) -> None:
        while True:
            received = self._wire.inbox.get()
            if received is None or (isinstance(received, dict) and received["type"] == "shutdown"):
                break
            if isinstance(received, WorkerError):
                self._wire.send("failed", id="", error=received.to_dict())
            else:
                self._receive(received)
        with self._wake:
            self._ended = True
            self._stop.set()
            self._wake.notify()
        # A pass of a large network cannot be interrupted; files are whole at any moment, so leaving is safe.
        timer = threading.Timer(_GRACE_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()

    def _receive(self, received: dict[str, Any]) -> None:
        kind = received["type"]
        if kind == "hello":
            self._greet(received)
        elif kind == "submit":
            with self._wake:
                self._waiting.append(received)
                self._wake.notify()
        elif kind == "cancel":
            self._cancel(received["id"])
        else:
            error = WorkerError("protocol", f"The worker does not take {kind!r}.", "Host and worker must match.")
            self._wire.send("failed", id="", error=error.to_dict())

    def _greet(self, hello: dict[str, Any]) -> None:
        if hello["protocol"] != PROTOCOL_VERSION:
            error = WorkerError(
                "version",
                f"The host speaks protocol {hello['protocol']} (ReAge {hello['version']}), "
                f"this worker {PROTOCOL_VERSION} (ReAge {__version__}).",
                "Install the same ReAge for Nuke and for the worker.",
            )
            self._wire.send("failed", id="", error=error.to_dict())
        else:
            self._wire.send("ready", protocol=PROTOCOL_VERSION, version=__version__, pid=os.getpid())

    def _cancel(self, job_id: str) -> None:
        with self._wake:
            if job_id == self._running:
                self._stop.set()
                return
            found = [job for job in self._waiting if job["id"] == job_id]
            for job in found:
                self._waiting.remove(job)
        if found:
            error = CancelledError("by-user", "Stopped before it began.", "Submit it again.")
            self._wire.send("failed", id=job_id, error=error.to_dict())

    def _work(self, submitted: dict[str, Any]) -> None:
        job_id = submitted["id"]
        reporter = _WireReporter(self._wire, job_id, self._stop)
        try:
            report = self._do(submitted, reporter)
        except ReageError as error:
            self._wire.send("failed", id=job_id, error=error.to_dict())
        except Exception as error:
            bug = WorkerError(
                "bug", f"{type(error).__name__}: {error}", "This is a bug; please report it with the log."
            )
            self._wire.send("failed", id=job_id, error=bug.to_dict())
            raise
        else:
            self._wire.send("done", id=job_id, report=report)

    def _do(self, submitted: dict[str, Any], reporter: _WireReporter) -> dict[str, Any]:
        job = JobSpec.from_dict(submitted["job"])
        action = submitted["action"]
        if action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise WorkerError("protocol", f"There is no action {action!r}.", f"Known: {known}.")
        asked = submitted["frames"]
        if not all(isinstance(frame, int) for frame in asked):
            raise WorkerError("protocol", "submit.frames must be whole numbers.", "Host and worker must match.")
        frames = format_frames(asked) if asked else job.frames
        if action in {"track", "stmap"}:
            track, path = track_job(job, reporter, overwrite=submitted["overwrite"])
            if action == "stmap":
                source = open_plate(job.plate.path, layer=job.plate.layer or None)
                face = track.face(job.face.select)
                maps = write_st_maps(source, face, job.output.path, (*asked, source.frames[0])[0], reporter)
                return {"files": [one.as_posix() for one in maps]}
            return {"track": path.as_posix(), "path": to_dict(open_track_path(job, track))}
        shot = open_shot(job, reporter, frames=frames, predictors=self._predictors, memory=self._memory)
        self._wire.send("accepted", id=submitted["id"], frames=list(shot.frames))
        results = bake(shot, reporter, overwrite=submitted["overwrite"])
        return {
            "frames": [result.to_dict() for result in results],
            "track": shot.job.face.track,
            "path": self._path_of(shot),
        }

    def _path_of(self, shot: Shot) -> dict[str, Any]:
        """The track as the host wants it; of a long shot it takes longer than a frame."""
        job, source = shot.job, shot.source
        key = (job.plate, job.face.select, shot.encoding.working_space, source.fingerprint(source.frames[0]))
        found: dict[str, Any] = self._memory.about(
            shot.track, "path", key, lambda: to_dict(open_track_path(job, shot.track))
        )
        return found
