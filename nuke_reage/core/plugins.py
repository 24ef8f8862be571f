"""The plug-in table: what can be exchanged, by name, without importing it.

A studio adds its own by an entry point in the group ``nuke_reage.<kind>``, for example::

    [options.entry_points]
    nuke_reage.face_backend =
        house = house_faces.reage:HouseBackend
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import nearest

__all__ = ["BUILT_IN", "load_plugin", "plugin_names", "require_plugin"]

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "face_backend": {
        "mediapipe": "nuke_reage.faces.backends.mediapipe:MediapipeBackend",
        "face-alignment": "nuke_reage.faces.backends.face_alignment:FaceAlignmentBackend",
    },
}
"""Kind → name → ``module:attribute``."""


def plugin_names(kind: str) -> tuple[str, ...]:
    """Names of one kind, built-in ones first."""
    return tuple(_table(kind))


def require_plugin(kind: str, name: str) -> None:
    """Make sure that a name is in the table; nothing is imported.

    Raises:
        UsageError: there is no such plug-in.
    """
    table = _table(kind)
    if name not in table:
        raise UsageError("unknown-plugin", f"There is no {kind.replace('_', ' ')} {name!r:.120}.", nearest(name, table))


def load_plugin(kind: str, name: str) -> Any:
    """Import a plug-in.

    Raises:
        UsageError: there is no such plug-in, or it cannot be imported.
    """
    require_plugin(kind, name)
    module, _, attribute = _table(kind)[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "broken-plugin",
            f"The {kind.replace('_', ' ')} {name!r:.120} cannot be loaded: {error}.",
            "Install what it needs.",
        ) from error


def _table(kind: str) -> dict[str, str]:
    found: Any = metadata.entry_points()
    group = f"nuke_reage.{kind}"
    # Python 3.9 returns a dict here, later ones something to select from
    points = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {**BUILT_IN[kind], **{point.name: point.value for point in points}}
