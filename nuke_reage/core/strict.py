"""JSON objects to frozen dataclasses and back, refusing what is not known."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from nuke_reage.core.errors import UsageError

__all__ = ["canonical_json", "from_dict", "nearest", "read_json", "to_dict"]

T = TypeVar("T")


def nearest(name: str, known: Any) -> str:
    """A hint that names the closest known names, or all of them when none is close."""
    names = sorted(str(one) for one in known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(names)}."


def to_dict(value: Any) -> Any:
    """A dataclass tree as plain JSON values; tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_dict(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_dict(item) for item in value]
    return value


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal trees give equal text."""
    return json.dumps(to_dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_json(text: str, what: str) -> Mapping[str, Any]:
    """Parse a JSON object.

    Raises:
        UsageError: not JSON, not an object, or nested absurdly deep; the message tells where.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("bad-json", f"{what} is not valid JSON: {error}.", "Repair or write the file again.") from None
    if not isinstance(data, dict):
        raise UsageError("bad-json", f"{what} is not a JSON object.", "It must begin with '{'.")
    return data


def from_dict(cls: type[T], data: Any, where: str = "") -> T:
    """Build a frozen dataclass from JSON values.

    Missing keys take their defaults.

    Raises:
        UsageError: an unknown key (the nearest known one is suggested), a missing one, or a value of the wrong type.
    """
    place = where or cls.__name__
    if not isinstance(data, Mapping):
        raise UsageError("bad-setting", f"{place} must be an object, not {_kind(data)}.", "Look at docs/jobs.md.")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise UsageError("unknown-setting", f"{place} has no setting {key!r:.120}.", nearest(str(key), fields))
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{place}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UsageError("missing-setting", f"{place}.{name} is missing.", f"Add {name!r:.120} to {place}.")
    return cls(**values)


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_dict(kind, value, where)  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if not isinstance(value, (list, tuple)):
            raise UsageError("bad-setting", f"{where} must be a list, not {_kind(value)}.", "Look at docs/jobs.md.")
        if items[-1] is Ellipsis:
            return tuple(_convert(items[0], item, f"{where}[{index}]") for index, item in enumerate(value))
        if len(items) != len(value):
            raise UsageError("bad-setting", f"{where} must have {len(items)} values.", "Look at docs/jobs.md.")
        return tuple(_convert(one, item, where) for one, item in zip(items, value))
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise UsageError("bad-setting", f"{where} must be a finite number.", "Look at docs/jobs.md.")
        return number
    if (kind is int and isinstance(value, bool)) or not isinstance(value, kind):
        raise UsageError(
            "bad-setting", f"{where} must be {kind.__name__}, not {_kind(value)}.", "Look at docs/jobs.md."
        )
    if isinstance(value, str):
        _check_text(value, where)
    return value


def _check_text(text: str, where: str) -> None:
    """Half a surrogate pair or a NUL: no file and no library can be told such a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError("bad-setting", f"{where} has characters that no text can have.", "Write it again.")


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:80]
