"""Small text files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from pathlib import Path

from nuke_reage.core.errors import UsageError

__all__ = ["host_name", "partial_path", "write_text_atomic"]


def host_name() -> str:
    """This machine's name as it stands in the names of temporary files."""
    return re.sub(r"[^\w-]", "-", socket.gethostname(), flags=re.ASCII)[:32] or "host"


def partial_path(folder: str | os.PathLike[str]) -> Path:
    """A hidden name for a file that is being written, of this machine and process, that does not exist yet.

    The final name is left out: with it a long name would exceed what file systems allow.
    """
    return Path(folder) / f".reage.{host_name()}.{os.getpid()}.{secrets.token_hex(6)}.partial"


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
