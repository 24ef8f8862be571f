"""Looks: the adjustments of one shot as a small file, for the next shot, another artist, or the gizmo."""

from __future__ import annotations

import json
import os
from pathlib import Path

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.strict import from_dict, read_json, to_dict

__all__ = ["LOOK_VERSION", "load_look", "save_look"]

LOOK_VERSION = 1
_MAX_BYTES = 1024 * 1024


def load_look(path: str | os.PathLike[str]) -> AdjustSettings:
    """Read a look; what it leaves out changes nothing.

    Raises:
        UsageError: the file is missing, too large, not a look, of a newer version, has an unknown key (the nearest
            known one is named) or a value out of range.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UsageError("bad-look", f"{file} is too large for a look.", "Is this really a look?")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("bad-look", f"Cannot read the look {file}: {error}.", "Check the path.") from None
    data = dict(read_json(text, str(file)))
    version = data.pop("look", None)
    if version != LOOK_VERSION:
        raise UsageError(
            "bad-look",
            f"{file} is not a look of version {LOOK_VERSION}.",
            f'A look begins with "look": {LOOK_VERSION}; reage look --save writes one.',
        )
    return from_dict(AdjustSettings, data, file.name)


def save_look(adjust: AdjustSettings, path: str | os.PathLike[str]) -> None:
    """Write a look, whole or not at all."""
    write_text_atomic(path, json.dumps({"look": LOOK_VERSION, **to_dict(adjust)}, indent=2) + "\n")
