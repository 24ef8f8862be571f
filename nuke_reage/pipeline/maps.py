"""Pictures by hand beside the plate: roto that shapes the mask, and painted ages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import MediaError
from nuke_reage.core.job import JobSpec
from nuke_reage.media.map_read import MapFrame, MapSource
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import output_path
from nuke_reage.pipeline.outputs import require_apart

__all__ = ["FrameMaps", "ShotMaps"]

Image = npt.NDArray[np.float32]

_YEARS_OF_WHITE = 100.0
"""Integer pictures cannot hold years: their white is 100, as it is for the network."""


@dataclass(frozen=True)
class FrameMaps:
    """The maps of one frame, each (h, w) float32 over the plate's data window, None where the job names none.

    Attributes:
        ages: painted years, finite.
        matte: 0..1, multiplies the mask.
        holdout: 0..1, is taken out of the mask.
    """

    ages: Image | None = None
    matte: Image | None = None
    holdout: Image | None = None


class ShotMaps:
    """The maps that a job names.

    Args:
        job: the job.

    Raises:
        MediaError: one of them is not there.
    """

    def __init__(self, job: JobSpec) -> None:
        named = {
            "age map": (job.age_map.path, False),
            "matte": (job.mask.matte, True),
            "holdout": (job.mask.holdout, True),
        }
        self._sources = {
            what: MapSource(spec, prefer_alpha=prefer_alpha) for what, (spec, prefer_alpha) in named.items() if spec
        }
        self._written = tuple(filter(None, (job.output.path, job.output.layers_path)))

    @property
    def are_none(self) -> bool:
        """Whether the job names no map."""
        return not self._sources

    def require_frames(self, frames: tuple[int, ...]) -> None:
        """Make sure that each map has these frames, and that the job writes over none of them.

        Raises:
            MediaError: frames are missing.
            UsageError: an output of the job is a map that it reads.
        """
        for what, source in self._sources.items():
            source.require_frames(frames)
            targets = (output_path(path, frame) for path in self._written for frame in frames)
            require_apart(targets, {source.path_of(frame) for frame in frames}, f"the {what}")

    def fingerprint(self, frame: int) -> dict[str, str]:
        """For each map a short text that changes when its pixels in this frame may have changed.

        Raises:
            MediaError: a map's frame is missing.
        """
        return {what: source.fingerprint(frame) for what, source in self._sources.items()}

    def read(self, frame: int, plate: Plate) -> FrameMaps:
        """The maps of a frame, laid onto the plate's pixels.

        Args:
            frame: frame number.
            plate: the plate's frame.

        Raises:
            MediaError: a map is missing, damaged, has no such channel, or is of another format than the plate.
        """
        found = {what: source.read(frame) for what, source in self._sources.items()}
        for what, picture in found.items():
            _require_format(what, picture, frame, plate)
        ages = found.get("age map")
        return FrameMaps(
            None if ages is None else _sound(ages, plate) * np.float32(_YEARS_OF_WHITE if ages.is_integer else 1.0),
            *(np.clip(_sound(found[what], plate), 0, 1) if what in found else None for what in ("matte", "holdout")),
        )


def _require_format(what: str, picture: MapFrame, frame: int, plate: Plate) -> None:
    own, wanted = picture.display_window, plate.display_window
    if own.shape != wanted.shape:
        raise MediaError(
            "map-size",
            f"The {what} of frame {frame} is {own.width} x {own.height}, the plate {wanted.width} x {wanted.height}.",
            "Render it in the plate's format (Reformat in Nuke).",
        )


def _sound(picture: MapFrame, plate: Plate) -> Image:
    """Values over the plate's data window; what is no number counts as unpainted."""
    values = picture.placed(plate.data_window, plate.display_window)
    return np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
