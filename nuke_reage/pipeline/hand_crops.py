"""Crops that an artist gives for a shot: whether they can be meant, put into its track, and taken out again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import format_frames
from nuke_reage.faces.backends.manual import ManualBackend
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.trackfile import FaceTrack, Track, quantised
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.geometry import apply_affine
from nuke_reage.media.sequence import PlateSource

__all__ = ["require_in_picture", "with_crops", "without_crops"]

_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def require_in_picture(crops: Mapping[int, ManualCrop], source: PlateSource) -> None:
    """Refuse crops that can only be slips of the hand; reads the frames that they are for.

    Args:
        crops: by frame.
        source: the plate.

    Raises:
        UsageError: the plate has no such frame, or the square lies wholly outside of its picture and its format.
        MediaError: a frame cannot be read.
    """
    missing = set(crops) - set(source.frames)
    if missing:
        raise UsageError(
            "bad-crop",
            f"A crop is given for frame {format_frames(missing)}, which the plate does not have.",
            f"The plate has {format_frames(source.frames)}.",
        )
    for frame, crop in sorted(crops.items()):
        plate = source.read(frame)
        corners = apply_affine(crop.crop_frame(plate.pixel_aspect).plate_from_canvas(1.0), _CORNERS)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        if not any(
            left < one.x_max and right > one.x_min and top < one.y_max and bottom > one.y_min
            for one in (plate.display_window, plate.data_window)
        ):
            shown = plate.display_window
            raise UsageError(
                "bad-crop",
                f"The crop of frame {frame} lies outside of the picture, which is {shown.width} x {shown.height}.",
                "Middle and side are in pixels of the plate, from the top left.",
            )


def with_crops(track: Track, select: str, crops: Mapping[int, ManualCrop], frames: tuple[int, ...]) -> Track:
    """The track with one face placed by hand; where none was found, that face is all there is.

    Args:
        track: the track.
        select: which face, as in :meth:`~nuke_reage.faces.trackfile.Track.face`.
        crops: by frame; those that the face has already stay.
        frames: of the plate.

    Raises:
        FaceError: there is no such face.
    """
    aspect = track.plate.pixel_aspect
    if track.faces:
        chosen = track.face(select)
        placed = chosen.with_overrides({**chosen.overrides, **crops}, pixel_aspect=aspect)
    else:
        placed = FaceTrack(0, _held(crops, frames, aspect), overrides=dict(crops))
    return replace(track, faces={**track.faces, placed.face_id: placed})


def without_crops(track: Track, select: str, frames: Collection[int]) -> Track:
    """The track with the crops of these frames forgotten, and with what they filled between keys.

    The face is missing there: what was found under a crop is not kept, so the plate must be tracked again.

    Args:
        track: the track.
        select: which face, as in :meth:`~nuke_reage.faces.trackfile.Track.face`.
        frames: key frames to forget.

    Raises:
        FaceError: there is no such face.
        UsageError: it has no crop in one of the frames.
    """
    chosen = track.face(select)
    keys = sorted(chosen.overrides)
    unknown = set(frames) - set(keys)
    if unknown:
        raise UsageError(
            "no-such-crop",
            f"Face {chosen.face_id} has no crop by hand in frame {format_frames(unknown)}.",
            f"It has them in {format_frames(keys)}." if keys else "It has none at all.",
        )
    left = {frame: crop for frame, crop in chosen.overrides.items() if frame not in frames}
    if all(face.state == "manual" for face in chosen.frames.values()):
        # Nobody else has seen this face: it is where the keys hold it.
        inside = tuple(frame for frame in chosen.frames if frame not in frames)
        now = _held(left, inside, track.plate.pixel_aspect) if left else {}
    else:
        now = dict(chosen.frames)
        gone = {*frames, *(one for frame in frames for one in _filled(frame, keys))} - set(left)
        now.update({frame: TrackedFace.missing() for frame in gone if now[frame].state == "manual"})
    forgotten = replace(chosen, frames=now, overrides=left)
    return replace(track, faces={**track.faces, chosen.face_id: forgotten})


def _held(crops: Mapping[int, ManualCrop], frames: Collection[int], aspect: float) -> dict[int, TrackedFace]:
    by_hand = ManualBackend(crops)
    return {frame: quantised(by_hand.face_at(frame, pixel_aspect=aspect)) for frame in frames}


def _filled(key: int, keys: list[int]) -> Iterator[int]:
    """The frames between a key and its neighbours."""
    index = keys.index(key)
    first, last = keys[max(index - 1, 0)], keys[min(index + 1, len(keys) - 1)]
    return iter(range(first + 1, last))
