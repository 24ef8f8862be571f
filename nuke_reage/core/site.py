"""Settings of a studio or a machine: where the worker's Python is, where models lie.

One JSON file.  The first of these that exists counts: the file that ``REAGE_SITE`` names, ``reage_site.json`` beside
the package (for a shared installation), ``reage_site.json`` in the user's configuration folder.  Single values may be
overridden by environment variables.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nuke_reage.core.errors import UsageError
from nuke_reage.core.pathmap import PathRoot, PathRule, read_path_rules, rules_of_roots
from nuke_reage.core.strict import from_dict, read_json

__all__ = ["ENGINES", "SITE_FILE", "FarmSite", "Site", "load_site", "path_rules", "user_folder"]

SITE_FILE = "reage_site.json"
ENGINES = ("openjd", "opencue", "deadline", "local")
"""Render engines that ``reage submit`` knows."""


@dataclass(frozen=True)
class FarmSite:
    """What differs between render farms.

    Args:
        engine: of :data:`ENGINES`, where nobody names one.
        reage: the command ``reage`` on the farm's nodes.
        nuke: the command of Nuke on the farm's nodes.
        bake_script: ``reage_bake.py`` on the farm's nodes; empty = the one of this installation.
        chunk: frames a task, 1 to 10000.
        priority: priority of a job, 0 to 100.
        retries: how often a failed task is tried again, 0 to 100.
        gpu_memory_mib: memory that a task on a GPU needs at least, in MiB.
        nuke_limit: limit (Deadline, OpenCue) that the Nuke steps take, for licences; empty = none.
        environment: ``NAME=VALUE`` for every task.
        deadline_pool: pool of Deadline; empty = its default.
        deadline_group: group of Deadline for tasks without a GPU.
        deadline_gpu_group: group of Deadline for tasks with a GPU.
        opencue_show: show of OpenCue.
        opencue_facility: facility of OpenCue; empty = its default.
    """

    engine: str = "openjd"
    reage: str = "reage"
    nuke: str = "nuke"
    bake_script: str = ""
    chunk: int = 10
    priority: int = 50
    retries: int = 2
    gpu_memory_mib: int = 8192
    nuke_limit: str = ""
    environment: tuple[str, ...] = ()
    deadline_pool: str = ""
    deadline_group: str = ""
    deadline_gpu_group: str = ""
    opencue_show: str = "testing"
    opencue_facility: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError("bad-setting", f"farm.engine is {self.engine!r:.80}.", f"Use {', '.join(ENGINES)}.")
        for name, low, high in (
            ("chunk", 1, 10_000),
            ("priority", 0, 100),
            ("retries", 0, 100),
            ("gpu_memory_mib", 0, 1 << 20),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError("bad-setting", f"farm.{name} is out of range.", f"Use a value from {low} to {high}.")
        for one in self.environment:
            if not re.match(r"[A-Za-z_][A-Za-z0-9_]*=", one):
                raise UsageError("bad-setting", f"farm.environment has {one!r:.120}.", "Write NAME=VALUE.")


@dataclass(frozen=True)
class Site:
    """What differs between studios.

    Args:
        python: the worker's Python; empty = ``.venv`` beside the package, else the running one.
        models: folders with models, searched in order after the user's own.
        ocio_config: OCIO config where neither the job nor ``$OCIO`` names one.
        device: device where the job says ``auto``; empty = the best there is.
        paths: folders that all machines share, and what each system calls them.
        roots: folders that jobs may name files in; empty = wherever the user may.
        farm: the render farm.
    """

    python: str = ""
    models: tuple[str, ...] = ()
    ocio_config: str = ""
    device: str = ""
    paths: tuple[PathRoot, ...] = ()
    roots: tuple[str, ...] = ()
    farm: FarmSite = field(default_factory=FarmSite)


def user_folder(kind: str, environ: Mapping[str, str] | None = None) -> Path:
    """The user's own ReAge folder.

    Args:
        kind: ``config``, ``data`` or ``cache``.
        environ: the environment; default: the process's own.
    """
    env = os.environ if environ is None else environ
    if sys.platform == "win32":
        base = Path(env.get("APPDATA" if kind == "config" else "LOCALAPPDATA") or Path.home() / "AppData")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / ("Caches" if kind == "cache" else "Application Support")
    else:
        variable, fallback = {
            "config": ("XDG_CONFIG_HOME", ".config"),
            "data": ("XDG_DATA_HOME", ".local/share"),
            "cache": ("XDG_CACHE_HOME", ".cache"),
        }[kind]
        base = Path(env.get(variable) or Path.home() / fallback)
    return base / "reage"


def load_site(environ: Mapping[str, str] | None = None) -> Site:
    """Read the site file, then apply ``REAGE_PYTHON``, ``REAGE_MODELS``, ``REAGE_ROOTS`` and ``REAGE_DEVICE``.

    Raises:
        UsageError: ``REAGE_SITE`` names a file that is not there, or a site file is malformed or cannot be read.
    """
    env = os.environ if environ is None else environ
    named = env.get("REAGE_SITE", "")
    beside = Path(__file__).resolve().parents[2] / SITE_FILE
    site = Site()
    for file in [Path(named)] if named else [beside, user_folder("config", env) / SITE_FILE]:
        if file.is_file():
            site = from_dict(Site, read_json(_read(file), str(file)), str(file))
            break
    else:
        if named:
            raise UsageError("no-site-file", f"REAGE_SITE names {named}, which is not there.", "Unset or correct it.")
    folders, roots = (
        tuple(folder for folder in env.get(name, "").split(os.pathsep) if folder)
        for name in ("REAGE_MODELS", "REAGE_ROOTS")
    )
    return replace(
        site,
        python=env.get("REAGE_PYTHON") or site.python,
        models=folders + site.models,
        device=env.get("REAGE_DEVICE") or site.device,
        roots=roots or site.roots,
    )


def path_rules(site: Site, environ: Mapping[str, str] | None = None) -> tuple[PathRule, ...]:
    """How this machine calls the paths of others: the session's rules (``REAGE_PATH_MAP``), then the site's.

    Raises:
        UsageError: ``REAGE_PATH_MAP`` names a file that cannot be read.
    """
    env = os.environ if environ is None else environ
    named = env.get("REAGE_PATH_MAP", "")
    return (*(read_path_rules(named) if named else ()), *rules_of_roots(site.paths))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("bad-site-file", f"Cannot read {file}: {error}.", "Check its rights, or repair it.") from None
