"""``reage evaluate``: what models are worth, side by side."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nuke_reage.cli.console import make_progress, show_json, stderr_console
from nuke_reage.cli.options import home_path
from nuke_reage.core.errors import UsageError
from nuke_reage.core.ladder import parse_ladder

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nuke_reage.core.ages import AgeCurve
    from nuke_reage.evaluation.evaluate import EvaluationReport, Sitter

__all__ = ["command"]

_WITH_AGE = re.compile(r"(?P<file>.+):(?P<age>\d+(?:\.\d+)?)\Z")
_TABLE_COLUMNS = 120


@click.command("evaluate")
@click.argument("models", type=home_path, nargs=-1, required=True)
@click.option(
    "--data",
    type=home_path,
    multiple=True,
    metavar="DIR",
    help="A data set, person/AGE.jpg, with true targets. Repeatable.",
)
@click.option("--people", default="", metavar="NAME,...", help="Only these people of the data sets.")
@click.option(
    "--photos",
    type=home_path,
    multiple=True,
    metavar="FILE[:AGE]",
    help="A photo to show at --ages. Without AGE it is read off the photo. Repeatable.",
)
@click.option(
    "--ages",
    default="20:80:10",
    show_default=True,
    metavar="AGES",
    help="Ages that photos are shown at, in years: first:last:step, or a list.",
)
@click.option(
    "--clip", type=home_path, default="", metavar="FILE[:AGE]", help="A movie or sequence, for steadiness over time."
)
@click.option(
    "--ages-per-person", default=5, show_default=True, type=click.IntRange(2), help="Ages of a person that are used."
)
@click.option(
    "--max-people", default=20, show_default=True, type=click.IntRange(1), help="People of each data set at most."
)
@click.option(
    "--clip-frames", default=24, show_default=True, type=click.IntRange(2), help="Frames of the clip at most."
)
@click.option(
    "-o",
    "--output",
    type=home_path,
    default="",
    metavar="FILE",
    help="Report with pictures (.html) or numbers (.json).",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option(
    "--backend", type=click.Choice(["auto", "torch", "openvino", "onnxruntime"]), default="auto", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(
    models: tuple[str, ...],
    data: tuple[str, ...],
    people: str,
    photos: tuple[str, ...],
    ages: str,
    clip: str,
    ages_per_person: int,
    max_people: int,
    clip_frames: int,
    output: str,
    device: str,
    backend: str,
    as_json: bool,
) -> None:
    """Measure MODELS on people whose true pictures are known, on photos and on a clip.

    \b
    reage evaluate fran-lite --data people/
    reage evaluate fran-lite runs/lite/fran-lite.json --data people/ --people ann,bob -o report.html
    reage evaluate fran-lite --photos portrait.jpg:35 --photos other.png --clip clip.mp4:40 -o report.html

    Pictures go through the same steps as plates, so the numbers are those of what an artist gets.  Name people that
    no model has learnt from with --people.
    """  # noqa: D301
    file = Path(output)
    if output and file.suffix.lower() not in {".html", ".json"}:
        raise UsageError("bad-output", f"{output} is no kind of report.", "Use .html or .json.")
    if not (data or photos or clip):
        raise UsageError("nothing-to-evaluate", "There is nothing to look at.", "Add --data, --photos or --clip.")
    photo_ages = parse_ladder(ages)
    if len(photo_ages) < 2:
        raise UsageError("bad-ages", f"--ages {ages!r} names fewer than two.", "Write 20:80:10, or 20,35,50,65,80.")
    sitters = [*_people(data, people, max_people), *_photos(photos)]

    from nuke_reage.evaluation.evaluate import Evaluation, Listener, evaluate
    from nuke_reage.evaluation.identity import create_identity_measure
    from nuke_reage.evaluation.report import report_html, report_json
    from nuke_reage.faces.age_estimate import age_estimator_installed, create_age_estimator

    console = stderr_console()
    estimator = create_age_estimator() if age_estimator_installed() else None
    if estimator is None:
        console.print(
            "[yellow]warning[/] no ages are read off the results: pip install 'nuke-reage\\[evaluate]' (Python 3.11+)"
        )
    task = Evaluation(
        tuple(sitters),
        clip=_with_age(clip) if clip else None,
        photo_ages_years=photo_ages,
        ages_per_person=ages_per_person,
        clip_frames=clip_frames,
        estimator=estimator,
        identity=create_identity_measure(),
        device=device,
        backend=backend,
    )
    with make_progress(console) as progress:
        report = evaluate(models, task, Listener(_Bars(progress), lambda text: console.print(text, markup=False)))
    if file.suffix.lower() == ".html":
        _write(file, report_html(report))
    elif output:
        _write(file, json.dumps(report_json(report), indent=2) + "\n")
    if as_json:
        show_json(report_json(report))
    else:
        _show(report)
        if output:
            click.echo(output)


class _Bars:
    """One bar for each model and stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[tuple[str, str], TaskID] = {}

    def __call__(self, model: str, stage: str, done: int, total: int) -> None:
        key = (model, stage)
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(stage, total=total, note=model)
        self._progress.update(self._bars[key], completed=done, total=total)


def _people(data: tuple[str, ...], names: str, max_people: int) -> list[Sitter]:
    from nuke_reage.evaluation.evaluate import Sitter
    from nuke_reage.training.layout import list_people

    folders = [Path(one) for one in data]
    if len({one.name for one in folders}) != len(folders):
        raise UsageError("same-names", "Two data folders have the same name.", "Rename one, for reports tell by name.")
    found = list_people(folders)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {one.name for one in found})
    if unknown:
        raise UsageError("unknown-person", f"No data set has {', '.join(unknown)}.", "Correct --people.")
    sitters: list[Sitter] = []
    for folder in folders:
        own = [one for one in found if one.folder == folder and (not wanted or one.name in wanted)]
        pictures = [(one.name, tuple((float(age), path) for age, path in one.pictures)) for one in own]
        sitters += [Sitter(folder.name, name, some) for name, some in pictures if len(some) > 1][:max_people]
    return sitters


def _photos(photos: tuple[str, ...]) -> list[Sitter]:
    from nuke_reage.evaluation.evaluate import Sitter

    return [Sitter.of_photo(*_with_age(text)) for text in photos]


def _with_age(text: str) -> tuple[Path, float]:
    """``photo.jpg:35``; without an age NaN."""
    found = _WITH_AGE.match(text)
    if found is None or Path(text).exists():
        return Path(text), math.nan
    age: AgeCurve = _age_curve(found["age"])
    return Path(found["file"]), age.at(1)


def _age_curve(text: str) -> AgeCurve:
    from nuke_reage.core.ages import AgeCurve

    return AgeCurve.parse(text)


def _write(path: Path, text: str) -> None:
    from nuke_reage.core.files import write_text_atomic

    write_text_atomic(path, text)


def _show(report: EvaluationReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from nuke_reage.evaluation.report import report_rows

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in report.models:
        table.add_column(one.model, justify="right", overflow="fold")
    section = ""
    for row in report_rows(report):
        if row.section != section:
            section = row.section
            table.add_row(f"[bold]{section}[/]", *("" for _ in report.models))
        cells = [row.text(index) for index in range(len(report.models))]
        if row.best is not None:
            cells[row.best] = f"[green]{cells[row.best]}[/]"
        table.add_row(row.label, *cells)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_TABLE_COLUMNS)
    console.print(table)
