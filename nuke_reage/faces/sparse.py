"""From the 68 points of the 300-W annotation scheme to the 468-point mesh.

The canonical mesh is fitted to the points by an affine camera (least squares; it covers place, size, all rotations and
a small change of proportions), then bent by a thin-plate spline that takes up what is left at the 68 points.

Sources: C. Sagonas et al., *300 Faces in-the-Wild Challenge* (2013) for the scheme; R. Hartley and A. Zisserman,
*Multiple View Geometry*, 14.5 for the affine camera; F. L. Bookstein, *Principal Warps*, PAMI 11 (1989) for the spline.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.canonical import RIGID_WEIGHTS, canonical_mesh
from nuke_reage.faces.types import FloatArray

__all__ = ["MESH_INDEX_OF_68", "mesh_from_68"]

_JAW = (127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356)
_BROWS = (71, 63, 105, 66, 107, 336, 296, 334, 293, 301)
_NOSE = (168, 197, 5, 4, 75, 97, 2, 326, 305)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)

MESH_INDEX_OF_68: tuple[int, ...] = _JAW + _BROWS + _NOSE + _EYES + _LIPS
"""The mesh landmark nearest in meaning to each of the 68 points."""

# The jaw points slide along the visible outline and lips and brows move; they bend the mesh but do not place it.
_PLACING_WEIGHTS = np.concatenate(
    [np.full(17, 0.1), np.full(10, 0.5), np.full(9, 1.5), np.full(12, 2.0), np.full(20, 0.3)]
)
_SPLINE_SMOOTHING = 1e-3
_MIN_SIZE_PX = 2.0


def mesh_from_68(points: npt.ArrayLike) -> FloatArray:
    """A whole face mesh through 68 points.

    Args:
        points: (68, 2) picture pixels, square; in 300-W order (jaw, brows, nose, eyes, lips; from the left of the
            picture).

    Returns:
        (468, 3) float32, z in the same pixels, negative towards the camera.

    Raises:
        FaceError: wrong shape, values that are not finite, or points that cannot be a face.
    """
    marks = np.asarray(points, dtype=np.float64)
    if marks.shape != (68, 2) or not np.isfinite(marks).all() or (np.ptp(marks, axis=0) < _MIN_SIZE_PX).any():
        raise FaceError(
            "bad-landmarks",
            f"68 finite points that spread over some pixels are expected, got shape {marks.shape}.",
            "Use another detector for this plate, or give the crop by hand.",
        )
    mesh = canonical_mesh().astype(np.float64)
    known = mesh[list(MESH_INDEX_OF_68)]
    weights = np.sqrt(_PLACING_WEIGHTS)[:, None]
    camera, *_ = np.linalg.lstsq(np.column_stack([known, np.ones(68)]) * weights, marks * weights, rcond=None)
    placed = mesh @ camera[:3] + camera[3]
    bend = RBFInterpolator(
        known[:, :2], marks - placed[list(MESH_INDEX_OF_68)], kernel="thin_plate_spline", smoothing=_SPLINE_SMOOTHING
    )
    flat = placed + bend(mesh[:, :2])
    return np.column_stack([flat, _depth(camera[:3], mesh)]).astype(np.float32)


def _depth(linear: npt.NDArray[np.float64], mesh: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Depth by the rotation nearest to the camera's two rows, with the size that those have."""
    u, sizes, vt = np.linalg.svd(linear.T, full_matrices=False)
    across, down = u @ vt
    depth = mesh @ np.cross(across, down) * float(sizes.mean())
    return np.asarray(depth - RIGID_WEIGHTS @ depth)
