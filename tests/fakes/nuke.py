"""A stand-in for Nuke's Python module: nodes, knobs, scripts, callbacks, renders that write real EXR files.

It is strict where Nuke is: knobs and nodes on the main thread only, one render at a time, deleted nodes raise
``ValueError``, unknown knobs ``NameError``, wrong knob types ``TypeError``.  Names and parameters are held against the
published stubs of the module.  What has no counterpart in Nuke begins with ``fake_``.
"""

from __future__ import annotations

import os
import queue
import time as _time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import nuke_script as _script
from nuke_graph import CLASSES as _CLASSES
from nuke_graph import files_of as _files_of
from nuke_graph import range_of as _range_of
from nuke_graph import write_frame as _write_frame
from nuke_knobs import KNOB_CLASSES as _KNOB_CLASSES
from nuke_knobs import Knob, _main_thread_only

GUI = False
EXE_PATH = "/opt/Nuke16.0v1/Nuke16.0"
NUKE_VERSION_MAJOR = 16
NUKE_VERSION_STRING = "16.0v1"
INPUTS, HIDDEN_INPUTS, EXPRESSIONS = 1, 2, 4
WRITE_NON_DEFAULT_ONLY, TO_SCRIPT, WRITE_USER_KNOB_DEFS = 1, 4, 8
INVISIBLE, DO_NOT_WRITE = 1024, 256


class CancelledError(Exception):
    pass


class Node:
    """A node; made by ``nuke.nodes.Class()`` or ``nuke.createNode``."""

    def __init__(self, node_class: str, group: Any) -> None:
        self._class = node_class
        self._group = group
        self._inputs: list[Any] = []
        self._alive = True
        self._knobs: dict[str, Knob] = {}
        for name, (kind, default, choices) in _CLASSES["*"].items():
            self._add(name, kind, default, choices)
        for name, (kind, default, choices) in _CLASSES[node_class].items():
            self._add(name, kind, default, choices)

    def _add(self, name: str, kind: str, default: Any, choices: tuple[str, ...]) -> None:
        self.addKnob(_KNOB_CLASSES[kind](name, default, tuple(choices)))

    def addKnob(self, knob: Knob) -> None:
        knob._node = self
        self._knobs[knob.name()] = knob

    @property
    def app(self) -> Any:
        return fake_app

    def check_attached(self) -> None:
        if not self._alive:
            raise ValueError("A PythonObject is not attached to a node")

    def knob_has_changed(self, knob: Knob, before: Any) -> None:
        self.app.note_undo(lambda: knob.restore(before))
        self.app.modified = True
        self.app.call("knobChanged", self, knob)

    def press(self, button: Knob) -> None:
        """As a click does."""
        if button.name() == "reload":
            self._knobs["version"]._values[0] += 1
            return
        self.app.in_context(self, button, lambda: exec(button.command(), {"nuke": __import__("nuke")}))

    def __getitem__(self, name: str) -> Knob:
        found = self.knob(name)
        if found is None:
            raise NameError(f"knob {name} does not exist")
        return found

    def knob(self, p: str, follow_link: bool = True) -> Knob | None:
        _main_thread_only()
        self.check_attached()
        return self._knobs.get(p)

    def knobs(self) -> dict[str, Knob]:
        _main_thread_only()
        self.check_attached()
        return dict(self._knobs)

    def Class(self) -> str:
        self.check_attached()
        return self._class

    def name(self) -> str:
        self.check_attached()
        return str(self._knobs["name"]._values[0])

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        taken = {one.name() for one in self._group._nodes if one is not self}
        stem, number = name.rstrip("0123456789") or name, 1
        while name in taken:
            name, number = f"{stem}{number}", number + 1
        self["name"].setValue(name)

    def fullName(self) -> str:
        group = self._group
        return self.name() if group is None or isinstance(group, Root) else f"{group.fullName()}.{self.name()}"

    def parent(self) -> Any:
        return self._group

    def input(self, index: int) -> Any:
        _main_thread_only()
        self.check_attached()
        return self._inputs[index] if index < len(self._inputs) else None

    def inputs(self) -> int:
        return len(self._inputs)

    def setInput(self, i: int, node: Any) -> bool:
        _main_thread_only()
        self._inputs += [None] * (i + 1 - len(self._inputs))
        self._inputs[i] = node
        self.app.call("knobChanged", self, Knob("inputChange"))
        return True

    def dependencies(self, mask: int = 7) -> list[Any]:
        found = [one for one in self._inputs if one is not None] if mask & INPUTS else []
        if mask & EXPRESSIONS:
            text = " ".join(one for knob in self._knobs.values() for one in knob._expressions)
            found += [one for one in self._group.nodes() if one is not self and f"{one.name()}." in text]
        return found

    def fileDependencies(self, start: int, end: int) -> list[Any]:
        return [[node, files] for node, files in _files_of(self, range(start, end + 1))]

    def firstFrame(self) -> int:
        return _range_of(self)[0]

    def lastFrame(self) -> int:
        return _range_of(self)[1]

    def writeKnobs(self, flags: int = 0) -> str:
        _main_thread_only()
        return "\n".join(_script.knob_lines(self, all_knobs=not flags & WRITE_NON_DEFAULT_ONLY))

    def xpos(self) -> int:
        return int(self._knobs["xpos"]._values[0])

    def ypos(self) -> int:
        return int(self._knobs["ypos"]._values[0])

    def setXYpos(self, x: int, y: int) -> None:
        self["xpos"].setValue(x)
        self["ypos"].setValue(y)

    def setSelected(self, selected: bool) -> None:
        self["selected"].setValue(selected)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self.app.call("knobChanged", self, Knob("showPanel"))


class Group(Node):
    def __init__(self, node_class: str = "Group", group: Any = None) -> None:
        self._nodes: list[Node] = []
        super().__init__(node_class, group)

    def nodes(self) -> list[Node]:
        _main_thread_only()
        return list(self._nodes)

    def node(self, s: str) -> Node | None:
        first, _, rest = s.partition(".")
        found = next((one for one in self._nodes if one.name() == first), None)
        return found.node(rest) if rest and isinstance(found, Group) else found

    def begin(self) -> Any:
        fake_app.groups.append(self)
        return self

    def end(self) -> None:
        fake_app.groups.pop()

    def __enter__(self) -> Any:
        return self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


class Gizmo(Group):
    pass


class Root(Group):
    def modified(self) -> bool:
        return bool(fake_app.modified)

    def setModified(self, modified: bool) -> None:
        fake_app.modified = modified

    def proxy(self) -> bool:
        return bool(fake_app.proxy)

    def setProxy(self, on: bool) -> None:
        fake_app.proxy = on


class _Application:
    """The state of the session."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, *, gui: bool = False) -> None:
        globals()["GUI"] = gui
        self.frame, self.proxy, self.modified, self.executing = 1001, False, False, False
        self.groups: list[Any] = []
        self.callbacks: dict[str, list[tuple[str, Callable[..., Any]]]] = {}
        self.context: list[tuple[Any, Any]] = []
        self.calls: queue.Queue[Any] = queue.Queue()
        self.undo: list[Callable[[], None]] = []
        self.undo_off = 0
        self.undo_groups: list[int] = []
        self.chosen_file: str | None = None
        self.views = ["main"]
        self.messages: list[str] = []
        self.answers = True
        self.tasks: list[ProgressTask] = []
        self.cancel_tasks = False
        self.cancel_render_at: int | None = None
        self.rendered: list[tuple[str, int, str]] = []
        self.plugin_path: list[str] = []
        self.menus: dict[str, Menu] = {}
        self.clipboard = ""
        self.root: Any = None
        self.clear()

    def clear(self) -> None:
        if self.root is not None:
            for one in self.root._nodes:
                one._alive = False
        self.root = Root("Root")
        self.undo, self.modified = [], False

    def call(self, event: str, node: Any, knob: Any = None) -> None:
        for owner, call in list(self.callbacks.get(event, ())):
            if owner in {"*", node._class}:
                self.in_context(node, knob, call)

    def in_context(self, node: Any, knob: Any, call: Callable[[], Any]) -> None:
        self.context.append((node, knob))
        try:
            call()
        finally:
            self.context.pop()

    def note_undo(self, revert: Callable[[], None]) -> None:
        if not self.undo_off:
            self.undo.append(revert)

    def pump(self, until: Callable[[], bool], seconds: float = 120.0) -> None:
        """Be Nuke's event loop until something has come to be."""
        end = _time.monotonic() + seconds
        while not until():
            assert _time.monotonic() < end, "it did not come to that"
            try:
                call, arguments, names = self.calls.get(timeout=0.02)
            except queue.Empty:
                continue
            call(*arguments, **names)


class ProgressTask:
    def __init__(self, title: str) -> None:
        self.title, self.percent, self.said = title, 0, [""]
        fake_app.tasks.append(self)

    def setProgress(self, i: int) -> None:
        assert isinstance(i, int) and 0 <= i <= 100
        self.percent = i

    def setMessage(self, s: str) -> None:
        self.said.append(s)

    def isCancelled(self) -> bool:
        return bool(fake_app.cancel_tasks)


class Undo:
    @staticmethod
    def begin(name: str = "") -> None:
        fake_app.undo_groups.append(len(fake_app.undo))

    @staticmethod
    def end() -> None:
        begin = fake_app.undo_groups.pop()
        steps, fake_app.undo[begin:] = fake_app.undo[begin:], []
        if steps:
            fake_app.undo.append(lambda: [revert() for revert in reversed(steps)])

    @staticmethod
    def disable() -> None:
        fake_app.undo_off += 1

    @staticmethod
    def enable() -> None:
        fake_app.undo_off -= 1


class Menu:
    def __init__(self, name: str) -> None:
        self._name = name
        self.entries: dict[str, Any] = {}

    def addMenu(self, name: str, icon: str = "") -> Menu:
        return self.entries.setdefault(name, Menu(name))

    def addCommand(self, name: str, command: str = "", icon: str = "") -> None:
        self.entries[name] = command

    def findItem(self, name: str) -> Any:
        return self.entries.get(name)


fake_app: Any = SimpleNamespace()
fake_app = _Application()


def _make(node_class: str, group: Any = None, name: str = "") -> Node:
    _main_thread_only()
    if fake_app.executing:
        raise RuntimeError("I'm already executing something else")
    if node_class not in _CLASSES:
        raise RuntimeError(f"{node_class}: Unknown command")
    home = group or (fake_app.groups[-1] if fake_app.groups else fake_app.root)
    kind = Gizmo if node_class.startswith("ReAge") else Group if node_class == "Group" else Node
    node = kind(node_class, home)
    home._nodes.append(node)
    if node_class == "ReAge":
        inside = Node("Read", node)
        inside._knobs["name"]._values = ["Layers"]
        node._nodes.append(inside)
    fake_app.undo_off += 1
    node.setName(name or f"{node_class}1")
    fake_app.undo_off -= 1
    fake_app.note_undo(lambda: delete(node))
    fake_app.modified = True
    fake_app.call("onCreate", node)
    return node


class _Nodes:
    def __getattr__(self, item: str) -> Callable[..., Node]:
        def make(inputs: Any = (), **knobs: Any) -> Node:
            node = _make(item)
            for index, one in enumerate(inputs):
                node.setInput(index, one)
            for name, value in knobs.items():
                node[name].setValue(value)
            return node

        return make


nodes = _Nodes()


def createNode(typ: str, knobs: str = "", inpanel: bool = True) -> Node:
    node = _make(typ)
    for line in filter(None, knobs.split("\n")):
        name, _, value = line.strip().partition(" ")
        node[name].fromScript(value)
    chosen = [one for one in fake_app.root._nodes if one is not node and one["selected"].value()]
    if chosen:
        node.setInput(0, chosen[0])
    if inpanel and GUI:
        node.showControlPanel()
    return node


def delete(n: Any) -> None:
    _main_thread_only()
    if fake_app.executing:
        raise RuntimeError("I'm already executing something else")
    fake_app.call("onDestroy", n)
    n._group._nodes.remove(n)
    for other in n._group._nodes:
        other._inputs = [None if one is n else one for one in other._inputs]
    n._alive = False


def execute(
    nameOrNode: Any, start: int, end: int, incr: int = 1, views: Any = (), continueOnError: bool = False
) -> None:
    _main_thread_only()
    if fake_app.executing:
        raise RuntimeError("I'm already executing something else")
    node = toNode(nameOrNode) if isinstance(nameOrNode, str) else nameOrNode
    fake_app.executing = True
    try:
        fake_app.call("beforeRender", node)
        for frame in range(start, end + 1, incr):
            if frame == fake_app.cancel_render_at:
                raise RuntimeError("Render cancelled by user")
            for view in views or fake_app.views:
                _write_frame(node, frame, view)
                fake_app.rendered.append((node.name(), frame, view))
    finally:
        fake_app.executing = False


def executing(f: float | None = None) -> bool:
    return bool(fake_app.executing)


def executeInMainThread(call: Any, args: Any = (), kwargs: Any = None) -> None:
    fake_app.calls.put((call, args if isinstance(args, tuple) else (args,), kwargs or {}))


def undo() -> None:
    if fake_app.undo:
        revert = fake_app.undo.pop()
        Undo.disable()
        revert()
        Undo.enable()


def allNodes(
    filter: str = "",  # noqa: A002
    group: Any = None,
) -> list[Node]:
    found = (group or fake_app.root).nodes()
    return [one for one in found if not filter or one.Class() == filter]


def toNode(s: str) -> Node | None:
    return fake_app.root.node(s)


def root() -> Root:
    _main_thread_only()
    return fake_app.root


def thisNode() -> Any:
    return fake_app.context[-1][0]


def thisKnob() -> Any:
    return fake_app.context[-1][1]


def views() -> list[str]:
    return list(fake_app.views)


def frame(f: int | None = None) -> int:
    if f is not None:
        fake_app.frame = f
    return int(fake_app.frame)


def message(prompt: str) -> None:
    assert GUI, "a window in a terminal session"
    fake_app.messages.append(prompt)


def getFilename(
    message: str,
    pattern: str = "",
    default: str = "",
    favorites: str = "",
    type: str = "",  # noqa: A002
    multiple: bool = False,
) -> str | None:
    assert GUI, "a window in a terminal session"
    return fake_app.chosen_file


def ask(prompt: str) -> bool:
    fake_app.messages.append(prompt)
    return bool(fake_app.answers)


def menu(name: str) -> Menu:
    return fake_app.menus.setdefault(name, Menu(name))


def pluginPath() -> list[str]:
    return list(fake_app.plugin_path)


def pluginAddPath(args: str, addToSysPath: bool = True) -> None:
    fake_app.plugin_path.insert(0, args)
    file = f"{args}/init.py"
    if os.path.isfile(file):
        with open(file, encoding="utf-8") as stream:
            code = compile(stream.read(), file, "exec")
        exec(code, {"__file__": file, "__name__": "init"})


def scriptClear() -> None:
    fake_app.call("onScriptClose", fake_app.root)
    fake_app.clear()


def scriptOpen(filename: str | None = None) -> None:
    with open(str(filename), encoding="utf-8") as stream:
        text = stream.read()
    _script.read(text, _make, fake_app)
    fake_app.root["name"].setValue(str(filename))
    fake_app.modified, fake_app.undo = False, []
    fake_app.call("onScriptLoad", fake_app.root)


def scriptSaveAs(filename: str | None = None, overwrite: int = -1) -> None:
    fake_app.root["name"].setValue(str(filename))
    with open(str(filename), "w", encoding="utf-8") as stream:
        stream.write(_script.write(fake_app.root.nodes()))
    fake_app.modified = False


def scriptSave(filename: str | None = None) -> bool:
    scriptSaveAs(filename or fake_app.root["name"].value())
    return True


def nodeCopy(s: str) -> None:
    fake_app.clipboard = _script.write([one for one in fake_app.root.nodes() if one["selected"].value()])


def nodePaste(s: str) -> Node | None:
    return _script.read(fake_app.clipboard, _make, fake_app)


def _adder(event: str) -> Callable[..., None]:
    def add(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
        fake_app.callbacks.setdefault(event, []).append((nodeClass, call))

    return add


addOnCreate = _adder("onCreate")
addOnDestroy = _adder("onDestroy")
addKnobChanged = _adder("knobChanged")
addOnScriptLoad = _adder("onScriptLoad")
addOnScriptClose = _adder("onScriptClose")
addBeforeRender = _adder("beforeRender")
