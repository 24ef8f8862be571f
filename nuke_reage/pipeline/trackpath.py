"""A track for the host: where the head is in Nuke's coordinates, and ST maps made from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import CancelledError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.trackpath import TrackPath, TrackStep
from nuke_reage.faces.crops import crop_of_face
from nuke_reage.faces.trackfile import FaceTrack, Track
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.geometry import Window, apply_affine, compose_affine, invert_affine, nuke_from_plate
from nuke_reage.media.exr import Part, write_layers
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource, open_plate, output_path
from nuke_reage.pipeline.outputs import check_st_maps
from nuke_reage.pipeline.plan import plan_space
from nuke_reage.pipeline.reporting import Reporter

__all__ = ["luma_weights", "open_track_path", "track_path", "write_st_maps"]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_CORNERS = ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))
# Points of the MediaPipe mesh; the mean of each group is one of POINTS.  Left is the left of the screen.
_LANDMARKS = ((33, 133, 159, 145), (263, 362, 386, 374), (1, 4), (61, 291), (152,))


def luma_weights(space: WorkingSpace) -> tuple[float, float, float]:
    """Luminance of the red, green and blue of a linear space, their sum 1; Rec.709's where the space is not linear."""
    if not space.is_linear:
        red, green, blue = _LUMINANCE
    else:
        primaries = space.to_linear_rec709(np.eye(3, dtype=np.float32)[None])[0]
        weights = primaries.astype(np.float64) @ _LUMINANCE
        red, green, blue = weights / weights.sum()
    return round(float(red), 6), round(float(green), 6), round(float(blue), 6)


def track_path(face: FaceTrack, display: Window, pixel_aspect: float, space: WorkingSpace) -> TrackPath:
    """A face in Nuke's coordinates.

    Args:
        face: the tracked face.
        display: the plate's display window.
        pixel_aspect: of the plate.
        space: of the plate, for the luma weights.
    """
    steps = tuple(_step(frame, face.frames[frame], display, pixel_aspect) for frame in face.present_frames)
    return TrackPath(display.width, display.height, pixel_aspect, steps, luma_weights(space))


def open_track_path(job: JobSpec, track: Track) -> TrackPath:
    """The path of the face that a job chooses.

    Raises:
        ReageError: no such face, or no frame of the plate can be read.
    """
    source = open_plate(job.plate.path, layer=job.plate.layer or None)
    first = source.read(source.frames[0])
    return track_path(track.face(job.face.select), first.display_window, first.pixel_aspect, plan_space(job, source))


def write_st_maps(
    source: PlateSource,
    face: FaceTrack,
    output: str,
    reference_frame: int,
    reporter: Reporter,
    frames: Iterable[int] | None = None,
) -> list[Path]:
    """Write ST maps that carry a picture of the reference frame along with the face.

    The map is that of the head's similarity: place, size and roll.  Red and green hold where a pixel comes from, 0..1
    over the display window from its bottom left as Nuke's STMap wants it, blue is 0, alpha 1; 32-bit float.

    Args:
        source: the plate.
        face: the tracked face.
        output: EXR sequence to write.
        reference_frame: frame in which nothing moves; the nearest one with the face counts.
        reporter: listener; ``stmap`` is the stage.
        frames: frames to write; None = all that have the face.

    Raises:
        CancelledError: the reporter asked to stop.
        UsageError: as :func:`~nuke_reage.pipeline.outputs.check_st_maps`.
        ReageError: a file cannot be read or written.
    """
    plate = source.read(source.frames[0])
    reference = face.frames[min(face.present_frames, key=lambda one: (abs(one - reference_frame), one))]
    wanted = [frame for frame in (frames or face.present_frames) if face.at(frame) is not None]
    check_st_maps(output, source, wanted)
    written = []
    for index, frame in enumerate(wanted):
        if reporter.cancelled():
            raise CancelledError("by-user", "Stopped.", "Run the same command again.")
        channels = _st_map(plate, face.frames[frame], reference)
        path = output_path(output, frame)
        write_layers(
            path,
            [Part("rgba", channels, plate.display_window)],
            display_window=plate.display_window,
            pixel_aspect=plate.pixel_aspect,
            sample_type="float",
        )
        written.append(path)
        reporter.progress("stmap", index + 1, len(wanted))
    return written


def _step(frame: int, face: TrackedFace, display: Window, aspect: float) -> TrackStep:
    crop = crop_of_face(face, aspect).crop_frame(aspect)
    corners = nuke_from_plate(apply_affine(crop.plate_from_canvas(1.0), _CORNERS), display)
    middles = np.stack([face.landmarks[list(group)].mean(axis=0) for group in _LANDMARKS]).astype(np.float64)
    pivot = nuke_from_plate([[face.pose.centre_x / aspect, face.pose.centre_y]], display)
    hull = cv2.convexHull((face.landmarks * (aspect, 1.0)).astype(np.float32))
    return TrackStep(
        frame,
        _pairs(pivot)[0],
        face.pose.scale_px,
        -face.pose.roll_degrees,
        _pairs(corners),
        _pairs(nuke_from_plate(middles, display)),
        round(float(np.sqrt(4 / np.pi * cv2.contourArea(hull))), 3),
    )


def _pairs(points: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in points)


def _st_map(plate: Plate, face: TrackedFace, reference: TrackedFace) -> dict[str, npt.NDArray[np.float32]]:
    display, aspect = plate.display_window, plate.pixel_aspect
    then = crop_of_face(reference, aspect).crop_frame(aspect).plate_from_canvas(1.0)
    now = crop_of_face(face, aspect).crop_frame(aspect).plate_from_canvas(1.0)
    matrix = compose_affine(then, invert_affine(now))
    x, y = np.meshgrid(np.arange(display.width) + display.x_min + 0.5, np.arange(display.height) + display.y_min + 0.5)
    source = nuke_from_plate(apply_affine(matrix, np.column_stack([x.ravel(), y.ravel()])), display)
    across = (source[:, 0] / display.width).reshape(x.shape).astype(np.float32)
    up = (source[:, 1] / display.height).reshape(x.shape).astype(np.float32)
    return {"R": across, "G": up, "B": np.zeros_like(up), "A": np.ones_like(up)}
