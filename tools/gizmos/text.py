"""The text of a gizmo: nodes in the order of Nuke's stack, knobs, user knobs, escapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Expr", "Gizmo", "Node", "Tcl", "UserKnob", "quoted"]

VERSION = "14.0 v1"
"""The oldest Nuke that is meant to load the text."""


class Expr(str):
    """A knob's value that is an expression, as the artist would type it."""

    __slots__ = ()


class Tcl(str):
    """A text knob's value with Tcl in it, to be run: ``[value parent.layers_file]``."""

    __slots__ = ()


Value = str | int | float | bool | Expr | Tcl | tuple[float, ...]


@dataclass
class Node:
    """A node of the graph; inputs in Nuke's order, for Merge2, Copy and MergeExpression B first, then A."""

    kind: str
    name: str
    inputs: tuple[Node, ...] = ()
    knobs: dict[str, Value] = field(default_factory=dict)
    note: str = ""
    column: int = 0


@dataclass(frozen=True)
class UserKnob:
    """One line of the panel, and its value."""

    type_number: int
    name: str
    label: str = ""
    tooltip: str = ""
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    command: str = ""
    flags: tuple[str, ...] = ()
    group: int = 0
    value: Value | None = None


@dataclass
class Gizmo:
    """A gizmo file.

    Attributes:
        help_text: what the ? button shows.
        user_knobs: the panel.
        layers: layers that the nodes use, each with its channels.
        nodes: every node after those that it reads, the last one going to the output.
    """

    help_text: str
    user_knobs: Sequence[UserKnob]
    layers: dict[str, tuple[str, ...]]
    nodes: list[Node] = field(default_factory=list)

    def add(self, kind: str, name: str, *inputs: Node, note: str = "", column: int = 0, **knobs: Value) -> Node:
        """Append a node and return it."""
        node = Node(kind, name, inputs, knobs, note, column)
        self.nodes.append(node)
        return node

    def text(self) -> str:
        """The whole file."""
        lines = [f"version {VERSION}", "Gizmo {", f" help {quoted(self.help_text)}"]
        for knob in self.user_knobs:
            lines.extend(_user_knob(knob))
        lines.append("}")
        lines.extend(
            f"add_layer {{{layer} {' '.join(f'{layer}.{channel}' for channel in channels)}}}"
            for layer, channels in self.layers.items()
        )
        rows = _rows(self.nodes)
        for node in self.nodes:
            lines.extend(_node(node, rows[node.name]))
        lines += [
            " Output {",
            "  name Output1",
            f"  xpos 0\n  ypos {80 * (max(rows.values()) + 1)}",
            " }",
            "end_group",
            "",
        ]
        return "\n".join(lines)


def quoted(text: str) -> str:
    """A word of a script; quotes, line ends and all that Tcl would run are escaped."""
    escaped = "".join(_ESCAPES.get(one, one) for one in text)
    return escaped if escaped == text and text and not set(text) & set(" \t;#'") else f'"{escaped}"'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "[": "\\[", "$": "\\$", "{": "\\{", "}": "\\}"}


def _number(value: float) -> str:
    return f"{value:.10g}"


def _value(value: Value) -> str:
    if isinstance(value, Expr):
        plain = not set(value) & set(' []"')
        return "{{" + (value if plain else quoted(value)) + "}}"
    if isinstance(value, Tcl):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "{" + " ".join(_number(one) for one in value) + "}"
    return quoted(value) if isinstance(value, str) else _number(value)


def _user_knob(knob: UserKnob) -> list[str]:
    words = [str(knob.type_number), knob.name or '""']
    if knob.label:
        words += ["l", quoted(knob.label)]
    if knob.tooltip:
        words += ["t", quoted(knob.tooltip)]
    if knob.choices:
        words += ["M", "{" + " ".join(quoted(one) for one in knob.choices) + "}"]
    if knob.limits:
        words += ["R", *(_number(limit) for limit in knob.limits)]
    if knob.command:
        words += ["T", quoted(knob.command)]
    if knob.group:
        words += ["n", str(knob.group)]
    lines = [f" addUserKnob {{{' '.join([*words, *knob.flags])}}}"]
    if knob.value is not None and knob.value != "":
        lines.append(f" {knob.name} {_value(knob.value)}")
    return lines


def _node(node: Node, row: int) -> list[str]:
    """The pushes, the node, and its place on the stack under its own name."""
    lines = [f"push $N_{one.name}" for one in reversed(node.inputs)]
    lines.append(f" {node.kind} {{")
    if len(node.inputs) != 1:
        lines.append(f"  inputs {len(node.inputs)}")
    lines.extend(f"  {name} {_value(value)}" for name, value in node.knobs.items())
    lines.append(f"  name {node.name}")
    if node.note:
        lines.append(f"  label {quoted(node.note)}")
    lines += [f"  xpos {160 * node.column}", f"  ypos {80 * row}", " }", f"set N_{node.name} [stack 0]"]
    return lines


def _rows(nodes: Sequence[Node]) -> dict[str, int]:
    """How far down each node is drawn: below its inputs, and below what its column already has."""
    rows: dict[str, int] = {}
    columns: dict[int, int] = {}
    for node in nodes:
        above = max((rows[one.name] + 1 for one in node.inputs), default=0)
        rows[node.name] = max(above, columns.get(node.column, 0))
        columns[node.column] = rows[node.name] + 1
    return rows
