"""Fetches checkpoints from the Hugging Face hub.

Where a file is, how large it is and what it must hash to comes from ``huggingface_hub``.  The bytes are read here,
because its own downloads start from nothing after an interruption.
"""

from __future__ import annotations

import errno
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import cast

from nuke_reage.core.errors import ModelError
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import HubFile

__all__ = ["Progress", "download"]

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all (0 = not known)."""

_PATIENCE_SECONDS = 10.0
_CHUNK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DISK_ERRORS = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)


def download(hub: HubFile, folder: Path, *, progress: Progress | None = None, endpoint: str | None = None) -> Path:
    """Download a file, going on where an earlier attempt stopped.

    No token is sent.  ``HF_ENDPOINT`` names another hub, ``HF_HUB_OFFLINE`` forbids the network, as usual.

    Args:
        hub: what to fetch.
        folder: where to; what has come so far stays there as ``*.part`` and is continued.
        progress: called while bytes come in.
        endpoint: of the hub; None = the usual one.

    Returns:
        The file, compared with the SHA-256 that the hub states, where it does.

    Raises:
        ModelError: ``offline``, ``not-on-hub``, ``hub-refused``, ``checksum``, ``unwritable``.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    # The hub's client has changed its HTTP library twice; the first base of its own error is that library's error.
    transport_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    what = f"{hub.repository}/{hub.file}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        address = hf_hub_url(hub.repository, hub.file, revision=hub.revision, endpoint=endpoint)
        about = get_hf_file_metadata(address, token=False, timeout=_PATIENCE_SECONDS, endpoint=endpoint)
        etag = re.sub(r"[^0-9A-Za-z]", "", about.etag or "unnamed")
        part = folder / f"{etag[:64]}.part"
        _continue(about.location, part, about.size, progress)
    except EntryNotFoundError:
        message = f"The hub has no {what} at revision {hub.revision!r}."
        raise ModelError("not-on-hub", message, "Look at the model's home page; it may have moved.") from None
    except (HfHubHTTPError, urllib.error.HTTPError) as error:
        status = error.code if isinstance(error, urllib.error.HTTPError) else error.response.status_code
        if status not in (401, 403, 404):
            raise _offline(hub) from None
        message = f"The hub refuses {what} (status {status}): it is gone, private or gated."
        raise ModelError("hub-refused", message, "Look at the model's home page; it may have moved.") from None
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise _offline(hub) from None
        hint = "Check the folder, its rights and the free space."
        raise ModelError("unwritable", f"Cannot write {what} to {folder}: {error}.", hint) from None
    except transport_error:
        raise _offline(hub) from None

    if _SHA256.match(etag) and sha256_of(part) != etag:
        part.unlink()
        raise ModelError("checksum", f"{what} was damaged on its way.", "Fetch it again.")
    return part.replace(folder / Path(hub.file).name)


def _continue(address: str, part: Path, size: int | None, progress: Progress | None) -> None:
    there = part.stat().st_size if part.is_file() else 0
    if size is not None and there == size:
        return
    request = urllib.request.Request(address, headers={"Range": f"bytes={there}-"} if there else {})
    with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as response:
        continues = response.status == 206
        there = there if continues else 0
        with part.open("ab" if continues else "wb") as stream:
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                there += len(chunk)
                if progress is not None:
                    progress(there, size or 0)
    if size is not None and there != size:
        raise ConnectionError(f"{there} of {size} bytes came")


def _offline(hub: HubFile) -> ModelError:
    return ModelError(
        "offline",
        f"The hub cannot be reached, so {hub.repository}/{hub.file} was not fetched.",
        f"Try again: what has come so far is kept. Or download {hub.file} on another machine, copy it here and run: "
        f"reage models import {hub.file} --name NAME.",
    )
