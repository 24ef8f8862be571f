"""Talk to a worker: one process for a whole session of the host, restarted after a crash."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nuke_reage import __version__
from nuke_reage.client.launcher import start_worker
from nuke_reage.core.errors import ReageError, WorkerError, error_from_dict
from nuke_reage.core.job import JobSpec
from nuke_reage.core.protocol import PROTOCOL_VERSION, decode, encode, message
from nuke_reage.core.site import Site

__all__ = ["WorkerSession"]

_START_SECONDS = 60.0
_SHUTDOWN_SECONDS = 12.0


class WorkerSession:
    """A worker and the conversation with it.

    Not for use by several threads at once, but :meth:`cancel` may come from any.

    Args:
        site: site settings.
        log: file descriptor for the worker's stderr; None = inherit.
    """

    def __init__(self, site: Site, log: int | None = None) -> None:
        self._site = site
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._inbox: queue.Queue[dict[str, Any] | WorkerError | None] = queue.Queue()

    def __enter__(self) -> WorkerSession:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def start(self) -> None:
        """Start the worker if it does not run, and greet it.

        Raises:
            WorkerError: it cannot be started, does not answer, or speaks another protocol.
        """
        if self.pid is not None:
            return
        # One that died unnoticed still holds its pipes.
        self.close()
        self._inbox = queue.Queue()
        self._process = start_worker(self._site, self._log)
        self._reader = threading.Thread(
            target=_read, args=(self._process, self._inbox), name="reage-client", daemon=True
        )
        self._reader.start()
        try:
            self._greet()
        except ReageError:
            # A worker that was not greeted must not be taken for a running one by the next call.
            self.close()
            raise

    def run(
        self,
        job: JobSpec,
        frames: Sequence[int] = (),
        *,
        action: str = "bake",
        overwrite: bool = False,
        on_accepted: Callable[[str], None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Submit a job and yield the worker's messages about it, ``done`` last.

        Args:
            job: the job.
            frames: frames to bake; empty = those of the job.
            action: ``bake`` or ``track``.
            overwrite: redo what is there.
            on_accepted: called with the job's id, for :meth:`cancel`.

        Raises:
            ReageError: what the worker reports as failed, as the same class.
            WorkerError: the worker died; the next call starts a new one.
        """
        self.start()
        job_id = uuid.uuid4().hex
        if on_accepted:
            on_accepted(job_id)
        self._send("submit", id=job_id, job=job.to_dict(), frames=list(frames), overwrite=overwrite, action=action)
        while True:
            received = self._next(None)
            if received.get("id", job_id) not in {job_id, ""}:
                continue
            if received["type"] == "failed":
                raise error_from_dict(received["error"])
            yield received
            if received["type"] == "done":
                return

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop a job after the frames that are under way."""
        self._send("cancel", id=job_id)

    def close(self) -> None:
        """Shut the worker down; kill it if it does not go."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(encode(message("shutdown")))
                process.stdin.flush()
            # Closing flushes once more: with the worker gone that fails again, but closes.
            with contextlib.suppress(OSError):
                process.stdin.close()
        _reap(process)
        if self._reader:
            self._reader.join(_SHUTDOWN_SECONDS)
        if process.stdout:
            process.stdout.close()

    def _greet(self) -> None:
        self._send("hello", protocol=PROTOCOL_VERSION, version=__version__)
        answer = self._next(_START_SECONDS)
        if answer["type"] == "failed":
            raise error_from_dict(answer["error"])
        if answer["type"] != "ready":
            raise WorkerError("protocol", f"The worker answered {answer['type']!r} to hello.", "Look at its log.")

    def _send(self, kind: str, **fields: Any) -> None:
        line = encode(message(kind, **fields))
        try:
            if self._process is None or self._process.stdin is None:
                raise OSError
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._died() from None

    def _next(self, timeout_seconds: float | None) -> dict[str, Any]:
        try:
            received = self._inbox.get(timeout=timeout_seconds)
        except queue.Empty:
            self.close()
            raise WorkerError("no-answer", "The worker does not answer.", "Look at its log.") from None
        if received is None:
            raise self._died()
        if isinstance(received, WorkerError):
            raise received
        return received

    def _died(self) -> WorkerError:
        # Its end of the pipe is closed; it may still be writing a core dump, or hang.
        status = _reap(self._process) if self._process else None
        self.close()
        return WorkerError(
            "died",
            f"The worker ended unexpectedly (status {status}).",
            "Frames that were finished are on disk; submit the job again to go on.",
        )


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for a worker that is about to end; kill it if it does not."""
    try:
        return process.wait(_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _read(process: subprocess.Popen[bytes], inbox: queue.Queue[dict[str, Any] | WorkerError | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while process.stdout and (line := process.stdout.readline()):
            try:
                inbox.put(decode(line))
            except WorkerError as error:
                inbox.put(error)
    inbox.put(None)
