"""Flags that change nothing in what a job writes."""

from __future__ import annotations

import click
from click.core import ParameterSource

from nuke_reage.core.job import JobSpec
from nuke_reage.core.knobs import KNOBS

__all__ = ["idle_flags_warning"]


def idle_flags_warning(context: click.Context, job: JobSpec) -> str:
    """What to say about adjustments for a comp that is not written; empty where all is well.

    Only flags of this very command line count: a job file may carry adjustments that Nuke's node makes live.

    Args:
        context: of the command.
        job: the job that the command line describes.
    """
    if "comp" in job.output.layers or not job.output.path.lower().endswith(".exr"):
        return ""
    flags = {"look": "--look"} | {one.name: one.flag for one in KNOBS if one.setting.startswith("adjust.")}
    idle = [flag for name, flag in flags.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if not idle:
        return ""
    verb = "changes" if len(idle) == 1 else "change"
    return f"{', '.join(idle)} {verb} nothing here: adjustments act on the comp; add comp to --layers."
