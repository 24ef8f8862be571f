"""One table for the gizmo's knobs, the command line's flags, the job file's keys and the docs.

Tests hold all four against it.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from nuke_reage.core.knob import Knob
from nuke_reage.core.knobs_adjust import ADJUST_KNOBS
from nuke_reage.core.knobs_bake import BAKE_KNOBS
from nuke_reage.core.knobs_shot import SHOT_KNOBS

__all__ = ["KNOBS", "Knob", "knob", "setting_of"]

KNOBS: tuple[Knob, ...] = (*SHOT_KNOBS, *ADJUST_KNOBS, *BAKE_KNOBS)


def knob(name: str) -> Knob:
    """The knob of this name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in KNOBS}[name]


def setting_of(job: Any, path: str) -> Any:
    """The value at a dotted path, for example ``"adjust.gain"`` of a job."""
    return reduce(getattr, path.split("."), job)
