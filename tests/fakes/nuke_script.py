"""Scripts of the stand-in for Nuke: a writer and a reader of .nk text, stack order included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["knob_lines", "read", "write"]

_TOKEN = re.compile(r"\s*(\{|\}|\"(?:[^\"\\]|\\.)*\"|[^\s{}\"]+)")


def knob_lines(node: Any, *, all_knobs: bool = False) -> list[str]:
    """``knob value`` of a node, as a script has it."""
    lines = []
    for name, knob in node._knobs.items():
        if knob.kind == "button" or name == "name" or (knob.is_default() and not all_knobs):
            continue
        text = knob.toScript()
        lines.append(f"{name} {{{text}}}" if knob.kind == "number" and " " in text else f"{name} {text}")
    return [*lines, f"name {node.name()}"]


def write(nodes: list[Any]) -> str:
    """The nodes as a script."""
    pieces, known = ["version 16.0 v1"], {}
    waiting = list(nodes)
    while waiting:
        ready = [one for one in waiting if all(up is None or up in known or up not in nodes for up in one._inputs)]
        for one in ready:
            waiting.remove(one)
            ups = [up if up in known else None for up in one._inputs]
            # The top of the stack is input 0.
            pieces += ["push 0" if up is None else f"push ${known[up]}" for up in reversed(ups)]
            body = "\n".join(f" {line}" for line in knob_lines(one))
            pieces.append(f"{one._class} {{\n inputs {len(ups)}\n{body}\n}}")
            known[one] = f"N{len(known)}"
            pieces.append(f"set {known[one]} [stack 0]")
    return "\n".join([*pieces, ""])


def read(text: str, make: Callable[..., Any], app: Any) -> Any:
    """Make the nodes of a script; returns the last one."""
    stack: list[Any] = []
    names: dict[str, Any] = {}
    node = None
    for words in _commands(text):
        if words[0] == "push":
            stack.append(None if words[1] == "0" else names[words[1].lstrip("$")])
        elif words[0] == "set":
            names[words[1]] = stack[-1]
        elif len(words) == 2 and isinstance(words[1], list):
            node = _make_node(words[0], words[1], make, stack)
    return node


def _make_node(node_class: str, body: list[str], make: Callable[..., Any], stack: list[Any]) -> Any:
    knobs = {}
    inside = " ".join(body)
    for line in _lines(inside):
        knobs[line[0]] = line[1]
    count = int(knobs.pop("inputs", 1))
    name = knobs.pop("name", "")
    node = make(node_class, None, name)
    node._inputs = [stack.pop() if stack else None for _ in range(count)]
    for knob, value in knobs.items():
        node[knob].fromScript(value)
    stack.append(node)
    return node


def _commands(text: str) -> Iterator[list[Any]]:
    """Top-level commands: words, and bodies in braces as lists of raw text."""
    words: list[Any] = []
    depth, start = 0, 0
    tokens = list(_TOKEN.finditer(text))
    for index, found in enumerate(tokens):
        token = found[1]
        if token == "{":
            depth += 1
            if depth == 1:
                start = found.end()
        elif token == "}":
            depth -= 1
            if depth == 0:
                words.append([text[start : found.start(1)]])
        elif depth == 0:
            words.append(token)
        following = tokens[index + 1].start(1) if index + 1 < len(tokens) else len(text)
        if depth == 0 and "\n" in text[found.end() : following] + ("\n" if following == len(text) else ""):
            if words:
                yield words
            words = []


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """``knob value`` of a node's body; a value in braces or quotes may be long."""
    for words in _commands(text):
        name, rest = words[0], words[1:]
        if len(rest) == 1 and isinstance(rest[0], list):
            yield name, rest[0][0]
        elif len(rest) == 1 and rest[0].startswith('"'):
            yield name, re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), rest[0][1:-1])
        else:
            yield name, " ".join(rest)
