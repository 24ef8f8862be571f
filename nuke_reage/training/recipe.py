"""What a data set is made with, kept in its manifest: pictures of two recipes do not come into one folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nuke_reage import __version__
from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.models.checksums import sha256_of
from nuke_reage.training.layout import MANIFEST, read_manifest

__all__ = ["check_recipe", "digest", "write_manifest"]

_PAIRS = "data pairs"


def check_recipe(folder: Path, command: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse a folder whose pictures were made otherwise.

    What a manifest does not say, because an earlier version wrote it, is not compared.

    Args:
        folder: the data set; it need not be there.
        command: that makes it, ``data pairs`` or ``data render``.
        recipe: all that decides the pixels, as JSON values.

    Returns:
        The manifest that is there; empty = none.

    Raises:
        UsageError: ``other-recipe``, or ``bad-manifest``.
    """
    there = read_manifest(folder)
    # Manifests that name no command are older than renders had any.
    known = {"command": _PAIRS, **there} if there else {}
    wanted = json.loads(json.dumps(_whole(command, recipe)))
    other = [key for key, value in wanted.items() if key in known and known[key] != value]
    if other:
        raise UsageError(
            "other-recipe",
            f"The pictures in {folder} were made with another {', '.join(other)}; {MANIFEST} there tells which.",
            "Give another folder, or remove this one first.",
        )
    return there


def write_manifest(folder: Path, command: str, recipe: Mapping[str, Any], **facts: Any) -> None:
    """Say with what the pictures of a folder are made; to be called before the first of them is written.

    Processes that share the work write the same.  ``real_ages`` among the facts joins those that are there.

    Args:
        folder: the data set; made where it is missing.
        command: as in :func:`check_recipe`.
        recipe: likewise.
        facts: what else is worth knowing, as JSON values.

    Raises:
        UsageError: ``other-recipe``, ``bad-manifest``, or ``unwritable``.
    """
    there = check_recipe(folder, command, recipe)
    manifest = {**_whole(command, recipe), **facts}
    if "real_ages" in facts:
        manifest["real_ages"] = {**there.get("real_ages", {}), **facts["real_ages"]}
    write_text_atomic(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def digest(folder: Path, files: Iterable[Path]) -> str:
    """One SHA-256 of some files below a folder, by their names and what is in them; unreadable ones count as empty."""
    total = hashlib.sha256()
    for path in files:
        try:
            own = sha256_of(path)
        except OSError:
            own = ""
        total.update(f"{path.relative_to(folder).as_posix()} {own}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def _whole(command: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {"command": command, "version": __version__, **recipe}
