"""From a job to a trackfile: the whole plate is tracked once, whatever frames are baked later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import CancelledError, FaceError, MediaError
from nuke_reage.core.files import set_aside
from nuke_reage.core.job import JobSpec
from nuke_reage.core.strict import canonical_json
from nuke_reage.faces.backends import create_backend
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.exposure import sample_skin
from nuke_reage.faces.stabilise import Smoothing
from nuke_reage.faces.trackfile import PlateInfo, Track
from nuke_reage.faces.tracking import FrameInput, TrackSettings, track_shot
from nuke_reage.faces.types import Detection
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource
from nuke_reage.pipeline.hand_crops import require_in_picture, with_crops, without_crops
from nuke_reage.pipeline.outputs import name_of_shot
from nuke_reage.pipeline.prefetch import prefetch
from nuke_reage.pipeline.reporting import Reporter

__all__ = ["TrackPlan", "obtain_track", "plan_track"]

Image = npt.NDArray[np.float32]

_DETECTION_SIDE_PX = 1920
_GREY_LINEAR = 0.18
_DARKEST_LINEAR = 1e-4
_LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)


@dataclass(frozen=True)
class TrackPlan:
    """Where the track of a job lies, and whether it still holds.

    Attributes:
        path: the trackfile.
        fingerprint: of the plate and the tracking settings, as they are now.
        state: ``given`` (named by the artist, taken as it is), ``fresh``, ``stale``, ``missing``, or ``damaged``
            (cannot be read, and is to be replaced).
    """

    path: Path
    fingerprint: str
    state: str


def plan_track(
    job: JobSpec,
    source: PlateSource,
    space: WorkingSpace,
    path: Path | None = None,
    load: Callable[[Path], Track] = Track.load,
    *,
    overwrite: bool = False,
) -> TrackPlan:
    """Find out what has to be tracked, without tracking.

    Args:
        job: the job.
        source: its plate.
        space: the plate's colour space.
        path: trackfile to make; None = the one that the job names, else one beside the output.
        load: reads a trackfile.
        overwrite: a damaged trackfile is to be replaced; a named one (``given``) never is.

    Raises:
        FaceError: a trackfile is damaged and not to be replaced, or a named one is missing.
    """
    settings = [job.face.detector, job.face.smoothing, job.face.max_gap, space.name, space.config_name, job.plate.layer]
    files = [f"{frame} {source.fingerprint(frame)}" for frame in source.frames]
    fingerprint = hashlib.sha256("\n".join([canonical_json(settings), *files]).encode()).hexdigest()
    if job.face.track and path is None:
        if not Path(job.face.track).is_file():
            raise FaceError("track-not-found", f"There is no trackfile {job.face.track}.", "Track the shot first.")
        return TrackPlan(Path(job.face.track), fingerprint, "given")
    place = path or _beside(job.output.path)
    if not place.exists():
        return TrackPlan(place, fingerprint, "missing")
    try:
        holds = load(place).plate.fingerprint == fingerprint
    except FaceError:
        if not overwrite:
            raise
        return TrackPlan(place, fingerprint, "damaged")
    return TrackPlan(place, fingerprint, "fresh" if holds else "stale")


def obtain_track(
    job: JobSpec,
    source: PlateSource,
    space: WorkingSpace,
    reporter: Reporter,
    *,
    path: Path | None = None,
    crops: Mapping[int, ManualCrop | None] | None = None,
    overwrite: bool = False,
    load: Callable[[Path], Track] = Track.load,
    plan: TrackPlan | None = None,
) -> tuple[Track, Path]:
    """The job's track: read where it holds, made and saved where it does not.

    Args:
        job: the job.
        source: its plate.
        space: the plate's colour space.
        reporter: listener; ``track`` is the stage.
        path: as in :func:`plan_track`.
        crops: where the chosen face is, keyed by hand; they are kept when the plate is tracked again.  None instead of
            a crop takes the one of that frame out, and the plate is tracked again.
        overwrite: track again in any case, except a track that the artist has named; a damaged one is kept as ``.bak``.
        load: reads a trackfile.
        plan: what :func:`plan_track` has just said; None = ask it.

    Returns:
        The track and where it lies.

    Raises:
        FaceError: a trackfile is damaged, or a named one missing; it may hold work by hand and is left alone.
        UsageError: a crop is for a frame that the plate lacks or lies outside of the picture, or one to take out is not
            there.
        MediaError: no frame of the plate can be read.
        CancelledError: the reporter asked to stop; nothing is written.
    """
    plan = plan or plan_track(job, source, space, path, load, overwrite=overwrite)
    if plan.state == "given":
        track = load(plan.path)
        if track.plate.fingerprint != plan.fingerprint:
            reporter.warn(f"{plan.path} was made from another plate or other settings; it is used as it is.")
        return track, plan.path
    placed = {frame: crop for frame, crop in (crops or {}).items() if crop is not None}
    forgotten = set(crops or ()) - set(placed)
    require_in_picture(placed, source)
    older = load(plan.path) if plan.state in {"fresh", "stale"} else None
    if forgotten:
        older = without_crops(older or Track({}), job.face.select, forgotten)
    if older is None or plan.state == "stale" or overwrite or forgotten:
        track = _track(job, source, space, plan.fingerprint, older, reporter)
    elif placed:
        track = older
    else:
        return older, plan.path
    if placed:
        track = with_crops(track, job.face.select, placed, source.frames)
    if len(source.frames) > 1 or path is not None:
        # For a single still finding the face again is quicker than explaining the file.
        if plan.state == "damaged":
            reporter.warn(f"{plan.path} was damaged; it is kept as {set_aside(plan.path)}.")
        track.save(plan.path)
    return track, plan.path


def _beside(output: str) -> Path:
    """``out/shot.####.exr`` → ``out/shot.track.json``."""
    return Path(output).with_name(f"{name_of_shot(output) or 'plate'}.track.json")


def _track(
    job: JobSpec, source: PlateSource, space: WorkingSpace, fingerprint: str, older: Track | None, reporter: Reporter
) -> Track:
    pictures = _Pictures(source, space, reporter)
    first = pictures.first_plate()
    plate = PlateInfo(
        pattern=job.plate.path,
        fingerprint=fingerprint,
        display_width=first.display_window.width,
        display_height=first.display_window.height,
        pixel_aspect=first.pixel_aspect,
    )
    settings = TrackSettings(Smoothing(strength=job.face.smoothing, max_gap_frames=job.face.max_gap))
    return track_shot(
        pictures,
        backend=create_backend(job.face.detector),
        settings=settings,
        plate=plate,
        older=older,
        skin_meter=pictures.measure_skin,
    )


class _Pictures:
    """The plate as a detector wants to see it, frame by frame, and the light of the frame in hand."""

    def __init__(self, source: PlateSource, space: WorkingSpace, reporter: Reporter) -> None:
        self._source = source
        self._space = space
        self._reporter = reporter
        self._curve = DisplayCurve()
        self._linear: Image = np.zeros((1, 1, 3), np.float32)
        self._offset = (0.0, 0.0)
        self._scale = (1.0, 1.0)

    def first_plate(self) -> Plate:
        """The first frame that can be read.

        Raises:
            MediaError: none can; the error of the first.
        """
        plates = (self._read(frame) for frame in self._source.frames)
        first = next(plates)
        found = first if isinstance(first, Plate) else next((one for one in plates if isinstance(one, Plate)), first)
        if isinstance(found, MediaError):
            raise found
        return found

    def __iter__(self) -> Iterator[FrameInput]:
        frames = self._source.frames
        self._reporter.progress("track", 0, len(frames))
        for index, (frame, plate) in enumerate(zip(frames, prefetch(self._read, frames), strict=True)):
            if self._reporter.cancelled():
                raise CancelledError("by-user", "Stopped while tracking.", "Run the same command again.")
            if isinstance(plate, MediaError):
                self._reporter.warn(f"frame {frame} is left out of the track: {plate.message}")
            else:
                yield self._prepare(frame, plate)
            self._reporter.progress("track", index + 1, len(frames))

    def measure_skin(self, _frame: int, detection: Detection) -> float | None:
        landmarks = (detection.landmarks[:, :2] - self._offset) * self._scale
        return sample_skin(self._linear, landmarks)

    def _read(self, frame: int) -> Plate | MediaError:
        try:
            return self._source.read(frame)
        except MediaError as error:
            return error

    def _prepare(self, frame: int, plate: Plate) -> FrameInput:
        """The plate as a viewer shows it, no larger than a detector needs; its light stays for the skin meter."""
        height, width = plate.data_window.shape
        shrink = min(1.0, _DETECTION_SIDE_PX / max(width * plate.pixel_aspect, height))
        small = (max(1, round(width * plate.pixel_aspect * shrink)), max(1, round(height * shrink)))
        pixels = np.nan_to_num(plate.rgb, nan=0.0, posinf=0.0, neginf=0.0)
        if small != (width, height):
            method = cv2.INTER_AREA if shrink < 1.0 else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, small, interpolation=method), np.float32)
        self._linear = self._space.to_linear_rec709(pixels)
        self._offset = (float(plate.data_window.x_min), float(plate.data_window.y_min))
        self._scale = (small[0] / width, small[1] / height)
        luminance = np.maximum(cv2.transform(self._linear[::4, ::4], _LUMINANCE), _DARKEST_LINEAR)
        gain = _GREY_LINEAR / float(np.exp(np.log(luminance).mean()))
        picture = np.clip(self._curve.encode(self._linear * np.float32(gain)), 0.0, 1.0)
        return FrameInput(frame, picture, self._offset, self._scale)
