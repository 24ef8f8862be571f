"""The tracked shot, and what an artist may ask of it.

A track is made once for the whole shot; after that every frame stands alone.  Its numbers are rounded when it is made,
so that a track that was saved and loaded is the same to the last bit.  :mod:`nuke_reage.faces.trackjson` is the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from nuke_reage.core.errors import FaceError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.faces import trackjson
from nuke_reage.faces.crops import ManualCrop, crop_of_face, crops_at, face_in_crop
from nuke_reage.faces.types import Pose, TrackedFace

__all__ = ["TRACK_VERSION", "FaceTrack", "PlateInfo", "Track", "parse_selector", "quantised"]

TRACK_VERSION = 1
_SAME_CROP_PX = 1e-3


@dataclass(frozen=True)
class PlateInfo:
    """The plate that a track belongs to.

    Attributes:
        pattern: as the artist gave it, for example ``shot.####.exr``.
        fingerprint: of its files, to notice another plate under the same name; empty if unknown.
        display_width: pixels of the display window.
        display_height: pixels of the display window.
        pixel_aspect: width of a pixel over its height, above 0.
    """

    pattern: str = ""
    fingerprint: str = ""
    display_width: int = 0
    display_height: int = 0
    pixel_aspect: float = 1.0


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over the shot.

    Attributes:
        face_id: number of the face, 0 = the most prominent one.
        frames: a face for every frame of the shot, missing ones included.
        exposure_gain: brings the face's skin to the brightness that networks know, one value for the shot.
        white_gain: the same for its red, green and blue.
        overrides: crops that an artist keyed; they win over what was tracked, and tracking again keeps them.
    """

    face_id: int
    frames: Mapping[int, TrackedFace]
    exposure_gain: float = 1.0
    white_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    overrides: Mapping[int, ManualCrop] = field(default_factory=dict)

    def at(self, frame: int) -> TrackedFace | None:
        """The face in a frame, or None where it is missing or the frame is not part of the track."""
        face = self.frames.get(frame)
        return face if face is not None and face.is_present else None

    @property
    def present_frames(self) -> tuple[int, ...]:
        """Frames in which the face is there, in order."""
        return tuple(sorted(frame for frame, face in self.frames.items() if face.is_present))

    @property
    def prominence(self) -> float:
        """Mean area over the shot, frames without the face counting as 0, in square pixels."""
        areas = [face.pose.scale_px**2 for face in self.frames.values() if face.is_present]
        return sum(areas) / len(self.frames) if self.frames else 0.0

    def with_overrides(self, overrides: Mapping[int, ManualCrop], *, pixel_aspect: float = 1.0) -> FaceTrack:
        """The face with crops given by hand.

        Each key replaces its own frame.  A frame without the face that lies between two neighbouring keys takes the
        crop between them, so that two keys bridge a gap of any length.

        Args:
            overrides: crop of each key frame; takes the place of the face's present overrides.
            pixel_aspect: of the plate.
        """
        frames = dict(self.frames)
        keys = sorted(overrides)
        for first, last in pairwise(keys):
            for frame in range(first + 1, last):
                if frame in frames and not frames[frame].is_present:
                    crop = crops_at(overrides, frame)
                    frames[frame] = quantised(face_in_crop(crop, pixel_aspect=pixel_aspect))
        for frame in keys:
            now = frames.get(frame)
            if now is None or not _is_placed(now, overrides[frame], pixel_aspect):
                frames[frame] = quantised(face_in_crop(overrides[frame], pixel_aspect=pixel_aspect, like=now))
        return replace(self, frames=frames, overrides=dict(overrides))


@dataclass(frozen=True, eq=False)
class Track:
    """All faces of a shot.

    Attributes:
        faces: by number, 0 = the most prominent one; empty where no face was found.
        plate: what was tracked.
        backend: name of the detector.
        version: of the file format.
    """

    faces: Mapping[int, FaceTrack]
    plate: PlateInfo = field(default_factory=PlateInfo)
    backend: str = "mediapipe"
    version: int = TRACK_VERSION

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Track:
        """Read a trackfile.

        Raises:
            FaceError: the file is missing, cut off, not a trackfile, of a newer version, or has an unknown key.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FaceError("track-not-found", f"There is no trackfile {file}.", "Track the shot first.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise FaceError("corrupt-track", f"Cannot read trackfile {file}: {error}.", trackjson.HINT) from None
        content = trackjson.parse(text, str(file))
        plate = PlateInfo(**content.plate)
        faces = {}
        for face_id, one in content.faces.items():
            face = FaceTrack(face_id, one.frames, one.exposure_gain, one.white_gain)
            faces[face_id] = face.with_overrides(one.overrides, pixel_aspect=plate.pixel_aspect)
        return cls(faces, plate, content.backend, content.version)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a trackfile, whole or not at all.

        Raises:
            UsageError: the folder cannot be written, or the disk is full.
        """
        faces = {
            face.face_id: trackjson.FaceContent(
                dict(face.frames), face.exposure_gain, face.white_gain, dict(face.overrides)
            )
            for face in self.faces.values()
        }
        content = trackjson.TrackContent(self.version, vars(self.plate), self.backend, faces)
        write_text_atomic(path, trackjson.render(content))

    def face(self, selector: str | int = "largest", *, frame: int | None = None) -> FaceTrack:
        """Choose a face.

        Args:
            selector: ``"largest"`` (over the whole shot), a face's number, or ``"x,y"`` in plate coordinates: the face
                that comes nearest to that point.
            frame: for ``"x,y"``, the frame that is meant; any frame otherwise.

        Raises:
            FaceError: there is no face at all, none of that number, or the selector cannot be read.
        """
        if not self.faces:
            raise FaceError(
                "no-face",
                f"No face was found in {self.plate.pattern or 'the plate'}.",
                "Give a crop by hand, or check exposure and colourspace: the detector sees what a viewer would show.",
            )
        wanted = parse_selector(selector)
        if wanted is None:
            return max(self.faces.values(), key=lambda one: (one.prominence, -one.face_id))
        if isinstance(wanted, int):
            if wanted not in self.faces:
                known = ", ".join(str(one) for one in sorted(self.faces))
                raise FaceError("unknown-face", f"There is no face {wanted}.", f"Faces of this track: {known}.")
            return self.faces[wanted]
        x, y = wanted
        return min(self.faces.values(), key=lambda one: _distance(one, x, y, frame))

    def keeping_overrides_of(self, older: Track) -> Track:
        """This track with the crops that an artist gave in an older track of the same shot.

        Faces are the same where they lie nearest to each other; a face that only the artist saw is added.
        """
        faces = dict(self.faces)
        aspect = self.plate.pixel_aspect
        for old in older.faces.values():
            keys = {f: crop_of_face(face, aspect) for f, face in old.frames.items() if face.state == "manual"}
            keys.update(old.overrides)
            if not keys:
                continue
            match = _nearest_face(faces, old)
            if match is None:
                face_id = max(faces, default=-1) + 1
                frames = {f: TrackedFace.missing() for f in old.frames}
                faces[face_id] = FaceTrack(face_id, frames, old.exposure_gain, old.white_gain).with_overrides(
                    keys, pixel_aspect=aspect
                )
            else:
                faces[match] = faces[match].with_overrides(keys, pixel_aspect=aspect)
        return replace(self, faces=faces)


def parse_selector(selector: str | int) -> int | tuple[float, float] | None:
    """Which face is meant: its number, a point ``x,y`` in plate coordinates, or None for ``largest``.

    Raises:
        FaceError: it is none of them.
    """
    wanted = str(selector).strip()
    if wanted == "largest":
        return None
    numbers: list[float] = []
    try:
        if "," not in wanted:
            return int(wanted)
        numbers = [float(part) for part in wanted.split(",")]
    except ValueError:
        pass
    if len(numbers) != 2 or not np.isfinite(numbers).all():
        raise FaceError(
            "bad-selector",
            f"Cannot choose a face by {wanted!r}.",
            "Say largest, a face's number, or x,y in pixels.",
        )
    return numbers[0], numbers[1]


def quantised(face: TrackedFace) -> TrackedFace:
    """A face with the precision of the file: 0.0001 px, 0.00001 degrees."""
    if not face.is_present:
        return face
    pose = face.pose
    return TrackedFace(
        np.round(face.landmarks.astype(np.float64), 4).astype(np.float32),
        Pose(
            round(float(pose.centre_x), 4),
            round(float(pose.centre_y), 4),
            round(float(pose.scale_px), 5),
            *(round(float(angle), 5) for angle in (pose.roll_degrees, pose.yaw_degrees, pose.pitch_degrees)),
        ),
        round(face.confidence, 4),
        face.state,
    )


def _is_placed(face: TrackedFace, crop: ManualCrop, pixel_aspect: float) -> bool:
    """Whether a face has been moved into this crop already, so that doing it again would only add rounding."""
    if face.state != "manual":
        return False
    now = crop_of_face(face, pixel_aspect)
    return bool(
        np.allclose(
            [now.centre_x, now.centre_y, now.side_px, now.angle_degrees],
            [crop.centre_x, crop.centre_y, crop.side_px, crop.angle_degrees],
            rtol=0,
            atol=_SAME_CROP_PX,
        )
    )


def _distance(face: FaceTrack, x: float, y: float, frame: int | None) -> float:
    frames = face.present_frames if frame is None else (frame,)
    distances = [float("inf")]
    for one in frames:
        there = face.at(one)
        if there is not None:
            middle = there.landmarks.mean(axis=0)
            distances.append(float(np.hypot(middle[0] - x, middle[1] - y)))
    return min(distances)


def _nearest_face(faces: Mapping[int, FaceTrack], old: FaceTrack) -> int | None:
    best: tuple[float, int] | None = None
    for face_id, face in faces.items():
        distances = []
        for frame in old.present_frames:
            now = face.at(frame)
            if now is not None:
                then = old.frames[frame]
                away = float(np.hypot(*(now.landmarks.mean(axis=0) - then.landmarks.mean(axis=0))))
                distances.append(away / then.pose.scale_px)
        if distances and (best is None or float(np.median(distances)) < best[0]):
            best = (float(np.median(distances)), face_id)
    return best[1] if best is not None and best[0] < 1.0 else None
