"""The head that the face mesh belongs to: its resting shape, and points beyond the mesh that move with it.

The mesh ends on the forehead, before the ears and at the jaw.  Hairline, ears, neck and skull are drawn here as points
of the canonical head.  Seen from the camera they lie where the affine map that best takes the mesh's rigid landmarks
to a frame's landmarks puts them: they follow every turn of the head, are linear in the landmarks, and need no depth.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.core.bundled import read_asset
from nuke_reage.imaging.arrays import FloatArray

__all__ = ["HeadPoints", "canonical_around", "canonical_mesh", "follow_head"]

Doubles = npt.NDArray[np.floating[Any]]

# fmt: off
_RIGID = (
    8, 168, 6, 197, 195, 5, 193, 417, 122, 351, 196, 419, 188, 412, 174, 399,
    33, 133, 362, 263, 130, 359, 243, 463,
    127, 356, 162, 389, 34, 264, 139, 368, 143, 372, 156, 383, 234, 454, 93, 323,
    116, 345, 111, 340, 117, 346, 227, 447, 118, 347, 123, 352,
    10, 151, 9, 67, 297, 103, 332, 54, 284, 21, 251,
)
_FOREHEAD_RIM = (21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251)
_EARS_RIM = (162, 127, 234, 93, 389, 356, 454, 323)
_JAW_RIM = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
# fmt: on

# All in canonical units: the distance between the eyes' middles, 0.4 of the face size.
_HAIRLINE_RISE = 0.28
_HAIRLINE_BACK = 0.12
_TEMPLE_OUT = 0.03
_EAR_OUT, _EAR_BACK = 0.07, 0.30
_THROAT_DOWN, _THROAT_BACK = 0.30, 0.45
_NECK_DOWN, _NECK_BACK, _NECK_WIDTH = 1.05, 0.75, 0.72
_SKULL_CENTRE = (0.0, -0.10, 0.85)
_SKULL_RADII = (1.27, 1.56, 1.50)


@dataclass(frozen=True)
class HeadPoints:
    """Points of one head in a frame, (N, 2) square coordinates each.

    Attributes:
        hairline: from temple to temple.
        ears: beside the mesh's rim, where the ears begin.
        throat: under the jaw.
        neck: lower down.
        skull: all around, hair included.

    Hairline, throat and neck are open lines from left to right on screen of a face that looks into the camera; the ears
    are two, the left one first, from the top down.
    """

    hairline: Doubles
    ears: Doubles
    throat: Doubles
    neck: Doubles
    skull: Doubles

    @property
    def around(self) -> Doubles:
        """Those that the mesh goes on to: all but the skull."""
        return np.concatenate([self.hairline, self.ears, self.throat, self.neck])


@lru_cache(maxsize=1)
def canonical_mesh() -> FloatArray:
    """The canonical mesh, (468, 3) float32, read-only.

    Raises:
        FaceError: the bundled file is missing or damaged.
    """
    mesh = np.load(io.BytesIO(read_asset("canonical_mesh.npy")), allow_pickle=False)
    mesh.setflags(write=False)
    return np.asarray(mesh, dtype=np.float32)


@lru_cache(maxsize=1)
def _canonical_head() -> tuple[Doubles, ...]:
    """Hairline, ears, throat, neck and skull of the canonical head, (N, 3) each."""
    mesh = canonical_mesh().astype(np.float64)
    rim = mesh[list(_FOREHEAD_RIM)]
    share = (rim[:, 1] / mesh[10, 1]).clip(0, 1)[:, None]
    hairline = (
        rim + share**1.5 * [0.0, -_HAIRLINE_RISE, _HAIRLINE_BACK] + (1 - share) * np.sign(rim[:, :1]) * [0.03, 0, 0]
    )
    beside = mesh[list(_EARS_RIM)]
    ears = beside + np.sign(beside[:, :1]) * [_EAR_OUT, 0, 0] + [0, 0, _EAR_BACK]
    jaw = mesh[list(_JAW_RIM)]
    throat = jaw * [0.96, 1, 1] + [0, _THROAT_DOWN, _THROAT_BACK]
    neck = np.column_stack(
        [jaw[:, 0] * _NECK_WIDTH, np.full(len(jaw), mesh[152, 1] + _NECK_DOWN), jaw[:, 2] + _NECK_BACK]
    )
    turns, heights = np.meshgrid(np.linspace(0, 2 * np.pi, 90, endpoint=False), np.linspace(-1.0, 0.15, 12))
    girth = np.sqrt(1 - heights**2)
    unit = np.stack([girth * np.cos(turns), heights, girth * np.sin(turns)], axis=-1).reshape(-1, 3)
    return hairline, ears, throat, neck, np.asarray(unit * _SKULL_RADII + _SKULL_CENTRE)


def canonical_around() -> Doubles:
    """:attr:`HeadPoints.around` of the canonical head, (N, 3) canonical units."""
    return np.concatenate(_canonical_head()[:4])


def follow_head(points: Doubles) -> HeadPoints:
    """Where the canonical head's points lie for a frame's landmarks.

    Args:
        points: (468, 2) square coordinates.
    """
    placed = _fit() @ points[list(_RIGID)]
    return HeadPoints(*(np.column_stack([part, np.ones(len(part))]) @ placed for part in _canonical_head()))


@lru_cache(maxsize=1)
def _fit() -> Doubles:
    """(4, N): takes rigid landmarks to the affine map from canonical coordinates that fits them best."""
    rigid = canonical_mesh()[list(_RIGID)].astype(np.float64)
    return np.asarray(np.linalg.pinv(np.column_stack([rigid, np.ones(len(rigid))])))
