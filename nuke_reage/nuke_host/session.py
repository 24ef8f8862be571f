"""The one worker of a Nuke session, and the queue of what it has to do.

There is one session object a process, held by :func:`host_session`: a worker is a process with a network in its memory,
and two nodes must share it.  With a GUI its tasks run in a thread, one after the other, so that the artist goes on
working; without one they run at once, where they are asked for.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuke_reage.client.session import WorkerSession
from nuke_reage.core.errors import CancelledError, HostError, ReageError, WorkerError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.site import load_site, user_folder
from nuke_reage.nuke_host import api, windows

__all__ = ["HostSession", "Step", "Task", "host_session"]

_LOG_DAYS = 7
_WORDS = {"track": "tracking", "bake": "baking", "stmap": "writing ST maps"}


@dataclass(frozen=True)
class Step:
    """One thing to ask of the worker.

    Args:
        job: the job.
        view: name of the view that it is for.
        action: ``track``, ``bake`` or ``stmap``.
        frames: frames; empty = those of the job.
    """

    job: JobSpec
    view: str
    action: str = "bake"
    frames: tuple[int, ...] = ()


@dataclass
class Task:
    """What a button asked for.

    Attributes:
        title: of the progress window.
        steps: done in order.
        on_step: called on the main thread with a step and the worker's report.
        on_frame: called on the main thread with a step, a frame that is on disk and its state.
        on_end: called on the main thread, with the error that ended it or None.
        say: called on the main thread with a line about what is under way.
    """

    title: str
    steps: tuple[Step, ...]
    on_step: Callable[[Step, dict[str, Any]], None]
    on_frame: Callable[[Step, int, str], None]
    on_end: Callable[[BaseException | None], None]
    say: Callable[[str], None] = lambda _text: None
    stop: threading.Event = field(default_factory=threading.Event)


class HostSession:
    """Runs tasks with one worker that is started when it is first needed and again after a crash.

    Args:
        log_folder: where the worker's log goes; None = the user's cache.
    """

    def __init__(self, log_folder: Path | None = None) -> None:
        self._log_folder = log_folder or user_folder("cache") / "logs"
        self._log: Any = None
        self._worker: WorkerSession | None = None
        self._waiting: queue.Queue[Task | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._running: tuple[Task, str] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._worker.pid if self._worker else None

    def is_busy(self, key: str) -> bool:
        """Whether a task of this key waits or runs."""
        with self._lock:
            return key in self._tasks

    def submit(self, key: str, task: Task) -> None:
        """Run a task: in the background where there is a GUI, else now.

        Args:
            key: whose task it is; one at a time.
            task: the task.

        Raises:
            HostError: a task of this key is under way.
        """
        with self._lock:
            if key in self._tasks:
                raise HostError("busy", "This node is being worked on.", "Wait, or press Cancel.")
            self._tasks[key] = task
        if not api.has_gui():
            self._run(key, task)
            return
        self._waiting.put(task)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._serve, name="reage-host", daemon=True)
            self._thread.start()

    def cancel(self, key: str) -> bool:
        """Ask a task to stop after the frames that are under way; False where there is none."""
        with self._lock:
            task = self._tasks.get(key)
        if task is None:
            return False
        task.stop.set()
        self._tell_worker(task)
        return True

    def cancel_all(self) -> None:
        """As :meth:`cancel`, for all tasks."""
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.stop.set()
            self._tell_worker(task)

    def close(self) -> None:
        """Stop everything and end the worker."""
        self.cancel_all()
        self._waiting.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(15.0)
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _serve(self) -> None:
        while True:
            task = self._waiting.get()
            if task is None:
                return
            key = next((name for name, one in list(self._tasks.items()) if one is task), "")
            self._run(key, task)

    def _run(self, key: str, task: Task) -> None:
        error: BaseException | None = None
        progress = windows.Progress(task.title)
        try:
            for index, step in enumerate(task.steps):
                for report in self._insist(task, step, progress, index):
                    api.run_in_main(functools.partial(task.on_step, step, report))
        except Exception as caught:
            error = caught
        finally:
            progress.close()
            with self._lock:
                self._tasks.pop(key, None)
        api.run_in_main(functools.partial(task.on_end, error))

    def _insist(self, task: Task, step: Step, progress: windows.Progress, index: int) -> Iterator[dict[str, Any]]:
        """Run a step; a worker that died is started again, but not after a second death without a frame in between."""
        finished: set[int] = set()
        deaths_in_vain = 0
        while True:
            before = len(finished)
            try:
                yield self._once(task, step, progress, index, finished)
                return
            except WorkerError as error:
                deaths_in_vain = 0 if len(finished) > before else deaths_in_vain + 1
                if error.slug != "died" or deaths_in_vain > 1:
                    raise

    def _once(
        self, task: Task, step: Step, progress: windows.Progress, index: int, finished: set[int]
    ) -> dict[str, Any]:
        if task.stop.is_set():
            raise CancelledError("by-user", "Stopped before it began.", "Press the button again.")
        worker = self._started()
        ids: list[str] = []

        def accepted(job_id: str) -> None:
            ids.append(job_id)
            self._running = (task, job_id)

        asked = False
        for heard in worker.run(step.job, step.frames, action=step.action, on_accepted=accepted):
            kind = heard["type"]
            if kind == "progress":
                total = max(1, heard["total"])
                share = (index + heard["done"] / total) / len(task.steps)
                text = f"{_WORDS.get(heard['stage'], heard['stage'])}: {heard['done']} of {heard['total']} frames"
                progress.show(int(100 * share), text)
                api.run_in_main(functools.partial(task.say, text))
            elif kind == "frame":
                finished.add(heard["frame"])
                api.run_in_main(functools.partial(task.on_frame, step, heard["frame"], heard["state"]))
            elif kind == "done":
                return dict(heard["report"])
            if not asked and (task.stop.is_set() or progress.cancelled()):
                asked = True
                worker.cancel(ids[0])
        raise WorkerError("protocol", "The worker ended a job without a word.", "Look at its log.")

    def _tell_worker(self, task: Task) -> None:
        """Cancel at once, without waiting for the worker's next word; a job that is gone is no matter."""
        running, worker = self._running, self._worker
        if running is not None and running[0] is task and worker is not None:
            with contextlib.suppress(ReageError):
                worker.cancel(running[1])

    def _started(self) -> WorkerSession:
        if self._worker is None:
            self._worker = WorkerSession(load_site(), self._open_log())
        self._worker.start()
        return self._worker

    def _open_log(self) -> int | None:
        """A file for the worker's stderr: a host's own may lead nowhere."""
        if self._log is None:
            for folder in (self._log_folder, Path(tempfile.gettempdir())):
                with contextlib.suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)
                    _forget_old_logs(folder)
                    self._log = (folder / f"worker-{os.getpid()}.log").open("ab")
                    break
        return self._log.fileno() if self._log is not None else None


@functools.lru_cache(maxsize=1)
def host_session() -> HostSession:
    """The session of this process; it ends with the process."""
    session = HostSession()
    atexit.register(session.close)
    return session


def _forget_old_logs(folder: Path) -> None:
    for file in folder.glob("worker-*.log"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < time.time() - _LOG_DAYS * 86400:
                file.unlink()
