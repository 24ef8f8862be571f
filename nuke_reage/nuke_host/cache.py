"""Where a node keeps its plates and layers: a folder of its own, shared with no other node and no other script.

A node's folder is named after the node and a random number, which its record remembers.  A file in the folder says
which node of which script it belongs to.  A node that finds itself with somebody else's folder (it was copied, or its
script was saved under another name) takes a new one and starts with links to the files in the old one: nothing of the
other is overwritten, and nothing has to be computed twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from nuke_reage.core.errors import HostError, ReageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.site import user_folder
from nuke_reage.core.strict import read_json
from nuke_reage.nuke_host.record import Record

__all__ = ["CacheFolder", "Claim", "clear", "obtain_folder"]

_OWNER = "owner.json"
_BESIDE_SCRIPT = "reage_cache"


@dataclass(frozen=True)
class CacheFolder:
    """A node's folder.

    Args:
        path: the folder.
    """

    path: Path

    @classmethod
    def of(cls, record: Record) -> CacheFolder | None:
        """The folder that a record remembers, None where it is not there."""
        return cls(Path(record.folder)) if record.folder and Path(record.folder).is_dir() else None

    def pattern(self, kind: str, view: str) -> str:
        """A view's sequence, with forward slashes.

        Args:
            kind: ``plate``, ``age``, ``layers`` or ``stmap``.
            view: name of the view, or ``%V`` for Nuke to fill in.
        """
        return (self.path / view / kind / f"{kind}.%04d.exr").as_posix()

    def file(self, kind: str, view: str, frame: int) -> Path:
        """One frame of a view's sequence."""
        return self.path / view / kind / f"{kind}.{frame:04d}.exr"

    def manifest(self, kind: str, view: str) -> Path:
        """What the exported frames of a sequence were made from."""
        return self.path / view / kind / "frames.json"

    def job_file(self, view: str) -> Path:
        return self.path / view / "job.json"

    def track_file(self, view: str) -> Path:
        """Where the worker puts the track: beside the layers."""
        return self.path / view / "layers" / "layers.track.json"


@dataclass(frozen=True)
class Claim:
    """Who asks for a folder.

    Args:
        node: full name of the node.
        script: path of the script, empty while it was never saved.
        wanted: folder that the artist chose, empty = the default.
        others: full name → uid of the script's other ReAge nodes.
    """

    node: str
    script: str
    wanted: str
    others: dict[str, str]


def obtain_folder(record: Record, claim: Claim) -> tuple[CacheFolder, Record]:
    """The node's own folder, made where it is not there yet.

    Args:
        record: of the node.
        claim: who asks.

    Returns:
        The folder, and the record that remembers it.

    Raises:
        HostError: the folder cannot be made or written.
    """
    base = _base(claim)
    old = Path(record.folder) if record.folder else None
    if old is not None and old.parent == base and _is_own(old, record, claim):
        folder = old
        uid = record.uid
    else:
        uid = secrets.token_hex(4)
        short = re.sub(r"[^\w.-]", "_", claim.node)
        folder = base / f"{short}_{uid}"
    _make(folder)
    if old is not None and folder != old and old.is_dir():
        _link_tree(old, folder)
    owner = {"node": claim.node, "script": claim.script, "uid": uid}
    write_text_atomic(folder / _OWNER, json.dumps(owner) + "\n")
    return CacheFolder(folder), replace(record, uid=uid, owner=claim.node, folder=folder.as_posix())


def clear(record: Record, claim: Claim) -> bool:
    """Delete the node's folder, unless it belongs to another node or script.

    Returns:
        Whether something was deleted.

    Raises:
        HostError: files cannot be deleted.
    """
    folder = Path(record.folder) if record.folder else None
    if folder is None or not (folder / _OWNER).is_file() or not _is_own(folder, record, claim):
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise HostError(
            "cache-unwritable", f"Cannot delete {folder}: {error.strerror or error}.", "Check who may write there."
        ) from None
    return True


def _base(claim: Claim) -> Path:
    if claim.wanted:
        wanted = Path(claim.wanted).expanduser()
        beside = Path(claim.script).parent if claim.script else Path.home()
        return wanted if wanted.is_absolute() else beside / wanted
    if claim.script:
        return Path(claim.script).parent / _BESIDE_SCRIPT
    return user_folder("cache") / "unsaved"


def _is_own(folder: Path, record: Record, claim: Claim) -> bool:
    """Whether the folder is this node's: no other node claims it, and no other script that is still there."""
    twins = [name for name, uid in claim.others.items() if uid == record.uid]
    if twins and record.owner != claim.node:
        return False
    try:
        owner = read_json((folder / _OWNER).read_text(encoding="utf-8"), _OWNER)
    except (OSError, UnicodeDecodeError, ReageError):
        return not twins
    if owner.get("uid") != record.uid:
        return False
    script = str(owner.get("script", ""))
    return script in {claim.script, ""} or not Path(script).exists()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise HostError(
            "cache-unwritable",
            f"Cannot write into {folder}: {error.strerror or error}.",
            "Set the knob 'cache folder' to a folder that you may write.",
        ) from None


def _link_tree(old: Path, new: Path) -> None:
    """Start with the files of another folder; files are only ever replaced, so links are safe."""
    for source in sorted(old.rglob("*")):
        target = new / source.relative_to(old)
        if source.name == _OWNER or source.name.startswith("."):
            continue
        if source.is_dir():
            target.mkdir(exist_ok=True)
            continue
        with contextlib.suppress(OSError):
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)
