"""A shot, opened: plate, colour, track, model and canvas of a job, ready to bake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from nuke_reage.core.adjust import Protection, RegionGains
from nuke_reage.core.job import JobSpec
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import load_site, path_rules
from nuke_reage.faces.canonical import framing_from_spec
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.trackfile import FaceTrack, Track
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.atomic import remove_stale_partials, require_writable_folder
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import PlateSource, open_plate
from nuke_reage.models.backends import Predictor
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.pipeline.canvas import CanvasPlan, plan_canvas
from nuke_reage.pipeline.frame import FrameExtras
from nuke_reage.pipeline.maps import ShotMaps
from nuke_reage.pipeline.memory import ShotMemory
from nuke_reage.pipeline.outputs import output_folders
from nuke_reage.pipeline.plan import ShotPlan, plan_shot, plan_space
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.pipeline.reporting import Reporter, Silent, warn_of_ages
from nuke_reage.pipeline.tracking import obtain_track

__all__ = ["Shot", "encoding_of", "open_shot", "track_job"]


@dataclass(frozen=True)
class Shot:
    """Everything that is the same for all frames.

    Attributes:
        job: the job, with the trackfile filled in.
        source: reads the plate.
        frames: frames to bake.
        descriptor: the model's card.
        load_predictor: loads the network.
        encoding: plate pixels to network pixels and back.
        track: the track of the whole plate.
        face: the chosen face.
        canvas: the network's raster; None where the face is missing in every frame.
        maps: the roto and the painted ages that the job names.
    """

    job: JobSpec
    source: PlateSource
    frames: tuple[int, ...]
    descriptor: ModelDescriptor
    load_predictor: Callable[[], Predictor]
    encoding: NetworkEncoding
    track: Track
    face: FaceTrack
    canvas: CanvasPlan | None
    maps: ShotMaps

    def face_at(self, frame: int) -> TrackedFace | None:
        """The face in a frame, None where it is missing."""
        return self.face.at(frame)

    def extras(self, frame: int, plate: Plate) -> FrameExtras:
        """What the job asks of a frame beyond one age and a mask; reads its maps.

        Raises:
            MediaError: a map is missing, damaged or of another format than the plate.
        """
        output, adjust = self.job.output, self.job.adjust
        finished = "comp" in output.layers or Path(output.path).suffix.lower() != ".exr"
        return FrameExtras(
            regions="regions" in output.layers or (finished and adjust.regions != RegionGains()),
            protect="protect" in output.layers or (finished and adjust.protect != Protection()),
            ladder=self.job.output.ladder,
            region_years=self.job.region_age.at(frame),
            age_map=self.job.age_map,
            maps=self.maps.read(frame, plate),
        )

    @cached_property
    def predictor(self) -> Predictor:
        """The network, ready to run; loaded when it is first asked for, so that a run that keeps all never waits."""
        return self.load_predictor()

    @cached_property
    def signature(self) -> str:
        """What the shot as a whole adds to every frame's fingerprint."""
        space = self.encoding.working_space
        gains = (self.encoding.exposure_gain, self.encoding.white_gain)
        return repr((self.canvas, gains, space.name, space.config_name, self.descriptor.lines, self.descriptor.shade))


def open_shot(
    job: JobSpec,
    reporter: Reporter | None = None,
    *,
    frames: str = "",
    predictors: PredictorCache | None = None,
    memory: ShotMemory | None = None,
    overwrite: bool = False,
) -> Shot:
    """Open a job for baking; tracks the whole plate where no track holds.

    Args:
        job: the job.
        reporter: listener; None = nobody.
        frames: frame range that counts instead of the job's own.
        predictors: where warm networks are kept; None = nowhere.
        memory: of the shot before; None = there was none.
        overwrite: track again.

    Raises:
        ReageError: anything that the job names does not exist or does not fit; FaceError without any face.
    """
    listener = reporter or Silent()
    memory = memory or ShotMemory()
    plan = plan_shot(job, frames, memory, overwrite=overwrite)
    job = plan.job
    for text in plan.warnings:
        listener.warn(text)
    # Found out now, not after an hour of tracking: an output that cannot be written, a model that cannot be loaded.
    for folder in output_folders(job.output):
        require_writable_folder(folder)
        remove_stale_partials(folder)
    load_predictor = partial((predictors or PredictorCache()).get, plan.descriptor, job, plan.site)
    if overwrite or plan.track.state in {"missing", "stale"}:
        load_predictor()
    track, track_path = obtain_track(
        job, plan.source, plan.space, listener, overwrite=overwrite, load=memory.load_track, plan=plan.track
    )
    face = track.face(job.face.select)
    _warn_about_ages(job, plan, listener)
    canvas = memory.about(
        track, "canvas", (job.face.select, plan.descriptor, job.mask), lambda: _plan_canvas(track, face, plan)
    )
    filled = replace(job, face=replace(job.face, track=track_path.as_posix()))
    encoding = encoding_of(job, plan.space, face)
    return Shot(
        filled, plan.source, plan.frames, plan.descriptor, load_predictor, encoding, track, face, canvas, plan.maps
    )


def _plan_canvas(track: Track, face: FaceTrack, plan: ShotPlan) -> CanvasPlan | None:
    present = [face.frames[frame] for frame in face.present_frames]
    if not present:
        return None
    return plan_canvas(
        present,
        framing_from_spec(plan.descriptor.framing),
        track.plate.pixel_aspect,
        plan.job.mask,
        plan.descriptor.canvas_px,
        plan.descriptor.max_canvas_px,
    )


def track_job(
    job: JobSpec,
    reporter: Reporter,
    *,
    path: Path | None = None,
    crops: Mapping[int, ManualCrop | None] | None = None,
    overwrite: bool = False,
) -> tuple[Track, Path]:
    """Track the plate of a job, without a model; arguments and errors as :func:`obtain_track`."""
    site = load_site()
    job = localise(job, path_rules(site), site.roots)
    source = open_plate(job.plate.path, layer=job.plate.layer or None)
    space = plan_space(job, source, site)
    return obtain_track(job, source, space, reporter, path=path, crops=crops, overwrite=overwrite)


def encoding_of(job: JobSpec, space: WorkingSpace, face: FaceTrack) -> NetworkEncoding:
    """How the plate is shown to the network: the face's own gains from its track, and what the job adds to them."""
    exposure = 2.0**job.colour.exposure_stops * (face.exposure_gain if job.colour.auto_exposure else 1.0)
    red, green, blue = (own * asked for own, asked in zip(face.white_gain, job.colour.white_gain, strict=True))
    return NetworkEncoding(space, exposure, (red, green, blue))


def _warn_about_ages(job: JobSpec, plan: ShotPlan, reporter: Reporter) -> None:
    target = [job.target_age.at(frame) for frame in plan.frames]
    runs = {"source age": [job.source_age.at(frame) for frame in plan.frames], "target age": target}
    offsets = [job.region_age.at(frame) for frame in plan.frames]
    for region in sorted({name for years in offsets for name in years}):
        runs[f"target age of the {region}"] = [
            age + years.get(region, 0.0) for age, years in zip(target, offsets, strict=True)
        ]
    if job.output.ladder:
        runs["age ladder"] = list(job.output.ladder)
    for name, ages in runs.items():
        warn_of_ages(reporter, name, ages, plan.descriptor)
