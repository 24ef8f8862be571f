"""Contact sheets of an evaluation: what the numbers look like."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.evaluation.sheets import Bytes, contact_sheet, display_bytes, fit

__all__ = ["SheetMaker"]

Image = npt.NDArray[np.float32]
Cells = dict[str, Bytes]

_CELL_PX = 288
_MOST_ROWS = 10
_LEAST_GAP_YEARS = 15.0


class SheetMaker:
    """Collects small pictures and lays them out.

    People of data sets: source, every model's result and the true target, once to the oldest and once to the youngest.
    Photos: one row for each photo and model, over all ages.
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str, float, float], Cells] = {}
        self._photos: dict[tuple[str, str, str], Cells] = {}

    def add(
        self,
        model: str,
        data_set: str,
        person: str,
        years: tuple[float, float],
        pictures: tuple[Image, Image, Image | None],
    ) -> None:
        """Take in a result.

        Args:
            model: who made it.
            data_set: where the person comes from.
            person: who.
            years: source and target age.
            pictures: source, result and true target (None = a photo), each (H, W, 3) as a screen shows it.
        """
        source, result, truth = pictures
        if truth is None:
            row = self._photos.setdefault((data_set, person, model), {f"{person} {years[0]:g}": _small(source)})
            row[f"{model} {years[1]:g}"] = _small(result)
        elif abs(years[1] - years[0]) >= _LEAST_GAP_YEARS:
            cells = self._pairs.setdefault(
                (data_set, person, *years),
                {f"{person} {years[0]:g}": _small(source), f"target {years[1]:g}": _small(truth)},
            )
            cells[f"{model} {years[1]:g}"] = _small(result)

    def sheets(self) -> tuple[tuple[str, Bytes], ...]:
        """Titles and sheets, (H, W, 3) uint8."""
        made = []
        for data_set in dict.fromkeys(key[0] for key in self._pairs):
            rows = [_with_target_last(cells) for cells in self._widest(data_set)]
            made.append((f"{data_set}: source, results, target", contact_sheet(rows, (_CELL_PX, _CELL_PX))))
        if self._photos:
            # The models of one photo under each other.
            keys = sorted(self._photos, key=lambda key: key[:2])
            rows = [list(self._photos[key].items()) for key in keys]
            made.append(("Photos", contact_sheet(rows, (_CELL_PX, _CELL_PX))))
        return tuple(made)

    def _widest(self, data_set: str) -> list[Cells]:
        """Everybody's widest step to old and to young, first everybody's first."""
        widest: dict[tuple[str, bool], tuple[float, Cells]] = {}
        for (place, person, source, target), cells in self._pairs.items():
            key, gap = (person, target < source), abs(target - source)
            if place == data_set and (key not in widest or gap > widest[key][0]):
                widest[key] = gap, cells
        return [cells for _, cells in widest.values()][:_MOST_ROWS]


def _with_target_last(cells: Cells) -> list[tuple[str, Bytes]]:
    items = list(cells.items())
    return [items[0], *items[2:], items[1]]


def _small(picture: Image) -> Bytes:
    scale = min(1.0, _CELL_PX / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else picture
    return fit(display_bytes(smaller), _CELL_PX, _CELL_PX)
