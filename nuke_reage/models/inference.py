"""How a canvas is given to a network: in one pass over what the mask reaches, in tiles, or in the published windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nuke_reage.models.architectures import architecture
from nuke_reage.models.backends.base import Ages, Image, Predictor
from nuke_reage.models.fran_plan import MULTIPLE

__all__ = ["predict_canvas", "predict_ladder"]

Region: TypeAlias = tuple[slice, slice]
Span: TypeAlias = tuple[int, int]

_LEAST_CORE_PX = 160


def predict_canvas(
    predictor: Predictor,
    rgb_canvas: Image,
    source_age: Ages,
    target_age: Ages,
    *,
    region: Region | None = None,
    tiling: str = "single",
) -> Image:
    """Compute the delta of a canvas.

    ``single``: one pass.  Input farther from the region than the network can see is left out, and so is the decoder's
    work outside the region; neither changes a value inside.  A canvas larger than the model's ``tile_px`` is computed
    in tiles that overlap by what the network can see and are cut, not blended: the result is that of one pass over the
    whole canvas, wherever the tiles lie, so there is no seam to hide.

    ``windows``: the published scheme, as a reference: three by three windows of half the canvas, a quarter apart,
    averaged with weights that fall towards the windows' borders.

    Args:
        predictor: the network.
        rgb_canvas: (H, W, 3) float32, encoded as the descriptor says; H and W multiples of 16, at least 64 (128 for
            ``windows``).
        source_age: years, one number or (H, W).
        target_age: years, one number or (H, W).
        region: rows and columns that are needed; None = all.
        tiling: ``single`` or ``windows``.

    Returns:
        (H, W, 3) float32: the delta, zero outside the region.

    Raises:
        ValueError: wrong shape, dtype, region or tiling.
    """
    height, width = rgb_canvas.shape[:2]
    rows, columns = _region_spans(region, height, width)
    out = np.zeros((height, width, 3), np.float32)
    if rows[0] == rows[1] or columns[0] == columns[1]:
        return out
    if tiling == "windows":
        whole = _published_windows(predictor, rgb_canvas, source_age, target_age)
        out[slice(*rows), slice(*columns)] = whole[slice(*rows), slice(*columns)]
        return out
    if tiling != "single":
        raise ValueError(f"tiling must be 'single' or 'windows', not {tiling!r}")

    radius_px = architecture(predictor.descriptor.architecture).receptive_radius_px
    tile_px = predictor.descriptor.tile_px
    if max(height, width) <= tile_px:
        wide_rows, wide_columns = _rounded(rows, height), _rounded(columns, width)
        seen_rows, seen_columns = _seen(wide_rows, radius_px, height), _seen(wide_columns, radius_px, width)
        window = (_relative(wide_rows, seen_rows), _relative(wide_columns, seen_columns))
        seen = (slice(*seen_rows), slice(*seen_columns))
        delta = predictor.predict(
            np.ascontiguousarray(rgb_canvas[seen]), _part(source_age, seen), _part(target_age, seen), window=window
        )
        kept = (_relative(rows, wide_rows), _relative(columns, wide_columns))
        out[slice(*rows), slice(*columns)] = delta[kept]
        return out

    for tile_rows, core_rows in _tiles(rows, height, tile_px, radius_px):
        for tile_columns, core_columns in _tiles(columns, width, tile_px, radius_px):
            tile = (slice(*tile_rows), slice(*tile_columns))
            # The whole tile, so that one compiled network serves all of them.
            delta = predictor.predict(
                np.ascontiguousarray(rgb_canvas[tile]), _part(source_age, tile), _part(target_age, tile)
            )
            kept = (_relative(core_rows, tile_rows), _relative(core_columns, tile_columns))
            out[slice(*core_rows), slice(*core_columns)] = delta[kept]
    return out


def predict_ladder(
    predictor: Predictor,
    rgb_canvas: Image,
    source_age: Ages,
    target_ages: Iterable[Ages],
    *,
    region: Region | None = None,
    tiling: str = "single",
) -> Iterator[Image]:
    """The deltas for a row of target ages, one after the other, so that only one is held in memory.

    Arguments, values and errors are those of :func:`predict_canvas`.
    """
    for target_age in target_ages:
        yield predict_canvas(predictor, rgb_canvas, source_age, target_age, region=region, tiling=tiling)


def _published_windows(predictor: Predictor, rgb: Image, source_age: Ages, target_age: Ages) -> Image:
    height, width = rgb.shape[:2]
    if min(height, width) < 128:
        raise ValueError(f"the nine-window scheme needs a canvas of at least 128 pixels, not {height}×{width}")
    row_spans, column_spans = _three_windows(height), _three_windows(width)
    total = np.zeros((height, width, 3), np.float64)
    weights = np.zeros((height, width, 1), np.float64)
    for rows in row_spans:
        for columns in column_spans:
            part = (slice(*rows), slice(*columns))
            delta = predictor.predict(np.ascontiguousarray(rgb[part]), _part(source_age, part), _part(target_age, part))
            weight = np.outer(_falling(rows), _falling(columns))[..., None]
            total[part] += weight * delta
            weights[part] += weight
    return (total / weights).astype(np.float32)


def _three_windows(side_px: int) -> list[Span]:
    length = math.ceil(side_px / 2 / MULTIPLE) * MULTIPLE
    quarter = math.ceil(side_px / 4 / MULTIPLE) * MULTIPLE
    starts = (0, min(quarter, side_px - length), side_px - length)
    return [(start, start + length) for start in starts]


def _falling(span: Span) -> npt.NDArray[np.float64]:
    length = span[1] - span[0]
    # Never zero: at the canvas's own border a window stands alone.
    return np.asarray(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2 + 1e-3, np.float64)


def _tiles(needed: Span, side_px: int, tile_px: int, radius_px: int) -> Iterator[tuple[Span, Span]]:
    """Tiles along one axis and the part of each that no border of the tile, save the canvas's own, can touch."""
    length = min(max(tile_px, 2 * radius_px + _LEAST_CORE_PX), side_px)
    done, stop = needed
    while done < stop:
        start = min(max((done - radius_px) // MULTIPLE * MULTIPLE, 0), side_px - length)
        end = start + length
        core_end = min(end if end == side_px else end - radius_px, stop)
        yield (start, end), (done, core_end)
        done = core_end


def _region_spans(region: Region | None, height: int, width: int) -> tuple[Span, Span]:
    if region is None:
        return (0, height), (0, width)
    spans = []
    for part, side_px in zip(region, (height, width), strict=True):
        start, stop, step = part.indices(side_px)
        if step != 1:
            raise ValueError(f"region {region} must be plain rows and columns, without a step")
        spans.append((start, max(stop, start)))
    return spans[0], spans[1]


def _rounded(span: Span, side_px: int) -> Span:
    """Outwards to whole steps of the network's own, so that its levels divide the region evenly."""
    return span[0] // MULTIPLE * MULTIPLE, min(math.ceil(span[1] / MULTIPLE) * MULTIPLE, side_px)


def _seen(span: Span, radius_px: int, side_px: int) -> Span:
    start = max((span[0] - radius_px) // MULTIPLE * MULTIPLE, 0)
    stop = min(math.ceil((span[1] + radius_px) / MULTIPLE) * MULTIPLE, side_px)
    return start, stop


def _relative(inner: Span, outer: Span) -> slice:
    return slice(inner[0] - outer[0], inner[1] - outer[0])


def _part(age: Ages, part: Region) -> Ages:
    return age if isinstance(age, float | int) else np.asarray(age)[part] if np.ndim(age) else float(age)
