"""Pixel-aligned pictures of one person at many ages, made from single portraits of known age."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.mesh import FaceMesh
from nuke_reage.models.checksums import sha256_of
from nuke_reage.training.aging import Ager, Strengths
from nuke_reage.training.layout import EVERYBODY, Person, list_people
from nuke_reage.training.pictures import list_pictures, write_picture
from nuke_reage.training.portraits import Portrait, load_portraits, read_ages
from nuke_reage.training.recipe import check_recipe, digest, write_manifest
from nuke_reage.training.statistics import AgingStatistics, measure
from nuke_reage.training.wrinkles import WrinkleMaps, load_wrinkles, measure_wrinkles

__all__ = ["DEFAULT_AGES", "Lines", "PairsReport", "make_pairs"]

DEFAULT_AGES = (20, 30, 40, 50, 60, 70, 80)

_COMMAND = "data pairs"
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

    The result depends on nothing but the arguments and the files.  People who are there already are made again, in a
    folder that was made with the same arguments; only ``limit`` and ``part`` may differ.

    Args:
        portraits: folder of pictures, one face each.
        out: folder to write; a ``pairs.json`` there tells which pictures are photographs and how the rest was made,
            from before the first picture on.
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
        UsageError: no pictures or too few, bad ages, bad wrinkle maps, no such exemplar, nobody of a name to leave out,
            or a folder that was made otherwise.
        FaceError: no usable portrait.
        MediaError: a picture cannot be written.
    """
    folder, sources = Path(out), _wrinkle_sources(wrinkles, leave_out)
    read_ages(Path(ages_file))
    recipe = {
        "canvas_px": canvas_px,
        "ages": list(ages),
        "portraits_sha256": digest(Path(portraits), list_pictures(Path(portraits))),
        "ages_sha256": sha256_of(Path(ages_file)),
        "wrinkles": [one.path.name for one in sources],
        "wrinkles_sha256": [one.digest() for one in sources],
        "left_out": sorted(set(leave_out)),
        "lines": lines,
        "strengths": asdict(strengths or Strengths()),
    }
    # Before the work, for the user's sake; whoever began meanwhile is met when the manifest is written.
    check_recipe(folder, _COMMAND, recipe)
    # What a file holds is known at once; people are measured on the mean face, which comes later.
    of_files = {one.path: load_wrinkles(one.path, canvas_px) for one in sources if one.people is None}
    _require_exemplar(lines, [len(of_files[one.path].maps if one.people is None else one.people) for one in sources])
    loaded, skipped = load_portraits(
        portraits, ages_file, canvas_px, progress=lambda done, total: progress("faces", done, total)
    )
    progress("measure", 0, 1)
    statistics = measure(loaded)
    mesh = FaceMesh(statistics.mean_landmarks, canvas_px)
    maps = [of_files[one.path] if one.people is None else measure_wrinkles(one.people, mesh) for one in sources]
    ager = Ager(statistics, maps, strengths, _exemplars(lines, statistics, maps, loaded))
    progress("measure", 1, 1)
    chosen = loaded[:limit]
    real_ages = {one.key: round(one.age_years) for one in chosen}
    facts = {"portraits_measured": len(loaded), "skipped": skipped}
    write_manifest(folder, _COMMAND, recipe, real_ages=real_ages, **facts)
    pictures, now = 0, chosen[part]
    for index, portrait in enumerate(now):
        progress("pairs", index, len(now))
        pictures += _write_person(ager, portrait, ages, folder / portrait.key)
    progress("pairs", len(now), len(now))
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
    _require_exemplar(lines, [len(one.maps) for one in maps])
    return {sex: (lines,) * len(maps) for sex in {one.sex for one in portraits}}


def _require_exemplar(lines: Lines, counts: Sequence[int]) -> None:
    """Whether there is an exemplar of that number in all of the maps, which hold so many."""
    fewest = min(counts, default=0)
    if isinstance(lines, int) and not 0 <= lines < fewest:
        raise UsageError(
            "bad-exemplar",
            f"Lines of exemplar {lines} are asked for; the wrinkle maps have {fewest}.",
            "They are counted from 0.",
        )


def _common_exemplars(ager: Ager, portraits: Sequence[Portrait]) -> dict[str, tuple[int, ...]]:
    """By sex, the exemplar of each of the maps that most portraits resemble."""
    votes: dict[str, list[tuple[int, ...]]] = {}
    for portrait in portraits[:: max(1, len(portraits) // _VOTERS)]:
        votes.setdefault(portrait.sex, []).append(ager.resembling(portrait))
    return {
        sex: tuple(Counter(one).most_common(1)[0][0] for one in zip(*chosen, strict=True))
        for sex, chosen in votes.items()
    }


@dataclass(frozen=True)
class _WrinkleSource:
    """A file of maps, or a folder of people to measure them on; None = no people, for it is a file."""

    path: Path
    people: tuple[Person, ...] | None

    def digest(self) -> str:
        if self.people is None:
            return digest(self.path.parent, [self.path])
        return digest(self.path, [file for one in self.people for _, file in one.pictures])


def _wrinkle_sources(paths: Sequence[str | os.PathLike[str]], leave_out: Sequence[str]) -> list[_WrinkleSource]:
    sources, names = [], set()
    for path in map(Path, paths):
        everybody = list_people([path]) if path.is_dir() else None
        names |= {one.name for one in everybody or ()}
        kept = None if everybody is None else tuple(one for one in everybody if one.name not in leave_out)
        sources.append(_WrinkleSource(path, kept))
    unknown = sorted(set(leave_out) - names)
    if unknown:
        nameless = ", ".join(one.path.name for one in sources if one.people is None)
        raise UsageError(
            "unknown-person",
            f"Nobody in the folders of --wrinkles is called {', '.join(unknown)}.",
            f"Nobody can be left out of {nameless}: it holds no names." if nameless else "Correct --leave-out.",
        )
    return sources
