"""Decoding of the short-range face detector: anchors, boxes and key points, overlapping answers merged.

The numbers are those of MediaPipe 0.10.21 (Apache-2.0), ``modules/face_detection/face_detection_short_range.pbtxt``
and its SSD calculators: input 128 x 128 in -1..1; strides 8, 16, 16, 16 with two anchors of fixed size per cell and
layer, centres at +0.5; boxes and key points as offsets in input pixels from the anchor; score = sigmoid of a logit
clipped to +-100; answers that overlap by more than 0.3 are averaged with their scores as weights.  The network is
described in Bazarevsky et al., *BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs* (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nuke_reage.faces.types import FloatArray

__all__ = ["INPUT_PX", "KEY_POINT_COUNT", "Candidate", "anchor_centres", "decode", "merge_overlapping", "overlap"]

INPUT_PX = 128
KEY_POINT_COUNT = 6
_STRIDES_PX = (8, 16, 16, 16)
_ANCHORS_PER_CELL_AND_LAYER = 2
_LOGIT_LIMIT = 100.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """An answer of the detector.

    Attributes:
        box: (4,) x_min, y_min, x_max, y_max.
        key_points: (6, 2) eye on the left of the picture, eye on the right, nose tip, mouth, left ear, right ear.
        score: 0..1.
    """

    box: FloatArray
    key_points: FloatArray
    score: float


@lru_cache(maxsize=1)
def anchor_centres() -> npt.NDArray[np.float64]:
    """Centres of all anchors, (896, 2) in units of the input side.

    >>> anchor_centres().shape
    (896, 2)
    """
    centres = []
    for stride in sorted(set(_STRIDES_PX)):
        cells = INPUT_PX // stride
        per_cell = _ANCHORS_PER_CELL_AND_LAYER * _STRIDES_PX.count(stride)
        grid = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(grid, grid, indexing="ij")
        centres.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), per_cell, axis=0))
    result = np.concatenate(centres)
    result.setflags(write=False)
    return result


def decode(logits: npt.ArrayLike, offsets: npt.ArrayLike, min_score: float) -> list[Candidate]:
    """Turn the network's two outputs into candidates.

    Args:
        logits: 896 scores before the sigmoid.
        offsets: (896, 16) box centre, size and six key points in input pixels from the anchor.
        min_score: candidates below it are dropped, 0..1.

    Returns:
        Candidates in units of the input side, 0..1 from the top left, not merged.

    Raises:
        ValueError: the arrays do not fit the anchors.
    """
    anchors = anchor_centres()
    raw = np.asarray(offsets, dtype=np.float64).reshape(-1, 4 + 2 * KEY_POINT_COUNT)
    flat = np.asarray(logits, dtype=np.float64).ravel()
    if len(raw) != len(anchors) or len(flat) != len(anchors):
        raise ValueError(f"detector must give {len(anchors)} answers, got {len(flat)} scores and {len(raw)} boxes")
    scores = 1.0 / (1.0 + np.exp(-np.clip(flat, -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    found = []
    for index in np.flatnonzero(scores >= min_score):
        values = raw[index] / INPUT_PX
        centre = values[:2] + anchors[index]
        half = np.abs(values[2:4]) / 2
        points = values[4:].reshape(KEY_POINT_COUNT, 2) + anchors[index]
        box = np.concatenate([centre - half, centre + half])
        found.append(Candidate(box.astype(np.float32), points.astype(np.float32), float(scores[index])))
    return found


def overlap(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Intersection over union of two boxes (x_min, y_min, x_max, y_max).

    >>> overlap([0, 0, 2, 2], [1, 0, 3, 2])
    0.3333333333333333
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    size = np.maximum(0.0, np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]))
    shared = float(size.prod())
    total = float((first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod()) - shared
    return shared / total if total > 0 else 0.0


def merge_overlapping(candidates: list[Candidate], max_overlap: float = 0.3) -> list[Candidate]:
    """Average the answers that mean the same face, weighted by score.

    Args:
        candidates: in one common coordinate system.
        max_overlap: intersection over union above which two answers are one face.

    Returns:
        One candidate a face, best first.
    """
    waiting = sorted(candidates, key=lambda one: -one.score)
    merged = []
    while waiting:
        best = waiting[0]
        group = [one for one in waiting if one is best or overlap(best.box, one.box) > max_overlap]
        waiting = [one for one in waiting if one not in group]
        weights = np.array([one.score for one in group])
        box = np.average([one.box for one in group], axis=0, weights=weights)
        points = np.average([one.key_points for one in group], axis=0, weights=weights)
        merged.append(Candidate(box.astype(np.float32), points.astype(np.float32), best.score))
    return merged
