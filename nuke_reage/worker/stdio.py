"""The worker's end of the wire.

File descriptor 1 is claimed at the start: from then on only messages go to the host, and whatever a library prints
ends on stderr instead of breaking the stream.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Any, BinaryIO

from nuke_reage.core.errors import WorkerError
from nuke_reage.core.protocol import MAX_LINE_BYTES, decode, encode, message

__all__ = ["Wire", "claim_stdin", "claim_stdout"]


def claim_stdin() -> BinaryIO:
    """Take fd 0 for messages; whatever else reads stdin finds nothing there.

    A file object of its own, too: a thread that waits in ``sys.stdin`` would keep its lock, and the interpreter aborts
    when it cannot take that at the end.
    """
    private = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private


def claim_stdout() -> BinaryIO:
    """Take fd 1 for messages and point everybody else's stdout at stderr."""
    sys.stdout.flush()
    private = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return private


class Wire:
    """Messages in and out; reading runs in a thread of its own.

    Args:
        incoming: lines from the host.
        outgoing: lines to the host.

    Attributes:
        inbox: messages from the host; a :class:`WorkerError` for a line that is none; None once the host is gone.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self.inbox: queue.Queue[dict[str, Any] | WorkerError | None] = queue.Queue()
        self._incoming = incoming
        self._outgoing = outgoing
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="reage-wire", daemon=True).start()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; a host that is gone is noticed by the reading side."""
        line = encode(message(kind, **fields))
        with self._lock:
            try:
                self._outgoing.write(line)
            except (BrokenPipeError, OSError):
                self.inbox.put(None)

    def _read(self) -> None:
        while line := self._incoming.readline(MAX_LINE_BYTES + 1):
            try:
                self.inbox.put(decode(line))
            except WorkerError as error:
                self.inbox.put(error)
        self.inbox.put(None)
