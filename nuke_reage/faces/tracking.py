"""Track every face through a shot: detect, tell apart, fill gaps, make steady."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from nuke_reage.faces.association import Observation, Tracklet, assign, face_portrait
from nuke_reage.faces.backends.manual import ManualBackend
from nuke_reage.faces.canonical import fit_pose
from nuke_reage.faces.exposure import exposure_gain
from nuke_reage.faces.stabilise import Smoothing, stabilise
from nuke_reage.faces.trackfile import FaceTrack, PlateInfo, Track, quantised
from nuke_reage.faces.types import Detection, FaceBackend, FloatArray, FollowingBackend, check_image

__all__ = ["FrameInput", "SkinMeter", "TrackSettings", "detect_in_plate", "track_shot"]

FrameInput = tuple[int, FloatArray, tuple[float, float]]
"""Frame number, (H, W, 3) display-referred picture 0..1, plate coordinates of its top left corner."""

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
    return _detect(backend, image, squeeze, np.asarray(offset, np.float64), previous)


def track_shot(
    frames: Iterable[FrameInput],
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
    for frame, picture, offset in frames:
        if frame in numbers[-1:] or (numbers and frame < numbers[-1]):
            raise ValueError(f"frames must come in rising order, got {frame} after {numbers[-1]}")
        numbers.append(frame)
        if isinstance(backend, ManualBackend):
            continue
        _observe(tracklets, frame, picture, offset, backend, info.pixel_aspect, skin_meter)

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


def _observe(
    tracklets: list[Tracklet],
    frame: int,
    picture: FloatArray,
    offset: Sequence[float],
    backend: FaceBackend,
    pixel_aspect: float,
    skin_meter: SkinMeter | None,
) -> None:
    """Detect in one frame and give what is seen to its identities."""
    square, squeeze = _square_pixels(check_image(picture), pixel_aspect)
    origin = np.asarray(offset, np.float64)
    recent = [one for one in tracklets if frame - one.last.frame <= _FOLLOWED_FRAMES]
    previous = [one.last.detection.landmarks[:, :2] for one in recent]
    seen = []
    for detection in _detect(backend, square, squeeze, origin, previous):
        pose = fit_pose(detection.landmarks, pixel_aspect=pixel_aspect)
        local = fit_pose(_to_square(detection.landmarks, squeeze, origin))
        skin = skin_meter(frame, detection) if skin_meter is not None else None
        seen.append(Observation(frame, detection, pose, face_portrait(square, local), skin))
    matched = assign(tracklets, seen)
    for index, observation in enumerate(seen):
        if index in matched:
            tracklets[matched[index]].add(observation)
        else:
            tracklets.append(Tracklet())
            tracklets[-1].add(observation)


def _detect(
    backend: FaceBackend, image: FloatArray, squeeze: float, origin: np.ndarray, previous: Sequence[FloatArray]
) -> list[Detection]:
    if previous and isinstance(backend, FollowingBackend):
        found = backend.follow(image, [_to_square(one, squeeze, origin) for one in previous])
    else:
        found = backend.detect(image)
    moved = []
    for one in found:
        points = one.landmarks.astype(np.float64)
        points[:, 0] = points[:, 0] / squeeze + origin[0]
        points[:, 1] += origin[1]
        moved.append(Detection.from_landmarks(points, one.confidence))
    return moved


def _to_square(landmarks: FloatArray, squeeze: float, origin: np.ndarray) -> FloatArray:
    points = landmarks.astype(np.float64)
    points[:, 0] = (points[:, 0] - origin[0]) * squeeze
    points[:, 1] -= origin[1]
    return points.astype(np.float32)


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
