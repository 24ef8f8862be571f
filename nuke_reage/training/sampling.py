"""Which people are trained on, and which pairs are drawn of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import UsageError
from nuke_reage.training.config import DataConfig
from nuke_reage.training.layout import Person

__all__ = ["Pair", "PairSampler", "require_shares", "split_people", "validation_pairs"]


@dataclass(frozen=True)
class Pair:
    """A picture, and what it shall become."""

    person: Person
    source_years: int
    target_years: int


def split_people(people: Sequence[Person], config: DataConfig) -> tuple[list[Person], list[Person]]:
    """Part the people, never one person's pictures, into those to learn from and those to validate on.

    Raises:
        UsageError: a name to keep is not there, or nobody is left on one side.
    """
    if config.validation_people:
        known = {one.name for one in people}
        unknown = sorted(set(config.validation_people) - known)
        if unknown:
            raise UsageError(
                "unknown-person", f"No data set has {', '.join(unknown)}.", "Correct data.validation_people."
            )
    names = set(config.validation_people)
    named_folders = {one.folder for one in people if one.name in names}
    # Data sets of which nobody is named give a share, chosen by a hash of the name: adding people moves nobody.
    names |= {one.name for one in people if one.folder not in named_folders and _by_hash(one) < config.validation_share}
    if not names and config.validation_share > 0:
        names.add(min(people, key=_by_hash).name)
    if not names:
        raise UsageError(
            "nobody-kept",
            "Nobody is kept for validation.",
            "Name somebody with --validate-on, or set data.validation_share.",
        )
    # A name is one person, in whichever data sets it stands.
    kept = [one for one in people if one.name in names]
    training = [one for one in people if one.name not in names]
    if not training:
        raise UsageError(
            "too-few-people", f"{len(people)} people are too few to keep some for validation.", "Give more people."
        )
    return training, kept


def validation_pairs(people: Sequence[Person], per_person: int, max_people: int) -> list[Pair]:
    """A fixed list: towards old, towards young, both far and near, evenly; no chance in it.

    Args:
        people: kept for validation.
        per_person: how many pairs of each.
        max_people: of each data set.
    """
    pairs = []
    taken: dict[Path, int] = {}
    for person in people:
        taken[person.folder] = taken.get(person.folder, 0) + 1
        if taken[person.folder] > max_people:
            continue
        ages = person.ages
        wanted = [
            (0, len(ages) - 1), (len(ages) - 1, 0), (len(ages) // 4, len(ages) - 2), (len(ages) // 2, 0),
            (len(ages) // 2, len(ages) - 1), (len(ages) - 2, len(ages) // 3),
        ]  # fmt: skip
        chosen = dict.fromkeys((ages[max(i, 0)], ages[max(j, 0)]) for i, j in wanted if i != j)
        pairs += [Pair(person, source, target) for source, target in list(chosen)[:per_person]]
    return pairs


def require_shares(config: DataConfig, folders: int) -> None:
    """Refuse a configuration that shares out another number of data sets.

    Raises:
        UsageError: ``bad-setting``.
    """
    shares = config.folder_shares
    if shares and (len(shares) != folders or min(shares) < 0 or sum(shares) == 0):
        raise UsageError(
            "bad-setting",
            f"data.folder_shares has {len(shares)} numbers for {folders} data sets.",
            "Give one share, at least 0, for each folder, or leave it out.",
        )


class PairSampler:
    """Draws pairs.

    Args:
        people: to draw from.
        config: how.

    Raises:
        UsageError: the configuration has shares for another number of data sets.
    """

    def __init__(self, people: Sequence[Person], config: DataConfig) -> None:
        folders: dict[Path, list[Person]] = {}
        for person in people:
            folders.setdefault(person.folder, []).append(person)
        self._folders = list(folders.values())
        require_shares(config, len(folders))
        shares = np.array(config.folder_shares or (1.0,) * len(folders), np.float64)
        self._shares = np.cumsum(shares / shares.sum())
        self._config = config

    def draw(self, rng: np.random.Generator) -> Pair:
        """A pair, by the chance of the generator."""
        config = self._config
        folder = self._folders[_pick(self._shares, rng)]
        person = folder[int(rng.integers(len(folder)))]
        if rng.random() < config.null_share:
            age = person.ages[int(rng.integers(len(person.ages)))]
            return Pair(person, age, age)
        older = bool(rng.random() < config.ageing_share)
        real = person.real_age if person.real_age is not None and rng.random() < config.real_share else None
        cell = _pick(_odds(person.ages, real, older, config.gap_years), rng)
        source, target = divmod(cell, len(person.ages))
        return Pair(person, person.ages[source], person.ages[target])


@lru_cache(4096)
def _odds(ages: tuple[int, ...], real_age: int | None, older: bool, gap_years: float) -> npt.NDArray[np.float64]:
    """Cumulative odds of every source (rows) and target (columns); with a real age, of those that have it on a side."""
    sources, targets = np.meshgrid(ages, ages, indexing="ij")
    gap = targets - sources
    weight = np.where((gap > 0) if older else (gap < 0), 0.5 + np.minimum(np.abs(gap) / gap_years, 1), 0)
    if real_age is not None:
        weight = weight * ((sources == real_age) | (targets == real_age))
    if not weight.any():
        weight = (gap != 0).astype(np.float64)
    return np.asarray(np.cumsum(weight / weight.sum()), np.float64)


def _pick(cumulative: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
    return min(int(np.searchsorted(cumulative, rng.random(), side="right")), len(cumulative) - 1)


def _by_hash(person: Person) -> float:
    return int.from_bytes(hashlib.sha256(person.name.encode()).digest()[:4], "big") / 2**32
