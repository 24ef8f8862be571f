"""What is wrong with a gizmo's text, as far as facts about Nuke's nodes can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nuke_text.expressions import ExpressionError, evaluate, names_in
from nuke_text.script import Expression, Node, Script, Value

__all__ = ["complaints"]

_BUTTON = re.compile(r"import (?P<module>[\w.]+); (?P=module)\.\w+\(nuke\.thisNode\(\)\)")
_PYSCRIPT, _TAB = 22, 20
_CHANNEL_KNOBS = re.compile(r"(from|to)\d")
_SHORT = {"rgba.red": "r", "rgba.green": "g", "rgba.blue": "b", "rgba.alpha": "a"}
_RGBA = set(_SHORT)
_MASKS = {"rgba", "rgb", "alpha", "all", "none"}


def complaints(script: Script, facts: Mapping[str, Any]) -> list[str]:
    """Everything that Nuke would refuse, or that a gizmo of ReAge must not have."""
    found = [*_file(script), *_panel(script, facts)]
    for node in script.nodes.values():
        found += [f"{node.name}: {one}" for one in _node(script, node, facts)]
    return found


def _file(script: Script) -> Iterator[str]:
    if not re.fullmatch(r"\d+\.\d+ v\d+", script.version) or script.gizmo is None or not script.ended:
        yield "the file does not begin with a version and a Gizmo and end with end_group"
        return
    if script.gizmo.kind != "Gizmo":
        yield f"{script.gizmo.kind} is no Gizmo"
    outputs = [node for node in script.nodes.values() if node.kind == "Output"]
    if len(outputs) != 1:
        yield f"{len(outputs)} outputs"
        return
    numbers = sorted(_input_numbers(script))
    if numbers != list(range(len(numbers))):
        yield f"inputs are numbered {numbers}"
    used = _above(outputs[0])
    for name, node in script.nodes.items():
        if name not in used and node.kind != "Input":
            yield f"{name} leads nowhere"
    for layer, channels in script.layers.items():
        if not channels or any(not channel.startswith(f"{layer}.") for channel in channels):
            yield f"layer {layer} has the channels {channels}"


def _above(node: Node) -> set[str]:
    found, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found.add(one.name)
            waiting.extend(above for above in one.inputs if above is not None)
    return found


def _input_numbers(script: Script) -> list[int]:
    return [int(str(node.knobs.get("number", "0"))) for node in script.nodes.values() if node.kind == "Input"]


def _panel(script: Script, facts: Mapping[str, Any]) -> Iterator[str]:
    assert script.gizmo is not None
    gizmo, types = script.gizmo, facts["user_knob_types"]
    names = [one.name for one in gizmo.user_knobs if one.name]
    for name in {one for one in names if names.count(one) > 1}:
        yield f"knob {name} is there twice"
    for name in set(names) & set(facts["common_knobs"]):
        yield f"knob {name} is one that every node has"
    for name in set(gizmo.knobs) - set(names) - set(facts["common_knobs"]):
        yield f"a value for {name}, which is no knob"
    for name in set(gizmo.knobs) & {"knobChanged", "onCreate", "onDestroy", "autolabel"}:
        yield f"{name} holds Python"
    open_groups = 0
    for one in gizmo.user_knobs:
        if str(one.type_number) not in types:
            yield f"knob {one.name} has the unknown type {one.type_number}"
            continue
        known = types[str(one.type_number)]
        for option in set(one.options) - set(known["options"]) - {"t"}:
            yield f"knob {one.name}: {known['ndk_name']} has no option {option}"
        for flag in set(one.flags) - set(known["flags"]):
            yield f"knob {one.name}: {known['ndk_name']} has no flag {flag}"
        command = str(one.options.get("T", ""))
        if "\n" in command or (one.type_number == _PYSCRIPT) != bool(_BUTTON.fullmatch(command)):
            yield f"knob {one.name} runs {command!r}"
        choices = one.options.get("M", ())
        if choices and gizmo.knobs.get(one.name, choices[0]) not in choices:
            yield f"knob {one.name} cannot be {gizmo.knobs[one.name]!r}"
        if one.type_number == _TAB:
            open_groups += int(str(one.options.get("n", "0")))
    if open_groups:
        yield "a group of knobs is not closed"
    for name in gizmo.live:
        yield f"knob {name} has Tcl that runs when the file is loaded"


def _node(script: Script, node: Node, facts: Mapping[str, Any]) -> Iterator[str]:
    if node.kind not in facts["classes"]:
        yield f"there is no class {node.kind}"
        return
    known = facts["classes"][node.kind]
    limits = known["inputs"]
    if not (limits["min"] == 0 and not node.inputs) and not 1 <= len(node.inputs) <= limits["max"]:
        yield f"{len(node.inputs)} inputs, {node.kind} has {limits['min']} to {limits['max']}"
    if None in node.inputs:
        yield "an input is not connected"
    if node.live:
        yield f"Tcl in {node.live} runs when the file is loaded"
    for name, value in node.knobs.items():
        if name in facts["common_knobs"]:
            if name == "disable":
                yield from _value(script, node, name, value)
            continue
        if name not in known["knobs"]:
            yield f"{node.kind} has no knob {name}"
            continue
        choices = known["knobs"][name].get("values")
        if choices and value not in choices:
            yield f"{name} cannot be {value!r}"
        if known["knobs"][name]["type"] == "Boolean_Knob" and value not in {"true", "false"}:
            yield f"{name} cannot be {value!r}"
        yield from _value(script, node, name, value)


def _value(script: Script, node: Node, name: str, value: Value) -> Iterator[str]:
    channels = {channel for layer in script.layers.values() for channel in layer} | _RGBA
    if isinstance(value, tuple):
        for one in value:
            if isinstance(one, Expression):
                yield from _expression(one.text, name, script, {"frame"})
    elif re.fullmatch(r"(temp_)?expr\d", name):
        yield from _expression(value, name, script, _within(node, name, channels))
    elif _CHANNEL_KNOBS.fullmatch(name) and value not in channels:
        yield f"{name} names no channel: {value}"
    elif name in {"channels", "Achannels", "Bchannels", "output"} and value not in _MASKS:
        yield f"{name} names no channels: {value}"
    elif "[" in value and name != "label":
        yield from _tcl(value, script)


def _within(node: Node, name: str, channels: set[str]) -> set[str]:
    """What an expression of this node may refer to beside the gizmo's knobs."""
    last = int(name[-1]) if name.startswith("temp") else 4
    temporary = {str(node.knobs[f"temp_name{i}"]) for i in range(last) if f"temp_name{i}" in node.knobs}
    if node.kind == "MergeExpression":
        return temporary | {side + letter for side in "AB" for letter in "rgba"}
    return temporary | channels | set(_SHORT.values())


def _expression(text: str, name: str, script: Script, allowed: set[str]) -> Iterator[str]:
    try:
        evaluate(text, lambda _: 0.5, lambda command, rest: "0")
    except ExpressionError as error:
        yield f"{name}: {error}"
        return
    for one in names_in(text) - allowed:
        if not _is_knob(script, one):
            yield f"{name} refers to {one}, which is nothing"


def _tcl(text: str, script: Script) -> Iterator[str]:
    for one in re.findall(r"\[([^\]]*)\]", text):
        head, _, name = one.partition(" ")
        if head != "value" or not _is_knob(script, name):
            yield f"[{one}] gives nothing"


def _is_knob(script: Script, name: str) -> bool:
    assert script.gizmo is not None
    head, _, rest = name.partition(".")
    knob, _, part = rest.partition(".")
    if head != "parent":
        return False
    number = re.fullmatch(r"input(\d)", knob)
    if number:
        return int(number[1]) in _input_numbers(script)
    types = {one.name: one.type_number for one in script.gizmo.user_knobs}
    return knob in types and (part in {"r", "g", "b"} if types[knob] == 18 else not part)
