"""Batches of pairs, read from files and changed on the processor.

Every batch depends on the seed and its own number alone, so a run that is resumed sees exactly the batches that it
would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.training.augment import augment_pair, draw_change, face_weight
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.layout import Person
from nuke_reage.training.sampling import PairSampler

__all__ = ["Batch", "FileBatches"]

_CACHED_BYTES = 2**30


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


class FileBatches:
    """Prepares batches ahead of time, in threads.

    Args:
        people: to draw from.
        config: how pairs are drawn and changed, how many make a batch, the seed.
        rank: of this process among several.
    """

    def __init__(self, people: Sequence[Person], config: TrainConfig, rank: int = 0) -> None:
        self._sampler = PairSampler(people, config.data)
        self._config, self._rank = config, rank
        files = [path for person in people for _, path in person.pictures]
        mean_bytes = sum(path.stat().st_size for path in files) / len(files)
        self._read = lru_cache(int(_CACHED_BYTES / max(mean_bytes, 1.0)))(Path.read_bytes)
        self._weights = lru_cache(8)(face_weight)

    def batch(self, number: int) -> Batch:
        """Batch ``number``, always the same."""
        config = self._config
        canvas_px, crop_px = config.model.canvas_px, config.data.crop_px
        sides: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        pairs = []
        for index in range(config.optimiser.batch_size):
            rng = np.random.default_rng([config.optimiser.seed, self._rank, number, index])
            pair = self._sampler.draw(rng)
            pairs.append(pair)
            source, target = (self._picture(pair.person.picture(age)) for age in (pair.source_years, pair.target_years))
            weight = self._weights(source.shape[0], config.loss.face_weight)
            change = draw_change(source.shape[0], canvas_px, crop_px, config.augment, rng)
            sides.append(augment_pair(source, target, weight, crop_px, change, rng))
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
        threads = self._config.data.threads
        ahead = threads + 1
        with ThreadPoolExecutor(threads) as pool:
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

    def _picture(self, path: Path) -> FloatArray:
        decoded = cv2.imdecode(np.frombuffer(self._read(path), np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None, path
        return np.asarray(decoded[:, :, ::-1], np.float32) / np.float32(255.0)
