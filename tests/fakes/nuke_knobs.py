"""Knobs of the stand-in for Nuke: values, keyframes, expressions, script text."""

from __future__ import annotations

import re
import threading
from typing import Any

__all__ = ["KNOB_CLASSES", "Knob", "curve_of", "quoted"]

_KEY = re.compile(r"x(-?\d+)|(-?\d+(?:\.\d+)?(?:e-?\d+)?)|([KLCH])")


def curve_of(text: str) -> dict[float, float]:
    """``curve L x1001 4 x1002 5`` as frame → value; values without a frame go on by one."""
    keys: dict[float, float] = {}
    at = None
    for frame, number, _ in _KEY.findall(text.replace("curve", "", 1)):
        if frame:
            at = float(frame)
        elif number:
            keys[at] = float(number)
            at += 1
    return keys


def quoted(text: str) -> str:
    """A string as a script holds it."""
    if text and re.fullmatch(r"[\w./:%#+-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[").replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n") + '"'


def _main_thread_only() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("knobs and nodes may be touched on the main thread only")


class Knob:
    """A knob; the stand-in's node tells it who it belongs to.

    ``kind`` is ``text``, ``number``, ``bool``, ``choice`` or ``button``; ``size`` how many numbers it has.
    """

    kind = "text"
    size = 1

    def __init__(self, name: str, default: Any = "", choices: tuple[str, ...] = ()) -> None:
        self._name = name
        self._node: Any = None
        self._default = default
        self._choices = choices
        self._values = self._spread(default)
        self._curves: list[dict[float, float]] = [{} for _ in range(self.size)]
        # What Nuke's panel does: another value in a view.
        self.fake_split: dict[str | None, float] = {}
        self._expressions = [""] * self.size
        self._flags = 0

    def _spread(self, value: Any) -> list[Any]:
        if self.size == 1:
            return [value]
        return list(value) if isinstance(value, (list, tuple)) else [value] * self.size

    def name(self) -> str:
        return self._name

    def Class(self) -> str:
        return type(self).__name__

    def node(self) -> Any:
        return self._node

    def setFlag(self, flag: int) -> None:
        self._flags |= flag

    def getFlag(self, flag: int) -> bool:
        return bool(self._flags & flag)

    def isAnimated(self, channel: int = -1) -> bool:
        return any(self._curves) if channel < 0 else bool(self._curves[channel])

    def hasExpression(self, index: int = -1) -> bool:
        return any(self._expressions) if index < 0 else bool(self._expressions[index])

    def setExpression(self, expression: str, index: int = -1, view: str | None = None) -> bool:
        def change() -> None:
            for one in range(self.size) if index < 0 else [index]:
                self._expressions[one] = expression

        return self._change(change)

    def setAnimated(self, channel: int = -1) -> bool:
        def change() -> None:
            for one in range(self.size) if channel < 0 else [channel]:
                self._curves[one].setdefault(float(self._now()), float(self._values[one]))

        return self._change(change)

    def clearAnimated(self, channel: int = -1) -> bool:
        def change() -> None:
            for one in range(self.size) if channel < 0 else [channel]:
                if self._curves[one] or self._expressions[one]:
                    self._values[one] = self.valueAt(self._now(), one)
                self._curves[one], self._expressions[one] = {}, ""

        return self._change(change)

    def setValueAt(self, val: Any, time: float, index: int = 0, view: str | None = None) -> bool:
        return self._change(lambda: self._curves[index].__setitem__(float(time), float(val)))

    def valueAt(self, frame: float, index: int = 0) -> Any:
        _main_thread_only()
        self._check_attached()
        if self._expressions[index]:
            return eval(self._expressions[index], {"frame": frame, "__builtins__": {}})
        keys = sorted(self._curves[index].items())
        if not keys:
            return self._values[index]
        before = [key for key in keys if key[0] <= frame] or [keys[0]]
        after = [key for key in keys if key[0] >= frame] or [keys[-1]]
        (left, low), (right, high) = before[-1], after[0]
        return low if right == left else low + (frame - left) / (right - left) * (high - low)

    def getValueAt(self, frame: float, index: int = 0, view: str | None = None) -> Any:
        return self.fake_split.get(view, self.valueAt(frame, index))

    def value(self, index: int | None = None) -> Any:
        found = [self.valueAt(self._now(), one) for one in range(self.size)]
        if index is not None:
            return found[index]
        # As Nuke does: one number where all of them are the same.
        return found[0] if self.size == 1 or len(set(found)) == 1 else found

    def getValue(self, channel: int | None = None) -> Any:
        return self.value(channel)

    def setValue(self, val: Any, chan: int = -1) -> bool:
        return self._change(lambda: self._assign(val, chan))

    def toScript(self, quote: bool = True) -> str:
        pieces = []
        for one in range(self.size):
            if self._expressions[one]:
                pieces.append("{" + self._expressions[one] + "}")
            elif self._curves[one]:
                keys = " ".join(f"x{frame:g} {value:.10g}" for frame, value in sorted(self._curves[one].items()))
                pieces.append("{curve L " + keys + "}")
            else:
                pieces.append(self._plain(self._values[one]))
        return " ".join(pieces)

    def fromScript(self, script: str) -> None:
        self._change(lambda: self._parse(script))

    def _plain(self, value: Any) -> str:
        return str(value)

    def _parse(self, script: str) -> None:
        self._assign(script, -1)

    def _assign(self, value: Any, channel: int) -> None:
        if channel >= 0:
            self._values[channel] = value
        else:
            self._values = self._spread(value)

    def _change(self, change: Any) -> bool:
        _main_thread_only()
        self._check_attached()
        before = self._state()
        change()
        if self._node is not None:
            self._node.knob_has_changed(self, before)
        return True

    def _state(self) -> Any:
        return list(self._values), [dict(one) for one in self._curves], list(self._expressions)

    def restore(self, state: Any) -> None:
        """Put an earlier state back, for undo."""
        self._values, self._curves, self._expressions = list(state[0]), [dict(one) for one in state[1]], list(state[2])

    def is_default(self) -> bool:
        """Whether a script would leave it out."""
        return self._state() == (self._spread(self._default), [{} for _ in range(self.size)], [""] * self.size)

    def _check_attached(self) -> None:
        if self._node is not None:
            self._node.check_attached()

    def _now(self) -> float:
        return self._node.app.frame if self._node is not None else 1


class _Numbers(Knob):
    kind = "number"

    def _plain(self, value: Any) -> str:
        return f"{float(value):.10g}"

    def _assign(self, value: Any, channel: int) -> None:
        def number(one: Any) -> float:
            if isinstance(one, str) or not isinstance(one, (int, float)):
                raise TypeError(f"{self._name} takes numbers, not {one!r}")
            return one

        if channel < 0 and isinstance(value, (list, tuple)):
            self._values = [number(one) for one in value]
        elif channel < 0:
            self._values = [number(value)] * self.size
        else:
            self._values[channel] = number(value)

    def _parse(self, script: str) -> None:
        pieces = re.findall(r"\{[^{}]*\}|\S+", script.strip())
        if len(pieces) == 1 and self.size > 1:
            pieces *= self.size
        assert len(pieces) == self.size, f"{self._name} cannot read {script!r}"
        for one, piece in enumerate(pieces):
            inner = piece.strip("{}").strip()
            self._curves[one], self._expressions[one] = {}, ""
            if inner.startswith("curve"):
                self._curves[one] = curve_of(inner)
            else:
                try:
                    self._values[one] = float(inner)
                except ValueError:
                    self._expressions[one] = inner


class Double_Knob(_Numbers):
    pass


class Int_Knob(_Numbers):
    def value(self) -> Any:
        return int(super().value())


class XY_Knob(_Numbers):
    size = 2


class Color_Knob(_Numbers):
    size = 3


class AColor_Knob(_Numbers):
    size = 4


class String_Knob(Knob):
    def _plain(self, value: Any) -> str:
        return quoted(str(value))

    def _assign(self, value: Any, channel: int) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{self._name} takes text, not {value!r}")
        self._values = [value]


class File_Knob(String_Knob):
    def _assign(self, value: Any, channel: int) -> None:
        if isinstance(value, str) and "\\" in value:
            raise RuntimeError("backslashes do not work in file names")
        super()._assign(value, channel)


class Boolean_Knob(Knob):
    kind = "bool"

    def _plain(self, value: Any) -> str:
        return "true" if value else "false"

    def _parse(self, script: str) -> None:
        self._values = [script.strip() in {"true", "1"}]

    def value(self) -> Any:
        return bool(super().value())


class Enumeration_Knob(Knob):
    kind = "choice"

    def _plain(self, value: Any) -> str:
        return quoted(str(value))

    def _assign(self, value: Any, channel: int) -> None:
        chosen = self._choices[value] if isinstance(value, int) else value
        if chosen not in self._choices:
            raise TypeError(f"{self._name} cannot be {value!r}")
        self._values = [chosen]

    def values(self) -> list[str]:
        return list(self._choices)


class Script_Knob(String_Knob):
    kind = "button"

    def command(self) -> str:
        return str(self._values[0])

    def execute(self) -> None:
        _main_thread_only()
        self._node.press(self)


class PyScript_Knob(Script_Knob):
    pass


KNOB_CLASSES = {
    one.__name__: one
    for one in (
        Double_Knob, Int_Knob, XY_Knob, Color_Knob, AColor_Knob, String_Knob, File_Knob, Boolean_Knob,
        Enumeration_Knob, Script_Knob, PyScript_Knob,
    )
}  # fmt: skip
