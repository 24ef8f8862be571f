"""Fetches checkpoints from the Hugging Face hub."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import ModelError
from nuke_reage.models.descriptor import HubFile

__all__ = ["Progress", "download"]

_DISK_ERRORS = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all (0 = not known)."""


def download(hub: HubFile, folder: Path, *, progress: Progress | None = None, endpoint: str | None = None) -> Path:
    """Download a file, going on where an earlier attempt stopped.

    No token is sent.  ``HF_ENDPOINT`` names another hub, ``HF_HUB_OFFLINE`` forbids the network, as usual.

    Args:
        hub: what to fetch.
        folder: where to; partial downloads stay there and are continued.
        progress: called while bytes come in.
        endpoint: of the hub; None = the usual one.

    Returns:
        The file.

    Raises:
        ModelError: ``offline``, ``not-on-hub``, ``hub-refused``, ``unwritable``.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    what = f"{hub.repository}/{hub.file}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = hf_hub_download(
            hub.repository,
            hub.file,
            revision=hub.revision,
            local_dir=folder,
            endpoint=endpoint,
            token=False,
            tqdm_class=_progress_bar(progress),
        )
    except LocalEntryNotFoundError:
        raise _offline(hub) from None
    except EntryNotFoundError:
        message = f"The hub has no {what} at revision {hub.revision!r}."
        raise ModelError("not-on-hub", message, "Look at the model's home page; it may have moved.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403, 404):
            message = f"The hub refuses {what} (status {status}): it is gone, private or gated."
            raise ModelError("hub-refused", message, "Look at the model's home page; it may have moved.") from None
        raise _offline(hub) from None
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise _offline(hub) from None
        hint = "Check the folder, its rights and the free space."
        raise ModelError("unwritable", f"Cannot write {what} to {folder}: {error}.", hint) from None
    except HfHubHTTPError.__bases__:
        # The hub's client has changed its HTTP library twice; the base of its own error is that library's error.
        raise _offline(hub) from None
    return Path(file)


def _offline(hub: HubFile) -> ModelError:
    return ModelError(
        "offline",
        f"The hub cannot be reached, so {hub.repository}/{hub.file} was not fetched.",
        f"Download {hub.file} on another machine, copy it here and run: reage models import {hub.file} --name NAME. "
        "What was fetched so far is kept.",
    )


def _progress_bar(progress: Progress | None) -> type[Any]:
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        """Reports to the callback instead of drawing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # The hub's own bars take a group name, and would stay silent where there is no terminal.
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn: bool | None = super().update(n)
            if progress is not None:
                progress(int(self.n), int(self.total or 0))
            return drawn

    return Bar
