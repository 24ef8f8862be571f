"""Submit: the script is saved, and ReAge's command line sends it to the farm, beside Nuke.

The button gathers what ``reage submit --nuke`` wants to know; the command does the rest, in a process of its own, so
that a slow farm never holds Nuke up.  Each view is a job.
"""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuke_reage.client.command import run_command
from nuke_reage.core.errors import CancelledError, HostError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.site import Site, load_site
from nuke_reage.nuke_host import api, windows
from nuke_reage.nuke_host.bridge import frames_of, text_of
from nuke_reage.nuke_host.status import read_record

__all__ = ["Order", "Submissions", "orders_of", "submissions", "told"]

_FOLDER = "reage_farm"


@dataclass(frozen=True)
class Order:
    """One call of ``reage submit``.

    Args:
        engine: of the farm.
        folder: where the job's files go.
        arguments: of the command.
    """

    engine: str
    folder: str
    arguments: tuple[str, ...]


def orders_of(node: api.Node) -> tuple[Order, ...]:
    """What has to be sent for a node, one order a view; the script is saved first.

    Args:
        node: the ReAge node.

    Raises:
        HostError: no plate, the node was not tracked, or the script was never saved or is not to be saved.
        UsageError: a knob or the site file holds what it cannot.
    """
    if node.input(0) is None:
        raise HostError("no-input", f"{node.name()} has no plate.", "Connect its first input to the plate.")
    frames = format_frames(frames_of(node))
    flags = [f"--frames={frames}", "--node", node.fullName()]
    track = _flag(node, "farm_track")
    if not track and not read_record(node).tracked:
        raise HostError(
            "not-tracked",
            f"{node.name()} is not tracked, so the farm would not know the size of the face.",
            "Press Track first, or set 'track in the export'.",
        )
    engine = text_of(node, "farm_engine")
    if engine in {"", "site"}:
        engine = load_site().farm.engine
    flags += ["--to", engine]
    chunk = text_of(node, "farm_chunk")
    flags += ["--chunk", chunk] if chunk not in {"", "0"} else []
    flags += ["--write", text_of(node, "farm_write")] if text_of(node, "farm_write") else []
    chosen = {"--gpu": _flag(node, "farm_gpu"), "--track-first": track, "--dry-run": _flag(node, "farm_dry_run")}
    flags += [flag for flag, is_set in chosen.items() if is_set]
    script = _saved_script(node)
    folder = _folder(node, script)
    views = api.views()
    orders = []
    for view in views:
        place, which = (f"{folder}/{view}", ("--view", view)) if len(views) > 1 else (folder, ())
        orders.append(Order(engine, place, ("submit", "--nuke", script, *flags, *which, "-o", place)))
    return tuple(orders)


def told(orders: tuple[Order, ...], reports: list[dict[str, Any]], *, dry_run: bool) -> str:
    """What has become of them, for the status line."""
    engine, folder = orders[0].engine, orders[0].folder
    tasks = sum(step["tasks"] for report in reports for step in report["steps"])
    if dry_run:
        return f"checked for {engine}: {tasks} tasks; nothing was sent"
    ids = [f"{step} {number}" for report in reports for step, number in report.get("ids", {}).items()]
    if ids:
        return f"submitted to {engine}: {', '.join(ids)}"
    if engine == "local":
        return f"done on this machine: {tasks} tasks, {folder}"
    return f"written for {engine}: {tasks} tasks, {folder}"


class Submissions:
    """Sends orders, in a thread for each node where there is a GUI, else at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def is_busy(self, key: str) -> bool:
        """Whether a node's orders are under way."""
        with self._lock:
            return key in self._under_way

    def submit(
        self,
        key: str,
        orders: tuple[Order, ...],
        say: Callable[[str], None],
        on_end: Callable[[list[dict[str, Any]], BaseException | None], None],
    ) -> None:
        """Send orders, one after the other.

        Args:
            key: whose they are; one submission at a time.
            orders: what to send.
            say: called on the main thread with a line about what is under way.
            on_end: called on the main thread with the commands' reports, and the error that ended them or None.
        """
        site = load_site()
        with self._lock:
            if key in self._under_way:
                raise HostError("busy", "This node is being submitted.", "Wait, or press Cancel.")
            stop = self._under_way[key] = threading.Event()
        arguments = (key, orders, site, stop, say, on_end)
        if not api.has_gui():
            self._run(*arguments)
            return
        thread = threading.Thread(target=self._run, args=arguments, name="reage-submit", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def cancel(self, key: str) -> None:
        """Stop a node's submission, where one is under way."""
        with self._lock:
            stop = self._under_way.get(key)
        if stop is not None:
            stop.set()

    def close(self) -> None:
        """Stop all of them and wait until they have gone."""
        with self._lock:
            stops = list(self._under_way.values())
        for stop in stops:
            stop.set()
        for thread in self._threads:
            thread.join(15.0)

    def _run(
        self,
        key: str,
        orders: tuple[Order, ...],
        site: Site,
        stop: threading.Event,
        say: Callable[[str], None],
        on_end: Callable[[list[dict[str, Any]], BaseException | None], None],
    ) -> None:
        reports: list[dict[str, Any]] = []
        error: BaseException | None = None
        progress = windows.Progress("ReAge: submit")

        def heard(what: str, percent: int) -> None:
            text = f"submitting: {what} {percent} %" if what else "submitting"
            progress.show(percent, text)
            api.run_in_main(functools.partial(say, text))

        try:
            for order in orders:
                if stop.is_set():
                    raise CancelledError("by-user", "Stopped before it began.", "Press the button again.")
                heard(f"to {order.engine}", 0)
                reports.append(run_command(site, order.arguments, heard, lambda: stop.is_set() or progress.cancelled()))
        except Exception as caught:
            error = caught
        finally:
            progress.close()
            with self._lock:
                self._under_way.pop(key, None)
        api.run_in_main(functools.partial(on_end, reports, error))


@functools.lru_cache(maxsize=1)
def submissions() -> Submissions:
    """Those of this process; what is under way ends with the process."""
    found = Submissions()
    atexit.register(found.close)
    return found


def _saved_script(node: api.Node) -> str:
    """The script's path, once what is on disk is what the artist sees: the farm reads the file."""
    script = api.script_path()
    if not script:
        raise HostError("unsaved", "The script was never saved.", "Save it, then press Submit again.")
    if api.is_modified() or not Path(script).is_file():
        if not windows.ask(f"Save {Path(script).name} and submit {node.name()}?"):
            raise CancelledError("by-user", "Not submitted.", "Save the script, then press Submit again.")
        api.save()
    return Path(script).absolute().as_posix()


def _folder(node: api.Node, script: str) -> str:
    beside = Path(script).parent
    wanted = text_of(node, "farm_folder")
    place = Path(wanted).expanduser() if wanted else Path(_FOLDER) / Path(script).stem / node.fullName()
    return (place if place.is_absolute() else beside / place).as_posix()


def _flag(node: api.Node, name: str) -> bool:
    knob = node.knob(name)
    return knob is not None and bool(knob.value())
