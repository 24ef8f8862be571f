"""What a finished frame was made from, so that a second run knows whether it still holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nuke_reage import __version__
from nuke_reage.core.errors import MediaError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.strict import canonical_json
from nuke_reage.faces.types import TrackedFace
from nuke_reage.media.exr import read_layer_metadata

__all__ = ["FINGERPRINT_KEY", "frame_fingerprint", "holds"]

FINGERPRINT_KEY = "reage/fingerprint"


def frame_fingerprint(
    job: JobSpec,
    frame: int,
    plate_fingerprint: str,
    face: TrackedFace | None,
    shot: str,
    model_sha256: str,
    map_fingerprints: Mapping[str, str],
) -> str:
    """SHA-256 of everything that decides a frame's pixels.

    Args:
        job: the job; its paths, device and frame range do not count.
        frame: frame number.
        plate_fingerprint: of the plate's frame.
        face: the tracked face in this frame, None where it is missing.
        shot: what the whole shot gives: canvas and gains, as text.
        model_sha256: of the weights.
        map_fingerprints: of the maps' frames.
    """
    pose = None if face is None else [face.state, face.landmarks.tobytes().hex(), repr(face.pose)]
    parts = [
        __version__,
        plate_fingerprint,
        pose,
        shot,
        model_sha256,
        job.source_age.at(frame),
        job.target_age.at(frame),
        [job.plate.colorspace, job.plate.ocio_config, job.plate.layer],
        [job.model.precision, job.model.tiling, job.model.lines, job.model.shade],
        replace(job.mask, matte="", holdout=""),
        job.region_age.at(frame),
        [job.age_map.mode, job.age_map.soften] if job.age_map.path else None,
        [f"{what} {text}" for what, text in sorted(map_fingerprints.items())],
        job.adjust if "comp" in job.output.layers else None,
        [list(job.output.layers), job.output.compression, list(job.output.ladder)],
    ]
    return hashlib.sha256("\n".join(canonical_json(part) for part in parts).encode()).hexdigest()


def holds(path: Path, fingerprint: str) -> bool:
    """Whether a finished file is there, readable and made from the same things."""
    try:
        return path.is_file() and _recorded(path) == fingerprint
    except MediaError:
        return False


def _recorded(path: Path) -> str:
    found = read_layer_metadata(path, to_the_end=True).get(FINGERPRINT_KEY)
    return str(found.value) if found else ""
