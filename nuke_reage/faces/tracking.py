"""Track every face through a shot: detect, tell apart, fill gaps, make steady."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.faces.association import Observation, Tracklet, assign, face_portrait
from nuke_reage.faces.backends.manual import ManualBackend
from nuke_reage.faces.canonical import fit_pose
from nuke_reage.faces.exposure import exposure_gain
from nuke_reage.faces.stabilise import Smoothing, stabilise
from nuke_reage.faces.trackfile import FaceTrack, PlateInfo, Track, quantised
from nuke_reage.faces.types import Detection, FaceBackend, FloatArray, FollowingBackend, check_image

__all__ = ["FrameInput", "SkinMeter", "TrackSettings", "detect_in_plate", "track_shot"]


class FrameInput(NamedTuple):
    """One frame as the tracker takes it; a plain tuple of the first three does as well.

    Attributes:
        frame: frame number.
        picture: (H, W, 3) display-referred, 0..1.
        offset: plate coordinates of its top left corner.
        scale: picture pixels per plate pixel, horizontally and vertically; a picture of UHD size may come smaller.
    """

    frame: int
    picture: FloatArray
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)


SkinMeter = Callable[[int, Detection], float | None]
"""Called with frame number and detection (plate coordinates) while that frame is the current one."""

_FOLLOWED_FRAMES = 3


@dataclass(frozen=True)
class TrackSettings:
    """How a shot is tracked.

    Attributes:
        smoothing: how faces are made steady.
        min_confidence: faces that are never this sure are dropped, 0..1.
        min_frames: faces seen in fewer frames are dropped (shots shorter than this keep all).
    """

    smoothing: Smoothing = field(default_factory=Smoothing)
    min_confidence: float = 0.75
    min_frames: int = 3


def detect_in_plate(
    backend: FaceBackend,
    image_rgb_display: FloatArray,
    *,
    offset: Sequence[float] = (0.0, 0.0),
    pixel_aspect: float = 1.0,
    previous: Sequence[FloatArray] = (),
) -> list[Detection]:
    """Find faces in a plate's picture, non-square pixels undone.

    Args:
        backend: the detector.
        image_rgb_display: (H, W, 3) floating point, 0..1, as a viewer would show the plate's data window.
        offset: plate coordinates of the data window's top left corner.
        pixel_aspect: width of a plate pixel over its height.
        previous: landmarks of the last frame's faces, (468, 2) plate coordinates, for backends that can follow.

    Returns:
        Detections in plate coordinates, largest first; z in square pixels.
    """
    image, squeeze = _square_pixels(check_image(image_rgb_display), pixel_aspect)
    return _detect(backend, image, _Place.of(offset, (squeeze, 1.0)), previous)


def track_shot(
    frames: Iterable[FrameInput | tuple[int, FloatArray, tuple[float, float]]],
    *,
    backend: FaceBackend,
    settings: TrackSettings | None = None,
    plate: PlateInfo | None = None,
    older: Track | None = None,
    skin_meter: SkinMeter | None = None,
) -> Track:
    """Track all faces of a shot.

    Args:
        frames: pictures in shot order; only one is held at a time.
        backend: the detector; crops given by hand are taken as they are, without smoothing.
        settings: how.
        plate: what the track belongs to; its pixel aspect is used.
        older: a track of the same shot whose crops by hand are kept.
        skin_meter: measures the linear brightness of a face in the current frame, see
            :func:`nuke_reage.faces.exposure.sample_skin`; without it the exposure gain stays 1.

    Returns:
        A track with a state for each face and frame, most prominent face first.  Without any face it is empty: that is
        no error before somebody asks for a face.

    Raises:
        ValueError: a picture has a wrong shape or type, or a frame number comes twice.
    """
    chosen = settings or TrackSettings()
    info = plate or PlateInfo()
    numbers: list[int] = []
    tracklets: list[Tracklet] = []
    for entry in frames:
        given = FrameInput(*entry)
        if numbers and given.frame <= numbers[-1]:
            raise ValueError(f"frames must come in rising order, got {given.frame} after {numbers[-1]}")
        numbers.append(given.frame)
        if isinstance(backend, ManualBackend):
            continue
        _observe(tracklets, given, backend, info.pixel_aspect, skin_meter)

    if isinstance(backend, ManualBackend):
        by_hand = {one: quantised(backend.face_at(one, pixel_aspect=info.pixel_aspect)) for one in numbers}
        faces = [FaceTrack(0, by_hand, overrides=backend.keys)] if numbers else []
    else:
        faces = [_finish(one, numbers, chosen, info.pixel_aspect) for one in _credible(tracklets, numbers, chosen)]
    faces.sort(key=lambda one: -one.prominence)
    numbered = {
        index: FaceTrack(index, face.frames, face.exposure_gain, face.white_gain, face.overrides)
        for index, face in enumerate(faces)
    }
    track = Track(numbered, info, backend.name)
    return track.keeping_overrides_of(older) if older is not None else track


@dataclass(frozen=True)
class _Place:
    """Where a picture lies: picture coordinates = (plate coordinates - origin) * scale."""

    origin: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def of(cls, origin: Sequence[float], scale: Sequence[float]) -> _Place:
        return cls(np.asarray(origin, np.float64), np.asarray(scale, np.float64))

    def to_picture(self, landmarks: FloatArray) -> FloatArray:
        points = landmarks.astype(np.float64)
        points[:, :2] = (points[:, :2] - self.origin) * self.scale
        points[:, 2:] *= self.scale[1]
        return points.astype(np.float32)

    def to_plate(self, landmarks: FloatArray) -> npt.NDArray[np.float64]:
        points = landmarks.astype(np.float64)
        points[:, :2] = points[:, :2] / self.scale + self.origin
        points[:, 2:] /= self.scale[1]
        return points


def _observe(
    tracklets: list[Tracklet],
    given: FrameInput,
    backend: FaceBackend,
    pixel_aspect: float,
    skin_meter: SkinMeter | None,
) -> None:
    """Detect in one frame and give what is seen to its identities."""
    picture_aspect = pixel_aspect * given.scale[1] / given.scale[0]
    square, squeeze = _square_pixels(check_image(given.picture), picture_aspect)
    place = _Place.of(given.offset, (given.scale[0] * squeeze, given.scale[1]))
    recent = [one for one in tracklets if given.frame - one.last.frame <= _FOLLOWED_FRAMES]
    previous = [one.last.detection.landmarks[:, :2] for one in recent]
    seen = []
    for detection in _detect(backend, square, place, previous):
        pose = fit_pose(detection.landmarks, pixel_aspect=pixel_aspect)
        local = fit_pose(place.to_picture(detection.landmarks))
        skin = skin_meter(given.frame, detection) if skin_meter is not None else None
        seen.append(Observation(given.frame, detection, pose, face_portrait(square, local), skin))
    matched = assign(tracklets, seen)
    for index, observation in enumerate(seen):
        if index in matched:
            tracklets[matched[index]].add(observation)
        else:
            tracklets.append(Tracklet())
            tracklets[-1].add(observation)


def _detect(backend: FaceBackend, image: FloatArray, place: _Place, previous: Sequence[FloatArray]) -> list[Detection]:
    if previous and isinstance(backend, FollowingBackend):
        found = backend.follow(image, [place.to_picture(one) for one in previous])
    else:
        found = backend.detect(image)
    return [Detection.from_landmarks(place.to_plate(one.landmarks), one.confidence) for one in found]


def _square_pixels(image: FloatArray, pixel_aspect: float) -> tuple[FloatArray, float]:
    """The picture with square pixels, and the exact factor by which its width grew."""
    if not pixel_aspect > 0:
        raise ValueError(f"pixel aspect must be above 0, got {pixel_aspect}")
    height, width = image.shape[:2]
    wide = max(1, round(width * pixel_aspect))
    if wide == width:
        return image, 1.0
    method = cv2.INTER_LINEAR if wide > width else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (wide, height), interpolation=method), dtype=np.float32), wide / width


def _credible(tracklets: list[Tracklet], numbers: list[int], settings: TrackSettings) -> list[Tracklet]:
    """Identities that are no chance finds."""
    needed = min(settings.min_frames, len(numbers))
    return [
        one
        for one in tracklets
        if len(one.observations) >= needed
        and max(seen.detection.confidence for seen in one.observations) >= settings.min_confidence
    ]


def _finish(tracklet: Tracklet, numbers: list[int], settings: TrackSettings, pixel_aspect: float) -> FaceTrack:
    steady = stabilise(tracklet.observations, numbers, settings.smoothing, pixel_aspect=pixel_aspect)
    gain = exposure_gain(one.skin for one in tracklet.observations)
    return FaceTrack(0, {frame: quantised(face) for frame, face in steady.items()}, round(gain, 6))
