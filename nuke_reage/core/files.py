"""Small text files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from nuke_reage.core.errors import UsageError

__all__ = ["host_name", "partial_path", "require_own", "set_aside", "write_text_atomic"]


def host_name() -> str:
    """This machine's name as it stands in the names of temporary files."""
    return re.sub(r"[^\w-]", "-", socket.gethostname(), flags=re.ASCII)[:32] or "host"


def partial_path(folder: str | os.PathLike[str]) -> Path:
    """A hidden name for a file that is being written, of this machine and process, that does not exist yet.

    The final name is left out: with it a long name would exceed what file systems allow.
    """
    return Path(folder) / f".reage.{host_name()}.{os.getpid()}.{secrets.token_hex(6)}.partial"


def require_own(path: str | os.PathLike[str], is_own: Callable[[str], bool], what: str, hint: str) -> None:
    """Let a file be replaced only by its like: a mistyped name must not cost somebody a scene or a job.

    Args:
        path: file to write; that there is none is fine.
        is_own: whether a text is of the kind that is to be written.
        what: that kind, in words: ``a job file``.
        hint: what the user can do.

    Raises:
        UsageError: the file is there, and is something else or cannot be read.
    """
    file = Path(path)
    if not file.exists():
        return
    try:
        is_like = is_own(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        is_like = False
    if not is_like:
        raise UsageError("foreign-file", f"{file} is there, and is not {what}.", hint)


def set_aside(path: str | os.PathLike[str]) -> Path:
    """Rename a file to ``FILE.bak``, or to ``FILE.bak2`` and so on where there is one already.

    Returns:
        What it is called now.

    Raises:
        UsageError: it cannot be renamed.
    """
    file, number = Path(path), 1
    aside = file.with_name(f"{file.name}.bak")
    while aside.exists():
        number += 1
        aside = file.with_name(f"{file.name}.bak{number}")
    try:
        file.rename(aside)
    except OSError as error:
        raise UsageError(
            "unwritable", f"Cannot rename {file}: {error.strerror or error}.", "Check its folder and rights."
        ) from None
    return aside


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text under a hidden temporary name in the same folder, then rename it.

    Raises:
        UsageError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    file = Path(path)
    temporary = partial_path(file.parent)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise UsageError(
            "unwritable", f"Cannot write {file}: {error.strerror or error}.", "Check its folder, rights and free space."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
