"""What a node knows of its bake, and the sentence that the artist reads about it.

The record lies in the node's knob ``bake_record`` as one line of JSON, so it is saved, pasted and undone with the node.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nuke_reage.core.errors import ReageError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.strict import from_dict, read_json, to_dict

__all__ = ["NOTHING_BAKED", "Record", "ViewRecord", "clock", "parse_record", "record_text", "status_text"]

NOTHING_BAKED = "nothing baked"
# Of the line, in characters: what the panel shows of the frames.
_MOST_WORDS = 60


@dataclass(frozen=True)
class ViewRecord:
    """One view's bake.

    Args:
        view: name of the view.
        structure: key of the nodes above when the plate was exported.
        settings: key of all that decides the layers but the plate.
        done: frames that are baked.
    """

    view: str
    structure: str = ""
    settings: str = ""
    done: str = ""


@dataclass(frozen=True)
class Record:
    """A node's bake.

    Args:
        uid: names the node's own folder; a copy of the node brings it along and gives it up when it bakes.
        owner: full name of the node when the folder was last used.
        folder: the node's folder, with forward slashes.
        frames: frames that were asked for.
        without_face: frames in which there is no face.
        stale_since: date and time since when the layers do not fit the node any more; empty = they do.
        stale_reason: why.
        failed: what went wrong last; empty = nothing.
        tracked: whether a track was made.
        views: one for each view.
    """

    uid: str = ""
    owner: str = ""
    folder: str = ""
    frames: str = ""
    without_face: int = 0
    stale_since: str = ""
    stale_reason: str = ""
    failed: str = ""
    tracked: bool = False
    views: tuple[ViewRecord, ...] = field(default_factory=tuple)

    def view(self, name: str) -> ViewRecord:
        """The record of a view, an empty one where there is none."""
        return next((one for one in self.views if one.view == name), ViewRecord(name))

    def with_view(self, changed: ViewRecord) -> Record:
        """The record with one view's part exchanged."""
        others = tuple(one for one in self.views if one.view != changed.view)
        return replace(self, views=(*others, changed))

    def stale(self, reason: str) -> Record:
        """The record, out of date from now on; what is out of date already keeps its time."""
        return self if self.stale_since else replace(self, stale_since=clock(), stale_reason=reason)

    @property
    def is_baked(self) -> bool:
        return any(one.done for one in self.views)


def clock() -> str:
    """Now, local time, to the minute."""
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M")


def parse_record(text: str) -> Record:
    """Read a record; a damaged one counts as none, and the node bakes into a new folder."""
    if not text.strip():
        return Record()
    try:
        return from_dict(Record, read_json(text, "bake_record"), "bake_record")
    except ReageError:
        return Record()


def record_text(record: Record) -> str:
    """The record as one line of JSON."""
    return json.dumps(to_dict(record), separators=(",", ":"))


def status_text(record: Record, baked: Sequence[int], asked: int) -> str:
    """The status line.

    Args:
        record: of the node.
        baked: frames that are baked, in every view.
        asked: how many frames were asked for.

    >>> status_text(Record(), [], 0)
    'nothing baked'
    >>> status_text(Record(), [1005, 1090], 100)
    '2 of 100 frames (1005,1090)'
    """
    done = len(baked)
    if record.failed:
        begun = f" ({done} of {asked} frames are baked)" if done else ""
        return f"failed because {record.failed}{begun}"
    if not done:
        return "tracked, nothing baked" if record.tracked else NOTHING_BAKED
    if record.stale_since:
        return f"stale since {record.stale_since}: {record.stale_reason}"
    faceless = f", {record.without_face} without a face" if record.without_face else ""
    which = format_frames(baked)
    shown = which if len(which) <= _MOST_WORDS else f"{which[:_MOST_WORDS].rpartition(',')[0]},..."
    return f"{done} of {asked} frames{faceless if done == asked else f' ({shown}){faceless}'}"
