"""Settings of a studio or a machine: where the worker's Python is, where models lie.

One JSON file.  The first of these that exists counts: the file that ``REAGE_SITE`` names, ``reage_site.json`` beside
the package (for a shared installation), ``reage_site.json`` in the user's configuration folder.  Single values may be
overridden by environment variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import from_dict, read_json

__all__ = ["SITE_FILE", "Site", "load_site", "user_folder"]

SITE_FILE = "reage_site.json"


@dataclass(frozen=True)
class Site:
    """What differs between studios.

    Args:
        python: the worker's Python; empty = ``.venv`` beside the package, else the running one.
        models: folders with models, searched in order after the user's own.
        ocio_config: OCIO config where neither the job nor ``$OCIO`` names one.
        device: device where the job says ``auto``; empty = the best there is.
    """

    python: str = ""
    models: tuple[str, ...] = ()
    ocio_config: str = ""
    device: str = ""


def user_folder(kind: str, environ: Mapping[str, str] | None = None) -> Path:
    """The user's own ReAge folder.

    Args:
        kind: ``config`` or ``data``.
        environ: the environment; default: the process's own.
    """
    env = os.environ if environ is None else environ
    if sys.platform == "win32":
        base = Path(env.get("APPDATA" if kind == "config" else "LOCALAPPDATA") or Path.home() / "AppData")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        variable, fallback = {"config": ("XDG_CONFIG_HOME", ".config"), "data": ("XDG_DATA_HOME", ".local/share")}[kind]
        base = Path(env.get(variable) or Path.home() / fallback)
    return base / "reage"


def load_site(environ: Mapping[str, str] | None = None) -> Site:
    """Read the site file, then apply ``REAGE_PYTHON``, ``REAGE_MODELS`` and ``REAGE_DEVICE``.

    Raises:
        UsageError: ``REAGE_SITE`` names a file that is not there, or a site file is malformed.
    """
    env = os.environ if environ is None else environ
    named = env.get("REAGE_SITE", "")
    beside = Path(__file__).resolve().parents[2] / SITE_FILE
    site = Site()
    for file in [Path(named)] if named else [beside, user_folder("config", env) / SITE_FILE]:
        if file.is_file():
            site = from_dict(Site, read_json(file.read_text(encoding="utf-8"), str(file)), str(file))
            break
    else:
        if named:
            raise UsageError("no-site-file", f"REAGE_SITE names {named}, which is not there.", "Unset or correct it.")
    folders = tuple(folder for folder in env.get("REAGE_MODELS", "").split(os.pathsep) if folder)
    return replace(
        site,
        python=env.get("REAGE_PYTHON") or site.python,
        models=folders + site.models,
        device=env.get("REAGE_DEVICE") or site.device,
    )
