"""A .gizmo or .nk file as nodes, knobs and user knobs, connected as Nuke's stack says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nuke_text.words import ScriptError, Word, commands, words

__all__ = ["Curve", "Expression", "Node", "Script", "UserKnob", "Value", "parse", "read_script"]


@dataclass(frozen=True)
class Expression:
    """A knob's field that is an expression."""

    text: str


@dataclass(frozen=True)
class Curve:
    """A knob's field that has keys."""

    text: str


Value = str | tuple["str | Expression | Curve", ...]


@dataclass(frozen=True)
class UserKnob:
    """``addUserKnob {...}``.  ``options`` are those of one letter; ``flags`` have their sign."""

    type_number: int
    name: str
    options: dict[str, str | tuple[str, ...]]
    flags: tuple[str, ...]
    line: int


@dataclass
class Node:
    """A node; ``inputs`` in Nuke's order, None where nothing is connected."""

    kind: str
    line: int
    knobs: dict[str, Value] = field(default_factory=dict)
    user_knobs: list[UserKnob] = field(default_factory=list)
    inputs: list[Node | None] = field(default_factory=list)
    live: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.knobs.get("name", ""))


@dataclass
class Script:
    """A file: the gizmo itself, what is inside, the layers that it declares."""

    version: str = ""
    gizmo: Node | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    layers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: bool = False


_COMMANDS = {"version", "set", "push", "add_layer", "end_group"}
_ONE_LETTER = {"l", "t", "M", "R", "T", "n"}


def read_script(path: Path) -> Script:
    """Parse a file."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Script:
    """Parse the text of a gizmo.

    Raises:
        ScriptError: Nuke could not load it: broken words, an empty stack, a name given twice, ...
    """
    script = Script()
    stack: list[Node | None] = []
    variables: dict[str, Node | None] = {}
    for command in commands(text):
        head, line = command[0].text, command[0].line
        if script.ended:
            raise ScriptError(f"line {line}: {head} after the end of the group")
        if head == "version":
            script.version = " ".join(word.text for word in command[1:])
        elif head == "set":
            if command[2].text != "[stack 0]" or not stack:
                raise ScriptError(f"line {line}: set wants [stack 0] and a node on the stack")
            variables[command[1].text] = stack[-1]
        elif head == "push":
            stack.append(_pushed(command[1], variables))
        elif head == "add_layer":
            name, *channels = (word.text for word in words(command[1].text, line))
            script.layers[name] = tuple(channels)
        elif head == "end_group":
            script.ended = True
        elif len(command) == 2 and command[1].kind == "braced":
            node = _node(head, command[1], line)
            if node.kind in {"Gizmo", "Group"} and script.gizmo is None:
                script.gizmo = node
                continue
            node.inputs = _taken(node, stack)
            stack.append(node)
            if not node.name or node.name in script.nodes:
                raise ScriptError(f"line {line}: {node.kind} needs a name of its own, not {node.name!r}")
            script.nodes[node.name] = node
        else:
            raise ScriptError(f"line {line}: cannot read {head!r}")
    return script


def _pushed(word: Word, variables: dict[str, Node | None]) -> Node | None:
    if word.text == "0":
        return None
    if not word.text.startswith("$") or word.text[1:] not in variables:
        raise ScriptError(f"line {word.line}: nothing is called {word.text}")
    return variables[word.text[1:]]


def _taken(node: Node, stack: list[Node | None]) -> list[Node | None]:
    """Take a node's inputs off the stack: the top is input 0, the next one input 1."""
    wanted = str(node.knobs.pop("inputs", "1"))
    count = sum(int(part) for part in wanted.split("+"))
    if count > len(stack):
        raise ScriptError(f"line {node.line}: {node.kind} wants {count} inputs, the stack has {len(stack)}")
    return [stack.pop() for _ in range(count)]


def _node(kind: str, body: Word, line: int) -> Node:
    node = Node(kind, line)
    for command in commands(body.text, line):
        name, *values = command
        if name.text == "addUserKnob":
            node.user_knobs.append(_user_knob(values[0]))
            continue
        if name.text in node.knobs:
            raise ScriptError(f"line {name.line}: {name.text} is set twice")
        if len(values) != 1:
            raise ScriptError(f"line {name.line}: {name.text} wants one value, not {len(values)}")
        node.knobs[name.text] = _value(values[0])
        if values[0].live:
            node.live.append(name.text)
    return node


def _value(word: Word) -> Value:
    if word.kind != "braced":
        return word.text
    return tuple(_field(one) for one in words(word.text, word.line))


def _field(word: Word) -> str | Expression | Curve:
    if word.kind != "braced":
        return word.text
    inner = words(word.text, word.line)
    if inner and inner[0].text == "curve":
        return Curve(word.text)
    return Expression(inner[0].text if len(inner) == 1 else word.text)


def _user_knob(word: Word) -> UserKnob:
    number, name, *rest = words(word.text, word.line)
    options: dict[str, str | tuple[str, ...]] = {}
    flags: list[str] = []
    while rest:
        one = rest.pop(0)
        if one.text[:1] in "+-" and one.text[1:].isupper():
            flags.append(one.text)
        elif one.text in _ONE_LETTER and len(rest) >= 1 + (one.text == "R"):
            value = rest.pop(0)
            if one.text == "M":
                options["M"] = tuple(choice.text for choice in words(value.text, value.line))
            else:
                options[one.text] = (value.text, rest.pop(0).text) if one.text == "R" else value.text
        else:
            raise ScriptError(f"line {word.line}: cannot read {one.text!r} of {name.text}")
    return UserKnob(int(number.text), name.text, options, tuple(flags), word.line)
