"""Flags made from the knobs table, and the jobs that they describe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nuke_reage.core.ages import AgeCurve, OffsetCurve
from nuke_reage.core.errors import UsageError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.knobs import KNOBS, Knob
from nuke_reage.core.ladder import parse_ladder
from nuke_reage.core.looks import load_look
from nuke_reage.core.pathmap import PATH_SETTINGS, from_home
from nuke_reage.core.strict import nearest, to_dict

__all__ = ["home_path", "job_options", "make_job"]

Command = Callable[..., Any]

_LAYERS_HELP = (
    "EXR sequence for the layers beside a still or movie, layers/clip.####.exr, or a folder for it. "
    "With --layers alone they go beside OUT, under its name, and replace nothing but such layers there."
)
_LOOK_HELP = "Adjustments from a file of reage look; flags given beside it count instead of its values."


def home_path(text: str) -> str:
    """A path as the shell would hand it over, had the user not quoted it; the type of whatever takes one.

    Raises:
        UsageError: it begins with the ``~`` of nobody.
    """
    return from_home(text, "The path")


def job_options(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """A decorator that adds one flag for every knob, but those named.

    With adjustments comes ``--look`` too, with layers ``--layers-to``.
    """

    def add(command: Command) -> Command:
        if "gain" not in without:
            command = click.option("--look", type=home_path, default="", metavar="FILE", help=_LOOK_HELP)(command)
        if "layers" not in without:
            command = click.option("--layers-to", type=home_path, default="", metavar="FILE", help=_LAYERS_HELP)(
                command
            )
        for one in reversed(KNOBS):
            if one.name not in without:
                command = _option(one)(command)
        return command

    return add


def _option(one: Knob) -> Callable[[Command], Command]:
    text = one.tooltip
    if one.kind == "bool":
        return click.option(f"{one.flag}/--no-{one.flag[2:]}", one.name, default=one.default, help=text)
    if one.kind == "choice":
        return click.option(
            one.flag, one.name, type=click.Choice(one.choices), default=one.default, show_default=True, help=text
        )
    if one.kind in {"float", "int"}:
        kind = float if one.kind == "float" else int
        return click.option(one.flag, one.name, type=kind, default=one.default, show_default=True, help=text)
    if one.parts:
        return click.option(one.flag, one.name, default="", metavar="NAME=VALUE,...", help=text)
    default = ",".join(str(item) for item in one.default) if isinstance(one.default, tuple) else one.default
    metavar = {"age": "AGE", "layers": "NAMES", "rgb": "R,G,B", "file": "FILE", "ladder": "AGES"}.get(one.kind, "TEXT")
    kind_of = home_path if one.setting in PATH_SETTINGS else str
    shown: dict[str, Any] = {"show_default": bool(default), "metavar": metavar, "help": text}
    return click.option(one.flag, one.name, type=kind_of, default=default, **shown)


def make_job(
    context: click.Context,
    values: Mapping[str, Any],
    plate: str = "",
    out: str = "",
    frames: str = "",
    base: JobSpec | None = None,
) -> JobSpec:
    """The job that a command line describes.

    Args:
        context: of the command; where a job file is the base, only flags that were really given count.
        values: the flags by knob name.
        plate: the plate, unless ``base`` has it.
        out: the output, likewise.
        frames: frame range; empty = that of the base, else all.
        base: a job file's job.

    Raises:
        UsageError: an age is missing, a value is out of range, or layers whose file nobody named would replace
            something else (with ``--overwrite`` they do).
    """
    if base is None:
        data: dict[str, Any] = {"plate": {"path": plate}, "output": {"path": out}}
    else:
        data = base.to_dict()
    if frames:
        data["frames"] = frames
    if values.get("look"):
        data["adjust"] = to_dict(load_look(values["look"]))
    for one in KNOBS:
        given = context.get_parameter_source(one.name) is not ParameterSource.DEFAULT
        # The job's own defaults are those of the flags; only an age that nobody gave is missed.
        if one.name in values and (given or (base is None and one.kind == "age")):
            _put(data, one, values[one.name])
    output = data["output"]
    asked = values.get("layers_to", "")
    if asked:
        output["layers_path"] = _layers_path(asked, output["path"])
    elif context.get_parameter_source("layers") is ParameterSource.COMMANDLINE and not output.get("layers_path"):
        # Whoever names layers wants them; a still or movie cannot hold any.
        output["layers_path"] = "" if _is_exr(output["path"]) else _layers_path("", output["path"])
    job = JobSpec.from_dict(data)
    was_named = output.get("layers_path", "") in {"", asked, base.output.layers_path if base else ""}
    if not was_named and not context.params.get("overwrite"):
        from nuke_reage.pipeline.outputs import check_unnamed_layers

        check_unnamed_layers(job.output)
    return job


def _is_exr(path: str) -> bool:
    return path.lower().endswith(".exr")


def _layers_path(asked: str, out: str) -> str:
    """The EXR beside a still or movie: as asked for, or by the name of that in a folder."""
    if asked and Path(asked).suffix and not asked.endswith(("/", os.sep)) and not Path(asked).is_dir():
        return asked
    from nuke_reage.pipeline.outputs import layers_beside

    beside = layers_beside(out)
    return str(Path(asked) / Path(beside).name) if asked else beside


def _put(data: dict[str, Any], one: Knob, value: Any) -> None:
    *parents, last = one.setting.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    # Parts that are not named keep what a look or a job file says.
    place[last] = {**place.get(last, {}), **_by_part(one, value)} if one.parts else _parse(one, value)


def _parse(one: Knob, value: Any) -> Any:
    if one.kind == "age":
        if value is None:
            raise UsageError("no-age", f"{one.flag} is missing.", f"Add for example {one.flag} 35.")
        return to_dict(AgeCurve.parse(value))
    if one.kind == "ladder":
        return list(parse_ladder(value))
    if one.kind == "layers":
        if "/" in value or ".exr" in value.lower():
            raise UsageError("bad-layers", f"{one.flag} takes names of layers, not {value!r:.120}.",
                             "Name the file with --layers-to, and the layers as delta,mask.")  # fmt: skip
        return [name.strip() for name in value.split(",") if name.strip()]
    if one.kind == "rgb":
        try:
            return [float(part) for part in value.split(",")]
        except ValueError:
            raise UsageError("bad-setting", f"{one.flag} {value!r} is not three numbers.", "Write 1,0.9,0.8.") from None
    return value


def _by_part(one: Knob, text: str) -> dict[str, Any]:
    """``"forehead=0.5,eyes=1.2"`` as settings; parts that are not named keep their defaults."""
    values: dict[str, Any] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = (side.strip() for side in piece.partition("="))
        if name not in one.parts:
            raise UsageError("bad-setting", f"{one.flag} has no {name!r}.", nearest(name, one.parts))
        if name in values:
            raise UsageError("bad-setting", f"{one.flag} names {name} twice.", "Leave one of them away.")
        try:
            values[name] = to_dict(OffsetCurve.parse(value)) if one.kind == "region_ages" else float(value)
        except ValueError:
            raise UsageError(
                "bad-setting", f"{one.flag} {piece!r} has no number.", f"Write for example {one.flag} {name}=1."
            ) from None
    return values
