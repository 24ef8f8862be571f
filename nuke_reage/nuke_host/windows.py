"""Nuke's windows and menus, as far as ReAge uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nuke

from nuke_reage.nuke_host.api import has_gui

__all__ = ["Progress", "add_menu", "ask", "ask_file", "show_message"]


def add_menu(name: str, entries: Mapping[str, str]) -> None:
    """Add a menu to the Nodes menu; entries that it has already are left alone.

    Args:
        name: of the menu, and of its icon.
        entries: entry → Python that it runs.
    """
    nodes: Any = nuke.menu("Nodes")
    menu = nodes.findItem(name) or nodes.addMenu(name, icon=f"{name}.png")
    for entry, script in entries.items():
        if menu.findItem(entry) is None:
            menu.addCommand(entry, script)


def show_message(text: str) -> None:
    """Tell the artist in a window."""
    nuke.message(text)


def ask(text: str) -> bool:
    """Ask the artist yes or no; yes where nobody looks on."""
    return bool(nuke.ask(text)) if has_gui() else True


def ask_file(text: str, pattern: str, *, save: bool = False) -> str:
    """Ask the artist for a file; empty where none is chosen."""
    return str(nuke.getFilename(text, pattern, type="save" if save else "open") or "")


class Progress:
    """Nuke's progress window, with a title; may be used from a thread."""

    def __init__(self, title: str) -> None:
        self._task: Any = nuke.ProgressTask(title)

    def show(self, percent: int, text: str) -> None:
        """Show how far it is, 0 to 100, and what is done."""
        self._task.setProgress(max(0, min(100, percent)))
        self._task.setMessage(text)

    def cancelled(self) -> bool:
        """Whether the artist pressed Cancel."""
        return bool(self._task.isCancelled())

    def close(self) -> None:
        """Take the window away: Nuke does so when the object goes."""
        self._task = None
