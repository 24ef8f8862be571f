"""The job: everything that decides the pixels of a shot, as one file that the gizmo, CLI, farm and worker share."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.ages import AgeCurve, RegionAges
from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.frames import parse_frames
from nuke_reage.core.settings import (
    AgeMapSettings,
    ColourSettings,
    FaceSettings,
    MaskSettings,
    ModelSettings,
    OutputSettings,
    PlateSettings,
)
from nuke_reage.core.strict import canonical_json, from_dict, read_json, to_dict

__all__ = ["JOB_VERSION", "JobSpec", "is_job_text", "load_job", "save_job"]

JOB_VERSION = 1
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class JobSpec:
    """One shot to re-age.

    Args:
        plate: the picture to work on.
        output: the files to write.
        source_age: age of the actor in the plate.
        target_age: age to show.
        region_age: years that the target age differs by in each region of the face.
        age_map: target ages painted by hand.
        frames: frame range such as ``1001-1050``; empty = all frames that the plate has.
        version: version of this format.
    """

    plate: PlateSettings
    output: OutputSettings
    source_age: AgeCurve
    target_age: AgeCurve
    frames: str = ""
    face: FaceSettings = field(default_factory=FaceSettings)
    colour: ColourSettings = field(default_factory=ColourSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    region_age: RegionAges = field(default_factory=RegionAges)
    age_map: AgeMapSettings = field(default_factory=AgeMapSettings)
    adjust: AdjustSettings = field(default_factory=AdjustSettings)
    version: int = JOB_VERSION

    def __post_init__(self) -> None:
        if self.version != JOB_VERSION:
            raise UsageError(
                "job-version",
                f"The job has version {self.version}; this ReAge reads version {JOB_VERSION}.",
                "Write the job again with this version, or use the ReAge that wrote it.",
            )
        if self.frames:
            parse_frames(self.frames)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON: equal jobs have equal hashes on every machine."""
        return hashlib.sha256(canonical_json(self).encode()).hexdigest()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobSpec:
        """Build a job from JSON values; an age that is the same in all frames may be a plain number.

        Raises:
            UsageError: unknown or missing keys, wrong types, values out of range.
        """
        ages = {
            name: {"keys": [{"frame": 0, "age_years": data[name]}]}
            for name in ("source_age", "target_age")
            if isinstance(data.get(name), (int, float)) and not isinstance(data[name], bool)
        }
        return from_dict(cls, {**data, **ages}, "job")

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_dict(self)
        return plain

    def with_sampled_ages(self, frames: tuple[int, ...]) -> JobSpec:
        """The job with all ages written down for each of these frames, beside their keyframes."""
        return replace(
            self,
            source_age=self.source_age.sampled(frames),
            target_age=self.target_age.sampled(frames),
            region_age=self.region_age.sampled(frames),
        )


def load_job(path: str | os.PathLike[str]) -> JobSpec:
    """Read a job file.

    Raises:
        UsageError: the file is missing, too large, not JSON, or not a job.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UsageError("bad-job", f"{file} is too large for a job file.", "Is this really a job file?")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("bad-job", f"Cannot read the job file {file}: {error}.", "Check the path.") from None
    return JobSpec.from_dict(read_json(text, str(file)))


def is_job_text(text: str) -> bool:
    """Whether a text is a job file's, of any version, with typing errors too."""
    try:
        data = read_json(text, "")
    except UsageError:
        return False
    return {"plate", "output", "source_age", "target_age"} <= set(data)


def save_job(job: JobSpec, path: str | os.PathLike[str]) -> None:
    """Write a job file, whole or not at all."""
    write_text_atomic(path, json.dumps(job.to_dict(), indent=2) + "\n")
