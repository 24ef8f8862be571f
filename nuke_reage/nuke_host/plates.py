"""Pictures out of the graph: what is connected to the node, written into its folder, only where missing or stale.

Frames are rendered beside their final place and moved there when they are whole.  A frame that comes out byte for byte
as it was keeps its old file, so that what was made from it still holds.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nuke_reage.core.errors import HostError, ReageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.frames import format_frames
from nuke_reage.core.strict import read_json
from nuke_reage.nuke_host import api
from nuke_reage.nuke_host.cache import CacheFolder
from nuke_reage.nuke_host.hashing import frame_key, structure_key

__all__ = ["SOURCES", "Exported", "Source", "export_source", "input_key", "stale_frames"]


@dataclass(frozen=True)
class Source:
    """One of the node's inputs.

    Attributes:
        kind: name of its files.
        index: of the input.
        channels: what is written.
        datatype: of the EXR, as Nuke's Write calls it.
        channel: of the EXR that a job reads; empty = its red, green and blue.
    """

    kind: str
    index: int
    channels: str
    datatype: str
    channel: str = ""


SOURCES = (
    Source("plate", 0, "rgb", "16 bit half"),
    # Ages of 35.1 years and the like want more digits than half has.
    Source("age", 2, "rgb", "32 bit float", "R"),
)
"""What is exported.  Input 1, the roto, is not: the node multiplies it in live, and baked in it would count twice."""


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        structure: key of the nodes above.
        written: frames whose files are new or have changed.
        rendered: frames that Nuke had to render to find that out.
    """

    structure: str
    written: tuple[int, ...]
    rendered: tuple[int, ...]


def stale_frames(
    node: api.Node, source: Source, cache: CacheFolder, view: str, frames: Sequence[int], structure: str
) -> dict[int, str]:
    """The frames of an input whose files are missing or out of date, with the key that they should have.

    Args:
        node: the ReAge node.
        source: which input; it must be connected.
        cache: the node's folder.
        view: name of the view.
        frames: frames to look at.
        structure: of the input, from :func:`input_key`.
    """
    above = _above(node, source)
    known = _read_manifest(cache.manifest(source.kind, view))
    stale = {}
    for frame in frames:
        key = frame_key(structure, above, frame)
        if known.get(str(frame)) != key or not _is_there(cache.file(source.kind, view, frame)):
            stale[frame] = key
    return stale


def input_key(node: api.Node, source: Source) -> str:
    """Key of an input: the nodes above it, and which channels of theirs are written.

    Raises:
        HostError: nothing is connected.
    """
    return f"{_channels(node, source)} {structure_key(_above(node, source), node)}"


def export_source(
    node: api.Node, source: Source, cache: CacheFolder, view: str, frames: Sequence[int], *, whole: bool = True
) -> Exported:
    """Write an input's frames that are missing or stale.

    Args:
        node: the ReAge node.
        source: which input; it must be connected.
        cache: the node's folder.
        view: name of the view.
        frames: frames that are needed.
        whole: these are all frames that count, so that stale files of other frames go; the track would see them.

    Raises:
        HostError: Nuke is rendering, a frame cannot be rendered, or the folder cannot be written.
        CancelledError: the artist stopped it; what was finished before counts.
    """
    above = _above(node, source)
    channels = _channels(node, source)
    structure = input_key(node, source)
    stale = stale_frames(node, source, cache, view, frames, structure)
    manifest = cache.manifest(source.kind, view)
    known = _read_manifest(manifest)
    written: list[int] = []
    incoming = manifest.parent / ".incoming"
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        if whole:
            for frame in _surplus(known, above, structure, frames):
                cache.file(source.kind, view, frame).unlink(missing_ok=True)
                del known[str(frame)]
        shutil.rmtree(incoming, ignore_errors=True)
        if stale:
            incoming.mkdir()
            with api.temporary_write(
                above,
                (incoming / Path(cache.pattern(source.kind, view)).name).as_posix(),
                channels,
                source.datatype,
            ) as write:
                for first, last in _runs(stale):
                    api.execute(write, first, last, view)
                    for frame in range(first, last + 1):
                        place = cache.file(source.kind, view, frame)
                        if _take(incoming / place.name, place, frame):
                            written.append(frame)
                        known[str(frame)] = stale[frame]
                    _write_manifest(manifest, known)
        _write_manifest(manifest, known)
    except OSError as error:
        raise HostError(
            "cache-unwritable",
            f"Cannot write into {manifest.parent}: {error.strerror or error}.",
            "Set the knob 'cache folder' to a folder that you may write, with space left.",
        ) from None
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return Exported(structure, tuple(written), tuple(stale))


def _above(node: api.Node, source: Source) -> api.Node:
    above = node.input(source.index)
    if above is None:
        raise HostError("no-input", f"{node.name()} has no plate.", "Connect its first input to the plate.")
    return above


def _channels(node: api.Node, source: Source) -> str:
    knob = node.knob("plate_layer") if source.kind == "plate" else None
    return (str(knob.value() or "").strip() if knob is not None else "") or source.channels


def _runs(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring frames as first and last."""
    runs: list[tuple[int, int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _is_there(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _take(new: Path, place: Path, frame: int) -> bool:
    """Move a rendered frame to its place; False where the same file lies there already."""
    if not _is_there(new):
        raise HostError(
            "export-missing", f"Nuke wrote no file for frame {format_frames([frame])}.", "Look at Nuke's error console."
        )
    if place.is_file() and filecmp.cmp(new, place, shallow=False):
        return False
    new.replace(place)
    return True


def _surplus(known: Mapping[str, str], above: api.Node, structure: str, frames: Sequence[int]) -> list[int]:
    """Frames that nobody asks for any more and that are out of date."""
    others = {int(text) for text in known} - set(frames)
    return sorted(frame for frame in others if known[str(frame)] != frame_key(structure, above, frame))


def _read_manifest(file: Path) -> dict[str, str]:
    try:
        data = read_json(file.read_text(encoding="utf-8"), str(file))
        return {str(int(frame)): str(key) for frame, key in data.items()}
    except (OSError, UnicodeDecodeError, ValueError, ReageError):
        return {}


def _write_manifest(file: Path, known: Mapping[str, str]) -> None:
    write_text_atomic(file, json.dumps(dict(sorted(known.items())), indent=0) + "\n")
