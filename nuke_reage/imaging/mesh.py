"""Carrying pictures from one face to another through the face mesh.

What aging does to *a* face is kept on *the* mean face: the mean of many faces' landmarks.  A Delaunay mesh over the
landmarks gives an affine map a triangle, continuous over the edges, so nothing shows a seam.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_landmarks

__all__ = ["FaceMesh", "MeshMap", "blur", "faded_to_rim", "masked_blur", "polygon_mask", "triangulated"]

_SUBPIXEL_BITS = 4
_MIN_TRIANGLE_PX2 = 1e-3
_NOWHERE = -1e6
_TO_NOWHERE = np.array([[0, 0], [0, 0], [_NOWHERE, _NOWHERE]], np.float32)
_PLANE = 500


class MeshMap:
    """Carries pictures along one mesh; made once, used for many pictures.

    Args:
        x: (h, w) float32, from which column each pixel of the part comes, pixel centres at whole numbers; negative =
            nowhere.
        y: from which row.
        part: rows and columns of the canvas that the mesh can reach.
        canvas_px: side of the canvas.

    Attributes:
        part: as given.
    """

    def __init__(self, x: FloatArray, y: FloatArray, part: tuple[slice, slice], canvas_px: int) -> None:
        self._x, self._y = x, y
        self._nowhere = self._x <= _NOWHERE
        self.part, self._canvas_px = part, canvas_px

    def __call__(self, image: FloatArray, *, cubic: bool = False) -> FloatArray:
        """Carry (S, S) or (S, S, C) to the whole canvas; 0 where the mesh does not reach.

        Args:
            image: up to 4 channels.
            cubic: interpolate with a smooth slope, not linearly.
        """
        return self.on_canvas(self.on_part(image, cubic=cubic))

    def on_canvas(self, values: FloatArray) -> FloatArray:
        """What is on the part, with 0 around it."""
        canvas = np.zeros((self._canvas_px, self._canvas_px, *values.shape[2:]), np.float32)
        canvas[self.part] = values
        return canvas

    def on_part(self, image: FloatArray, *, cubic: bool = False) -> FloatArray:
        """Carry to the part only."""
        source = np.ascontiguousarray(image, np.float32)
        filtering = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        carried = cv2.remap(source, self._x, self._y, filtering, borderMode=cv2.BORDER_REPLICATE)
        carried[self._nowhere] = 0
        return np.asarray(carried, np.float32)


class FaceMesh:
    """The mean face and its triangles.

    Args:
        mean_landmarks: (468, 2) in [0, 1] of the canvas, x right, y down.
        canvas_px: side of the rasters to work on.
    """

    def __init__(self, mean_landmarks: FloatArray, canvas_px: int) -> None:
        self.canvas_px = canvas_px
        self.mean = np.asarray(require_landmarks(mean_landmarks, "mean_landmarks"), np.float32) * canvas_px
        self._triangles = triangulated(self.mean)

    def to_face(self, landmarks: FloatArray, canvas_px: int | None = None, *, margin_px: float = 0.0) -> MeshMap:
        """How pictures of the mean face are laid on a face.

        Args:
            landmarks: (468, 2) canvas pixels.
            canvas_px: side of that canvas; None = the mean face's.
            margin_px: how much of the canvas around the face belongs to the part.
        """
        return self._map(self.mean, landmarks, canvas_px or self.canvas_px, margin_px)

    def to_mean(self, landmarks: FloatArray) -> MeshMap:
        """How a face is laid on the mean face; the inverse of :meth:`to_face`."""
        return self._map(landmarks, self.mean, self.canvas_px)

    def _map(self, source: FloatArray, target: FloatArray, canvas_px: int, margin_px: float = 0.0) -> MeshMap:
        part = _part(target, canvas_px, margin_px)
        corner = np.array([part[1].start, part[0].start], np.float32)
        source, target = np.asarray(source, np.float32), np.asarray(target, np.float32) - corner
        owner = np.full([one.stop - one.start for one in part], -1, np.int32)
        # fillConvexPoly counts pixel centres at whole numbers.
        corners = np.round((target[self._triangles] - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        for index, triangle in enumerate(corners):
            cv2.fillConvexPoly(owner, triangle, index, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
        homogeneous = np.concatenate([target[self._triangles], np.ones((len(corners), 3, 1), np.float32)], axis=2)
        flat = np.abs(np.linalg.det(homogeneous)) <= _MIN_TRIANGLE_PX2
        homogeneous[flat] = np.eye(3, dtype=np.float32)
        maps = np.linalg.solve(homogeneous, source[self._triangles]).astype(np.float32)
        # The last one is for pixels of no triangle, whose owner is -1.
        maps = np.concatenate([maps, np.zeros((1, 3, 2), np.float32)])
        maps[:-1][flat] = maps[-1] = _TO_NOWHERE
        rows, columns = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in owner.shape)

        def positions(of_column: FloatArray, of_row: FloatArray, constant: FloatArray) -> FloatArray:
            there = of_column[owner] * columns + of_row[owner] * rows[:, None] + constant[owner]
            return np.asarray(there - np.float32(0.5), np.float32)

        x, y = np.ascontiguousarray(maps.transpose(2, 1, 0))
        return MeshMap(positions(*x), positions(*y), part, canvas_px)


def _part(points: FloatArray, canvas_px: int, margin_px: float) -> tuple[slice, slice]:
    """Rows and columns about some points, at least one of each."""
    low = np.clip(np.floor(points.min(axis=0) - margin_px) - 1, 0, canvas_px - 1).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + margin_px) + 1, low + 1, canvas_px).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def triangulated(points: FloatArray) -> npt.NDArray[np.int64]:
    """The Delaunay triangles of some points.

    Args:
        points: (N, 2), no two of them the same in single precision, and near the origin as against their extent.

    Returns:
        (T, 3) indices.
    """
    places = np.asarray(points, np.float32)
    # OpenCV begins with a triangle of its own around the plane; were it near, it would take slivers off the hull.
    reach = int(_PLANE * (np.abs(places).max() + 1))
    plane = cv2.Subdiv2D((-reach, -reach, 2 * reach, 2 * reach))
    plane.insert(places.tolist())
    index = {tuple(place): number for number, place in enumerate(places.tolist())}
    found = np.asarray(plane.getTriangleList(), np.float32).reshape(-1, 3, 2)
    corners = ([index.get(tuple(place)) for place in one] for one in found.tolist())
    return np.array([one for one in corners if None not in one], np.int64)


def blur(image: FloatArray, sigma_px: float) -> FloatArray:
    """Gaussian blur of (H, W) or (H, W, C), edges replicated."""
    size = 2 * int(np.ceil(3.0 * sigma_px)) + 1
    return np.asarray(cv2.GaussianBlur(image, (size, size), sigma_px, borderType=cv2.BORDER_REPLICATE), np.float32)


def faded_to_rim(inside: npt.NDArray[np.uint8], over_px: float) -> FloatArray:
    """1 well inside a shape, 0 at its rim and beyond, smooth at both ends.

    Args:
        inside: (H, W), 0 outside.
        over_px: how far inside 1 is reached.
    """
    share = np.clip(cv2.distanceTransform(inside, cv2.DIST_L2, 5) / over_px, 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def masked_blur(image: FloatArray, weight: FloatArray, sigma_px: float) -> FloatArray:
    """Gaussian blur that takes nothing from where the weight is 0 (normalised convolution).

    Args:
        image: (H, W) or (H, W, C).
        weight: (H, W), 0..1.
        sigma_px: pixels.
    """
    spread = weight if image.ndim == 2 else weight[..., None]
    amount = blur(weight, sigma_px) + 1e-4
    return np.asarray(blur(image * spread, sigma_px) / (amount if image.ndim == 2 else amount[..., None]), np.float32)


@lru_cache(maxsize=32)
def _disc(radius_px: int) -> npt.NDArray[np.uint8]:
    size = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def polygon_mask(points: FloatArray, canvas_px: int, *, grow_px: float = 0.0, soft_px: float = 1.0) -> FloatArray:
    """A soft mask of a polygon.

    Args:
        points: (N, 2) canvas pixels.
        canvas_px: side of the mask.
        grow_px: pixels to grow by, negative to shrink.
        soft_px: sigma of the blur over the edge.

    Returns:
        (S, S) in 0..1.
    """
    mask = np.zeros((canvas_px, canvas_px), np.float32)
    outline = np.round((np.asarray(points) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [outline], 1.0, cv2.LINE_AA, _SUBPIXEL_BITS)
    radius = round(abs(grow_px))
    if radius:
        mask = np.asarray((cv2.dilate if grow_px > 0 else cv2.erode)(mask, _disc(radius)), np.float32)
    return blur(np.clip(mask, 0.0, 1.0), soft_px)
