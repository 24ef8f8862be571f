"""The record and the status line of a node: read, written, and held against the node as it is now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nuke_reage.core.errors import CancelledError, ReageError
from nuke_reage.core.frames import parse_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.node import NODE_CLASS
from nuke_reage.nuke_host import api, windows
from nuke_reage.nuke_host.bridge import frames_of, job_of, settings_key, text_of
from nuke_reage.nuke_host.cache import CacheFolder, Claim
from nuke_reage.nuke_host.plates import SOURCES, input_key
from nuke_reage.nuke_host.record import Record, parse_record, record_text, status_text

__all__ = ["claim_of", "error_text", "fail", "inputs_key", "job_key", "read_record", "refresh", "say", "write_record"]


def read_record(node: api.Node) -> Record:
    """What the node knows of its bake."""
    return parse_record(text_of(node, "bake_record"))


def write_record(node: api.Node, record: Record) -> None:
    """Write the record and the status line that follows from it; no step to undo."""
    asked = set(_frames(record.frames))
    done = [asked & set(_frames(one.done)) for one in record.views]
    baked = set.intersection(*done) if done else set()
    with api.without_undo():
        knob = node.knob("bake_record")
        if knob is not None:
            knob.setValue(record_text(record))
        _set_status(node, status_text(record, sorted(baked), len(asked)))


def say(node: api.Node, text: str) -> None:
    """Show what is under way."""
    if api.is_alive(node):
        with api.without_undo():
            _set_status(node, text)


def fail(node: api.Node, error: ReageError) -> None:
    """Tell on the node, and in a window where there is one, what went wrong; being stopped is no failure.

    Raises:
        ReageError: the error itself, where nobody looks on.
    """
    stopped = isinstance(error, CancelledError)
    if api.is_alive(node):
        text = f"{error.message} {error.hint}".strip()
        write_record(node, replace(read_record(node), failed="" if stopped else text))
    if not api.has_gui():
        raise error
    if not stopped:
        windows.show_message(error_text(error))


def error_text(error: ReageError) -> str:
    """An error as a window shows it."""
    return f"ReAge: {error.message}\n\n{error.hint}\n\n({error.code})"


def claim_of(node: api.Node) -> Claim:
    """Who the node is, and which folders other nodes of the script have."""
    name = node.fullName()
    others = {one.fullName(): read_record(one).uid for one in api.all_nodes(NODE_CLASS)}
    others.pop(name, None)
    return Claim(name, api.script_path(), text_of(node, "cache_dir"), others)


def inputs_key(node: api.Node) -> str:
    """Key of all connected inputs."""
    return " ".join(input_key(node, source) for source in SOURCES if node.input(source.index) is not None)


def job_key(node: api.Node, job: JobSpec) -> str:
    """Key of the settings; in ladder mode the target age is live and does not count."""
    return settings_key(job, live_age=text_of(node, "mode") == "ladder")


def refresh(node: api.Node) -> Record:
    """Hold the record against the node: does the bake still fit the knobs and the nodes above?

    Files on disk are not looked at; that is left to the next bake.

    Returns:
        The record, which is written back where it has changed.
    """
    record = read_record(node)
    if not record.is_baked:
        return record
    reason = _what_changed(node, record)
    now = record.stale(reason) if reason else replace(record, stale_since="", stale_reason="")
    if now != record:
        write_record(node, now)
    return now


def _what_changed(node: api.Node, record: Record) -> str:
    try:
        cache = CacheFolder(Path(record.folder))
        above = inputs_key(node)
        frames = frames_of(node)
        for baked in record.views:
            if baked.structure != above:
                return "the plate changed"
            if baked.settings != job_key(node, job_of(node, baked.view, cache, frames)):
                return "a setting changed"
    except ReageError as error:
        return error.message
    return ""


def _frames(text: str) -> tuple[int, ...]:
    return parse_frames(text) if text else ()


def _set_status(node: api.Node, text: str) -> None:
    knob = node.knob("status")
    if knob is not None and str(knob.value()) != text:
        knob.setValue(text)
