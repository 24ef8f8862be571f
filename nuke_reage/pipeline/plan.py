"""A job, checked against what is on disk, before anything is tracked or computed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nuke_reage.core.errors import MediaError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec
from nuke_reage.core.pathmap import localise
from nuke_reage.core.site import Site, load_site, path_rules
from nuke_reage.faces.backends import create_backend
from nuke_reage.faces.trackfile import Track
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.sequence import PlateSource, open_plate
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.registry import Registry
from nuke_reage.pipeline.checks import check_choices, first_readable, matte_warnings
from nuke_reage.pipeline.maps import ShotMaps
from nuke_reage.pipeline.memory import ShotMemory
from nuke_reage.pipeline.outputs import check_output
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.pipeline.tracking import TrackPlan, plan_track

__all__ = ["ShotPlan", "plan_shot", "plan_space", "require_this_machine"]


@dataclass(frozen=True)
class ShotPlan:
    """What a job comes to.

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


def require_this_machine(plan: ShotPlan) -> None:
    """Make sure that this machine can run a plan: the network loads, the detector is there, the track has the face.

    Raises:
        ReageError: it cannot.
    """
    PredictorCache().get(plan.descriptor, plan.job, plan.site)
    if plan.track.state in {"given", "fresh"}:
        Track.load(plan.track.path).face(plan.job.face.select)
    else:
        create_backend(plan.job.face.detector)


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
