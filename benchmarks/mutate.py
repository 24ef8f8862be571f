"""Damage done on purpose: to bytes, to JSON texts, always from a given source of chance."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

__all__ = ["mutate_bytes", "mutate_json"]

_WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x7FC00000)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 10**18, -(10**18), 1e308, -1e308, 1e-320, 0.5, "", "x", "x" * 5000, "\0",
    "../../etc/passwd", "/etc/passwd", "/dev/zero", "%s%n", "####", "C:\\x", "\ud800", "nan", "1-999999", "-5--1",
    [], {}, [[]], [1e308], {"frame": 1}, "ocio://nothing", "~nobody/x", "a" * 300 + ".exr",
)  # fmt: skip


def mutate_bytes(data: bytes, chance: Random, *, first: int = 0, last: int | None = None) -> bytes:
    """A copy with one to four damages between two offsets: flipped bits, extreme words, lost, doubled or new bytes."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        end = min(len(made), len(data) if last is None else last)
        if end <= first:
            break
        at = chance.randrange(first, end)
        kind = chance.randrange(7)
        size = chance.choice((1, 2, 4, 8, 64))
        if kind == 0:
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            made[at : at + 4] = chance.choice(_WORDS).to_bytes(4, "little")
        elif kind == 2:
            made[at : at + size] = bytes(chance.randrange(256) for _ in range(size))
        elif kind == 3:
            del made[at : at + size]
        elif kind == 4:
            made[at:at] = made[at : at + size]
        elif kind == 5:
            made[at:at] = bytes([chance.choice((0, 255, 65))]) * size
        else:
            del made[at:]
    return bytes(made)


def mutate_json(text: str, chance: Random) -> str:
    """A copy of a JSON text with damaged values, keys or characters."""
    if chance.random() < 0.3:
        return mutate_bytes(text.encode(), chance).decode("utf-8", "replace")
    tree = copy.deepcopy(json.loads(text))
    for _ in range(chance.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break
        parent, key = chance.choice(places)
        kind = chance.randrange(6)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[f"{key}x"] = parent.pop(key)
        elif kind == 2:
            parent[key] = _nested(chance.choice((3, 200)))
        elif kind == 3:
            other, name = chance.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                parent[key] = copy.deepcopy(other[name])
        elif kind == 4 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
            parent[key] = parent[key] * chance.choice((-1, 0, 1e3, 1e9, 1e300))
        else:
            parent[key] = copy.deepcopy(chance.choice(_VALUES))
    return json.dumps(tree)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key below a tree, children before what comes after."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _nested(depth: int) -> Any:
    made: Any = 1
    for _ in range(depth):
        made = [made]
    return made
