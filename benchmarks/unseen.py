"""How much of the aging in a data set can be known of somebody who was never seen.

For each person of a folder ``person/AGE.png``: the changes that the *others* go through between two ages are laid over
the face by its mesh, pixel by pixel the median of them, at several strengths.  Below that, what somebody would get who
knew that person's true change, but only its mean colour, or only a blurred picture of it; the blur is a share of the
canvas.  Shown is the absolute difference in the face to the true picture over that of changing nothing: 1 is no better
than nothing.  What learns from the others can see more in a face than its mesh, but has no more people than they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

__all__ = ["main"]

_SIDE_PX = 256
_STRENGTHS = (0.4, 0.6, 0.8, 1.0)
_AROUND_OWN_COLOUR = 0.7
_BLURS = (0.006, 0.012, 0.025, 0.05, 0.1)

Change = Callable[[str, int, int], Any]


@dataclass(frozen=True, eq=False)
class _Picture:
    """One person at one age: (S, S, 3) encoded, (468, 2) pixels, and the (S, S) face mask."""

    rgb: Any
    landmarks: Any
    mask: Any


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks unseen", description=__doc__)
    parser.add_argument("people", type=Path, help="data set, aligned as in FFHQ")
    parser.add_argument("--every", type=int, default=3, help="of everybody's ages, each such one")
    options = parser.parse_args(arguments)
    _People(options.people, options.every).tell()
    return 0


class _People:
    def __init__(self, folder: Path, every: int) -> None:
        from nuke_reage.faces.backends.mediapipe import MediapipeBackend
        from nuke_reage.imaging.mesh import FaceMesh
        from nuke_reage.training.layout import list_people

        people = list_people([folder])
        ages = sorted(set.intersection(*(set(one.ages) for one in people)))[::every]
        backend = MediapipeBackend()
        self._names = [one.name for one in people]
        self._pairs = [(a, b) for a in ages for b in ages if a != b]
        self._at = {(one.name, age): _look(one.picture(age), backend) for one in people for age in ages}
        self._mesh = FaceMesh(np.mean([one.landmarks for one in self._at.values()], axis=0) / _SIDE_PX, _SIDE_PX)
        self._on_mean = {
            (name, a, b): self._mesh.to_mean(self._at[name, a].landmarks)(self._change(name, a, b))
            for name in self._names
            for a, b in self._pairs
        }

    def tell(self) -> None:
        print(f"{'':36}" + " ".join(f"{name[-6:]:>6}" for name in self._names) + "   mean")
        for strength in _STRENGTHS:
            self._row(f"median of the others, x {strength:g}", lambda *one, s=strength: s * self._of_others(*one))
        self._row("own mean colour", self._own_colour)
        self._row("and the others' median around it", self._own_colour_and_others)
        for blur in _BLURS:
            self._row(f"own change, blurred by {blur:g}", lambda *one, s=blur: _blurred(self._change(*one), s))

    def _row(self, name: str, change: Change) -> None:
        from nuke_reage.evaluation.measures import mean_difference

        ratios = []
        for person in self._names:
            off = nothing = 0.0
            for a, b in self._pairs:
                source, target = self._at[person, a], self._at[person, b]
                changed = np.asarray(source.rgb + change(person, a, b), np.float32)
                off += mean_difference(changed, target.rgb, source.mask)
                nothing += mean_difference(source.rgb, target.rgb, source.mask)
            ratios.append(off / nothing)
        print(f"{name:36}" + " ".join(f"{one:6.2f}" for one in ratios) + f" {np.mean(ratios):6.2f}", flush=True)

    def _change(self, name: str, a: int, b: int) -> Any:
        return self._at[name, b].rgb - self._at[name, a].rgb

    def _of_others(self, name: str, a: int, b: int) -> Any:
        median = np.median([self._on_mean[other, a, b] for other in self._names if other != name], axis=0)
        return self._mesh.to_face(self._at[name, a].landmarks, _SIDE_PX)(np.asarray(median, np.float32))

    def _own_colour(self, name: str, a: int, b: int) -> Any:
        return np.broadcast_to(_mean(self._change(name, a, b), self._at[name, a].mask), (_SIDE_PX, _SIDE_PX, 3))

    def _own_colour_and_others(self, name: str, a: int, b: int) -> Any:
        others = _AROUND_OWN_COLOUR * self._of_others(name, a, b)
        return others - _mean(others, self._at[name, a].mask) + self._own_colour(name, a, b)


def _look(path: Path, backend: Any) -> _Picture:
    from nuke_reage.imaging.face_mask import face_mask
    from nuke_reage.imaging.geometry import Window
    from nuke_reage.training.pictures import read_picture

    large = read_picture(path)
    rgb = cv2.resize(large, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    found = backend.detect(large)
    if not found:
        raise SystemExit(f"{path} shows no face.")
    landmarks = np.asarray(found[0].landmarks[:, :2] * (_SIDE_PX / large.shape[0]), np.float32)
    return _Picture(rgb, landmarks, face_mask(landmarks, Window.of_shape(rgb.shape)))


def _mean(change: Any, mask: Any) -> Any:
    return (change * mask[..., None]).sum(axis=(0, 1)) / mask.sum()


def _blurred(change: Any, share: float) -> Any:
    return cv2.GaussianBlur(change, (0, 0), share * _SIDE_PX)
