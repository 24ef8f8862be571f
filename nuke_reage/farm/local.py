"""This machine as a farm: the steps run through openjd-sessions, the library with which farms' workers run them.

Which tasks there are and in which order steps come is decided by openjd-model, how a task is started, watched and
stopped by openjd-sessions; both come with the extra ``farm``.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import CancelledError, FarmError
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FarmJob
from nuke_reage.farm.openjd import EXTENSIONS, job_template

__all__ = ["TaskResult", "run_local", "with_this_program"]

_POLL_SECONDS = 0.1
_GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class TaskResult:
    """What became of a task.

    Attributes:
        step: name of the step.
        frames: its frames as text; empty for a step without frames.
        ok: whether it succeeded.
        attempts: how often it was tried.
        message: why it failed; empty = it did not say.
        seconds: wall time of the last attempt.
        log: file with all that it wrote.
    """

    step: str
    frames: str
    ok: bool
    attempts: int
    message: str
    seconds: float
    log: Path


def with_this_program(site: FarmSite) -> FarmSite:
    """The farm, its tasks run by this installation's ``reage``, which need not be on the path of this machine.

    Args:
        site: the farm; a command that it names itself stays.

    Returns:
        The farm with the whole path of the command that runs now, or of the one beside the running Python.
    """
    if site.reage != FarmSite().reage:
        return site
    running = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("reage.exe" if os.name == "nt" else "reage")
    for program in (running, beside):
        if program.stem == "reage" and program.is_file() and os.access(program, os.X_OK):
            return replace(site, reage=os.path.abspath(program))  # noqa: PTH100
    return site


def run_local(
    job: FarmJob,
    logs: str | os.PathLike[str],
    *,
    workers: int = 1,
    gpus: Sequence[str] = (),
    on_task: Callable[[TaskResult], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[TaskResult, ...]:
    """Run a farm job here.

    Args:
        job: the job.
        logs: folder for the tasks' logs.
        workers: tasks at a time, 1 or more.
        gpus: indices or ids of GPUs; each place at work gets one by ``CUDA_VISIBLE_DEVICES``, in turn.
        on_task: called for every finished task, from any thread.
        cancelled: whether to stop.

    Returns:
        One result a task.

    Raises:
        FarmError: ``farm.missing-openjd``; ``farm.task-failed`` for the first task that failed for good, when the
            tasks of its step have ended; later steps are not begun.
        CancelledError: stopped; what was finished is on disk and whole.
    """
    if workers < 1:
        raise FarmError("bad-workers", f"{workers} tasks at a time make no sense.", "Use 1 or more.")
    runner = _Runner(job, Path(logs), workers, gpus, cancelled)
    results: list[TaskResult] = []
    for step in runner.steps():
        with ThreadPoolExecutor(workers, "reage-farm") as pool:
            for result in pool.map(lambda task, step=step: runner.run(step, task, on_task), runner.tasks(step)):
                results.append(result)
        if cancelled():
            raise CancelledError("by-user", "Stopped.", "Run the same command again to go on.")
        failed = next((result for result in results if not result.ok), None)
        if failed:
            what = f"{failed.step} {failed.frames}".strip()
            raise FarmError(
                "task-failed", f"{what} failed: {failed.message or 'see its log'}", f"Look at {failed.log}."
            )
    return tuple(results)


class _Runner:
    def __init__(
        self, job: FarmJob, logs: Path, workers: int, gpus: Sequence[str], cancelled: Callable[[], bool]
    ) -> None:
        self._model, self._sessions = _load("openjd.model"), _load("openjd.sessions")
        self._job = job
        self._cancelled = cancelled
        self._logs = logs
        self._places: queue.Queue[str] = queue.Queue()
        for index in range(workers):
            self._places.put(gpus[index % len(gpus)] if gpus else "")
        self._values, self._made = self._make()
        self._extensions = self._model.RevisionExtensions(
            spec_rev=self._model.SpecificationRevision.v2023_09, supported_extensions=list(EXTENSIONS)
        )

    def _make(self) -> tuple[Any, Any]:
        """The parameters' values and openjd-model's job."""
        here = Path(self._job.job_file).parent
        try:
            template = self._model.decode_job_template(
                template=job_template(self._job), supported_extensions=EXTENSIONS
            )
            values = self._model.preprocess_job_parameters(
                job_template=template,
                job_parameter_values={"JobFile": self._job.job_file},
                job_template_dir=here,
                current_working_dir=here,
            )
            return values, self._model.create_job(job_template=template, job_parameter_values=values)
        except ValueError as error:
            said = " ".join(str(error).split())
            raise FarmError("bad-job", f"openjd-model refuses the job: {said}", "Look at the site file.") from None

    def steps(self) -> list[Any]:
        """The steps, each after those that it depends on."""
        return list(self._model.StepDependencyGraph(job=self._made).topo_sorted())

    def tasks(self, step: Any) -> list[Any]:
        return list(self._model.StepParameterSpaceIterator(space=step.parameterSpace))

    def run(self, step: Any, task: Any, on_task: Callable[[TaskResult], None] | None) -> TaskResult:
        frames = ",".join(str(value.value) for value in task.values())
        log = self._logs / f"{step.name}{'_' if frames else ''}{frames.replace(',', '+').replace(':', 'x')[:80]}.log"
        place = self._places.get()
        begin, ok, message, attempts = time.monotonic(), False, "", 0
        try:
            while not ok and attempts <= self._job.retries and not self._cancelled():
                attempts += 1
                begin = time.monotonic()
                ok, message = self._attempt(step, task, log, place)
        finally:
            self._places.put(place)
        result = TaskResult(step.name, frames, ok, attempts, message, time.monotonic() - begin, log)
        if on_task and attempts:
            on_task(result)
        return result

    def _attempt(self, step: Any, task: Any, log: Path, gpu: str) -> tuple[bool, str]:
        state, ended = self._sessions.ActionState, threading.Event()
        running = {state.RUNNING}

        def changed(_session: str, status: Any) -> None:
            if status.state not in running:
                ended.set()

        name = uuid.uuid4().hex
        with (
            _LogFile(self._sessions.LOG, name, log),
            self._sessions.Session(
                session_id=name,
                job_parameter_values=self._values,
                job_name=str(self._made.name),
                callback=changed,
                os_env_vars={_GPU_VARIABLE: gpu} if gpu else {},
                revision_extensions=self._extensions,
            ) as session,
        ):
            for environment in self._made.jobEnvironments or ():
                session.enter_environment(environment=environment)
                ended.wait()
                ended.clear()
            session.run_task(step_script=step.script, task_parameter_values=task, step_name=step.name)
            stopped = False
            while not ended.wait(_POLL_SECONDS):
                if self._cancelled() and not stopped:
                    stopped = True
                    session.cancel_action()
            status = session.action_status
            # The variables go with the session: there is nothing to leave the environments for.
            message = str(status.fail_message or "") if status else ""
            return bool(status and status.state == state.SUCCESS), message


class _LogFile(logging.Handler):
    """What one session logs, into a file."""

    def __init__(self, logger: Any, session_id: str, path: Path) -> None:
        super().__init__(logging.INFO)
        self._logger = logger
        self._session_id = session_id
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> None:
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._file.close()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "session_id", "") == self._session_id:
            self._file.write(record.getMessage() + "\n")
            self._file.flush()


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FarmError(
            "missing-openjd",
            f"A farm on this machine needs openjd-sessions: {error}.",
            "Run: pip install 'nuke-reage[farm]'",
        ) from None
