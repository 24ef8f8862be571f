"""Who is looked at: people of data sets and single photos, each under a name of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Sitter", "told_apart"]

_PHOTOS = "photos"


@dataclass(frozen=True)
class Sitter:
    """A person to look at.

    Attributes:
        data_set: name of the data set, for the report.
        name: of the person.
        pictures: (age in years, file), aligned with each other.  One alone is a photo without true targets; its age may
            be NaN = to be read.
    """

    data_set: str
    name: str
    pictures: tuple[tuple[float, Path], ...]

    @classmethod
    def of_photo(cls, photo: Path, age_years: float = math.nan) -> Sitter:
        """A single photo, to be shown at many ages."""
        return cls(_PHOTOS, photo.stem, ((age_years, photo),))


def told_apart(sitters: Sequence[Sitter]) -> tuple[Sitter, ...]:
    """The sitters in their order; those of one name get as much of their files' paths as tells them apart.

    ``a/x.png`` and ``b/x.png`` are both called ``x``, and their measurements would be taken for one person's.
    """
    alike: dict[tuple[str, str], list[int]] = {}
    for index, one in enumerate(sitters):
        alike.setdefault((one.data_set, one.name), []).append(index)
    named = list(sitters)
    for places in alike.values():
        if len(places) > 1:
            names = _labels([sitters[place].pictures[0][1] for place in places])
            for place, name in zip(places, names, strict=True):
                named[place] = replace(sitters[place], name=name)
    return tuple(named)


def _labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ; the same file again is counted."""
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        labels = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(labels)) == len(set(paths)):
            break
    return [
        f"{label} ({labels[:index].count(label) + 1})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]
