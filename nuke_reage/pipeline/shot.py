"""A shot, opened: plate, colour, track, model and canvas of a job, ready to bake."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from nuke_reage.core.adjust import Protection, RegionGains
from nuke_reage.core.errors import MediaError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import Site, load_site, path_rules
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
from nuke_reage.models.registry import Registry
from nuke_reage.pipeline.canvas import CanvasPlan, plan_canvas
from nuke_reage.pipeline.checks import check_choices, first_readable, matte_warnings
from nuke_reage.pipeline.frame import FrameExtras
from nuke_reage.pipeline.maps import ShotMaps
from nuke_reage.pipeline.memory import ShotMemory
from nuke_reage.pipeline.outputs import check_output, output_folders
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.pipeline.reporting import Reporter, Silent, warn_of_ages
from nuke_reage.pipeline.tracking import TrackPlan, obtain_track, plan_track

__all__ = ["Shot", "ShotPlan", "encoding_of", "open_shot", "plan_shot", "plan_space", "track_job"]


@dataclass(frozen=True)
class ShotPlan:
    """A job, checked against what is on disk, before anything is tracked or computed.

    Attributes:
        job: the job, its paths as this machine calls them.
        source: reads the plate.
        frames: frames to bake.
        space: the plate's colour space.
        descriptor: the model's card.
        track: where the track lies and whether it holds.
        site: the machine's settings.
        maps: the roto and the painted ages that the job names.
        warnings: what the artist should know beforehand, in sentences.
    """

    job: JobSpec
    source: PlateSource
    frames: tuple[int, ...]
    space: WorkingSpace
    descriptor: ModelDescriptor
    track: TrackPlan
    site: Site
    maps: ShotMaps
    warnings: tuple[str, ...] = ()


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
        return repr((self.canvas, gains, space.name, space.config_name, self.descriptor.lines))


def plan_shot(job: JobSpec, frames: str = "", memory: ShotMemory | None = None, *, overwrite: bool = False) -> ShotPlan:
    """Check a job without computing anything.

    Args:
        job: the job.
        frames: frame range that counts instead of the job's own.
        memory: of the shot before; None = there was none.
        overwrite: the track is to be made again, whatever lies there.

    Raises:
        ReageError: plate, frames, layer, face, maps, colourspace, detector, backend or model do not exist or do not
            fit, the output cannot be what it is to be, the trackfile beside it is damaged and to be kept, or a path
            lies where the site lets no job go.
    """
    site = load_site()
    job = localise(job, path_rules(site), site.roots)
    source = open_plate(job.plate.path, layer=job.plate.layer or None)
    memory = memory or ShotMemory()
    space = plan_space(job, source, site, memory)
    descriptor = Registry.from_environment().get(job.model.name)
    descriptor.require_weights()
    chosen = _choose_frames(frames or job.frames, source)
    check_output(job.output, source, chosen)
    check_choices(job, source, chosen)
    maps = ShotMaps(job)
    warnings: tuple[str, ...] = ()
    if not maps.are_none:
        # Now, not after an hour of tracking.
        maps.require_frames(chosen)
        frame, plate = first_readable(source, chosen)
        warnings = matte_warnings(maps.read(frame, plate), frame)
    track = plan_track(job, source, space, load=memory.load_track, overwrite=overwrite)
    return ShotPlan(job, source, chosen, space, descriptor, track, site, maps, warnings)


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


def plan_space(
    job: JobSpec, source: PlateSource, site: Site | None = None, memory: ShotMemory | None = None
) -> WorkingSpace:
    """The colour space of a job's plate.

    Args:
        job: the job.
        source: its plate.
        site: the machine's settings; None = as they are now.
        memory: of the shot before; None = there was none.

    Raises:
        UsageError: no such config or space.
    """
    name = job.plate.colorspace or ("scene_linear" if source.is_scene_linear else "srgb")
    config = job.plate.ocio_config or os.environ.get("OCIO") or (site or load_site()).ocio_config
    return (memory or ShotMemory()).space(name, config)


def _choose_frames(text: str, source: PlateSource) -> tuple[int, ...]:
    if not text:
        return source.frames
    frames = parse_frames(text)
    missing = sorted(set(frames) - set(source.frames))
    if missing:
        raise MediaError(
            "missing-frame",
            f"{source.spec} has no frame {format_frames(missing[:20])}{' ...' if len(missing) > 20 else ''}.",
            f"The plate has {format_frames(source.frames)}; leave the missing ones out with --frames.",
        )
    return frames


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
