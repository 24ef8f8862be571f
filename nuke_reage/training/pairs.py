"""Pixel-aligned pictures of one person at many ages, made from single portraits of known age."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nuke_reage import __version__
from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.imaging.mesh import FaceMesh
from nuke_reage.training.aging import Ager, Strengths
from nuke_reage.training.layout import EVERYBODY, MANIFEST, list_people
from nuke_reage.training.pictures import write_picture
from nuke_reage.training.portraits import Portrait, load_portraits
from nuke_reage.training.statistics import AgingStatistics, measure
from nuke_reage.training.wrinkles import WrinkleMaps, load_wrinkles, measure_wrinkles

__all__ = ["DEFAULT_AGES", "Lines", "PairsReport", "make_pairs"]

DEFAULT_AGES = (20, 30, 40, 50, 60, 70, 80)

_MIN_GAP_YEARS = 4
_VOTERS = 200

Lines = Literal["common", "resembling"] | int
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PairsReport:
    """What was made.

    Attributes:
        people: number of folders.
        pictures: number of pictures, photographs included.
        skipped: why portraits were left out, by file name.
    """

    people: int
    pictures: int
    skipped: dict[str, str]


def make_pairs(
    portraits: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    ages_file: str | os.PathLike[str],
    wrinkles: Sequence[str | os.PathLike[str]] = (),
    leave_out: Sequence[str] = (),
    ages: Sequence[int] = DEFAULT_AGES,
    canvas_px: int = 256,
    limit: int | None = None,
    part: slice = EVERYBODY,
    lines: Lines = "common",
    strengths: Strengths | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> PairsReport:
    """Write ``OUT/person/AGE.jpg`` for every portrait: the photograph at its own age, synthetic pictures at the others.

    The result depends on nothing but the arguments and the files.  Pictures that are there already are written again.

    Args:
        portraits: folder of pictures, one face each.
        out: folder to write; a ``pairs.json`` there tells which pictures are photographs and how the rest was made.
        ages_file: see :func:`nuke_reage.training.portraits.read_ages`.
        wrinkles: a ``.npz`` of wrinkle maps, or folders of people at many ages to measure them on.
        leave_out: people of those folders to leave out, because they are kept for validation.
        ages: years to make.
        canvas_px: side of the pictures.
        limit: stop after so many portraits (all are measured); None = all.
        part: whose pictures to make now, of these; the others are left to other processes.
        lines: "common" = everybody of one sex gets new lines of the one whom most of them resemble, so that a network
            can learn where they go; "resembling" = of the one whom they resemble themselves, more varied, but what
            cannot be told from a young face averages out to a blur without a discriminator; a number = everybody gets
            the lines of that exemplar, counted from 0 in each of the maps, the clearest seen among them say.
        strengths: of the effects.
        progress: called with stage, done, total.

    Raises:
        UsageError: no pictures, bad ages, bad wrinkle maps or no such exemplar.
        FaceError: no usable portrait.
        MediaError: a picture cannot be written.
    """
    loaded, skipped = load_portraits(
        portraits, ages_file, canvas_px, progress=lambda done, total: progress("faces", done, total)
    )
    progress("measure", 0, 1)
    statistics = measure(loaded)
    mesh = FaceMesh(statistics.mean_landmarks, canvas_px)
    maps = _wrinkle_maps(wrinkles, leave_out, mesh)
    ager = Ager(statistics, maps, strengths, _exemplars(lines, statistics, maps, loaded))
    progress("measure", 1, 1)
    chosen = loaded[:limit]
    folder = Path(out)
    pictures, now = 0, chosen[part]
    for index, portrait in enumerate(now):
        progress("pairs", index, len(now))
        pictures += _write_person(ager, portrait, ages, folder / portrait.key)
    progress("pairs", len(now), len(now))
    manifest = {
        "real_ages": {one.key: round(one.age_years) for one in chosen},
        "version": __version__,
        "canvas_px": canvas_px,
        "ages": list(ages),
        "portraits_measured": len(loaded),
        "ages_sha256": hashlib.sha256(Path(ages_file).read_bytes()).hexdigest(),
        "wrinkles": [Path(one).name for one in wrinkles],
        "left_out": list(leave_out),
        "lines": lines,
        "strengths": asdict(strengths or Strengths()),
        "skipped": skipped,
    }
    write_text_atomic(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return PairsReport(len(now), pictures, skipped)


def _write_person(ager: Ager, portrait: Portrait, ages: Sequence[int], folder: Path) -> int:
    real_age = round(portrait.age_years)
    # Nearer than this a synthetic picture would be the photograph again.
    wanted = tuple(age for age in ages if abs(age - real_age) >= _MIN_GAP_YEARS)
    for age, rgb in zip(wanted, ager.at_ages(portrait, tuple(float(age) for age in wanted)), strict=True):
        write_picture(folder / f"{age}.jpg", rgb)
    write_picture(folder / f"{real_age}.jpg", portrait.crop.rgb)
    return len(wanted) + 1


def _exemplars(
    lines: Lines, statistics: AgingStatistics, maps: Sequence[WrinkleMaps], portraits: Sequence[Portrait]
) -> dict[str, tuple[int, ...]] | None:
    """By sex, whose lines of each of the maps; None = those that a face's own resemble."""
    if lines == "resembling":
        return None
    if lines == "common":
        return _common_exemplars(Ager(statistics, maps), portraits)
    fewest = min((len(one.maps) for one in maps), default=0)
    if not 0 <= lines < fewest:
        raise UsageError(
            "bad-exemplar",
            f"Lines of exemplar {lines} are asked for; the wrinkle maps have {fewest}.",
            "They are counted from 0.",
        )
    return {sex: (lines,) * len(maps) for sex in {one.sex for one in portraits}}


def _common_exemplars(ager: Ager, portraits: Sequence[Portrait]) -> dict[str, tuple[int, ...]]:
    """By sex, the exemplar of each of the maps that most portraits resemble."""
    votes: dict[str, list[tuple[int, ...]]] = {}
    for portrait in portraits[:: max(1, len(portraits) // _VOTERS)]:
        votes.setdefault(portrait.sex, []).append(ager.resembling(portrait))
    return {
        sex: tuple(Counter(one).most_common(1)[0][0] for one in zip(*chosen, strict=True))
        for sex, chosen in votes.items()
    }


def _wrinkle_maps(
    sources: Sequence[str | os.PathLike[str]], leave_out: Sequence[str], mesh: FaceMesh
) -> list[WrinkleMaps]:
    maps = []
    for source in map(Path, sources):
        if source.is_dir():
            people = [one for one in list_people([source]) if one.name not in leave_out]
            maps.append(measure_wrinkles(people, mesh))
        else:
            maps.append(load_wrinkles(source, mesh.canvas_px))
    return maps
