"""What the buttons do: export the inputs, write the job, ask the worker, and put the result on the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import CancelledError, HostError, ReageError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec, save_job
from nuke_reage.core.tracknodes import track_node
from nuke_reage.core.trackpath import TrackPath
from nuke_reage.nuke_host import api, bridge
from nuke_reage.nuke_host.cache import CacheFolder, obtain_folder
from nuke_reage.nuke_host.plates import SOURCES, Exported, export_source
from nuke_reage.nuke_host.record import Record, ViewRecord
from nuke_reage.nuke_host.session import HostSession, Step, Task
from nuke_reage.nuke_host.status import claim_of, fail, inputs_key, job_key, read_record, say, write_record

__all__ = [
    "Prepared",
    "bake_task",
    "end_badly",
    "expect_layers",
    "export_track_task",
    "key_of",
    "prepare",
    "run",
    "track_task",
]

_STMAP = "STMap"


@dataclass(frozen=True)
class Prepared:
    """A node whose inputs are exported.

    Attributes:
        cache: its folder.
        frames: frames to bake.
        jobs: view → its job.
        settings: view → key of the node's settings.
        exported: view → kind of input → what was written.
    """

    cache: CacheFolder
    frames: tuple[int, ...]
    jobs: dict[str, JobSpec]
    settings: dict[str, str]
    exported: dict[str, dict[str, Exported]]


@dataclass
class _Result:
    """What has come back so far, by view."""

    done: dict[str, set[int]] = field(default_factory=dict)
    faceless: dict[str, set[int]] = field(default_factory=dict)


def key_of(node: api.Node) -> str:
    """What the session knows a node by: it stays when the node is renamed, and a copy has one of its own."""
    record = read_record(node)
    name = node.fullName()
    if not record.uid or (record.owner != name and record.uid in claim_of(node).others.values()):
        return name
    return record.uid


def prepare(node: api.Node, frames: Sequence[int], only: int | None = None, views: Sequence[str] = ()) -> Prepared:
    """Export what is missing or stale, and write a job for each view.

    Args:
        node: the ReAge node.
        frames: frames to bake.
        only: a single frame that is wanted; others are exported too where there is no track yet.
        views: views; empty = all of the script.

    Raises:
        ReageError: no plate, a knob out of range, an unwritable folder, Nuke renders, the artist stopped it.
    """
    if api.is_rendering():
        raise HostError("busy", "Nuke is rendering.", "Wait until it is done, then press the button again.")
    if node.input(0) is None:
        raise HostError("no-input", f"{node.name()} has no plate.", "Connect its first input to the plate.")
    cache, record = obtain_folder(read_record(node), claim_of(node))
    write_record(node, replace(record, failed=""))
    jobs: dict[str, JobSpec] = {}
    settings: dict[str, str] = {}
    exported: dict[str, dict[str, Exported]] = {}
    for view in views or api.views():
        job = bridge.job_of(node, view, cache, frames)
        settings[view] = job_key(node, job)
        track = cache.track_file(view)
        alone = only is not None and (track.is_file() or bool(job.face.track))
        if alone and not job.face.track:
            job = replace(job, face=replace(job.face, track=track.as_posix()))
        exported[view] = {
            source.kind: export_source(
                node, source, cache, view, [only] if alone and only is not None else frames, whole=not alone
            )
            for source in SOURCES
            if node.input(source.index) is not None
        }
        save_job(job, cache.job_file(view))
        jobs[view] = job
    return Prepared(cache, tuple(frames), jobs, settings, exported)


def expect_layers(node: api.Node, prepared: Prepared) -> None:
    """Point the node at layers that somebody else is going to bake."""
    views = list(prepared.jobs)
    folder = "%V" if len(api.views()) > 1 else views[0]
    with api.without_undo():
        bridge.write_layers(node, prepared.cache.pattern("layers", folder), prepared.frames)
        bridge.write_ladder(node, prepared.jobs[views[0]].output.ladder)


def track_task(node: api.Node, prepared: Prepared) -> Task:
    """Track every view."""

    def on_step(step: Step, report: dict[str, Any]) -> None:
        if api.is_alive(node) and step.view == next(iter(prepared.jobs)):
            with api.without_undo():
                bridge.write_path(node, report)

    def on_end(error: BaseException | None) -> None:
        if error is not None:
            end_badly(node, error)
        elif api.is_alive(node):
            write_record(node, replace(read_record(node), tracked=True, failed=""))

    steps = tuple(Step(job, view, "track") for view, job in prepared.jobs.items())
    return Task(f"ReAge: {node.name()}", steps, on_step, _no_frame, on_end, lambda text: say(node, text))


def bake_task(node: api.Node, prepared: Prepared, only: int | None = None) -> Task:
    """Track where no track holds, and bake.

    Args:
        node: the ReAge node.
        prepared: its exported inputs and jobs.
        only: a single frame to bake; None = all.
    """
    result = _Result({view: set() for view in prepared.jobs}, {view: set() for view in prepared.jobs})
    structure = inputs_key(node)

    def on_frame(step: Step, frame: int, state: str) -> None:
        if state == "failed":
            return
        result.done[step.view].add(frame)
        if state == "no-face":
            result.faceless[step.view].add(frame)

    def on_step(step: Step, report: dict[str, Any]) -> None:
        if api.is_alive(node) and step.view == next(iter(prepared.jobs)):
            with api.without_undo():
                bridge.write_path(node, report)

    def on_end(error: BaseException | None) -> None:
        if not api.is_alive(node):
            return
        record = read_record(node)
        whole = only is None and error is None
        for view in prepared.jobs:
            before = record.view(view)
            fits = before.structure == structure and before.settings == prepared.settings[view]
            if whole or fits or not before.done:
                kept = set(parse_frames(before.done)) if fits and before.done else set()
                now = ViewRecord(view, structure, prepared.settings[view], format_frames(kept | result.done[view]))
            else:
                # Some frames are new, the others still show what was there before: together they do not fit.
                mixed = set(parse_frames(before.done)) | result.done[view]
                now = replace(before, done=format_frames(mixed))
                record = record.stale("not every frame is baked anew")
            record = record.with_view(now)
        record = _settled(record, prepared, result, whole=whole)
        _show_layers(node, prepared, record)
        write_record(node, record)
        if error is not None:
            end_badly(node, error)

    frames = () if only is None else (only,)
    steps = tuple(Step(job, view, "bake", frames) for view, job in prepared.jobs.items())
    return Task(f"ReAge: {node.name()}", steps, on_step, on_frame, on_end, lambda text: say(node, text))


def export_track_task(node: api.Node, kind: str, view: str, job: JobSpec, cache: CacheFolder, frame: int) -> Task:
    """Make a node of the track.

    Args:
        node: the ReAge node.
        kind: of :data:`~nuke_reage.core.tracknodes.TRACK_KINDS`, or ``STMap``.
        view: whose track it is.
        job: the view's job, which names a trackfile.
        cache: the node's folder.
        frame: the frame that stays as it is.
    """

    def on_step(step: Step, report: dict[str, Any]) -> None:
        if not api.is_alive(node):
            return
        if step.action == "stmap":
            _make_st_map(node, step.job.output.path, report["files"])
        else:
            _make_track_node(node, kind, bridge.path_from_report(report), frame)

    def on_end(error: BaseException | None) -> None:
        if error is not None:
            end_badly(node, error)
        elif api.is_alive(node):
            write_record(node, read_record(node))

    if kind == _STMAP:
        maps = replace(job, output=replace(job.output, path=cache.pattern("stmap", view)))
        steps = (Step(maps, view, "stmap", (frame,)),)
    else:
        steps = (Step(job, view, "track"),)
    return Task(f"ReAge: {node.name()}", steps, on_step, _no_frame, on_end, lambda text: say(node, text))


def run(session: HostSession, node: api.Node, task: Task) -> None:
    """Hand a task to the session, under the node's key."""
    session.submit(key_of(node), task)


def _settled(record: Record, prepared: Prepared, result: _Result, *, whole: bool) -> Record:
    faceless = len(set().union(*result.faceless.values()))
    record = replace(record, frames=format_frames(prepared.frames), tracked=True, failed="")
    return replace(record, stale_since="", stale_reason="", without_face=faceless) if whole else record


def _show_layers(node: api.Node, prepared: Prepared, record: Record) -> None:
    views = list(prepared.jobs)
    done = [set(parse_frames(record.view(view).done)) if record.view(view).done else set() for view in views]
    frames = sorted(set.intersection(*done)) if done else []
    if not frames:
        return
    folder = "%V" if len(api.views()) > 1 else views[0]
    with api.without_undo():
        bridge.write_layers(node, prepared.cache.pattern("layers", folder), frames)
        bridge.write_ladder(node, prepared.jobs[views[0]].output.ladder)
        bridge.reload_reads(node)


def _make_track_node(node: api.Node, kind: str, path: TrackPath, frame: int) -> None:
    text = track_node(path, kind, frame)
    api.create_node(text.node_class, text.knobs, beside=node)


def _make_st_map(node: api.Node, pattern: str, files: Sequence[str]) -> None:
    frames = sorted(int(Path(one).stem.rpartition(".")[2]) for one in files)
    if not frames:
        raise HostError("no-track", "The face is in no frame of the track.", "Track the shot, or key a crop by hand.")
    first, last = str(frames[0]), str(frames[-1])
    read = api.create_node(
        "Read",
        {
            "file": pattern,
            "first": first,
            "last": last,
            "origfirst": first,
            "origlast": last,
            "raw": "true",
            "localizationPolicy": "off",
        },
        beside=node,
    )
    warp = api.create_node("STMap", {"uv": "rgb", "label": "ReAge track"}, beside=node)
    # Input 0 is the picture to warp, which is the artist's.
    warp.setInput(1, read)


def end_badly(node: api.Node, error: BaseException) -> None:
    """Tell how a task ended that did not end well; being stopped is no failure, and a bug is one.

    Raises:
        ReageError: the error, where nobody looks on.
    """
    if isinstance(error, ReageError):
        if isinstance(error, CancelledError) and api.is_alive(node):
            write_record(node, replace(read_record(node), failed=""))
        fail(node, error)
        return
    bug = HostError("bug", f"{type(error).__name__}: {error}", "This is a bug; please report it with Nuke's log.")
    fail(node, bug)


def _no_frame(_step: Step, _frame: int, _state: str) -> None:
    return None
