"""Lines that every face gets with age, drawn as relief on the mean face and lit as the portrait is.

Pictures of other people's wrinkles bring their light, their noise and their resolution along.  A relief has none of
these: it is sharp at any size, free of anybody's rights, the same for everybody, so that a network can learn where
lines go, and shaded by each portrait's own light, so that it sits in the picture.  Where lines run and when they come
follows the usual descriptions of the aging face (forehead, glabella, crow's feet, lids, nasolabial and marionette
folds, lips, cheeks, chin).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.face_mask import face_size_px
from nuke_reage.imaging.gamut import LUMA_WEIGHTS
from nuke_reage.imaging.mesh import FaceMesh, MeshMap, blur, faded_to_rim
from nuke_reage.imaging.relief_lines import GROUPS, Group, Line

__all__ = ["DISPLAY_GAMMA", "Light", "Relief", "ReliefOnFace", "fit_light"]

DISPLAY_GAMMA = 2.2
"""About the power between encoded and linear light."""

_MIDLINE = (10, 168, 2, 152)
_SAMPLES_PER_PX = 2.0
# Wavelengths in pixels of a 256 canvas, and how much each counts.
_WAVES = ((55.0, 1.2), (23.0, 0.6), (10.0, 0.15))
_UNEVEN = (37.0, 19.0, 11.0)
_SHOULDER_WIDTH, _SHOULDER_SHARE = 2.1, 0.3
_POINTS_AT_ONCE, _NOTHING = 32, 1e-6
_FACE_DEPTH = 1.15
# Where lines run out before the rim of the mesh, in pixels of a 256 canvas.
_RIM_PX = 8.0
# How much less sky a furrow sees, against its surroundings within so many pixels of a 256 canvas.
_OCCLUSION, _OCCLUSION_PX = 0.26, 2.5
_MARGIN_SIGMAS = 3.0
_MIN_SHADING = 0.7
_BRIGHTEST = 0.3
_LATE, _MAX_SHARE = 1.2, 1.15
_OVERHEAD = np.array([0.0, -0.22], np.float32)


@dataclass(frozen=True, eq=False)
class Light:
    """How a face is lit: brightness as a linear function of the normal of an ellipsoid about the landmarks.

    Attributes:
        terms: (4,) of 1 and of the normal's x to the right, y down and z to the viewer; 1 = mean brightness.
    """

    terms: FloatArray

    @property
    def across(self) -> FloatArray:
        """(2,) x to the right and y down, as shares of the mean brightness."""
        return np.clip(self.terms[1:3], -1.0, 1.0)

    def shading(self, landmarks: FloatArray, canvas_px: int) -> FloatArray:
        """(canvas, canvas) brightness of the smooth face, 1 = mean; landmarks in pixels of the canvas."""
        return self.on_part(landmarks, (slice(0, canvas_px), slice(0, canvas_px)))

    def on_part(self, landmarks: FloatArray, part: tuple[slice, slice]) -> FloatArray:
        """:meth:`shading` of some rows and columns only."""
        x, y, z = _normals(landmarks, part)
        even, right, down, near = self.terms
        return np.asarray(even + right * x + down * y + near * z, np.float32)


class Relief:
    """The lines of age over the mean face.

    Args:
        mesh: the mean face.

    Attributes:
        heights: (S, S) each of :data:`~nuke_reage.imaging.relief_lines.GROUPS`, when it is there in full.
    """

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        inside = _inside(mesh)
        self.heights = [_draw(group, mesh.mean, mesh.canvas_px, seed) * inside for seed, group in enumerate(GROUPS)]

    def height(self, from_years: float, to_years: float) -> FloatArray:
        """(S, S) what the relief changes by, in pixels of a 256 canvas; furrows are negative."""
        shares = [float(_share(one, to_years) - _share(one, from_years)) for one in GROUPS]
        return np.asarray(sum(share * height for share, height in zip(shares, self.heights, strict=True)), np.float32)

    def on_face(self, landmarks: FloatArray, canvas_px: int, light: Light) -> ReliefOnFace:
        """The lines laid on a face.

        Args:
            landmarks: (468, 2) pixels of a canvas.
            canvas_px: its side.
            light: on the face.
        """
        unit = face_size_px(landmarks) / face_size_px(self._mesh.mean) * self._mesh.canvas_px / 256.0
        to_face = self._mesh.to_face(landmarks, canvas_px, margin_px=_MARGIN_SIGMAS * _OCCLUSION_PX * unit)
        smooth = np.maximum(light.on_part(landmarks, to_face.part), _MIN_SHADING)
        return ReliefOnFace(self, to_face, unit, light.across + _OVERHEAD, smooth)


class ReliefOnFace:
    """The relief on one face, for any ages; made by :meth:`Relief.on_face`.

    Args:
        relief: over the mean face.
        to_face: lays it on the face.
        unit: pixels of the canvas for a pixel of a 256 canvas.
        across: (2,) light to the right and down.
        smooth: (h, w) brightness of the smooth face, above 0, on the part that ``to_face`` reaches.
    """

    def __init__(self, relief: Relief, to_face: MeshMap, unit: float, across: FloatArray, smooth: FloatArray) -> None:
        self._relief, self.to_face = relief, to_face
        self._unit, self._across, self._smooth = unit, across, smooth

    def log_shading(self, from_years: float, to_years: float | FloatArray) -> FloatArray:
        """(canvas, canvas) what the lines change of the natural logarithm of linear light; 0 beyond the face.

        Args:
            from_years: age now.
            to_years: age wanted, one or (canvas, canvas).
        """
        height = self._height(from_years, to_years)
        # Height is in pixels of a 256 canvas, distance in pixels of this one.
        slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=self._unit / 8)
        slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=self._unit / 8)
        lit = -(self._across[0] * slope_x + self._across[1] * slope_y) / self._smooth
        # A furrow sees less of the sky than the skin beside it.
        hidden = _OCCLUSION * DISPLAY_GAMMA * np.minimum(height - blur(height, _OCCLUSION_PX * self._unit), 0.0)
        return self.to_face.on_canvas(np.asarray(np.log1p(_BRIGHTEST * np.tanh(lit / _BRIGHTEST)) + hidden, np.float32))

    def _height(self, from_years: float, to_years: float | FloatArray) -> FloatArray:
        """:meth:`Relief.height` on the part."""
        if not isinstance(to_years, np.ndarray):
            return self.to_face.on_part(self._relief.height(from_years, to_years), cubic=True)
        there = to_years[self.to_face.part]
        shares = (_share(one, there) - _share(one, from_years) for one in GROUPS)
        return np.asarray(sum(share * laid for share, laid in zip(shares, self._laid, strict=True)), np.float32)

    @cached_property
    def _laid(self) -> list[FloatArray]:
        return [self.to_face.on_part(one, cubic=True) for one in self._relief.heights]


def fit_light(rgb: FloatArray, skin: FloatArray, landmarks: FloatArray) -> Light:
    """Fit the light of a portrait, as if the head were an ellipsoid of one colour.

    Args:
        rgb: (S, S, 3) sRGB-encoded, 0..1.
        skin: (S, S) 0..1, where to look.
        landmarks: (468, 2) canvas pixels.
    """
    side = rgb.shape[0]
    x, y, z = _normals(landmarks, (slice(0, side), slice(0, side)))
    brightness = np.maximum(rgb @ np.array(LUMA_WEIGHTS, np.float32), 0.0) ** DISPLAY_GAMMA
    against = np.stack(np.broadcast_arrays(np.float32(1.0), x, y, z), axis=-1).reshape(-1, 4)
    flat = against * skin.reshape(-1, 1)
    # Where no skin is seen there is no light to be fitted, and the face counts as dark.
    normal = flat.T @ against + 1e-3 * max(float(skin.sum()), 1.0) * np.eye(4, dtype=np.float32)
    solved = np.linalg.solve(normal, flat.T @ brightness.reshape(-1))
    mean = float((brightness * skin).sum() / max(float(skin.sum()), 1e-6)) + 1e-4
    return Light(np.asarray(solved / mean, np.float32))


def _normals(landmarks: FloatArray, part: tuple[slice, slice]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(1, w) x, (h, 1) y and (h, w) z of the normal of an ellipsoid about the landmarks."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2 * _FACE_DEPTH
    rows, columns = (np.arange(one.start, one.stop, dtype=np.float32) + np.float32(0.5) for one in part)
    x = np.asarray((columns[None] - middle[0]) / half[0], np.float32)
    y = np.asarray((rows[:, None] - middle[1]) / half[1], np.float32)
    return x, y, np.sqrt(np.maximum(1.0 - x**2 - y**2, np.float32(0.04)))


def _share(group: Group, years: float | FloatArray) -> npt.NDArray[np.floating[Any]]:
    """How much of a group is there at an age."""
    held = np.clip((years - group.from_years) / (group.full_years - group.from_years), 0.0, _MAX_SHARE)
    return np.asarray(held**_LATE)


def _inside(mesh: FaceMesh) -> FloatArray:
    """(S, S) 1 inside the mean face, 0 at its rim: a line that was cut off there would have an edge to shade."""
    hull = np.zeros((mesh.canvas_px, mesh.canvas_px), np.uint8)
    cv2.fillConvexPoly(hull, np.round(cv2.convexHull(mesh.mean) - 0.5).astype(np.int32), 1)
    return faded_to_rim(hull, _RIM_PX * mesh.canvas_px / 256.0)


def _draw(group: Group, mean: FloatArray, canvas_px: int, seed: int) -> FloatArray:
    """(S, S) the relief of one group, both sides of the face."""
    unit = canvas_px / 256.0
    axis = float(mean[list(_MIDLINE), 0].mean())
    height = np.zeros((canvas_px, canvas_px), np.float32)
    rng = np.random.default_rng(seed)
    for line in group.lines:
        points = np.array([_place(mean, one) for one in line.through], np.float32)
        # The two sides of a face are never quite alike.
        for side in (points,) if line.across else (points, points * [-1.0, 1.0] + [2.0 * axis, 0.0]):
            path = _smooth(np.asarray(side, np.float32))
            _carve(height, _wavering(path, rng, 0.5 * unit, unit), line, unit, rng)
            for beside in (-1.0, 1.0):
                # Lines are never alone: finer ones run along them for a part of the way.
                near = _offset(path, beside * float(rng.uniform(2.2, 3.4)) * line.width * unit, rng)
                _carve(height, _wavering(near, rng, 0.6 * unit, unit), _companion(line), unit, rng)
    return height


def _companion(line: Line) -> Line:
    return replace(line, width=max(0.55 * line.width, 0.55), depth=0.3 * line.depth, fade_in=0.4, fade_out=0.5)


def _offset(path: FloatArray, away_px: float, rng: np.random.Generator) -> FloatArray:
    """A part of a path, moved sideways."""
    start = int(rng.uniform(0.0, 0.35) * len(path))
    part = path[start : max(start + 4, int(rng.uniform(0.65, 1.0) * len(path)))]
    along = np.gradient(part, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    return np.asarray(part + away_px * normal, np.float32)


def _place(mean: FloatArray, point: tuple[int, int, float] | int) -> FloatArray:
    if isinstance(point, int):
        return np.asarray(mean[point], np.float32)
    first, second, share = point
    return np.asarray(mean[first] + share * (mean[second] - mean[first]), np.float32)


def _smooth(points: FloatArray) -> FloatArray:
    """A curve through the points (Catmull-Rom), about two samples a pixel."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        count = max(2, int(np.linalg.norm(c - b) * _SAMPLES_PER_PX))
        t = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)[:, None]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.asarray(np.concatenate([*pieces, points[-1:]]), np.float32)


def _wavering(path: FloatArray, rng: np.random.Generator, amount_px: float, unit: float) -> FloatArray:
    length = np.arange(len(path), dtype=np.float32) / np.float32(_SAMPLES_PER_PX * unit)
    for wavelength, share in _WAVES:
        phase = rng.uniform(0.0, 2 * np.pi, 2)
        wave = np.stack([np.sin(2 * np.pi * length / wavelength + one) for one in phase], axis=1)
        path = path + np.asarray(wave * (amount_px * share), np.float32)
    return path


def _carve(height: FloatArray, path: FloatArray, line: Line, unit: float, rng: np.random.Generator) -> None:
    """Press a furrow into the relief; skin is pushed up beside it."""
    along = np.linspace(0.0, 1.0, len(path), dtype=np.float32)
    taper = np.clip(np.minimum(along / line.fade_in, (1.0 - along) / line.fade_out), 0.0, 1.0)
    length = np.arange(len(path), dtype=np.float32) / np.float32(_SAMPLES_PER_PX * unit)
    uneven = sum(np.sin(2 * np.pi * length / one + rng.uniform(0.0, 2 * np.pi)) for one in _UNEVEN) / len(_UNEVEN)
    strength = np.asarray(taper * taper * (3 - 2 * taper) * (0.8 + 0.45 * uneven), np.float32)
    width = line.width * unit
    reach = int(np.ceil(3 * width * _SHOULDER_WIDTH))
    size = height.shape[0]
    x0, y0 = np.maximum(np.floor(path.min(axis=0)).astype(int) - reach, 0)
    x1, y1 = np.minimum(np.ceil(path.max(axis=0)).astype(int) + reach, size)
    if x1 <= x0 or y1 <= y0:
        return
    across, down = (np.arange(low, high, dtype=np.float32) + np.float32(0.5) for low, high in ((x0, x1), (y0, y1)))
    furrow, shoulder = np.zeros((2, y1 - y0, x1 - x0), np.float32)
    for pressed, sigma in ((furrow, width), (shoulder, _SHOULDER_WIDTH * width)):
        # A bell in two dimensions is the product of two in one.
        of_columns = np.exp(-((across - path[:, :1]) ** 2) / np.float32(2 * sigma**2))
        of_rows = strength[:, None] * np.exp(-((down - path[:, 1:]) ** 2) / np.float32(2 * sigma**2))
        for first in range(0, len(path), _POINTS_AT_ONCE):
            some = slice(first, first + _POINTS_AT_ONCE)
            columns, rows = (_seen(one[some]) for one in (of_columns, of_rows))
            bells = of_rows[some, rows, None] * of_columns[some, None, columns]
            np.maximum(pressed[rows, columns], bells.max(axis=0), out=pressed[rows, columns])
    height[y0:y1, x0:x1] += line.depth * (_SHOULDER_SHARE * shoulder - furrow)


def _seen(bells: FloatArray) -> slice:
    """Where any of (N, n) is more than nothing."""
    where = np.flatnonzero((bells > _NOTHING).any(axis=0))
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)
