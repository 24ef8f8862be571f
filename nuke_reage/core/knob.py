"""What a knob is; :mod:`nuke_reage.core.knobs` is the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nuke_reage.core.adjust import PROTECTED, REGIONS

__all__ = ["Knob"]


@dataclass(frozen=True)
class Knob:
    """One thing that an artist can set.

    Args:
        name: the knob's name in Nuke; the flag is the same with ``--`` and hyphens.
        setting: dotted path in :class:`~nuke_reage.core.job.JobSpec`.
        label: what the artist reads.
        tooltip: one or two sentences.
        kind: ``age``, ``float``, ``int``, ``bool``, ``choice``, ``text``, ``file``, ``rgb``, ``layers``, ``ladder``
            (rising ages), ``regions`` (a number for each of :data:`~nuke_reage.core.adjust.REGIONS`),
            ``region_ages`` (likewise, years to add) or ``protect`` (a number for each of
            :data:`~nuke_reage.core.adjust.PROTECTED`).
        default: value of a fresh node or command.
        minimum: lowest legal value of a number.
        maximum: highest legal value of a number.
        choices: legal values of a choice.
        tab: tab of the gizmo.
        animated: can be keyframed.
    """

    name: str
    setting: str
    label: str
    tooltip: str
    kind: str
    default: Any
    minimum: float = 0.0
    maximum: float = 0.0
    choices: tuple[str, ...] = ()
    tab: str = "ReAge"
    animated: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def parts(self) -> tuple[str, ...]:
        """What a knob of several numbers has one for, such as regions; empty for all other knobs."""
        return {"regions": REGIONS, "region_ages": REGIONS, "protect": PROTECTED}.get(self.kind, ())

    @property
    def node_knobs(self) -> tuple[str, ...]:
        """The names that it has on the node: one, or ``region_gain_forehead`` and so on, one a part."""
        return tuple(f"{self.name}_{part}" for part in self.parts) or (self.name,)
