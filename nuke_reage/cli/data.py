"""``reage data``: make and check pictures to train on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from nuke_reage.cli.console import make_progress, show_json, stderr_console
from nuke_reage.cli.options import home_path
from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import from_dict

if TYPE_CHECKING:
    from nuke_reage.training.aging import Strengths
    from nuke_reage.training.layout import Person
    from nuke_reage.training.pairs import Lines

__all__ = ["command"]

_SHEET_CELL_PX = (192, 192)
_SHEET_ROWS, _SHEET_COLUMNS = 12, 8

_PART = click.option(
    "--part",
    default="1/1",
    metavar="K/N",
    help="Make the Kth of N parts of the people; other processes the rest.",
)


@click.group("data")
def command() -> None:
    """Make and check training pictures.

    \b
    reage data pairs portraits/ pairs/ --wrinkles people/
    reage data render renders/ --ids 200 --skins makehuman_skins/
    reage data check pairs/ --sheet pairs.jpg

    A data set is a folder of people, each a folder of pictures named by age: ann/38.jpg.
    """  # noqa: D301


@command.command("pairs")
@click.argument("portraits", type=home_path)
@click.argument("out", type=home_path)
@click.option(
    "--ages-file",
    type=home_path,
    default="",
    metavar="FILE",
    help="JSON of ages. Default: portraits.json in or beside PORTRAITS.",
)
@click.option(
    "--wrinkles",
    type=home_path,
    multiple=True,
    metavar="PATH",
    help="Where new lines come from: a .npz of maps or person/AGE.png. Repeatable.",
)
@click.option(
    "--leave-out", multiple=True, metavar="NAME", help="A person of --wrinkles kept for validation. Repeatable."
)
@click.option("--ages", default="20,30,40,50,60,70,80", show_default=True, metavar="LIST", help="Ages to make.")
@click.option(
    "--size", "canvas_px", default=256, show_default=True, type=click.IntRange(64, 2048), help="Pixels a side."
)
@click.option(
    "--lines",
    default="common",
    show_default=True,
    metavar="common|resembling|N",
    help="New lines of one exemplar for all of a sex, of the one whom a face resembles, or of exemplar N for all.",
)
@click.option(
    "--strength",
    "strengths",
    multiple=True,
    metavar="NAME=VALUE",
    help="How much of an effect is applied: tone=1, relief=0 (see docs/training.md). Repeatable.",
)
@click.option("--limit", type=click.IntRange(1), default=None, metavar="N", help="Make the first N people only.")
@_PART
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def pairs(
    portraits: str,
    out: str,
    ages_file: str,
    wrinkles: tuple[str, ...],
    leave_out: tuple[str, ...],
    ages: str,
    canvas_px: int,
    lines: str,
    strengths: tuple[str, ...],
    limit: int | None,
    part: str,
    as_json: bool,
) -> None:
    """Make OUT/person/AGE.jpg from single PORTRAITS of known age.

    Every portrait becomes the same person at the ages asked for, aligned pixel by pixel: skin tone, light and
    identity stay; lines, hair and proportions change as they do in the whole collection.  At least 30 portraits of
    many ages are needed.

    Several processes can share the work, here or on a farm: --part 1/4, 2/4, 3/4 and 4/4 of the same command make
    together what it makes alone.  OUT/pairs.json says what the pictures are made with; only --limit and --part may
    differ from one run into OUT to the next.
    """
    from nuke_reage.training.pairs import make_pairs

    wanted, of_effects, whose, share = _ages(ages), _strengths(strengths), _lines(lines), _part(part)
    file = Path(ages_file) if ages_file else _ages_file(Path(portraits))
    with make_progress(stderr_console()) as progress:
        bars = {name: progress.add_task(name, total=None, note="") for name in ("faces", "measure", "pairs")}
        report = make_pairs(
            portraits,
            out,
            ages_file=file,
            wrinkles=wrinkles,
            leave_out=leave_out,
            ages=wanted,
            canvas_px=canvas_px,
            lines=whose,
            strengths=of_effects,
            limit=limit,
            part=share,
            progress=lambda stage, done, total: progress.update(bars[stage], completed=done, total=total),
        )
    if as_json:
        show_json({"people": report.people, "pictures": report.pictures, "skipped": report.skipped})
        return
    click.echo(f"{out}: {report.people} people, {report.pictures} pictures; {len(report.skipped)} portraits left out")


@command.command("render")
@click.argument("out", type=home_path)
@click.option("--ids", "count", default=100, show_default=True, type=click.IntRange(1), metavar="N", help="People.")
@click.option(
    "--skins",
    type=home_path,
    required=True,
    metavar="DIR",
    help="MakeHuman's own skins (CC0): young_..., middleage_..., old_...png.",
)
@click.option("--ages", default="20,30,40,50,60,70,80", show_default=True, metavar="LIST", help="Ages to make.")
@click.option("--size", "size_px", default=512, show_default=True, type=click.IntRange(64, 2048), help="Pixels a side.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed, other people.")
@_PART
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def render(out: str, count: int, skins: str, ages: str, size_px: int, seed: int, part: str, as_json: bool) -> None:
    """Render synthetic people into OUT/person/AGE.png from MakeHuman's CC0 assets.

    \b
    reage data render renders/ --ids 200 --skins makehuman_skins/

    One identity at many ages; pose, expression, light and background stay.  It runs on the CPU, a few seconds a
    picture; people who are there already are kept, and --part 1/4 to 4/4 share the work.  Seed, size and skins must
    be those that OUT was begun with.
    """  # noqa: D301
    from nuke_reage.training.render.people import render_people

    wanted, share = _ages(ages), _part(part)
    if wanted[0] < 18 or wanted[-1] > 90:
        raise UsageError("bad-ages", f"--ages {ages!r} leaves 18 to 90.", "MakeHuman's grown-ups are 18 to 90.")
    with make_progress(stderr_console()) as progress:
        bar = progress.add_task("render", total=None, note="")
        made = render_people(
            Path(out),
            count,
            Path(skins),
            ages=wanted,
            size_px=size_px,
            seed=seed,
            part=share,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    people = len(range(count)[share])
    if as_json:
        show_json({"people": people, "pictures": people * len(wanted), "made": made})
        return
    click.echo(f"{out}: {people} people, {people * len(wanted)} pictures, {made} of them new")


@command.command("check")
@click.argument("folders", type=home_path, nargs=-1, required=True)
@click.option(
    "--sheet", type=home_path, default="", metavar="FILE", help="Write a contact sheet of some of the people."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def check(folders: tuple[str, ...], sheet: str, as_json: bool) -> None:
    """List what is wrong with the data sets FOLDERS: sizes, ages, duplicates, damage, alignment.

    Ends with an error where something would stop a training; with --json it stands beside the problems.
    """
    from nuke_reage.training.check import check_people, require_sound
    from nuke_reage.training.layout import list_people

    places = [Path(folder) for folder in folders]
    people = list_people(places)
    problems = check_people(people, places, alignment=True)
    if sheet:
        _write_sheet(Path(sheet), people)
    pictures = sum(len(person.pictures) for person in people)
    if not as_json:
        click.echo(f"{len(people)} people, {pictures} pictures, {len(problems)} problems")
        for problem in problems:
            click.echo(f"  {'error  ' if problem.fatal else 'warning'} {problem}")
    listed = [{"path": str(one.path), "problem": one.text, "fatal": one.fatal} for one in problems]
    report = {"people": len(people), "pictures": pictures, "problems": listed}
    try:
        require_sound(problems)
    except UsageError as error:
        error.report.update(report)
        raise
    if as_json:
        show_json(report)


def _ages(text: str) -> tuple[int, ...]:
    try:
        ages = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        ages = ()
    if not ages or ages[0] < 0 or ages[-1] > 120:
        raise UsageError("bad-ages", f"--ages {text!r} is no list of ages.", "Write for example 20,40,60,80.")
    return ages


def _strengths(texts: tuple[str, ...]) -> Strengths:
    from nuke_reage.training.aging import Strengths

    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise UsageError("bad-strength", f"--strength {text!r} is no NAME=VALUE.", "Write relief=0.5.") from None
    return from_dict(Strengths, values, "--strength")


def _part(text: str) -> slice:
    """Every Nth of the people, from the Kth on."""
    which, _, parts = text.partition("/")
    if not (which.isdecimal() and parts.isdecimal() and 1 <= int(which) <= int(parts)):
        raise UsageError("bad-part", f"--part {text!r} is no part.", "Write 1/4 for the first of four.")
    return slice(int(which) - 1, None, int(parts))


def _lines(text: str) -> Lines:
    if text.isdecimal():
        return int(text)
    named: dict[str, Lines] = {"common": "common", "resembling": "resembling"}
    if text in named:
        return named[text]
    raise UsageError(
        "bad-exemplar", f"--lines {text!r} is no exemplar.", "Write common, resembling or a number from 0."
    )


def _ages_file(portraits: Path) -> Path:
    for place in (portraits / "portraits.json", portraits.with_suffix(".json")):
        if place.is_file():
            return place
    raise UsageError(
        "no-ages",
        f"There is no portraits.json in {portraits} or beside it.",
        "Say who is how old with --ages-file FILE.",
    )


def _write_sheet(path: Path, people: Sequence[Person]) -> None:
    import numpy as np

    from nuke_reage.core.errors import MediaError
    from nuke_reage.evaluation.sheets import contact_sheet, display_bytes
    from nuke_reage.training.pictures import read_picture, write_picture

    step = max(1, len(people) // _SHEET_ROWS)
    rows = []
    for person in people[::step][:_SHEET_ROWS]:
        row = []
        for age, file in person.pictures[:: max(1, -(-len(person.pictures) // _SHEET_COLUMNS))]:
            try:
                row.append((f"{person.name} {age}", display_bytes(read_picture(file))))
            except MediaError:
                continue
        rows.append(row)
    if not any(rows):
        stderr_console().print(f"[yellow]warning[/] {escape(str(path))} was not written: no picture can be read")
        return
    grid = contact_sheet([row for row in rows if row], _SHEET_CELL_PX)
    write_picture(path, np.asarray(grid, np.float32) / np.float32(255.0))
