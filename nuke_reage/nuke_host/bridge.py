"""From a node's knobs to a job, and from the worker's report back to the knobs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nuke_reage.core.ages import AgeCurve, OffsetCurve, RegionAges
from nuke_reage.core.errors import HostError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.knobs import KNOBS, Knob
from nuke_reage.core.ladder import parse_ladder
from nuke_reage.core.node import LADDER_SLOTS
from nuke_reage.core.strict import canonical_json, from_dict, to_dict
from nuke_reage.core.tracknodes import curve_text
from nuke_reage.core.trackpath import TrackPath
from nuke_reage.nuke_host import api
from nuke_reage.nuke_host.cache import CacheFolder
from nuke_reage.nuke_host.plates import SOURCES

__all__ = [
    "BAKED_KNOBS",
    "frames_of",
    "job_of",
    "path_from_report",
    "reload_reads",
    "settings_key",
    "text_of",
    "write_ladder",
    "write_layers",
    "write_path",
]

_DEFAULT_LADDER = "20:80:10"
_MAX_PLATE_FRAMES = 100_000

BAKED_KNOBS: Mapping[str, str] = {
    name: one.label for one in KNOBS if not one.setting.startswith("adjust.") for name in one.node_knobs
}
"""Knob of the node → its label, for the knobs that layers are baked from; a change of any other needs no bake."""


def text_of(node: api.Node, name: str) -> str:
    """The text of a knob, empty where the node has none of that name."""
    knob = node.knob(name)
    return "" if knob is None else str(knob.value() or "").strip()


def frames_of(node: api.Node) -> tuple[int, ...]:
    """The frames to bake: those of the knob ``frames``, else all that the plate has.

    Raises:
        UsageError: the knob holds no frame range.
        HostError: no plate is connected, or it has no end.
    """
    asked = text_of(node, "frames")
    if asked:
        return parse_frames(asked)
    plate = node.input(0)
    if plate is None:
        raise HostError("no-input", f"{node.name()} has no plate.", "Connect its first input to the plate.")
    first, last = int(plate.firstFrame()), int(plate.lastFrame())
    if last - first >= _MAX_PLATE_FRAMES:
        raise HostError("endless-plate", f"The plate runs from {first} to {last}.", "Set the knob 'frames'.")
    return tuple(range(first, last + 1))


def job_of(node: api.Node, view: str, cache: CacheFolder, frames: Sequence[int]) -> JobSpec:
    """The job that a node describes, with every age evaluated by Nuke in every frame.

    Args:
        node: the ReAge node.
        view: name of the view.
        cache: the node's folder.
        frames: frames to bake, at least one.

    Raises:
        UsageError: a knob holds a value that a job cannot have.
    """
    data: dict[str, Any] = {
        "plate": {"path": cache.pattern("plate", view)},
        "output": {"path": cache.pattern("layers", view)},
        "frames": format_frames(frames),
    }
    for one in KNOBS:
        if all(node.knob(name) is None for name in one.node_knobs):
            continue
        # What acts after the bake stays live on the node; only a comp would want it, and Nuke makes that itself.
        if not one.setting.startswith("adjust."):
            _put(data, one.setting, _value_of(node, one, frames, view))
    _fill_colour(data["plate"])
    painted = next(source for source in SOURCES if source.kind == "age")
    # A file that the artist names says more than a wire.
    if node.input(painted.index) is not None and not data.get("age_map", {}).get("path"):
        data.setdefault("age_map", {})["path"] = f"{cache.pattern('age', view)}:{painted.channel}"
    if text_of(node, "mode") == "ladder" and not data["output"].get("ladder"):
        data["output"]["ladder"] = list(parse_ladder(_DEFAULT_LADDER))
    data["output"]["layers"] = _layers_needed(data["output"].get("layers", []))
    job = JobSpec.from_dict(data)
    _require_slots(job.output.ladder)
    return job


def settings_key(job: JobSpec, live_age: bool) -> str:
    """SHA-256 of what decides the layers, but for the plate, paths and frames.

    Args:
        job: the job.
        live_age: the target age is live on the node, so its keyframes do not count.
    """
    plain = replace(
        job,
        plate=replace(job.plate, path=""),
        output=replace(job.output, path=""),
        frames="",
        target_age=AgeCurve.constant(0) if live_age else job.target_age,
    )
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()


def write_layers(node: api.Node, file: str, frames: Sequence[int]) -> None:
    """Point the node at its layers; in frames that are missing in between it shall give the plate."""
    _set(node, "layers_file", file)
    if frames:
        _set(node, "first_frame", min(frames))
        _set(node, "last_frame", max(frames))
    knob = node.knob("is_baked")
    if knob is not None:
        knob.fromScript(_gaps_text(frames))


def write_path(node: api.Node, report: Mapping[str, Any]) -> None:
    """Fill in what the node's arithmetic needs to know of the track: face size in each frame, luma weights.

    Args:
        node: the ReAge node.
        report: of the worker.  The rest of the track in it is not looked at: this is done after each frame.
    """
    path = report["path"]
    knob = node.knob("face_size")
    if knob is not None and path["steps"]:
        knob.fromScript(curve_text({int(one["frame"]): float(one["face_size_px"]) for one in path["steps"]}))
    _set(node, "luma_weights", [float(one) for one in path["luma_weights"]])


def write_ladder(node: api.Node, ages: Sequence[float]) -> None:
    """Fill in which ages were baked."""
    if ages:
        _set(node, "ladder_first", float(ages[0]))
        _set(node, "ladder_last", float(ages[-1]))
        _set(node, "ladder_step", float(ages[1] - ages[0]) if len(ages) > 1 else 1.0)


def reload_reads(node: api.Node) -> None:
    """Have the Reads inside the node look at their files again."""
    waiting = api.inner_nodes(node)
    while waiting:
        one = waiting.pop()
        waiting.extend(api.inner_nodes(one))
        button = one.knob("reload") if one.Class() == "Read" else None
        if button is not None:
            button.execute()  # type: ignore[attr-defined]


def path_from_report(report: Mapping[str, Any]) -> TrackPath:
    """The track that a worker reports."""
    return from_dict(TrackPath, report["path"], "path")


def _value_of(node: api.Node, one: Knob, frames: Sequence[int], view: str) -> Any:
    name = one.name
    if one.kind == "age":
        return to_dict(AgeCurve.from_values(_sampled(node[name], frames, view)))
    if one.kind == "region_ages":
        return to_dict(_region_ages(node, one, frames, view))
    if one.parts:
        return {part: float(node[f"{name}_{part}"].value()) for part in one.parts}
    knob: Any = node[name]
    if one.kind == "float":
        return float(knob.value())
    if one.kind == "int":
        return int(knob.value())
    if one.kind == "bool":
        return bool(knob.value())
    if one.kind == "rgb":
        return [float(knob.value(index)) for index in range(3)]
    text = str(knob.value() or "").strip()
    if one.kind == "layers":
        return text.replace(",", " ").split()
    if one.kind == "ladder":
        return list(parse_ladder(text))
    return text


def _fill_colour(plate: dict[str, Any]) -> None:
    """Say which space the script works in, where the artist has not."""
    root = api.root_values(("colorManagement", "OCIO_config", "customOCIOConfigPath"))
    config = root.get("OCIO_config")
    if root.get("colorManagement") == "Nuke" or (config == "nuke-default" and not os.environ.get("OCIO")):
        # Nuke's own management and its config of old are linear light of Rec.709 primaries, whatever config the worker
        # would find.
        plate["colorspace"] = plate.get("colorspace") or "linear"
    elif config == "custom" and root.get("customOCIOConfigPath"):
        plate["ocio_config"] = plate.get("ocio_config") or root["customOCIOConfigPath"]


def _sampled(knob: Any, frames: Sequence[int], view: str) -> dict[int, float]:
    """The values of a number in frames; of several views each may have its own."""
    if len(api.views()) > 1:
        return {frame: round(float(knob.getValueAt(frame, 0, view)), 6) for frame in frames}
    if not knob.isAnimated() and not knob.hasExpression():
        return dict.fromkeys(frames, round(float(knob.value()), 6))
    return {frame: round(float(knob.valueAt(frame)), 6) for frame in frames}


def _region_ages(node: api.Node, one: Knob, frames: Sequence[int], view: str) -> RegionAges:
    curves = {}
    for part in one.parts:
        values = _sampled(node[f"{one.name}_{part}"], frames, view)
        if any(values.values()):
            curves[part] = OffsetCurve.from_values(values)
    return RegionAges(**curves)


def _layers_needed(asked: Sequence[str]) -> list[str]:
    """The parts that the artist asks for, and all that the node's live knobs work with.

    Region gains and protection are turned after the bake, when nothing must be baked again for want of their mattes.
    """
    return list(dict.fromkeys(["delta", "mask", "regions", "protect", *asked]))


def _require_slots(ladder: Sequence[float]) -> None:
    steps = {round(later - earlier, 6) for earlier, later in zip(ladder, ladder[1:])}
    if len(steps) > 1 or any(age not in LADDER_SLOTS for age in ladder):
        raise HostError(
            "bad-ladder",
            f"The node cannot read a ladder of {', '.join(f'{age:g}' for age in ladder)}.",
            "Use even steps of 5 years or a multiple, from 5 to 100, such as 20:80:10.",
        )


def _gaps_text(frames: Sequence[int]) -> str:
    """1 in the frames and 0 between them: keys on both sides of each gap, or a plain 1 where there is none."""
    there = sorted(set(frames))
    keys: dict[int, float] = {}
    for before, after in zip(there, there[1:]):
        if after > before + 1:
            keys.update({before: 1.0, before + 1: 0.0, after - 1: 0.0, after: 1.0})
    return curve_text(keys) if keys else "1"


def _put(data: dict[str, Any], setting: str, value: Any) -> None:
    *parents, last = setting.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value


def _set(node: api.Node, name: str, value: Any) -> None:
    knob = node.knob(name)
    if knob is not None:
        knob.setValue(value)
