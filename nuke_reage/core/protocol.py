"""Messages between a host (Nuke, the command line) and the worker: one JSON object a line.

::

    host → worker     hello · submit · cancel · shutdown
    worker → host     ready · accepted · progress · frame · log · done · failed

Pixels never travel here: they are EXR files, named by path.  A message that is not in the table below, lacks a
field, or has one too many is an error on the side that reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nuke_reage.core.errors import WorkerError
from nuke_reage.core.strict import nearest

__all__ = ["ACTIONS", "MAX_LINE_BYTES", "PROTOCOL_VERSION", "SCHEMA", "decode", "encode", "message"]

PROTOCOL_VERSION = 1
ACTIONS = ("track", "bake", "stmap")
"""What a job can be submitted for.  ``stmap`` writes ST maps of the track to the job's output; its ``frames`` hold the
reference frame.  Reports: ``track`` and ``bake`` give ``track`` (the trackfile) and ``path`` (a
:class:`~nuke_reage.core.trackpath.TrackPath`), ``bake`` also ``frames``; ``stmap`` gives ``files``."""
MAX_LINE_BYTES = 32 * 1024 * 1024

SCHEMA: Mapping[str, Mapping[str, type]] = {
    # host → worker
    "hello": {"protocol": int, "version": str},
    "submit": {"id": str, "job": dict, "frames": list, "overwrite": bool, "action": str},
    "cancel": {"id": str},
    "shutdown": {},
    # worker → host
    "ready": {"protocol": int, "version": str, "pid": int},
    "accepted": {"id": str, "frames": list},
    "progress": {"id": str, "stage": str, "done": int, "total": int},
    "frame": {"id": str, "frame": int, "path": str, "state": str, "warnings": list},
    "log": {"level": str, "text": str},
    "done": {"id": str, "report": dict},
    "failed": {"id": str, "error": dict},
}
"""Message type → its fields and their JSON types.

``submit.action`` is one of :data:`ACTIONS`; ``frame.state`` is ``baked``, ``kept`` (already there), ``no-face`` or
``failed``; ``failed.id`` is empty when no job can be named.
"""

_HINT = "Host and worker must be the same ReAge version; a stray print on the worker's stdout also breaks the stream."


def message(kind: str, **fields: Any) -> dict[str, Any]:
    """Build a message and check it against :data:`SCHEMA`.

    Raises:
        WorkerError: unknown type, missing or surplus field, or a field of the wrong JSON type.
    """
    built = {"type": kind, **fields}
    _check(built)
    return built


def encode(built: Mapping[str, Any]) -> bytes:
    """One message as a line of UTF-8 that ends in a newline.

    Raises:
        WorkerError: the message is not of the protocol.
    """
    _check(built)
    return json.dumps(built, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read one line.

    Raises:
        WorkerError: too long, not JSON, or not a message of the protocol.
    """
    if len(line) > MAX_LINE_BYTES:
        raise WorkerError("protocol", f"A message of {len(line)} bytes is too long.", _HINT)
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise WorkerError("protocol", f"This is not a message: {line[:120]!r}.", _HINT) from None
    _check(data)
    return dict(data)


def _check(data: Any) -> None:
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise WorkerError("protocol", f"This is not a message: {str(data)[:120]!r}.", _HINT)
    kind = data["type"]
    if kind not in SCHEMA:
        raise WorkerError("protocol", f"There is no message {kind!r:.80}. {nearest(kind, SCHEMA)}", _HINT)
    fields = SCHEMA[kind]
    if set(data) - {"type"} != set(fields):
        raise WorkerError(
            "protocol", f"The message {kind!r} must have the fields {', '.join(fields) or 'none'}.", _HINT
        )
    for name, json_type in fields.items():
        value = data[name]
        if not isinstance(value, json_type) or (json_type is int and isinstance(value, bool)):
            raise WorkerError("protocol", f"{kind}.{name} must be {json_type.__name__}, not {value!r:.80}.", _HINT)
