"""Nuke, as far as ReAge uses it; with :mod:`~nuke_reage.nuke_host.windows` the only module that imports ``nuke``.

Thin: it turns Nuke's loose values into typed ones, its ``RuntimeError`` into errors with a hint, and decides nothing.
Knobs and nodes are touched on the main thread only; :func:`run_in_main` is the way there.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import nuke

from nuke_reage.core.errors import CancelledError, HostError

# fmt: off
__all__ = [
    "Node", "add_plugin_path", "all_nodes", "create_node", "current_frame", "dependencies", "execute", "has_gui",
    "inner_nodes", "is_alive", "is_modified", "is_rendering", "knob_text", "one_undo", "open_script", "register",
    "root_knobs", "root_values", "run_in_main", "save", "save_script", "script_path", "temporary_write", "views",
    "without_undo",
]
# fmt: on

Node = nuke.Node


class _NeverRaisedError(Exception):
    """Stands in where Nuke has no class of its own for a stopped render."""


_NUKE_CANCELLED: type[Exception] = getattr(nuke, "CancelledError", _NeverRaisedError)


def has_gui() -> bool:
    """Whether artists look on; otherwise this is ``nuke -t`` or a render."""
    return bool(nuke.GUI)


def run_in_main(call: Callable[[], None]) -> None:
    """Call on the main thread: at once when this is it or there is no event loop, else when Nuke finds the time."""
    if not has_gui() or threading.current_thread() is threading.main_thread():
        call()
    else:
        nuke.executeInMainThread(call)


def is_rendering() -> bool:
    """Whether Nuke executes something, so that nothing else can be executed."""
    return bool(nuke.executing())


def is_alive(node: Node) -> bool:
    """Whether a node still is in the script; any use of a deleted one raises ``ValueError``."""
    try:
        return bool(node.name())
    except ValueError:
        return False


def all_nodes(node_class: str) -> list[Node]:
    """Nodes of a class in the whole script, groups included; the inside of other gizmos too."""
    found: list[Node] = []
    groups: list[Any] = [nuke.root()]
    while groups:
        for one in groups.pop().nodes():
            if one.Class() == node_class:
                found.append(one)
            elif isinstance(one, nuke.Group):
                groups.append(one)
    return found


def inner_nodes(node: Node) -> list[Node]:
    """The nodes directly inside a group or gizmo; none for others."""
    return list(node.nodes()) if isinstance(node, nuke.Group) else []


def dependencies(node: Node) -> list[Node]:
    """The nodes that a node's picture follows from: its inputs, and those that its expressions name."""
    return list(node.dependencies(nuke.INPUTS | nuke.HIDDEN_INPUTS | nuke.EXPRESSIONS))


def knob_text(node: Node) -> str:
    """The knobs of a node that are not at their defaults, as a script would hold them, animation included."""
    return str(node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT))


def views() -> list[str]:
    """Names of the script's views, at least one."""
    return list(nuke.views())


def current_frame() -> int:
    return int(nuke.frame())


def script_path() -> str:
    """Path of the script, empty while it was never saved."""
    name = str(nuke.root().name())
    return "" if name in {"", "Root"} else name


def root_knobs(names: Sequence[str]) -> dict[str, str]:
    """The root's knobs as the script would hold them; knobs that this Nuke lacks are left out."""
    known: Mapping[str, Any] = nuke.root().knobs()
    return {name: str(known[name].toScript()) for name in names if name in known}


def root_values(names: Sequence[str]) -> dict[str, str]:
    """Texts and choices of the root, without a script's quotes; knobs that this Nuke lacks are left out."""
    known: Mapping[str, Any] = nuke.root().knobs()
    return {name: str(known[name].value()) for name in names if name in known}


def open_script(file: str) -> None:
    """Open a script in place of the present one."""
    nuke.scriptClear()
    nuke.scriptOpen(file)


def is_modified() -> bool:
    """Whether the script has changes that are not on disk."""
    return bool(nuke.root().modified())


def save() -> None:
    """Save the script under its own name.

    Raises:
        HostError: it cannot be written.
    """
    try:
        nuke.scriptSave(script_path())
    except (RuntimeError, OSError) as error:
        raise HostError("unsaved", f"The script cannot be saved: {error}.", "Save it under another name.") from None


def save_script(file: str) -> None:
    """Save the script under another name, over what is there."""
    nuke.scriptSaveAs(file, overwrite=1)


def add_plugin_path(folder: str) -> None:
    """Put a folder on Nuke's plugin path, unless it is there."""
    if folder not in [str(one) for one in nuke.pluginPath()]:
        nuke.pluginAddPath(folder)


@contextlib.contextmanager
def one_undo(name: str) -> Iterator[None]:
    """What is changed inside is one step that the artist can undo."""
    nuke.Undo.begin(name)
    try:
        yield
    finally:
        nuke.Undo.end()


@contextlib.contextmanager
def without_undo() -> Iterator[None]:
    """What is changed inside is no step that the artist could undo."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


def create_node(node_class: str, knobs: Mapping[str, str], beside: Node | None = None) -> Node:
    """Make a node with knob values in script text; an undo takes it away again.

    Args:
        node_class: Nuke's class.
        knobs: knob → text as :meth:`nuke.Knob.fromScript` reads it.
        beside: node to place it next to, in the same group.
    """
    with beside.parent() if beside is not None else nuke.root():
        node: Node = getattr(nuke.nodes, node_class)()
    for name, value in knobs.items():
        text = value[1:-1] if value.startswith('"') and value.endswith('"') else value
        node[name].fromScript(text)
    if beside is not None:
        node.setXYpos(beside.xpos() + 110, beside.ypos())
    return node


@contextlib.contextmanager
def temporary_write(source: Node, file: str, channels: str, datatype: str) -> Iterator[Node]:
    """A Write behind a node, for as long as the block lasts; the script counts as changed no more than before.

    Args:
        source: what is written.
        file: EXR sequence with forward slashes; its folder must be there.
        channels: such as ``rgb``.
        datatype: ``16 bit half`` or ``32 bit float``.
    """
    root = nuke.root()
    changed = root.modified()
    with without_undo():
        with source.parent():
            write: Node = nuke.nodes.Write(inputs=[source])
        try:
            # file_type first: it brings the knobs that belong to the type.
            write["file_type"].setValue("exr")
            settings = {"file": file, "channels": channels, "datatype": datatype, "compression": "Zip (1 scanline)"}
            flags = {"raw": True, "create_directories": True, "write_hash": False}
            for name, value in {**settings, **flags}.items():
                knob = write.knob(name)
                if knob is not None:
                    knob.setValue(value)
            yield write
        finally:
            nuke.delete(write)
            root.setModified(changed)


def execute(write: Node, first: int, last: int, view: str) -> None:
    """Render frames of a Write at full resolution.

    Raises:
        HostError: Nuke executes something else, or the render fails.
        CancelledError: the artist stopped it.
    """
    if is_rendering():
        raise HostError("busy", "Nuke is rendering.", "Wait until it is done, then press the button again.")
    root: Any = nuke.root()
    proxy = bool(root.proxy())
    if proxy:
        root.setProxy(False)
    try:
        nuke.execute(write, first, last, 1, [view])
    except (RuntimeError, _NUKE_CANCELLED) as error:
        text = str(error)
        if isinstance(error, _NUKE_CANCELLED) or "cancel" in text.lower():
            raise CancelledError("by-user", "Stopped while exporting.", "Press the button again to go on.") from None
        raise HostError(
            "export-failed", f"Nuke cannot render the plate: {text}.", "View the node's input in those frames."
        ) from None
    finally:
        if proxy:
            root.setProxy(True)


def register(node_class: str, calls: Mapping[str, Callable[[Node, str], None]]) -> None:
    """Have functions called by Nuke.

    Args:
        node_class: class of the node that they are for.
        calls: event → function of the node and, for ``knobChanged``, the knob's name.  Events: ``onCreate``,
            ``knobChanged``, ``onDestroy`` for nodes of the class; ``onScriptLoad``, ``onScriptClose`` for the script.
    """

    def caller(call: Callable[[Node, str], None], with_knob: bool) -> Callable[[], None]:
        return lambda: call(nuke.thisNode(), str(nuke.thisKnob().name()) if with_knob else "")

    adders: dict[str, tuple[Callable[..., None], str]] = {
        "onCreate": (nuke.addOnCreate, node_class),
        "knobChanged": (nuke.addKnobChanged, node_class),
        "onDestroy": (nuke.addOnDestroy, node_class),
        "onScriptLoad": (nuke.addOnScriptLoad, "Root"),
        "onScriptClose": (nuke.addOnScriptClose, "Root"),
    }
    for event, call in calls.items():
        add, owner = adders[event]
        add(caller(call, event == "knobChanged"), nodeClass=owner)
