"""Leaving within a farm's patience: what is asked to end and cannot, ends by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nuke_reage.core.errors import CancelledError

__all__ = ["STOP_SECONDS", "leave_in_time"]

STOP_SECONDS = 4.0
"""A farm kills what has not gone some seconds after SIGTERM; this leaves it a second less than five."""


@contextmanager
def leave_in_time(clear_away: Callable[[], None]) -> Iterator[None]:
    """End the process when its work has not stopped :data:`STOP_SECONDS` after SIGTERM.

    A thread watches for the signal: Python's own handlers wait until a pass of the network returns, which may take
    longer than a farm waits.

    Args:
        clear_away: called right before the end, to remove what is half written.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    done = threading.Event()

    def watch() -> None:
        while number := ours.recv(1):
            if number[0] == signal.SIGTERM and not done.wait(STOP_SECONDS):
                with contextlib.suppress(Exception):
                    clear_away()
                os._exit(CancelledError.exit_code)

    thread = threading.Thread(target=watch, name="reage-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        theirs.close()
        thread.join()
        ours.close()
