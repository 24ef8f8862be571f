"""The words of a Nuke script: Tcl's rules for quotes, braces, brackets and backslashes."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ScriptError", "Word", "commands", "words"]


class ScriptError(ValueError):
    """Text that Nuke could not load, with the line where it breaks."""


@dataclass(frozen=True)
class Word:
    """A word as it stands in the text.

    Attributes:
        text: quotes and backslashes taken off; of a braced word all between the braces, as it is.
        kind: ``bare``, ``quoted`` or ``braced``.
        live: whether Tcl would run or replace something in it while the script loads: a ``[`` or ``$`` without a
            backslash before it.
        line: where it begins.
    """

    text: str
    kind: str
    live: bool
    line: int


_ESCAPES = {"n": "\n", "t": "\t"}


def words(text: str, line: int = 1) -> list[Word]:
    """The words of one list, line ends counting as blanks."""
    return [word for command in commands(text, line, one_line=False) for word in command]


def commands(text: str, line: int = 1, *, one_line: bool = True) -> list[list[Word]]:
    """The commands of a script, each a list of words; a command ends where its line does."""
    found: list[list[Word]] = [[]]
    position = 0
    while position < len(text):
        one = text[position]
        if one == "\n" or one in " \t\r;":
            if one in "\n;" and one_line and found[-1]:
                found.append([])
            line += one == "\n"
            position += 1
        elif one == "#" and not found[-1] and one_line:
            position = (text + "\n").index("\n", position)
        else:
            word, end = _word(text, position, line)
            line += text.count("\n", position, end)
            found[-1].append(word)
            position = end
    return [command for command in found if command]


def _word(text: str, start: int, line: int) -> tuple[Word, int]:
    if text[start] == "{":
        end = _closing(text, start, line)
        word = Word(text[start + 1 : end - 1], "braced", False, line)
    elif text[start] == '"':
        raw, end = _quoted(text, start, line)
        word = Word(_unescape(raw), "quoted", _is_live(raw), line)
    else:
        end = start
        while end < len(text) and text[end] not in " \t\r\n;":
            end = _bracketed(text, end, line) if text[end] == "[" else end + 1 + (text[end] == "\\")
        raw = text[start:end]
        word = Word(_unescape(raw), "bare", _is_live(raw), line)
    if end < len(text) and text[end] not in " \t\r\n;":
        raise ScriptError(f"line {line}: {text[end : end + 10]!r} follows a closed word")
    return word, end


def _closing(text: str, start: int, line: int) -> int:
    depth, position = 0, start
    while position < len(text):
        one = text[position]
        depth += (one == "{") - (one == "}")
        position += 1 + (one == "\\")
        if depth == 0:
            return position
    raise ScriptError(f"line {line}: a brace is never closed")


def _quoted(text: str, start: int, line: int) -> tuple[str, int]:
    position = start + 1
    while position < len(text):
        if text[position] == '"':
            return text[start + 1 : position], position + 1
        position += 1 + (text[position] == "\\")
    raise ScriptError(f"line {line}: a quote is never closed")


def _bracketed(text: str, start: int, line: int) -> int:
    depth, position = 0, start
    while position < len(text):
        depth += (text[position] == "[") - (text[position] == "]")
        position += 1
        if depth == 0:
            return position
    raise ScriptError(f"line {line}: a bracket is never closed")


def _unescape(raw: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), raw, flags=re.S)


def _is_live(raw: str) -> bool:
    return re.search(r"[\[$]", re.sub(r"\\.", "", raw, flags=re.S)) is not None
