"""Looks and a node's knobs: the same files as the command line's."""

from __future__ import annotations

from typing import Any

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.strict import from_dict
from nuke_reage.nuke_host import api

__all__ = ["apply_look", "look_of"]

_PREFIX = "adjust."


def look_of(node: api.Node) -> AdjustSettings:
    """The adjustments on a node, keyframes and expressions at the current frame.

    Args:
        node: of ReAge or ReAgeApply.

    Raises:
        UsageError: a knob holds a value that no look can have.
    """
    data: dict[str, Any] = {}
    for name, place in _places().items():
        place_in: dict[str, Any] = data
        for part in place[:-1]:
            place_in = place_in.setdefault(part, {})
        # Nuke's numbers are as exact as their sliders' text, not as the binary of it.
        place_in[place[-1]] = round(float(node[name].value()), 6)
    return from_dict(AdjustSettings, data, node.name())


def apply_look(node: api.Node, look: AdjustSettings) -> None:
    """Set all adjustments of a node, as one step to undo.

    A look is whole, in the command line too: what its file leaves out goes back to where it changes nothing.  Keyframes
    and expressions of the adjustments go; knobs that hold the value already, without any, are left alone.
    """
    with api.one_undo("ReAge: load look"):
        for name, place in _places().items():
            value: Any = look
            for part in place:
                value = getattr(value, part)
            knob: Any = node[name]
            moves = knob.isAnimated() or knob.hasExpression()
            if moves:
                knob.clearAnimated()
            if moves or float(knob.value()) != value:
                knob.setValue(float(value))


def _places() -> dict[str, tuple[str, ...]]:
    """Knob of the node → where its value lies in the adjustments."""
    places: dict[str, tuple[str, ...]] = {}
    for one in KNOBS:
        if one.setting.startswith(_PREFIX):
            setting = one.setting[len(_PREFIX) :]
            for name, part in zip(one.node_knobs, one.parts or ("",)):
                places[name] = (setting, part) if part else (setting,)
    return places
