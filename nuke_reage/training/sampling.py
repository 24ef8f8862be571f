"""Which people are trained on, which pairs are drawn, and batches of them.

Every batch depends on the seed and its own number alone, so a run that is resumed sees exactly the batches that it
would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.training.augment import augment_pair, face_weight
from nuke_reage.training.config import AugmentConfig, DataConfig
from nuke_reage.training.layout import Person

__all__ = ["Batch", "BatchMaker", "Pair", "split_people", "validation_pairs"]

_CACHED_FILES = 20000


@dataclass(frozen=True)
class Pair:
    """A picture, and what it shall become."""

    person: Person
    source_years: int
    target_years: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of some pairs, all (N, ...) float32.

    Attributes:
        source: (N, 3, S, S) encoded, 0..1.
        target: the same.
        weight: (N, 1, S, S).
        source_years: (N,).
        target_years: (N,).
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    source_years: Tensor
    target_years: Tensor


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
        kept = [one for one in people if one.name in config.validation_people]
        named_folders = {one.folder for one in kept}
        rest = [one for one in people if one.name not in config.validation_people]
    else:
        kept, named_folders, rest = [], set(), list(people)
    # Data sets of which nobody is named give a share, chosen by a hash of the name: adding people moves nobody.
    chosen = [one for one in rest if one.folder not in named_folders and _by_hash(one) < config.validation_share]
    if not kept and not chosen and config.validation_share > 0:
        chosen = [min(rest, key=_by_hash)]
    kept += chosen
    training = [one for one in rest if one not in chosen]
    if not training or not kept:
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


class BatchMaker:
    """Draws pairs and prepares batches ahead of time.

    Args:
        people: to draw from.
        data: how.
        augment: changes.
        canvas_px: side that whole pictures are scaled to before the crop.
        face_gain: weight of the face in the loss.
        batch_size: pairs a batch.
        seed: of the run.
        rank: of this process among several.
    """

    def __init__(
        self,
        people: Sequence[Person],
        data: DataConfig,
        augment: AugmentConfig,
        *,
        canvas_px: int,
        face_gain: float,
        batch_size: int,
        seed: int,
        rank: int = 0,
    ) -> None:
        self._folders: dict[Path, list[Person]] = {}
        for person in people:
            self._folders.setdefault(person.folder, []).append(person)
        shares = np.array(data.folder_shares or (1.0,) * len(self._folders), np.float64)
        if len(shares) != len(self._folders) or (shares < 0).any() or shares.sum() == 0:
            raise UsageError(
                "bad-setting",
                f"data.folder_shares has {len(shares)} numbers for {len(self._folders)} data sets.",
                "Give one share, at least 0, for each folder, or leave it out.",
            )
        self._shares = shares / shares.sum()
        self._data, self._augment = data, augment
        self._batch_size, self._seed, self._rank = batch_size, seed, rank
        self._canvas_px, self._face_gain = canvas_px, face_gain
        self._read = lru_cache(_CACHED_FILES)(Path.read_bytes)
        self._weights = lru_cache(8)(face_weight)

    def draw(self, number: int, index: int) -> tuple[Pair, np.random.Generator]:
        """Pair ``index`` of batch ``number``, and the generator for its augmentation."""
        rng = np.random.default_rng([self._seed, self._rank, number, index])
        folder = list(self._folders.values())[int(rng.choice(len(self._shares), p=self._shares))]
        person = folder[int(rng.integers(len(folder)))]
        return self._draw_pair(person, rng), rng

    def batch(self, number: int) -> Batch:
        """Batch ``number``, always the same."""
        sides: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        pairs = []
        for index in range(self._batch_size):
            pair, rng = self.draw(number, index)
            pairs.append(pair)
            source, target = (self._picture(pair.person.picture(age)) for age in (pair.source_years, pair.target_years))
            weight = self._weights(source.shape[0], self._face_gain)
            sides.append(augment_pair(source, target, weight, self._canvas_px, self._data.crop_px, self._augment, rng))
        source, target, weight = (np.stack(part) for part in zip(*sides, strict=True))
        return Batch(
            torch.from_numpy(source).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(target).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(weight)[:, None],
            torch.tensor([float(pair.source_years) for pair in pairs]),
            torch.tensor([float(pair.target_years) for pair in pairs]),
        )

    def batches(self, first: int) -> Iterator[Batch]:
        """Batches from number ``first`` on, without end, each prepared while the ones before are worked on."""
        ahead = self._data.threads + 1
        with ThreadPoolExecutor(self._data.threads) as pool:
            waiting: list[Future[Batch]] = [pool.submit(self.batch, first + index) for index in range(ahead)]
            number = first + ahead
            try:
                while True:
                    done = waiting.pop(0).result()
                    waiting.append(pool.submit(self.batch, number))
                    number += 1
                    yield done
            finally:
                for one in waiting:
                    one.cancel()

    def _draw_pair(self, person: Person, rng: np.random.Generator) -> Pair:
        ages = np.array(person.ages)
        if rng.random() < self._data.null_share:
            age = int(rng.choice(ages))
            return Pair(person, age, age)
        older = rng.random() < self._data.ageing_share
        sources, targets = np.meshgrid(ages, ages, indexing="ij")
        gap = targets - sources
        weight = np.where((gap > 0) if older else (gap < 0), 0.5 + np.minimum(np.abs(gap) / self._data.gap_years, 1), 0)
        if person.real_age is not None and rng.random() < self._data.real_share:
            weight = weight * ((sources == person.real_age) | (targets == person.real_age))
        if not weight.any():
            weight = (gap != 0).astype(float)
        cell = int(rng.choice(weight.size, p=(weight / weight.sum()).ravel()))
        return Pair(person, int(sources.flat[cell]), int(targets.flat[cell]))

    def _picture(self, path: Path) -> FloatArray:
        decoded = cv2.imdecode(np.frombuffer(self._read(path), np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None, path
        return np.asarray(decoded[:, :, ::-1], np.float32) / np.float32(255.0)


def _by_hash(person: Person) -> float:
    return int.from_bytes(hashlib.sha256(person.name.encode()).digest()[:4], "big") / 2**32
