"""The panels of ReAge and ReAgeApply, made from the tables of knobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nuke_reage.core.knobs import KNOBS, Knob
from nuke_reage.core.node import BUTTONS, STATE, Button, StateKnob
from tools.gizmos.text import UserKnob

__all__ = ["APPLY_STATE", "TABS", "apply_panel", "is_adjustment", "knob_value", "reage_panel"]

TABS = ("ReAge", "Delta", "Mask", "Model & colour", "Farm")
APPLY_STATE = ("output", "face_size", "luma_weights")
"""What ReAgeApply has of the node's own knobs."""

# Ages have no default of their own: a command must name them.  A node starts with these.
_AGES = {"source_age": 35.0, "target_age": 65.0}
_TYPES = {
    "age": 7, "float": 7, "regions": 7, "region_ages": 7, "protect": 7, "int": 3, "bool": 6, "choice": 4, "text": 1,
    "file": 2, "rgb": 18, "layers": 1, "ladder": 1,
}  # fmt: skip
# What a tab begins with, in this order; a bar is a line across the panel, with what it says.  The rest follows as it
# stands in the tables.
_FIRST = {
    "ReAge": (
        "source_age", "target_age", "mode", "region_age", "|", "do_track", "do_bake", "do_update_frame", "do_cancel",
        "do_clear_cache", "status", "output", "frames", "|", "face", "track", "detector", "smoothing", "max_gap", "|",
        "age_map", "age_map_mode", "age_map_soften", "|", "export_kind", "do_to_tracker",
    ),
    "Delta": (
        "do_load_look", "do_save_look", "|",
        "gain", "|", "tone_gain", "detail_gain", "split_radius", "|", "luma_gain", "chroma_gain", "darken_gain",
        "lighten_gain", "|", "region_gain", "protect", "|",
    ),
    "Mask": ("mask_dilate", "mask_blur", "mask_gamma", "|decided by the bake"),
    "Model & colour": (),
    "Farm": ("farm_engine", "farm_folder", "farm_chunk", "farm_gpu", "farm_write", "farm_track", "farm_dry_run",
             "do_submit", "|", "layers_file", "first_frame", "last_frame", "is_baked", "ladder_first", "ladder_last",
             "ladder_step", "cache_dir", "|"),
}  # fmt: skip
_CLOSED = {"region_age"}
_SAME_LINE = {"do_bake", "do_update_frame", "do_cancel", "do_clear_cache", "do_to_tracker", "do_save_look"}

Row = Knob | StateKnob | Button


def is_adjustment(one: Knob) -> bool:
    """Whether a knob of the table changes the picture after the bake."""
    return one.setting.startswith("adjust.")


def reage_panel() -> list[UserKnob]:
    """Everything that ReAge shows."""
    return list(_tabs((*KNOBS, *BUTTONS, *STATE)))


def apply_panel() -> list[UserKnob]:
    """The part of it that works on layers painted by hand."""
    adjustments: list[Row] = [one for one in KNOBS if is_adjustment(one)]
    looks = [one for one in BUTTONS if one.tab == "Delta"]
    return list(_tabs([*adjustments, *looks, *(one for one in STATE if one.name in APPLY_STATE)]))


def knob_value(one: Knob) -> float | bool | str | tuple[float, ...]:
    """What a table's knob is on a fresh node, as Nuke holds it."""
    if one.name in _AGES:
        return _AGES[one.name]
    if one.kind == "region_ages":
        return 0.0
    if one.kind in {"layers", "ladder"}:
        return ",".join(str(item) for item in one.default)
    value: float | bool | str | tuple[float, ...] = one.default
    return value


def _tabs(rows: Sequence[Row]) -> Iterator[UserKnob]:
    for tab in TABS:
        mine = {_name(one): one for one in rows if one.tab == tab}
        if not mine:
            continue
        yield UserKnob(20, f"tab_{tab.split()[0].lower()}", tab)
        wanted = [name for name in _FIRST[tab] if name[0] == "|" or name in mine]
        wanted += [name for name in mine if name not in wanted]
        for index, name in enumerate(wanted):
            if name[0] != "|":
                yield from _row(mine[name])
            elif 0 < index < len(wanted) - 1 and wanted[index + 1][0] != "|":
                yield UserKnob(26, "", name[1:])


def _name(one: Row) -> str:
    return one.knob if isinstance(one, Button) else one.name


def _row(one: Row) -> Iterator[UserKnob]:
    if isinstance(one, Button):
        module = "nuke_reage.nuke_host.callbacks"
        command = f"import {module}; {module}.{one.name}(nuke.thisNode())"
        flag = "-STARTLINE" if one.knob in _SAME_LINE else "+STARTLINE"
        yield UserKnob(22, one.knob, one.label, one.tooltip, command=command, flags=(flag,))
    elif isinstance(one, StateKnob):
        flags = ("+INVISIBLE",) if one.hidden else ()
        limits = {"face_size": (0.0, 2000.0), "is_baked": (0.0, 1.0)}.get(one.name)
        value = tuple(one.default) if isinstance(one.default, tuple) else one.default
        yield UserKnob(
            _TYPES[one.kind],
            one.name,
            one.label,
            one.tooltip,
            limits,
            one.choices,
            flags=flags,
            value=value,  # type: ignore[arg-type]
        )
    elif one.parts:
        group = f"{one.name}_group"
        yield UserKnob(20, group, one.label, _no_syntax(one.tooltip), group=1, value=0 if one.name in _CLOSED else None)
        for name, part in zip(one.node_knobs, one.parts, strict=True):
            yield _number(one, name, part, f"{_no_syntax(one.tooltip)[:-1]}: {part}.")
        yield UserKnob(20, f"{group}_end", group=-1)
    else:
        yield _number(one, one.name, one.label, one.tooltip)


def _number(one: Knob, name: str, label: str, tooltip: str) -> UserKnob:
    limits = (one.minimum, one.maximum) if one.minimum < one.maximum and one.kind != "rgb" else None
    # Keyframes are the command line's; a knob has Nuke's own.
    text = tooltip.partition(" Keyframes:")[0]
    return UserKnob(_TYPES[one.kind], name, label, text, limits, one.choices, value=knob_value(one))


def _no_syntax(tooltip: str) -> str:
    """The tooltip without the command line's way to write it."""
    text = tooltip.partition(":")[0]
    return text if text.endswith(".") else text + "."
