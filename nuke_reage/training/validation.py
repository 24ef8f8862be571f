"""How good the network is on people that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.training.augment import face_weight, to_canvas
from nuke_reage.training.losses import hue_l1, pyramid_l1, weighted_l1
from nuke_reage.training.pictures import read_picture, write_picture
from nuke_reage.training.sampling import Pair

__all__ = ["Score", "network_input", "score", "validate", "write_sheet"]

_SHEET_ROWS = 8
_MEASURES = (weighted_l1, pyramid_l1, hue_l1)


@dataclass(frozen=True)
class Score:
    """Numbers of one validation; lower is better, and 1 means no better than changing nothing.

    Attributes:
        ratio: L1 in the face, over that of doing nothing, mean of the data sets.
        detail_ratio: the same of Laplacian pyramids.
        hue_ratio: the same of red and blue against green, as shares of the light.
        ratio_by_folder: of each data set.
        ratio_older: of the pairs that go from young to old.
        ratio_younger: of those that go the other way.
        null_l1: mean change, in 0..1, where source and target age are the same.
    """

    ratio: float
    detail_ratio: float
    hue_ratio: float
    ratio_by_folder: Mapping[str, float]
    ratio_older: float
    ratio_younger: float
    null_l1: float

    def as_row(self) -> dict[str, float]:
        """Flat, for logs."""
        row = {
            "ratio": self.ratio,
            "detail_ratio": self.detail_ratio,
            "hue_ratio": self.hue_ratio,
            "ratio_older": self.ratio_older,
            "ratio_younger": self.ratio_younger,
            "null_l1": self.null_l1,
        }
        return row | {f"ratio:{name}": value for name, value in self.ratio_by_folder.items()}


def network_input(rgb: Tensor, source_years: Tensor, target_years: Tensor) -> Tensor:
    """(N, 5, H, W): the picture and two maps of ages / 100, as :class:`~nuke_reage.models.fran.FranNet` wants it."""
    shape = (-1, 1, *rgb.shape[-2:])
    ages = [(years / 100.0).view(-1, 1, 1, 1).expand(shape) for years in (source_years, target_years)]
    return torch.cat([rgb, *ages], dim=1)


def score(output: Sequence[Tensor], pairs: Sequence[Pair], null_change: Sequence[float]) -> Score:
    """Sum up what the network made of some pairs.

    Args:
        output: for each pair (3, 3, S, S): source, target and the network's picture (source + delta).
        pairs: the pairs, in the same order.
        null_change: mean change in the face, in 0..1, of pictures asked to stay as they are.
    """
    rows = []
    for pictures in output:
        source, target, made = pictures[:, None]
        weight = torch.from_numpy(_mask(source.shape[-1]))[None, None]
        rows.append([float(loss(x, target, weight)) for loss in _MEASURES for x in (made, source)])
    table = np.array(rows, np.float64).reshape(-1, 2 * len(_MEASURES))

    def ratio(chosen: list[int], first: int) -> float:
        made, nothing = table[chosen, first].sum(), table[chosen, first + 1].sum()
        return float(made / nothing) if nothing > 0 else 1.0

    folders = dict.fromkeys(pair.person.folder for pair in pairs)
    by_folder = {folder: [i for i, pair in enumerate(pairs) if pair.person.folder == folder] for folder in folders}
    return Score(
        ratio=float(np.mean([ratio(chosen, 0) for chosen in by_folder.values()])),
        detail_ratio=float(np.mean([ratio(chosen, 2) for chosen in by_folder.values()])),
        hue_ratio=float(np.mean([ratio(chosen, 4) for chosen in by_folder.values()])),
        ratio_by_folder={folder.name: ratio(chosen, 0) for folder, chosen in by_folder.items()},
        ratio_older=ratio([i for i, pair in enumerate(pairs) if pair.target_years > pair.source_years], 0),
        ratio_younger=ratio([i for i, pair in enumerate(pairs) if pair.target_years < pair.source_years], 0),
        null_l1=float(np.mean(null_change)) if null_change else 0.0,
    )


@torch.no_grad()
def validate(
    net: nn.Module, pairs: Sequence[Pair], canvas_px: int, device: torch.device | str = "cpu"
) -> tuple[Score, list[Tensor]]:
    """Run the network on fixed pairs, at full precision, without augmentation.

    Args:
        net: gives the delta; it is the source plus the delta that is compared with the target.
        pairs: see :func:`nuke_reage.training.sampling.validation_pairs`.
        canvas_px: side that pictures are brought to.
        device: of the network.

    Returns:
        The score, and (3, 3, S, S) source, target and result of each pair.
    """
    net.eval()
    output, null_change = [], []
    weight = torch.from_numpy(_mask(canvas_px))[None, None]
    seen: set[tuple[str, int]] = set()
    for pair in pairs:
        source, target = (
            torch.from_numpy(to_canvas(read_picture(pair.person.picture(age)), canvas_px)).permute(2, 0, 1)[None]
            for age in (pair.source_years, pair.target_years)
        )
        years = torch.tensor([float(pair.source_years)]), torch.tensor([float(pair.target_years)])
        made = source + net(network_input(source, *years).to(device)).float().cpu()
        output.append(torch.cat([source, target, made]))
        if (pair.person.identity, pair.source_years) not in seen:
            seen.add((pair.person.identity, pair.source_years))
            same = net(network_input(source, years[0], years[0]).to(device)).float().cpu()
            null_change.append(_l1(same, torch.zeros_like(same), weight))
    net.train()
    return score(output, pairs, null_change), output


def write_sheet(path: Path, output: Sequence[Tensor], pairs: Sequence[Pair]) -> None:
    """Source, result and target side by side, some pairs under each other, evenly chosen."""
    chosen = sorted({round(i) for i in np.linspace(0, len(pairs) - 1, min(_SHEET_ROWS, len(pairs)))})
    rows = []
    for index in chosen:
        source, target, made = (picture.permute(1, 2, 0).numpy() for picture in output[index])
        rows.append(np.concatenate([source, made, target], axis=1))
    write_picture(path, np.asarray(np.concatenate(rows, axis=0), np.float32))


def _mask(canvas_px: int) -> FloatArray:
    weight = face_weight(canvas_px, 1000.0)
    return np.asarray(weight / weight.max(), np.float32)


def _l1(a: Tensor, b: Tensor, weight: Tensor) -> float:
    return float(((a - b).abs() * weight).sum() / (weight.sum() * a.shape[1]))
