r"""One file, three names: ``P:\shows``, ``/Volumes/shows`` and ``/mnt/shows``; and which folders a job may touch.

A job keeps the paths of the machine that wrote it.  The machine that runs it turns them into its own, by the rows of
the site file and by the rules of an Open Job Description session (``REAGE_PATH_MAP``), then makes sure that they lie
inside the folders that the site allows.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import UsageError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.strict import read_json

__all__ = [
    "PATH_SETTINGS",
    "PathRoot",
    "PathRule",
    "from_home",
    "localise",
    "map_path",
    "read_path_rules",
    "rules_of_roots",
]

PATH_SETTINGS = (
    "plate.path",
    "plate.ocio_config",
    "output.path",
    "output.layers_path",
    "face.track",
    "model.name",
    "mask.matte",
    "mask.holdout",
    "age_map.path",
)
"""The settings of a job that name files."""

_SYSTEMS = {"win32": "windows", "cygwin": "windows", "darwin": "macos"}
_MAX_NAME_BYTES = 240
_MAX_PATH = 4000
_WIDE_TOKEN = re.compile(r"(?:%|\$F)\d{3}")
_FILE_LIKE = re.compile(r"[/\\]|\.(?:json|safetensors|pth|pt)\Z", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class PathRoot:
    """A folder that all machines share.

    Args:
        windows: what Windows machines call it, such as ``P:/shows`` or ``//server/shows``; empty = they lack it.
        macos: what Macs call it.
        linux: what Linux machines call it.
    """

    windows: str = ""
    macos: str = ""
    linux: str = ""

    def here(self, platform: str = sys.platform) -> str:
        """What this machine calls it."""
        return str(getattr(self, _SYSTEMS.get(platform, "linux")))


@dataclass(frozen=True)
class PathRule:
    """Replace the beginning of a path.

    Args:
        source: folder as the job writes it.
        target: the same folder here.
        windows: ``source`` is a Windows path: case does not count, both slashes do.
    """

    source: str
    target: str
    windows: bool = False

    def apply(self, path: str) -> str | None:
        """The path here, None where the rule does not concern it; whole folder names only."""
        given, source = (_slashes(text) if self.windows else text for text in (path, self.source))
        source = source.rstrip("/")
        start, rest = given[: len(source)], given[len(source) :]
        same = start.lower() == source.lower() if self.windows else start == source
        if not source or not same or (rest and not rest.startswith("/")):
            return None
        return self.target.rstrip("/\\") + rest


def rules_of_roots(roots: Iterable[PathRoot], platform: str = sys.platform) -> tuple[PathRule, ...]:
    """The rules by which a machine of this platform reads the paths of the others."""
    rules = []
    for root in roots:
        target = root.here(platform)
        for system in ("windows", "macos", "linux"):
            source = getattr(root, system)
            if source and target and source != target:
                rules.append(PathRule(source, _slashes(target), windows=system == "windows"))
    return tuple(rules)


def read_path_rules(path: str | os.PathLike[str]) -> tuple[PathRule, ...]:
    """Read a ``pathmapping-1.0`` file, as Open Job Description sessions write it.

    Raises:
        UsageError: the file is missing or is none.
    """
    file = Path(path)
    try:
        data = read_json(file.read_text(encoding="utf-8"), str(file))
        rules = data.get("path_mapping_rules", ())
        return tuple(
            PathRule(
                str(rule["source_path"]),
                _slashes(str(rule["destination_path"])),
                windows=str(rule["source_path_format"]).upper() == "WINDOWS",
            )
            for rule in rules
        )
    except (OSError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UsageError(
            "bad-path-map", f"Cannot read the path map {file}: {error}.", "Unset or correct REAGE_PATH_MAP."
        ) from None


def map_path(path: str, rules: Sequence[PathRule]) -> str:
    r"""The path as this machine calls it; the longest matching rule counts.

    >>> map_path("P:\\shows\\ab\\p.####.exr", [PathRule("p:/shows", "/mnt/shows", windows=True)])
    '/mnt/shows/ab/p.####.exr'
    """
    for rule in sorted(rules, key=lambda one: len(one.source), reverse=True):
        mapped = rule.apply(path)
        if mapped is not None:
            return mapped
    return path


def from_home(path: str, what: str) -> str:
    """The path with ``~`` and ``~name`` written out; a slash at its end stays, and any other path is as it was.

    Args:
        path: a path, a pattern, or empty.
        what: what it is, for the message.

    Raises:
        UsageError: nobody is called so.
    """
    whole = os.path.expanduser(path)  # noqa: PTH111
    if whole.startswith("~"):
        raise UsageError("bad-path", f"{what} is {path[:60]}: nobody is called so.", "Correct it.")
    return whole


def localise(job: JobSpec, rules: Sequence[PathRule], allowed: Sequence[str] = ()) -> JobSpec:
    """The job with its paths as this machine calls them, and ``~`` written out.

    Args:
        job: the job, perhaps of another system.
        rules: how paths are called here.
        allowed: folders that a job may name files in; empty = all.

    Raises:
        UsageError: a path leads out of the allowed folders, through ``..`` or a link too, begins with the ``~`` of
            nobody, or can be no path.
    """
    data = job.to_dict()
    for setting in PATH_SETTINGS:
        group, _, name = setting.partition(".")
        text: Any = data[group][name]
        mapped = from_home(map_path(text, rules), setting)
        _check_path(setting, mapped)
        if allowed and _names_file(setting, mapped):
            _check_inside(setting, mapped, allowed)
        if mapped != text:
            job = replace(job, **{group: replace(getattr(job, group), **{name: mapped})})
    return job


def _check_path(setting: str, path: str) -> None:
    """Refuse what no system can open, before the first call that would say so in its own way."""
    names = path.replace("\\", "/").split("/")
    longest = max(len(name.encode("utf-8", "replace")) for name in names)
    if longest > _MAX_NAME_BYTES or len(path) > _MAX_PATH or _WIDE_TOKEN.search(path):
        raise UsageError("bad-path", f"{setting} is too long: {path[:60]}...", "Write a shorter path.")


def _names_file(setting: str, text: str) -> bool:
    if not text or _URI.match(text):
        return False
    return setting != "model.name" or _FILE_LIKE.search(text) is not None


def _check_inside(setting: str, path: str, allowed: Sequence[str]) -> None:
    real = os.path.realpath(path)
    for folder in allowed:
        root = os.path.realpath(Path(folder).expanduser())
        if os.path.normcase(real) == os.path.normcase(root) or os.path.normcase(real).startswith(
            os.path.join(os.path.normcase(root), "")  # noqa: PTH118
        ):
            return
    raise UsageError(
        "outside-roots",
        f"{setting} is {path}, which lies outside of the folders that jobs may use here.",
        f"Allowed are {', '.join(allowed)}; see REAGE_ROOTS and the site file.",
    )


def _slashes(text: str) -> str:
    return text.replace("\\", "/")
