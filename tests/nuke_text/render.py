"""Runs the graph of a gizmo's text on real pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nuke_text.expressions import evaluate, substitute
from nuke_text.images import Image
from nuke_text.nodes import CLASSES, LAZY
from nuke_text.script import Expression, Node, Script, Value

__all__ = ["Context", "Renderer", "render"]

Knobs = Mapping[str, float | str | bool | tuple[float, ...]]


def render(
    script: Script, inputs: Mapping[int, Image], knobs: Knobs | None = None, frame: int = 1001, view: str = "main"
) -> Image:
    """What a gizmo gives.

    Args:
        script: the gizmo.
        inputs: what is connected, by number of the input.
        knobs: values of user knobs that are not as in the text; a choice by its name.
        frame: current frame.
        view: current view.
    """
    return Renderer(script, inputs, knobs or {}, frame, view).node(script.nodes["Output1"])


class Renderer:
    """One frame of one gizmo."""

    def __init__(self, script: Script, inputs: Mapping[int, Image], knobs: Knobs, frame: int, view: str) -> None:
        self.script, self.inputs, self.frame, self.view = script, inputs, frame, view
        assert script.gizmo is not None
        self.choices = {one.name: one.options.get("M", ()) for one in script.gizmo.user_knobs}
        unknown = set(knobs) - set(self.choices)
        assert not unknown, f"the gizmo has no knob {unknown}"
        self.values = {**dict.fromkeys(self.choices, ""), **script.gizmo.knobs, **knobs}
        self.done: dict[str, Image] = {}
        self.computed: list[str] = []

    def node(self, node: Node | None) -> Image:
        """The picture of a node; each is computed once, and only where something asks for it."""
        if node is None:
            return Image.black(next(iter(self.inputs.values())).format)
        if node.name not in self.done:
            self.done[node.name] = self._compute(node)
        return self.done[node.name]

    def _compute(self, node: Node) -> Image:
        if node.kind == "Input":
            number = int(str(node.knobs.get("number", "0")))
            return self.inputs[number] if number in self.inputs else self.node(None)
        context = Context(self, node, [])
        if context.number("disable", 0):
            return self.node(node.inputs[0])
        self.computed.append(node.name)
        if node.kind in LAZY:
            wanted = int(context.number("which", 0))
            return self.node(node.inputs[min(max(wanted, 0), len(node.inputs) - 1)])
        return CLASSES[node.kind](Context(self, node, [self.node(one) for one in node.inputs]))

    def user_knob(self, name: str) -> float:
        """A knob of the gizmo as a number; ``weights.g`` is a part of one, a choice its place in the menu."""
        name, _, part = name.partition(".")
        value = self.values[name]
        if part:
            assert isinstance(value, tuple)
            one = value["rgb".index(part)]
            assert isinstance(one, str | int | float)
            return float(one)
        if isinstance(value, str) and self.choices[name]:
            return float(self.choices[name].index(value))
        assert isinstance(value, str | int | float)
        return float(value)

    def tcl(self, command: str, arguments: list[str]) -> str:
        """``value parent.knob`` and ``exists parent.input1``."""
        (name,) = arguments
        assert name.startswith("parent."), name
        name = name.removeprefix("parent.")
        if command == "value":
            return str(self.values[name])
        assert command == "exists", command
        number = re.fullmatch(r"input(\d)", name)
        assert number is not None
        return str(int(int(number[1]) in self.inputs))


@dataclass(frozen=True)
class Context:
    """A node that is being computed, with the pictures of its inputs."""

    renderer: Renderer
    node: Node
    images: list[Image]

    @property
    def frame(self) -> int:
        return self.renderer.frame

    def text(self, knob: str, default: str | None = None) -> str:
        """A knob's text."""
        value = self.node.knobs.get(knob, default)
        assert isinstance(value, str), f"{self.node.name}.{knob} is {value!r}"
        return value

    def flag(self, knob: str) -> bool:
        return self.text(knob) == "true"

    def number(self, knob: str, default: float) -> float:
        """A knob's number, its expression computed."""
        value: Value = self.node.knobs.get(knob, str(default))
        (one,) = value if isinstance(value, tuple) else (value,)
        if isinstance(one, Expression):
            return float(evaluate(one.text, self.knob, self.renderer.tcl))
        assert isinstance(one, str)
        return float(one)

    def knob(self, name: str) -> float:
        """What a name in an expression stands for."""
        if name == "frame":
            return float(self.frame)
        assert name.startswith("parent."), f"{self.node.name} refers to {name}"
        return self.renderer.user_knob(name.removeprefix("parent."))

    def file(self, knob: str) -> str:
        """A file knob's name for this frame and view."""
        text = substitute(self.text(knob), self.renderer.tcl)
        text = re.sub(r"%0(\d)d", lambda match: f"{self.frame:0{match[1]}d}", text)
        text = re.sub(r"#+", lambda match: f"{self.frame:0{len(match[0])}d}", text)
        return text.replace("%V", self.renderer.view)

    def is_channel(self, name: str) -> bool:
        """Whether Nuke knows a channel of this name: the file declares it, or it is everybody's."""
        layer, _, _ = name.partition(".")
        return layer == "rgba" or name in self.renderer.script.layers.get(layer, ())
