"""The default backend: MediaPipe's detector and face mesh, run by OpenCV on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from nuke_reage.faces.networks import DetectorNetwork, MeshNetwork, roi_of_candidate, roi_of_landmarks
from nuke_reage.faces.pyramid import ImagePyramid, SquareCrop
from nuke_reage.faces.search import FINEST_LEVEL, is_blank, level_squares, search_stages, tone_variants
from nuke_reage.faces.ssd import Candidate, merge_overlapping, overlap
from nuke_reage.faces.types import Detection, FloatArray

__all__ = ["MediapipeBackend"]

_MIN_SCORE = 0.5
_MIN_LOGIT = 3.0
_CERTAIN_LOGIT = 11.0
# The logit of the mesh network is far from 0 for all that is or is not a face; a quarter of it spreads over 0..1.
_LOGIT_PER_UNIT = 4.0
_SAME_FACE_OVERLAP = 0.4
_MAX_LOOKS = 6
_QUICK_STAGES = 2
_OTHER_WAYS_UP = (180.0, 90.0, -90.0)
_HOPELESS_LOGIT = 0.0
_SETTLED_OF_SIDE = 0.01
_CHIN, _FOREHEAD = 152, 10


@dataclass(frozen=True, eq=False)
class _Fit:
    points: FloatArray
    logit: float

    @property
    def is_certain(self) -> bool:
        return self.logit >= _CERTAIN_LOGIT

    def detection(self, scale_x: float, scale_y: float) -> Detection:
        points = self.points * np.array([scale_x, scale_y, scale_x], np.float32)
        return Detection.from_landmarks(points, 1.0 / (1.0 + math.exp(-self.logit / _LOGIT_PER_UNIT)))


class MediapipeBackend:
    """Finds faces with the bundled networks; about 15 to 25 ms a picture on one core.

    An object keeps network buffers: use one per thread.

    Args:
        thorough: look at all scales in every picture, so that small faces beside a large one are found; slower.
        min_face_px: faces smaller than this (brow to chin) are not looked for.

    Raises:
        FaceError: the bundled networks are missing, damaged or not readable by this OpenCV.
    """

    name = "mediapipe"

    def __init__(self, *, thorough: bool = False, min_face_px: float = 40.0) -> None:
        self._detector = DetectorNetwork()
        self._mesh = MeshNetwork()
        self._thorough = thorough
        self._min_face_px = min_face_px

    def detect(self, image_rgb_display: FloatArray) -> list[Detection]:
        """Find faces.

        Args:
            image_rgb_display: (H, W, 3) floating point, 0..1, sRGB-like, square pixels; NaN and Inf count as black.

        Returns:
            The faces, largest first, in picture pixels; parts beyond the picture's edges are guessed.

        Raises:
            ValueError: wrong shape or type.
        """
        pyramid = ImagePyramid(image_rgb_display)
        if is_blank(pyramid):
            return []
        fits = self._everywhere(pyramid) if self._thorough else []
        fits = fits or self._staged(pyramid)
        if fits:
            return _sorted([fit.detection(1.0, 1.0) for fit in fits])
        for variant in tone_variants(pyramid):
            fits = self._staged(variant, quick=True)
            if fits:
                scale = pyramid.width_px / variant.width_px, pyramid.height_px / variant.height_px
                return _sorted([fit.detection(*scale) for fit in fits])
        return []

    def follow(self, image_rgb_display: FloatArray, previous: Sequence[FloatArray]) -> list[Detection]:
        """Find the last frame's faces again, without the detector where that is enough, and new ones.

        The mesh network holds on to a face in profile or half hidden, where the detector loses it.

        Args:
            image_rgb_display: as for :meth:`detect`.
            previous: landmarks of the last frame's faces, each (468, 2) or (468, 3) in the picture's pixels.

        Returns:
            As :meth:`detect`.
        """
        pyramid = ImagePyramid(image_rgb_display)
        kept = (self._settle(pyramid, roi_of_landmarks(np.asarray(one, np.float32))) for one in previous)
        fits = _distinct([fit for fit in kept if fit is not None and fit.is_certain])
        if not fits:
            return self.detect(image_rgb_display)
        first = next(search_stages(pyramid.width_px, pyramid.height_px, self._min_face_px))
        fits = _distinct(fits + self._look(pyramid, first.squares, known=fits))
        return _sorted([fit.detection(1.0, 1.0) for fit in fits])

    def _everywhere(self, pyramid: ImagePyramid) -> list[_Fit]:
        squares = []
        for level in range(-1, FINEST_LEVEL + 1):
            squares += level_squares(pyramid.width_px, pyramid.height_px, level)
        return self._look(pyramid, squares)

    def _staged(self, pyramid: ImagePyramid, *, quick: bool = False) -> list[_Fit]:
        """Go through the stages of a search until a face is certain; else the best that any stage has seen."""
        seen: list[_Fit] = []
        stages = search_stages(pyramid.width_px, pyramid.height_px, self._min_face_px)
        for stage in islice(stages, _QUICK_STAGES if quick else None):
            if seen and stage.is_fine:
                continue
            turns = () if stage.is_fine else _OTHER_WAYS_UP
            seen = _distinct(seen + self._look(pyramid, stage.squares, turns=turns))
            if any(fit.is_certain for fit in seen):
                break
        return seen

    def _look(
        self,
        pyramid: ImagePyramid,
        squares: list[SquareCrop],
        *,
        known: Sequence[_Fit] = (),
        turns: Sequence[float] = _OTHER_WAYS_UP,
    ) -> list[_Fit]:
        candidates: list[Candidate] = []
        for square in squares:
            candidates += self._detector.look(pyramid, square, _MIN_SCORE)
        fresh = [one for one in merge_overlapping(candidates) if not _is_known(one, known)]
        fits = (self._best_orientation(pyramid, roi_of_candidate(one), turns) for one in fresh)
        return _distinct([fit for fit in fits if fit is not None])

    def _best_orientation(self, pyramid: ImagePyramid, square: SquareCrop, turns: Sequence[float]) -> _Fit | None:
        """The mesh of a candidate; a doubtful one is also looked at with other ways up.

        The detector answers to heads turned by 180 degrees too, with its key points the wrong way up.
        """
        best = self._settle(pyramid, square)
        for turn in turns:
            if best is not None and best.is_certain:
                break
            other = self._settle(pyramid, replace(square, angle_degrees=square.angle_degrees + turn))
            if other is not None and (best is None or other.logit > best.logit):
                best = other
        return best

    def _settle(self, pyramid: ImagePyramid, square: SquareCrop) -> _Fit | None:
        """Fit the mesh, then fit it again on the square that its own landmarks ask for, until that stands still."""
        fit: _Fit | None = None
        for look in range(_MAX_LOOKS):
            fit = _Fit(*self._mesh.fit(pyramid, square))
            if not _sane(fit.points, square) or (look and fit.logit < _HOPELESS_LOGIT):
                return None
            following = roi_of_landmarks(fit.points)
            moved_px = math.hypot(following.centre_x - square.centre_x, following.centre_y - square.centre_y)
            change = max(moved_px, abs(following.side_px - square.side_px)) / square.side_px
            turned_degrees = abs((following.angle_degrees - square.angle_degrees + 180) % 360 - 180)
            if change < _SETTLED_OF_SIDE and turned_degrees < 1.0:
                break
            square = following
        return fit if fit is not None and fit.logit >= _MIN_LOGIT else None


def _sane(points: FloatArray, square: SquareCrop) -> bool:
    """Whether a mesh has the size of a face, and its chin below its brow, in the square that it was seen in."""
    if not np.isfinite(points).all():
        return False
    angle = math.radians(square.angle_degrees)
    down = np.array([-math.sin(angle), math.cos(angle)])
    height = float((points[_CHIN, :2] - points[_FOREHEAD, :2]) @ down) / square.side_px
    return 0.2 < height < 1.2


def _distinct(fits: list[_Fit]) -> list[_Fit]:
    """One fit a face: of two that overlap the more certain one stays."""
    kept: list[_Fit] = []
    for fit in sorted(fits, key=lambda one: -one.logit):
        box = _box(fit)
        if not any(overlap(box, _box(other)) > _SAME_FACE_OVERLAP for other in kept):
            kept.append(fit)
    return kept


def _is_known(candidate: Candidate, known: Sequence[_Fit]) -> bool:
    """Whether a candidate's middle lies in a face that has been found already."""
    x, y = (candidate.box[:2] + candidate.box[2:]) / 2
    boxes = (_box(fit) for fit in known)
    return any(box[0] < x < box[2] and box[1] < y < box[3] for box in boxes)


def _box(fit: _Fit) -> FloatArray:
    return np.concatenate([fit.points[:, :2].min(axis=0), fit.points[:, :2].max(axis=0)])


def _sorted(detections: list[Detection]) -> list[Detection]:
    return sorted(detections, key=lambda one: -one.size_px)
