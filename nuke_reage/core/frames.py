"""Frame ranges as compositors write them: ``1001-1050x2,1060,-5--1``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nuke_reage.core.errors import UsageError

__all__ = ["MAX_FRAMES", "chunk_frames", "format_frames", "parse_frames"]

MAX_FRAMES = 1_000_000
"""A longer range than this is a typing error, and would only fill the memory."""

_RANGE = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?:[x:](\d{1,9}))?)?\Z")
_HINT = "Write frames as 1001-1050, 1001-1050x2 (every second one) or 1001,1004,1010-1020."


def parse_frames(text: str) -> tuple[int, ...]:
    """Read a frame range.

    Args:
        text: ranges ``first-last`` or ``first-lastxstep`` and single frames, separated by commas or blanks; a colon
            before the step does too, as Open Job Description writes it.

    Returns:
        The frames in ascending order, each once.

    Raises:
        UsageError: the text is empty, malformed, runs backwards, or names more than :data:`MAX_FRAMES` frames.

    >>> parse_frames("1001-1007x3, 990")
    (990, 1001, 1004, 1007)
    """
    frames: set[int] = set()
    pieces = re.split(r"[,\s]+", text.strip())
    if pieces == [""]:
        raise UsageError("bad-frames", "The frame range is empty.", _HINT)
    for piece in pieces:
        match = _RANGE.match(piece)
        if match is None:
            raise UsageError("bad-frames", f"{piece!r:.120} is not a frame range.", _HINT)
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if last < first:
            raise UsageError("bad-frames", f"The frame range {piece!r:.120} runs backwards.", f"Write {last}-{first}.")
        if step == 0:
            raise UsageError("bad-frames", f"The frame range {piece!r:.120} has a step of 0.", _HINT)
        if (last - first) // step + len(frames) >= MAX_FRAMES:
            raise UsageError("bad-frames", f"The frame range {piece!r:.120} has over {MAX_FRAMES} frames.", _HINT)
        frames.update(range(first, last + 1, step))
    return tuple(sorted(frames))


def format_frames(frames: Iterable[int]) -> str:
    """Write frames as the shortest range text of steps of one, the inverse of :func:`parse_frames`.

    >>> format_frames([1, 2, 3, 7])
    '1-3,7'
    """
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def chunk_frames(frames: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Split frames into chunks of at most ``size``, in order.

    Raises:
        UsageError: ``size`` is below 1.
    """
    if size < 1:
        raise UsageError("bad-chunk", f"A chunk of {size} frames makes no sense.", "Use a chunk size of 1 or more.")
    return [tuple(frames[start : start + size]) for start in range(0, len(frames), size)]
