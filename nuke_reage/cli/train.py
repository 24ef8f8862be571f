"""``reage train``: a model from pictures of people at many ages."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from nuke_reage.cli.console import interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import home_path
from nuke_reage.core.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from nuke_reage.training.validation import Score

__all__ = ["command"]


@click.command("train")
@click.argument("data", type=home_path, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=home_path, required=True, metavar="FOLDER", help="Checkpoints, logs, sheets and the model."
)
@click.option(
    "--config",
    "config_path",
    type=home_path,
    default="default",
    show_default=True,
    metavar="TOML",
    help="A file or a bundled name.",
)
@click.option(
    "--start",
    "--finetune",
    "start",
    type=home_path,
    default=None,
    metavar="MODEL",
    help="A model's name or weights file to begin from.",
)
@click.option(
    "--start-discriminator",
    type=home_path,
    default=None,
    metavar="FILE",
    help="Weights of its discriminator. Default: those beside the model, if there are any.",
)
@click.option(
    "--validate-on", default="", metavar="NAME,...", help="People kept for validation, instead of the configuration's."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option(
    "--max-minutes", type=click.FloatRange(min=0), default=None, help="Stop after so long; go on with the same command."
)
@click.option("--wandb", default="", metavar="PROJECT", help="Show the run at Weights & Biases too.")
@click.option("--overwrite", is_flag=True, help="Begin again where a run is there already.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(
    data: tuple[str, ...],
    output: str,
    config_path: str,
    start: str | None,
    start_discriminator: str | None,
    validate_on: str,
    device: str,
    max_minutes: float | None,
    wandb: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a model on the data sets DATA (person/AGE.jpg), or go on with a run that was stopped.

    \b
    reage train pairs/ people/ -o runs/mine
    reage train actor/ people/ --finetune fran-lite --config finetune --validate-on actor_03 -o runs/actor
    torchrun --nproc-per-node 4 -- $(which reage) train pairs/ people/ -o runs/mine
    reage models list        # the finished model lies in runs/mine; copy it into your models folder

    Ctrl-C writes a checkpoint and the best model so far, and ends with status 130; the same command goes on exactly
    where it stopped.
    """  # noqa: D301
    from nuke_reage.training.config import load_config
    from nuke_reage.training.loop import Reporter, train
    from nuke_reage.training.start import start_descriptor

    config = load_config(config_path, start_descriptor(start) if start else None)
    if names := tuple(name.strip() for name in validate_on.split(",") if name.strip()):
        config = replace(config, data=replace(config.data, validation_people=names))
    if start_discriminator and not start:
        raise UsageError("no-start", "--start-discriminator goes with --start or --finetune.", "Add the model's name.")
    end = None if max_minutes is None else time.monotonic() + 60.0 * max_minutes
    console = stderr_console()
    with interruptible(first="writing a checkpoint and the model") as stop, make_progress(console) as progress:
        bar = progress.add_task("train", total=config.optimiser.steps, note="")

        def step(number: int, steps: int, losses: Mapping[str, float]) -> None:
            progress.update(bar, completed=number, total=steps, note=f"l1 {losses['l1']:.4f}")

        def scored(number: int, score: Score) -> None:
            folders = ", ".join(f"{name} {value:.3f}" for name, value in score.ratio_by_folder.items())
            console.print(f"step {number}: {score.ratio:.3f} of doing nothing ({folders}); null {score.null_l1:.4f}")

        report = train(
            data,
            output,
            config,
            start=start,
            start_discriminator=start_discriminator,
            device=device,
            overwrite=overwrite,
            reporter=Reporter(step, scored, lambda: stop.is_set() or (end is not None and time.monotonic() > end)),
            command="reage " + shlex.join(sys.argv[1:]),
            wandb_project=wandb,
        )
    if os.environ.get("RANK", "0") != "0":
        # One of several processes tells.
        return
    if as_json:
        show_json(
            {
                "steps": report.steps,
                "finished": report.finished,
                "best_step": report.best_step,
                "best": report.best,
                "model": report.model.as_posix(),
            }
        )
    else:
        state = "finished" if report.finished else "stopped; the same command goes on"
        best = f"best at {report.best_step}: {report.best['ratio']:.3f}"
        click.echo(f"{report.model}: step {report.steps} ({state}), {best}")
    if stop.is_set() and not report.finished:
        raise SystemExit(CancelledError.exit_code)
