"""``reage train``: a model from pictures of people at many ages."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from nuke_reage.cli.console import interruptible, make_progress, show_json, stderr_console

if TYPE_CHECKING:
    from nuke_reage.training.validation import Score

__all__ = ["command"]


@click.command("train")
@click.argument("data", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Checkpoints, logs, sheets and the model.")
@click.option(
    "--config", "config_path", default="lite", show_default=True, metavar="TOML", help="A file or a bundled name."
)
@click.option("--start", default=None, metavar="FILE", help="Weights to begin from.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option(
    "--max-minutes", type=click.FloatRange(min=0), default=None, help="Stop after so long; go on with the same command."
)
@click.option("--overwrite", is_flag=True, help="Begin again where a run is there already.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(
    data: tuple[str, ...],
    output: str,
    config_path: str,
    start: str | None,
    device: str,
    max_minutes: float | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a model on the data sets DATA (person/AGE.jpg), or go on with a run that was stopped.

    \b
    reage train pairs/ people/ --config lite.toml -o runs/lite
    reage models list        # the finished model lies in runs/lite; copy it into your models folder

    Ctrl-C writes a checkpoint and the best model so far; the same command goes on exactly where it stopped.
    """  # noqa: D301
    from nuke_reage.training.config import load_config
    from nuke_reage.training.loop import Reporter, train

    config = load_config(config_path)
    end = None if max_minutes is None else time.monotonic() + 60.0 * max_minutes
    console = stderr_console()
    with interruptible() as stop, make_progress(console) as progress:
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
            device=device,
            overwrite=overwrite,
            reporter=Reporter(step, scored, lambda: stop.is_set() or (end is not None and time.monotonic() > end)),
            command="reage " + shlex.join(sys.argv[1:]),
        )
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
        return
    state = "finished" if report.finished else "stopped; the same command goes on"
    click.echo(f"{report.model}: step {report.steps} ({state}), best at {report.best_step}: {report.best['ratio']:.3f}")
