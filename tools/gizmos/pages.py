"""docs/nuke-knobs.md: every knob of the gizmos, and their inside, drawn."""

from __future__ import annotations

from collections.abc import Iterator

from tools.gizmos.text import Expr, Gizmo, Node, UserKnob

__all__ = ["page"]

_MADE = "<!-- Made by tools/gizmos from the code. Change the code, then run: python -m tools.gizmos -->\n"
_KINDS = {
    1: "text", 2: "file", 3: "whole number", 4: "choice", 6: "on / off", 7: "number", 18: "colour", 22: "button",
}  # fmt: skip
_TAB, _LINE = 20, 26
_KEYED = 7


def page(gizmos: dict[str, Gizmo]) -> str:
    """The page as Markdown."""
    text = [
        "# Knobs and inside of the gizmos\n",
        _MADE,
        "What the nodes are for and how to work with them: [Nuke](nuke.md). Numbers can be keyed or driven by "
        "expressions. The terms of *Delta* and *Mask* are those of `nuke_reage/imaging/adjust.py`; sizes are in "
        "[face sizes](layers.md#the-mask).\n",
    ]
    for name, gizmo in gizmos.items():
        text.append(f"## {name}\n")
        text.extend(_knobs(gizmo))
        text.append(f"### Inside {name}\n")
        text.append(_diagram(gizmo))
    return "\n".join(text).rstrip() + "\n"


def _knobs(gizmo: Gizmo) -> Iterator[str]:
    opened = False
    for knob in gizmo.user_knobs:
        if knob.type_number == _TAB and not knob.group:
            if opened:
                yield ""
            yield f"**{knob.label}**\n\n| knob | name | kind | fresh | |\n|---|---|---|---|---|"
            opened = True
        elif knob.type_number not in {_TAB, _LINE} and "+INVISIBLE" not in knob.flags:
            yield _knob_row(knob)
    yield ""


def _knob_row(knob: UserKnob) -> str:
    kind = _KINDS[knob.type_number]
    if knob.choices:
        kind = ", ".join(f"`{choice}`" for choice in knob.choices)
    elif knob.limits:
        kind += f", {knob.limits[0]:g} to {knob.limits[1]:g}"
    value = knob.value
    if isinstance(value, tuple):
        shown = ", ".join(f"{one:g}" for one in value)
    elif isinstance(value, bool):
        shown = "on" if value else "off"
    elif isinstance(value, str) or value is None:
        shown = value or ""
    else:
        shown = f"{value:g}"
    return f"| {knob.label} | `{knob.name}` | {kind} | {shown} | {knob.tooltip.replace('|', chr(92) + '|')} |"


def _diagram(gizmo: Gizmo) -> str:
    """The graph as a Mermaid flowchart; the rungs of the ladder are drawn as one."""
    lines = ["```mermaid", "flowchart TD"]
    shown: dict[str, str] = {}
    for node in gizmo.nodes:
        shown[node.name] = "Ages" if _is_rung(node) else node.name
    drawn = set()
    for node in gizmo.nodes:
        name = shown[node.name]
        if name not in drawn:
            drawn.add(name)
            lines.append(f'    {name}["{_caption(node)}"]')
        for index, one in enumerate(node.inputs):
            label = f'|"{_input_label(node, index)}"|' if len(node.inputs) > 1 and not _is_rung(node) else ""
            edge = f"    {shown[one.name]} -->{label} {name}"
            if _is_rung(one) and not _is_rung(node):
                edge = f"    Ages --> {name}"
            if edge not in lines:
                lines.append(edge)
    lines += [f"    {gizmo.nodes[-1].name} --> Output", "```\n"]
    return "\n".join(lines)


def _is_rung(node: Node) -> bool:
    return node.kind == "Copy" and node.name.startswith("Age") and node.name[3:].isdigit()


def _input_label(node: Node, index: int) -> str:
    if node.kind in {"Merge2", "Copy", "MergeExpression"}:
        return "BA"[index]
    return str(index)


def _caption(node: Node) -> str:
    if _is_rung(node):
        return "Copy, one for each age of the ladder"
    notes = [f"{node.kind} {node.name}" if node.kind != node.name else node.kind]
    if node.note:
        notes.append(node.note)
    for name in ("size", "which"):
        value = node.knobs.get(name)
        if isinstance(value, Expr) and len(value) < 50 and '"' not in value:
            notes.append(f"{name} = {value.replace('parent.', '')}")
    return "<br>".join(notes).replace("[", "#91;").replace("]", "#93;").replace(">", "#gt;").replace("<br#gt;", "<br>")
