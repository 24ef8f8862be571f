"""Small text files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from nuke_reage.core.errors import UsageError

__all__ = ["write_text_atomic"]


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text under a hidden temporary name in the same folder, then rename it.

    Raises:
        UsageError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    file = Path(path)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(6)}.tmp")
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
