"""Where training pictures lie: ``FOLDER/person/AGE.jpg`` or ``.png``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import read_json
from nuke_reage.training.pictures import PICTURE_SUFFIXES, list_pictures

__all__ = [
    "EVERYBODY",
    "MANIFEST",
    "MAX_YEARS",
    "Person",
    "age_of_name",
    "list_people",
    "read_manifest",
    "read_real_ages",
]

MANIFEST = "pairs.json"
"""Beside the people: which of their pictures are real, and what they were made with."""

MAX_YEARS = 120

EVERYBODY = slice(None)
"""All the people of a data set, where it could be a part of them."""


@dataclass(frozen=True)
class Person:
    """One person at several ages.

    Attributes:
        name: of the folder.
        folder: the data set that it belongs to.
        pictures: ``(age in years, path)``, by rising age.
        real_age: age of the one picture that is a photograph; None = all are alike.
    """

    name: str
    folder: Path
    pictures: tuple[tuple[int, Path], ...]
    real_age: int | None = None

    @property
    def ages(self) -> tuple[int, ...]:
        return tuple(age for age, _ in self.pictures)

    @property
    def identity(self) -> str:
        """The person's name, told apart from the same name in another data set."""
        return f"{self.folder.name}/{self.name}"

    def picture(self, age: int) -> Path:
        """The picture at an age that the person has."""
        return dict(self.pictures)[age]


def age_of_name(path: Path) -> int | None:
    """The age that a file's name states, or None: ``38.png`` is 38."""
    if not (path.stem.isascii() and path.stem.isdigit()):
        return None
    age = int(path.stem)
    return age if age <= MAX_YEARS else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a data set; empty where there is none.

    Raises:
        UsageError: ``bad-manifest``; it cannot be read, or is no JSON object.
    """
    try:
        return dict(read_json((folder / MANIFEST).read_text(encoding="utf-8"), MANIFEST))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_manifest(folder, str(error)) from None
    except UsageError as error:
        raise _bad_manifest(folder, error.message) from None


def read_real_ages(folder: Path) -> dict[str, int]:
    """Which of everybody's pictures is a photograph, where a manifest tells.

    Raises:
        UsageError: ``bad-manifest``.
    """
    try:
        return {str(name): int(age) for name, age in read_manifest(folder).get("real_ages", {}).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise _bad_manifest(folder, f"real_ages: {error}") from None


def list_people(folders: Sequence[Path]) -> list[Person]:
    """Everybody in these data sets, in the order of their names; files that are no ``AGE.jpg|png`` are passed over.

    Raises:
        UsageError: a folder is missing, or holds nobody.
    """
    people: list[Person] = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no-data", f"There is no folder {folder}.", "Give folders that hold person/AGE.jpg.")
        real = read_real_ages(folder)
        before = len(people)
        for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            found = {age: path for path in list_pictures(place) if (age := age_of_name(path)) is not None}
            if found:
                people.append(Person(place.name, folder, tuple(sorted(found.items())), real.get(place.name)))
        if len(people) == before:
            endings = ", ".join(PICTURE_SUFFIXES)
            raise UsageError(
                "no-data", f"{folder} holds no person/AGE picture ({endings}).", "Name the pictures by age: ann/38.jpg."
            )
    return people


def _bad_manifest(folder: Path, why: str) -> UsageError:
    hint = "Make the pictures again, or remove the file."
    return UsageError("bad-manifest", f"Cannot read {folder / MANIFEST}: {why.rstrip('.')}.", hint)
