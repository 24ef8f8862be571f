"""One thing that a check of this machine has found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        subject: what was looked at.
        ok: whether it is as it should be.
        text: what it is.
        hint: what to do when it is not.
        fatal: nothing works without it.
    """

    subject: str
    ok: bool
    text: str
    hint: str = ""
    fatal: bool = True
