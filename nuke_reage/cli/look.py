"""``reage look``: adjustments as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nuke_reage.cli.console import show_json
from nuke_reage.cli.options import home_path, job_options, make_job
from nuke_reage.core.errors import UsageError
from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.looks import load_look, save_look
from nuke_reage.core.strict import to_dict

__all__ = ["command"]


@click.command("look")
@click.argument("file", type=home_path)
@click.option("--save", is_flag=True, help="Write FILE from the flags; of a file that is there the rest stays.")
@job_options(without=tuple(one.name for one in KNOBS if not one.setting.startswith("adjust.")))
@click.pass_context
def command(context: click.Context, /, file: str, save: bool, **values: Any) -> None:
    """Show the adjustments in FILE, or write them.

    \b
    reage look soft.json --save --detail-gain 0.6 --region-gain forehead=0.7 --protect eyes=1
    reage look soft.json
    reage run shot.####.exr out/shot.####.exr --source-age 35 --target-age 65 --layers comp --look soft.json

    The gizmo reads and writes the same files.
    """  # noqa: D301
    if not save:
        if any(context.get_parameter_source(name).name != "DEFAULT" for name in values):  # type: ignore[union-attr]
            raise UsageError("bad-command-line", "Flags are given, but nothing is to be written.", "Add --save.")
        show_json(to_dict(load_look(file)))
        return
    if Path(file).exists() and not values["look"]:
        values["look"] = file
    ages = {"source_age": "0", "target_age": "0"}
    save_look(make_job(context, {**values, **ages}, "plate", "out.exr").adjust, file)
    click.echo(file)
