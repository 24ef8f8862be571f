"""A track as Nuke nodes: Transform, CornerPin2D, Tracker4, as knob values in Nuke's own script text.

Each moves a picture of the reference frame along with the face: it changes nothing in the reference frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import nearest
from nuke_reage.core.trackpath import POINTS, TrackPath, TrackStep

__all__ = ["TRACK_KINDS", "NodeText", "curve_text", "is_track_script", "script_of", "track_node"]

TRACK_KINDS = ("Transform", "CornerPin2D", "Tracker4")
# Tracker4's table: type, shown, width and the columns that have these.
_COLUMNS = (
    ("5 1 20", "enable"),
    ("3 1 75", "name"),
    ("2 1 58", "track_x track_y"),
    ("2 1 63", "offset_x offset_y"),
    ("4 1 27", "T R S"),
    ("2 0 45", "error"),
    ("1 1 0", "error_min error_max pattern_x pattern_y pattern_r pattern_t search_x search_y search_r search_t"),
    ("2 1 0", "key_track key_search_x key_search_y key_search_r key_search_t key_track_x key_track_y"),
    ("2 1 0", "key_track_r key_track_t key_centre_offset_x key_centre_offset_y"),
)
_BOXES = "-32 -32 32 32 -22 -22 22 22"
_DIGITS = 4
_OWN_LABEL = ' label "ReAge track, reference '
_OWN_END = re.compile(rf'\n{_OWN_LABEL}-?\d+"\n\}}\n\Z')


@dataclass(frozen=True)
class NodeText:
    """A node to make.

    Args:
        node_class: Nuke's class.
        knobs: knob → its value as a script has it, without the outermost braces of an animated one.
    """

    node_class: str
    knobs: Mapping[str, str]


def track_node(path: TrackPath, kind: str, reference_frame: int, name: str = "") -> NodeText:
    """The track as a node.

    Args:
        path: the track.
        kind: of :data:`TRACK_KINDS`.
        reference_frame: frame in which nothing changes; the nearest one that has the face counts.
        name: of the node; empty = Nuke chooses.

    Raises:
        UsageError: there is no such kind, or the face is in no frame.

    >>> step = TrackStep(1, (5.0, 5.0), 2.0, 0.0, ((0, 0), (9, 0), (9, 9), (0, 9)), ((5, 5),) * 5, 4.0)
    >>> track_node(TrackPath(10, 10, 1.0, (step,)), "Transform", 1).knobs["center"]
    '5 5'
    """
    makers = {"Transform": _transform, "CornerPin2D": _corner_pin, "Tracker4": _tracker}
    if kind not in makers:
        raise UsageError("unknown-export", f"A track cannot become a {kind!r:.120}.", nearest(kind, makers))
    reference = path.near(reference_frame)
    knobs = makers[kind](path, reference)
    label = f"ReAge track, reference {reference.frame}"
    named = {"name": name} if name else {}
    return NodeText(kind, {**knobs, "label": _quoted(label), **named})


def script_of(node: NodeText) -> str:
    """The node as .nk text, to be pasted or imported.

    Returns:
        Lines of text; the node takes nothing from the stack and has one open input.
    """
    lines = [f"{node.node_class} {{", " inputs 0"]
    for name, value in node.knobs.items():
        # A script wants lists in braces; what a single knob is given has none around it.
        braced = f"{{{value}}}" if " " in value and not value.startswith('"') else value
        lines.append(f" {name} {braced}")
    return "\n".join([*lines, "}", ""])


def is_track_script(text: str) -> bool:
    """Whether a text is one node as :func:`script_of` writes it, and nothing else."""
    begins = any(text.startswith(f"{kind} {{\n inputs 0\n") for kind in TRACK_KINDS)
    return begins and _OWN_END.search(text) is not None and text.count(_OWN_LABEL) == 1


def curve_text(values: Mapping[int, float]) -> str:
    """Keyframes as Nuke writes them, linear between them.

    >>> curve_text({1001: 4.0, 1002: 4.25})
    '{curve L x1001 4 x1002 4.25}'
    """
    return "{curve L " + " ".join(f"x{frame} {_number(values[frame])}" for frame in sorted(values)) + "}"


def _transform(path: TrackPath, reference: TrackStep) -> dict[str, str]:
    moves = {one.frame: _minus(one.pivot, reference.pivot) for one in path.steps}
    turns = _unwrapped([(one.frame, one.rotate_degrees - reference.rotate_degrees) for one in path.steps])
    base = turns[reference.frame]
    return {
        "translate": _pair(moves),
        "rotate": curve_text({frame: turn - round(base / 360.0) * 360.0 for frame, turn in turns.items()}),
        "scale": curve_text({one.frame: one.scale_px / reference.scale_px for one in path.steps}),
        "center": f"{_number(reference.pivot[0])} {_number(reference.pivot[1])}",
    }


def _corner_pin(path: TrackPath, reference: TrackStep) -> dict[str, str]:
    knobs = {}
    for index in range(4):
        knobs[f"to{index + 1}"] = _pair({one.frame: one.corners[index] for one in path.steps})
        x, y = reference.corners[index]
        knobs[f"from{index + 1}"] = f"{_number(x)} {_number(y)}"
    return knobs


def _tracker(path: TrackPath, reference: TrackStep) -> dict[str, str]:
    names = [(look, name) for look, group in _COLUMNS for name in group.split()]
    columns = "\n".join(f"{{ {look} {name} {'e' if name == 'enable' else name} 1 }}" for look, name in names)
    at = reference.frame
    rows = []
    for index, point in enumerate(POINTS):
        xs = curve_text({one.frame: one.points[index][0] for one in path.steps})
        ys = curve_text({one.frame: one.points[index][1] for one in path.steps})
        keys = " ".join(["{}"] * 11)
        rows.append(
            f' {{ {{curve K x{at} 1}} "{point}" {xs} {ys} {{curve K x{at} 0}} {{curve K x{at} 0}} 1 1 1 '
            f"{{curve x{at} 0}} 0 0 {_BOXES} {keys} }}"
        )
    body = "\n".join(rows)
    return {
        "tracks": f"{{ 1 {len(names)} {len(POINTS)} }}\n{{ {columns}\n}}\n{{\n{body}\n}}",
        "reference_frame": str(at),
        "transform": "match-move",
        "center": f"{_number(reference.pivot[0])} {_number(reference.pivot[1])}",
    }


def _pair(points: Mapping[int, Sequence[float]]) -> str:
    return " ".join(curve_text({frame: point[axis] for frame, point in points.items()}) for axis in (0, 1))


def _minus(point: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    return point[0] - other[0], point[1] - other[1]


def _unwrapped(angles: Sequence[tuple[int, float]]) -> dict[int, float]:
    """Angles without leaps of a whole turn."""
    out: dict[int, float] = {}
    last = 0.0
    for frame, angle in angles:
        last = angle - round((angle - last) / 360.0) * 360.0
        out[frame] = last
    return out


def _number(value: float) -> str:
    text = f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[") + '"'
