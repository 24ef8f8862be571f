"""Nuke's expressions and the little Tcl that stands in them: parsed and computed here, never handed to Python's eval.

Names are looked up by a function, so that a knob is a number and a channel an array; arithmetic is float32 where an
array takes part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "ExpressionError", "evaluate", "names_in", "run_tcl", "substitute"]

Number = Any
Lookup = Callable[[str], Number]
Tcl = Callable[[str, list[str]], str]


class ExpressionError(ValueError):
    """An expression that Nuke could not compute."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_][\w]*(?:\.\w+)*)"
    r"|(?P<operator>&&|\|\||[<>=!]=|[-+*/%<>!?:(),]))"
)
_BINARY = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))

FUNCTIONS: dict[str, tuple[int, Callable[..., Number]]] = {
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
    "fabs": (1, np.abs),
    "abs": (1, np.abs),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "pow": (2, np.power),
}
"""What the gizmos may call: number of arguments, and function."""


def evaluate(text: str, lookup: Lookup, tcl: Tcl | None = None) -> Number:
    """The value of an expression; brackets are run by ``tcl`` first.

    Raises:
        ExpressionError: a mistake in it, an unknown function, or a name that ``lookup`` does not know.
    """
    tokens = list(_tokens(substitute(text, tcl)))
    parser = _Parser(tokens, lookup)
    with np.errstate(all="ignore"):
        value = parser.ternary()
    if parser.position != len(tokens):
        raise ExpressionError(f"{text!r} goes on after its end")
    return value


def names_in(text: str) -> set[str]:
    """The knobs and channels that an expression refers to, those in its Tcl included."""
    plain = re.sub(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]", " 0 ", text)
    named = {word for kind, word in _tokens(plain) if kind == "name"} - set(FUNCTIONS)
    return named | set(re.findall(r"\[(?:value|exists) ([\w.]+)\]", text))


def substitute(text: str, tcl: Tcl | None) -> str:
    """A text with every ``[command ...]`` replaced by what it gives."""
    while "[" in text:
        inner = re.search(r"\[([^\[\]]*)\]", text)
        if inner is None or tcl is None:
            raise ExpressionError(f"{text!r} has brackets that cannot be run")
        text = text[: inner.start()] + run_tcl(inner[1], tcl) + text[inner.end() :]
    return text


def run_tcl(command: str, tcl: Tcl) -> str:
    """``string length X`` here, everything else by ``tcl``."""
    head, *rest = command.split(" ")
    if head == "string" and rest[:1] == ["length"]:
        return str(len(" ".join(rest[1:])))
    return tcl(head, rest)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"cannot read {text[position:]!r} of {text!r}")
        position = match.end()
        kind = str(match.lastgroup)
        yield kind, match[kind]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], lookup: Lookup) -> None:
        self.tokens, self.lookup, self.position = tokens, lookup, 0

    def take(self, *wanted: str) -> str | None:
        if self.position < len(self.tokens) and self.tokens[self.position] in {("operator", one) for one in wanted}:
            self.position += 1
            return self.tokens[self.position - 1][1]
        return None

    def need(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise ExpressionError(f"{wanted!r} is missing in {' '.join(word for _, word in self.tokens)!r}")

    def ternary(self) -> Number:
        condition = self.binary(0)
        if self.take("?") is None:
            return condition
        yes = self.ternary()
        self.need(":")
        no = self.ternary()
        if np.ndim(condition) == 0:
            return yes if condition else no
        return np.asarray(np.where(condition != 0, yes, no), np.float32)

    def binary(self, level: int) -> Number:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while (operator := self.take(*_BINARY[level])) is not None:
            left = _apply(operator, left, self.binary(level + 1))
        return left

    def unary(self) -> Number:
        if self.take("-") is not None:
            return -self.unary()
        if self.take("!") is not None:
            return _truth(self.unary() == 0)
        return self.atom()

    def atom(self) -> Number:
        if self.take("(") is not None:
            inner = self.ternary()
            self.need(")")
            return inner
        if self.position == len(self.tokens):
            raise ExpressionError("an expression ends too early")
        kind, word = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            return float(word)
        if kind != "name":
            raise ExpressionError(f"{word!r} stands where a value should")
        if self.take("(") is None:
            return self.lookup(word)
        arguments = [self.ternary()]
        while self.take(",") is not None:
            arguments.append(self.ternary())
        self.need(")")
        count, function = FUNCTIONS.get(word, (0, None))
        if function is None or len(arguments) != count:
            raise ExpressionError(f"no function {word} of {len(arguments)}")
        value = function(*arguments)
        return float(value) if np.ndim(value) == 0 else value


def _truth(value: Number) -> Number:
    return float(value) if np.ndim(value) == 0 else value.astype(np.float32)


def _apply(operator: str, left: Number, right: Number) -> Number:
    compare: dict[str, Callable[[Number, Number], Number]] = {
        "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "&&": lambda a, b: np.logical_and(a != 0, b != 0),
        "||": lambda a, b: np.logical_or(a != 0, b != 0),
    }  # fmt: skip
    if operator in compare:
        return _truth(compare[operator](left, right))
    return {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod}[operator](left, right)
