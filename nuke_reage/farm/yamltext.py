"""Plain YAML for people to read, without a YAML library: mappings, lists, texts and whole numbers in block style."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["to_yaml"]

_PLAIN = re.compile(r"[A-Za-z/][\w./-]*\Z", re.ASCII)
_SPECIAL = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def to_yaml(value: Any, indent: int = 0) -> str:
    """A tree as YAML text that ends in a newline.

    Args:
        value: mappings with text keys, lists, texts, whole numbers and booleans.
        indent: blanks before each line.

    >>> print(to_yaml({"name": "ab: c", "steps": [{"name": "Track", "n": 1}], "none": []}), end="")
    name: "ab: c"
    steps:
    - name: Track
      n: 1
    none: []
    """
    lines = []
    blanks = " " * indent
    if isinstance(value, dict):
        for key, inner in value.items():
            lines.append(f"{blanks}{_scalar(str(key))}:{_after(inner, indent)}")
    else:
        for inner in value:
            if isinstance(inner, (dict, list)) and inner:
                # The dash takes the place of the first line's indent.
                lines.append(f"{blanks}- {to_yaml(inner, indent + 2).lstrip(' ')}")
            else:
                lines.append(f"{blanks}-{_after(inner, indent)}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _after(value: Any, indent: int) -> str:
    if isinstance(value, dict) and value:
        return "\n" + to_yaml(value, indent + 2)
    if isinstance(value, list) and value:
        return "\n" + to_yaml(value, indent)
    return f" {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _SPECIAL:
        return value
    if isinstance(value, str):
        # YAML has no surrogate pairs: what JSON writes as two escapes is one.
        return "".join(f"\\U{ord(one):08x}" if ord(one) > 0xFFFF else json.dumps(one)[1:-1] for one in value).join('""')
    # JSON's numbers, [] and {} are YAML's too.
    return json.dumps(value)
