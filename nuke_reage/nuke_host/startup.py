"""What init.py and menu.py of the installation do: plugin path, callbacks, menu."""

from __future__ import annotations

import logging
from pathlib import Path

from nuke_reage import __version__
from nuke_reage.core.errors import ReageError
from nuke_reage.core.node import NODE_CLASS
from nuke_reage.core.site import load_site
from nuke_reage.nuke_host import api, windows

__all__ = ["init", "menu", "problems"]

_LOG = logging.getLogger("nuke_reage")
_APPLY_CLASS = "ReAgeApply"


def init(root: str) -> None:
    """Add the gizmos and their icons to the plugin path and have Nuke call the callbacks; for init.py.

    Args:
        root: folder of the installation, which holds ``gizmos``.
    """
    from nuke_reage.nuke_host import callbacks

    for folder in ("gizmos/icons", "gizmos"):
        api.add_plugin_path((Path(root) / folder).as_posix())
    callbacks.install()


def menu(root: str) -> None:
    """Add ReAge to the Nodes menu, once; for menu.py.

    What is wrong with the installation becomes an entry of its own that tells it.

    Args:
        root: folder of the installation.
    """
    entries = {one: f"nuke.createNode('{one}')" for one in (NODE_CLASS, _APPLY_CLASS)}
    wrong = problems(root)
    for text in wrong:
        _LOG.warning("%s", text)
    if wrong:
        entries["What is wrong"] = f"nuke.message({chr(10).join(wrong)!r})"
    windows.add_menu("ReAge", entries)


def problems(root: str) -> list[str]:
    """What an artist would stumble over, in sentences; quick, starts nothing.

    Args:
        root: folder of the installation.
    """
    from nuke_reage.client.launcher import find_python

    found = [
        f"ReAge {__version__}: {file} is missing. Install ReAge again."
        for file in [Path(root) / "gizmos" / f"{NODE_CLASS}.gizmo", Path(root) / "gizmos" / f"{_APPLY_CLASS}.gizmo"]
        if not file.is_file()
    ]
    try:
        find_python(load_site())
    except ReageError as error:
        found.append(f"ReAge {__version__}: {error.message} {error.hint} Nodes that are baked render all the same.")
    return found
