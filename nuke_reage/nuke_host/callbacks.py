"""What Nuke calls: the node's buttons, and what happens to the node and the script.

Buttons bear the names of :data:`nuke_reage.core.node.BUTTONS`.  They are the only functions here that render, start the
worker or write files.  The others return at once: they also run on load, paste and undo, and while knobs are dragged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuke_reage.core import looks
from nuke_reage.core.errors import HostError, ReageError
from nuke_reage.core.node import NODE_CLASS
from nuke_reage.nuke_host import api, bridge, windows, work
from nuke_reage.nuke_host.cache import CacheFolder, clear
from nuke_reage.nuke_host.looks import apply_look, look_of
from nuke_reage.nuke_host.record import Record
from nuke_reage.nuke_host.session import host_session
from nuke_reage.nuke_host.status import claim_of, error_text, fail, read_record, refresh, say, write_record
from nuke_reage.nuke_host.submission import orders_of, submissions, told

__all__ = [
    "bake",
    "cancel",
    "clear_cache",
    "install",
    "knob_changed",
    "load_look",
    "on_create",
    "on_destroy",
    "on_script_close",
    "on_script_load",
    "save_look",
    "submit",
    "to_tracker",
    "track",
    "update_frame",
]

_LOOK_FILES = "*.json"
Button = Callable[[api.Node], None]
_BUSY_WORDS = ("tracking:", "baking:", "writing ST maps:", "exporting:", "submitting", "waiting")


def _button(press: Button) -> Button:
    """A button whose errors the artist reads on the node and in a window; without a GUI they are raised."""

    @functools.wraps(press)
    def pressed(node: api.Node) -> None:
        try:
            press(node)
        except ReageError as error:
            fail(node, error)

    return pressed


def _asking(press: Button) -> Button:
    """A button that begins with a question and leaves no status: its errors are said in a window only."""

    @functools.wraps(press)
    def pressed(node: api.Node) -> None:
        if not api.has_gui():
            raise HostError("no-window", "A look is chosen in a window.", "Use reage look, or Nuke with its windows.")
        try:
            press(node)
        except ReageError as error:
            windows.show_message(error_text(error))

    return pressed


@_button
def track(node: api.Node) -> None:
    """Export the plate where it is missing or stale, and track the face through the shot."""
    _require_idle(node)
    prepared = work.prepare(node, bridge.frames_of(node))
    work.run(host_session(), node, work.track_task(node, prepared))


@_button
def bake(node: api.Node) -> None:
    """Track where no track holds, then re-age every frame that is missing or stale."""
    _require_idle(node)
    prepared = work.prepare(node, bridge.frames_of(node))
    work.run(host_session(), node, work.bake_task(node, prepared))


@_button
def update_frame(node: api.Node) -> None:
    """Re-age the current frame only, with the track that is there."""
    _require_idle(node)
    frame = api.current_frame()
    frames = tuple(sorted({*bridge.frames_of(node), frame}))
    prepared = work.prepare(node, frames, only=frame)
    work.run(host_session(), node, work.bake_task(node, prepared, only=frame))


@_button
def cancel(node: api.Node) -> None:
    """Stop; finished frames stay."""
    host_session().cancel(work.key_of(node))
    submissions().cancel(work.key_of(node))


@_button
def clear_cache(node: api.Node) -> None:
    """Delete what this node has exported and baked, unless it belongs to another node."""
    _require_idle(node)
    record = read_record(node)
    if record.folder and not windows.ask(
        f"Delete everything that {node.name()} has exported and baked?\n{record.folder}"
    ):
        return
    clear(record, claim_of(node))
    with api.without_undo():
        bridge.write_layers(node, "", ())
    write_record(node, Record())


@_button
def to_tracker(node: api.Node) -> None:
    """Make a node that carries the track, of the kind chosen beside."""
    _require_idle(node)
    record = read_record(node)
    view = api.views()[0]
    cache = CacheFolder.of(record)
    job = bridge.job_of(node, view, cache, bridge.frames_of(node)) if cache else None
    if cache is None or job is None or not (job.face.track or cache.track_file(view).is_file()):
        raise HostError("no-track", f"{node.name()} has no track.", "Press Track first.")
    if not job.face.track:
        job = replace(job, face=replace(job.face, track=cache.track_file(view).as_posix()))
    kind = bridge.text_of(node, "export_kind") or "Transform"
    task = work.export_track_task(node, kind, view, job, cache, api.current_frame())
    work.run(host_session(), node, task)


@_asking
def load_look(node: api.Node) -> None:
    """Set the adjustments from a look file, all of them and as one step to undo."""
    file = windows.ask_file("Load look", _LOOK_FILES)
    if file:
        apply_look(node, looks.load_look(file))


@_asking
def save_look(node: api.Node) -> None:
    """Write the adjustments, as they are in the current frame, to a look file."""
    look = look_of(node)
    file = windows.ask_file("Save look", _LOOK_FILES, save=True)
    if not file:
        return
    place = Path(file if Path(file).suffix else f"{file}.json")
    if not place.exists() or windows.ask(f"{place} is there. Replace it?"):
        looks.save_look(look, place)


@_button
def submit(node: api.Node) -> None:
    """Save the script and send export, track, bake and render to the farm, beside Nuke."""
    _require_idle(node)
    orders = orders_of(node)

    def on_end(reports: list[dict[str, Any]], error: BaseException | None) -> None:
        if error is not None:
            work.end_badly(node, error)
        else:
            say(node, told(orders, reports, dry_run="--dry-run" in orders[0].arguments))

    say(node, f"submitting: to {orders[0].engine}")
    submissions().submit(work.key_of(node), orders, lambda text: say(node, text), on_end)


def on_create(_node: api.Node, _knob: str = "") -> None:
    """A node appears, new, loaded, pasted or brought back by undo: nothing to do, its knobs say all."""


def knob_changed(node: api.Node, knob: str) -> None:
    """A knob has changed: note when the layers do not fit any more.

    Knobs that act after the bake are let go after one look into a table.  The panel's opening is the moment to hold the
    whole record against the node, and so is another mode, which reads other layers.
    """
    if knob in {"showPanel", "mode"}:
        if not host_session().is_busy(work.key_of(node)):
            refresh(node)
        return
    label = bridge.BAKED_KNOBS.get(knob)
    if label is None or (knob == "target_age" and bridge.text_of(node, "mode") == "ladder"):
        return
    record = read_record(node)
    if record.is_baked and not record.stale_since:
        write_record(node, record.stale(f"{label} changed"))


def on_destroy(node: api.Node, _knob: str = "") -> None:
    """A node goes: what it asked for stops."""
    host_session().cancel(work.key_of(node))


def on_script_load(_root: api.Node, _knob: str = "") -> None:
    """A script is open: nodes that were saved in the middle of a bake say what they really have."""
    for node in api.all_nodes(NODE_CLASS):
        if bridge.text_of(node, "status").startswith(_BUSY_WORDS):
            write_record(node, read_record(node))


def on_script_close(_root: api.Node, _knob: str = "") -> None:
    """A script closes: what its nodes asked for stops."""
    host_session().cancel_all()


def install() -> None:
    """Have Nuke call all of these, by the node's class, so that a fix reaches nodes in saved scripts."""
    api.register(
        NODE_CLASS,
        {
            "onCreate": on_create,
            "knobChanged": knob_changed,
            "onDestroy": on_destroy,
            "onScriptLoad": on_script_load,
            "onScriptClose": on_script_close,
        },
    )


def _require_idle(node: api.Node) -> None:
    key = work.key_of(node)
    if host_session().is_busy(key) or submissions().is_busy(key):
        raise HostError("busy", f"{node.name()} is being worked on.", "Wait, or press Cancel.")
