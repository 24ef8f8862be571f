"""What a plate follows from: the nodes above with their knobs, and the files that they read.

Two keys make up a frame's: the *structure*, the same for all frames, and the files of that frame by size and time of
writing.  Where a node lies in the graph, what it is called and how it looks does not count.  Files inside other gizmos
are not seen, nor are files that Nuke's ``fileDependencies`` does not list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nuke_reage.nuke_host import api

__all__ = ["file_stamp", "frame_key", "structure_key"]

# fmt: off
_LOOKS = frozenset(
    {
        "name", "label", "xpos", "ypos", "selected", "tile_color", "gl_color", "note_font", "note_font_size",
        "note_font_color", "hide_input", "bookmark", "cached", "dope_sheet", "icon", "indicators",
        "lifetimeStart", "lifetimeEnd", "useLifetime", "postage_stamp", "postage_stamp_frame",
        "updateLocalization", "localizationPolicy", "status",
    }
)
# fmt: on
_ROOT = ("colorManagement", "OCIO_config", "customOCIOConfigPath", "workingSpaceLUT", "floatLut", "format", "views")


def structure_key(node: api.Node, outside: api.Node | None = None) -> str:
    """SHA-256 of a node and everything above it.

    Args:
        node: the node whose picture it is.
        outside: a node that does not count, with all that only it needs: the ReAge node itself, which an expression
            may name.
    """
    found: dict[str, api.Node] = {}
    waiting = [node]
    skipped = outside.fullName() if outside is not None else ""
    while waiting:
        one = waiting.pop()
        name = one.fullName()
        if name not in found and name != skipped:
            found[name] = one
            waiting.extend([*api.inner_nodes(one), *api.dependencies(one)])
    # Numbers instead of names: a renamed node is the same node.
    number = {name: index for index, name in enumerate(found)}
    lines: list[str] = [repr(sorted(api.root_knobs(_ROOT).items()))]
    for one in found.values():
        above = [one.input(index) for index in range(one.inputs())]
        wires = " ".join("-" if other is None else str(number.get(other.fullName(), "-")) for other in above)
        lines.append(f"{one.Class()} {wires}\n{_knobs(one)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def frame_key(structure: str, node: api.Node, frame: int) -> str:
    """SHA-256 of a frame: the structure and the files that are read for it.

    Args:
        structure: of :func:`structure_key`.
        node: the node whose picture it is.
        frame: frame number.
    """
    stamps = sorted(file_stamp(file) for file in _files(node, frame))
    return hashlib.sha256("\n".join([structure, *stamps]).encode()).hexdigest()


def file_stamp(file: str) -> str:
    """Name, size and time of writing; a file that is not there has one too."""
    try:
        status = Path(file).stat()
    except OSError:
        return f"{file} missing"
    return f"{file} {status.st_size} {status.st_mtime_ns}"


def _files(node: api.Node, frame: int) -> Iterable[str]:
    # Each entry is a node and its files, the latter one by one or as a list.
    entries: Any = node.fileDependencies(frame, frame)
    for entry in entries:
        for part in entry[1:]:
            yield from [part] if isinstance(part, str) else [str(one) for one in part]


def _knobs(node: api.Node) -> str:
    """A node's knobs that decide its picture, as script text."""
    kept = []
    for line in api.knob_text(node).splitlines():
        if line.split(" ", 1)[0] not in _LOOKS:
            kept.append(line)
    return "\n".join(kept)
