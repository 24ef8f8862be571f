"""Telling cheaply whether a file is still the one that was worked on."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nuke_reage.core.errors import MediaError

__all__ = ["file_fingerprint"]

_EDGE_BYTES = 4096


def file_fingerprint(path: str | os.PathLike[str], *, salt: str = "") -> str:
    """A short text that changes when a file is written again.

    Size, time of writing and both ends of the content go in, the path does not: the same file seen from another
    machine has the same fingerprint.

    Args:
        path: the file.
        salt: text to mix in, for example a frame number inside a movie.

    Returns:
        16 hexadecimal digits.

    Raises:
        MediaError: the file is missing or cannot be read.
    """
    file = Path(path)
    digest = hashlib.blake2b(digest_size=8)
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            digest.update(f"{status.st_size} {status.st_mtime_ns} {salt}\n".encode())
            digest.update(stream.read(_EDGE_BYTES))
            stream.seek(max(status.st_size - _EDGE_BYTES, 0))
            digest.update(stream.read(_EDGE_BYTES))
    except FileNotFoundError as error:
        raise MediaError("missing-file", f"{path} does not exist", "Check the path and the frame number.") from error
    except OSError as error:
        raise MediaError(
            "unreadable", f"{path} cannot be opened: {error.strerror}", "Check that you may read it."
        ) from error
    return digest.hexdigest()
