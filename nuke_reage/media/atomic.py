"""Files that appear whole or not at all.

A file is written under a hidden temporary name in the folder where it will live, flushed to the disk, then renamed.
Whoever sees the final name sees a finished file: Nuke, the farm, a second run that looks for finished frames.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nuke_reage.core.errors import MediaError
from nuke_reage.core.files import host_name, partial_path

__all__ = ["atomic_path", "remove_own_partials", "remove_stale_partials", "require_writable_folder", "write_error"]

_PARTIAL = re.compile(r"\.reage\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.[0-9a-f]+\.partial\Z")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PROBE_BYTES = 1 << 20


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; on a clean exit it becomes ``path`` in one step.

    Exceptions of the body pass through as they are; see :func:`write_error` for explaining them.

    The folder is created where it is missing.  On any exception, an interrupt by the artist included, the temporary
    file is removed and whatever stood under the final name before stays as it was.

    Args:
        path: final name; an existing file is replaced.

    Yields:
        A hidden path in the same folder, named after this machine and process, that does not exist yet.

    Raises:
        MediaError: the folder or the file cannot be written, or the disk is full.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(final, error) from error
    temporary = partial_path(final.parent)
    try:
        yield temporary
        try:
            _flush(temporary)
            temporary.replace(final)
        except OSError as error:
            raise write_error(final, error) from error
        _flush_folder(final.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_writable_folder(folder: str | os.PathLike[str]) -> None:
    """Make sure, before long work, that files can be written into a folder; it is created where it is missing.

    Raises:
        MediaError: ``unwritable`` or ``disk-full``.
    """
    probe = partial_path(folder)
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(probe.parent, error) from error


def write_error(path: str | os.PathLike[str], cause: OSError | str, *, temporary: Path | None = None) -> MediaError:
    """Explain a failed write.

    Args:
        path: the file that should have come to be.
        cause: the operating system's error, or a library's message, which rarely says why.
        temporary: the half-written file; where the library is silent, more is written to it to learn the reason.

    Returns:
        The error to raise: ``disk-full`` or ``unwritable``.
    """
    reason = cause if isinstance(cause, OSError) else _probe(temporary) if temporary else None
    number = reason.errno if reason else None
    text = (reason.strerror or str(reason)) if reason else str(cause)
    if temporary:
        # Libraries name the file that they know, which nobody else does.
        text = text.replace(str(temporary), str(path))
    if number in _FULL:
        return MediaError(
            "disk-full",
            f"no room to write {path}: {text}",
            "Free some space or choose another output folder, then run again; finished frames are kept.",
        )
    return MediaError(
        "unwritable",
        f"cannot write {path}: {text}",
        "Check that the folder exists, that you may write there and that no other program holds the file.",
    )


def remove_stale_partials(folder: str | os.PathLike[str], *, older_than_seconds: float = 86400.0) -> list[Path]:
    """Remove temporary files that killed processes left behind.

    A file goes when its process on this machine is gone, or when it is older than any frame takes to write.  Files of
    living processes and of other machines on a shared disk are left alone.

    Args:
        folder: folder to clean; a missing one is clean.
        older_than_seconds: age at which a file of another machine counts as left behind.

    Returns:
        The files removed.
    """
    removed = []
    clock: float | None = None
    with contextlib.suppress(OSError):
        for path, match in _partials(folder):
            with contextlib.suppress(OSError):
                own = match["host"] == host_name()
                if own and _is_alive(int(match["pid"])):
                    continue
                if not own:
                    clock = _disk_clock(path.parent) if clock is None else clock
                    if clock - path.stat().st_mtime <= older_than_seconds:
                        continue
                path.unlink()
                removed.append(path)
    return removed


def remove_own_partials(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of this process, right before it ends without finishing them."""
    with contextlib.suppress(OSError):
        for path, match in _partials(folder):
            if match["host"] == host_name() and int(match["pid"]) == os.getpid():
                with contextlib.suppress(OSError):
                    path.unlink()


def _partials(folder: str | os.PathLike[str]) -> list[tuple[Path, re.Match[str]]]:
    found = ((path, _PARTIAL.match(path.name)) for path in Path(folder).iterdir())
    return [(path, match) for path, match in found if match]


def _disk_clock(folder: Path) -> float:
    """What the disk's own clock says now: on a shared one it is the server's, and this machine's may be days off."""
    probe = partial_path(folder)
    try:
        probe.write_bytes(b"0")
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        # Signal 0 would end the process there; an age limit is not worth another dependency.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    # The rename itself survives a power cut only once the folder is on disk; Windows and some mounts cannot do it.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _probe(temporary: Path) -> OSError | None:
    """The operating system's reason why no more can be written to a file, None when it can."""
    try:
        with temporary.open("ab") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None
