"""Work done ahead in a thread, handed over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["AHEAD_FRAMES", "prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD_FRAMES = 1
"""Frames read before they are needed: one hides the disk, and a UHD frame takes 130 MB."""


def prefetch(function: Callable[[Item], Result], items: Iterable[Item], ahead: int = AHEAD_FRAMES) -> Iterator[Result]:
    """``map(function, items)``, computed in one thread up to ``ahead`` items before they are asked for.

    Args:
        function: called in the thread, once an item, in order.
        items: what to call it with.
        ahead: how many results may wait.

    Yields:
        The results in order; an exception of ``function`` is raised where its result would come.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1, "reage-ahead") as thread:
        try:
            for item in items:
                waiting.append(thread.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
