"""Batches of pairs out of pictures that all lie in the device's memory, changed there.

One processor core prepares some tens of pairs a second, a GPU learns from thousands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nuke_reage.training.augment import Change, draw_change, face_weight, to_canvas
from nuke_reage.training.augment_torch import augment_batch
from nuke_reage.training.batches import Batch
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.layout import Person
from nuke_reage.training.pictures import read_picture, to_bytes
from nuke_reage.training.sampling import Pair, PairSampler

__all__ = ["DeviceBatches", "fits"]

_SHARE_OF_MEMORY = 0.5


def fits(people: Sequence[Person], canvas_px: int, device: torch.device) -> bool:
    """Whether everybody's pictures find room in half of a GPU's free memory; never on a processor."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(len(one.pictures) for one in people) * 3 * canvas_px**2 < _SHARE_OF_MEMORY * free


class DeviceBatches:
    """Prepares batches on a device.

    Args:
        people: to draw from; their pictures are brought to the canvas's size and held as bytes.
        config: how pairs are drawn and changed, how many make a batch, the seed.
        device: where.
        rank: of this process among several.
    """

    def __init__(self, people: Sequence[Person], config: TrainConfig, device: torch.device, rank: int = 0) -> None:
        self._sampler = PairSampler(people, config.data)
        self._config, self._device, self._rank = config, device, rank
        canvas_px = config.model.canvas_px
        files = [path for person in people for _, path in person.pictures]
        self._places = {path: place for place, path in enumerate(files)}
        self._pictures = torch.empty((len(files), 3, canvas_px, canvas_px), dtype=torch.uint8, device=device)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for place, picture in enumerate(pool.map(self._read, files)):
                self._pictures[place] = picture
        self._weight = torch.from_numpy(face_weight(canvas_px, config.loss.face_weight)).to(device)

    def batch(self, number: int) -> Batch:
        """Batch ``number``, always the same on one kind of device."""
        return self._make(number, *self._draw(number))

    def batches(self, first: int) -> Iterator[Batch]:
        """Batches from number ``first`` on, without end; chance is thrown while the device is busy."""
        with ThreadPoolExecutor(1) as pool:
            number = first
            drawn = pool.submit(self._draw, number)
            while True:
                pairs, changes = drawn.result()
                drawn = pool.submit(self._draw, number + 1)
                yield self._make(number, pairs, changes)
                number += 1

    def _draw(self, number: int) -> tuple[list[Pair], list[Change]]:
        config = self._config
        canvas_px = config.model.canvas_px
        rng = np.random.default_rng([config.optimiser.seed, self._rank, number])
        pairs, changes = [], []
        for _ in range(config.optimiser.batch_size):
            pairs.append(self._sampler.draw(rng))
            changes.append(draw_change(canvas_px, canvas_px, config.data.crop_px, config.augment, rng))
        return pairs, changes

    def _make(self, number: int, pairs: list[Pair], changes: list[Change]) -> Batch:
        config = self._config
        seed = int(np.random.SeedSequence([config.optimiser.seed, self._rank, number]).generate_state(1)[0])
        generator = torch.Generator(self._device).manual_seed(seed)
        source, target = (
            self._pictures[self._to_device([self._places[one.person.picture(age)] for one, age in side])] / 255.0
            for side in (
                [(pair, pair.source_years) for pair in pairs],
                [(pair, pair.target_years) for pair in pairs],
            )
        )
        pictures = augment_batch(source, target, self._weight, config.data.crop_px, changes, generator)
        years = ([float(one.source_years) for one in pairs], [float(one.target_years) for one in pairs])
        return Batch(*pictures, *(self._to_device(one) for one in years))

    def _read(self, path: Path) -> Tensor:
        rgb = to_canvas(read_picture(path), self._config.model.canvas_px)
        return torch.from_numpy(to_bytes(rgb)).permute(2, 0, 1)

    def _to_device(self, values: list[int] | list[float]) -> Tensor:
        return torch.tensor(values).to(self._device, non_blocking=True)
