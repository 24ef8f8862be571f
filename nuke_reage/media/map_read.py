"""One channel of pictures that lie beside a plate: roto mattes, holdouts, painted age maps."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nuke_reage.core.errors import MediaError
from nuke_reage.core.frames import format_frames
from nuke_reage.core.strict import nearest
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.channels import ChannelRef, list_channels
from nuke_reage.media.image_open import all_specs, data_window_of, display_window_of, is_exr, open_image, read_samples
from nuke_reage.media.image_read import channel_names_of, read_plate
from nuke_reage.media.movie_read import MOVIE_SUFFIXES
from nuke_reage.media.pattern import FramePattern
from nuke_reage.media.plate import FloatArray
from nuke_reage.media.sequence import ImageSource, file_fingerprint

__all__ = ["MapFrame", "MapSource", "split_channel"]

_STILL_CHANNELS = {"R": 0, "G": 1, "B": 2}


@dataclass(frozen=True, eq=False)
class MapFrame:
    """One frame of a map.

    Attributes:
        values: (h, w) float32 as the file has them, those of integer stills with the largest code scaled to 1.
        data_window: the pixels that they cover.
        display_window: the picture's format.
        is_integer: whether they are such codes; an EXR's never are.
    """

    values: FloatArray
    data_window: Window
    display_window: Window
    is_integer: bool

    def placed(self, window: Window, display_window: Window) -> FloatArray:
        """The values on other pixels, 0 where the map has none.

        Args:
            window: pixels wanted, in coordinates of the plate.
            display_window: the plate's format; both formats' first corners are the same point.

        Returns:
            (window height, window width) float32.
        """
        shift_x = display_window.x_min - self.display_window.x_min
        shift_y = display_window.y_min - self.display_window.y_min
        own = self.data_window
        moved = Window(own.x_min + shift_x, own.y_min + shift_y, own.x_max + shift_x, own.y_max + shift_y)
        common = moved.intersect(window)
        result = np.zeros(window.shape, np.float32)
        if not common.is_empty:
            result[common.slices_in(window)] = self.values[common.slices_in(moved)]
        return result


class MapSource:
    """A sequence of maps, or one picture for every frame.

    Args:
        spec: ``file.####.exr``, a still, or either with ``:channel``.
        prefer_alpha: without a channel, take alpha where there is one; else, and where there is none, the first of
            red, grey, and whatever comes first.

    Raises:
        MediaError: nothing is there, or it is a movie.
    """

    def __init__(self, spec: str, *, prefer_alpha: bool) -> None:
        path, self._channel = split_channel(spec)
        if Path(path).suffix.lower() in MOVIE_SUFFIXES:
            raise MediaError(
                "map-is-movie", f"{path} is a movie, not a map", "Write it as an EXR or PNG sequence, losslessly."
            )
        if Path(path).expanduser().is_dir():
            raise MediaError("is-folder", f"{path} is a folder, not a picture", "Name a file or a sequence.")
        self._spec = spec
        self._source = ImageSource(path)
        self._is_sequence = FramePattern.parse(path) is not None
        self._prefer_alpha = prefer_alpha

    def require_frames(self, frames: Collection[int]) -> None:
        """Make sure that there is a map for each of these frames.

        Raises:
            MediaError: some are missing.
        """
        missing = sorted(set(frames) - set(self._source.frames)) if self._is_sequence else []
        if missing:
            raise MediaError(
                "missing-map-frame",
                f"{self._spec} has no frame {format_frames(missing[:20])}{' ...' if len(missing) > 20 else ''}",
                f"It has {format_frames(self._source.frames)}; render the rest, leave frames out with --frames, or "
                "name one picture for all of them.",
            )

    def fingerprint(self, frame: int) -> str:
        """A short text that changes when the frame's values may have changed; the channel counts.

        Raises:
            MediaError: the frame is missing.
        """
        return file_fingerprint(self.path_of(frame), salt=f"{self._channel} {self._prefer_alpha}")

    def path_of(self, frame: int) -> Path:
        """The file that a frame is read from.

        Raises:
            MediaError: the frame is missing.
        """
        return self._source.path_of(frame if self._is_sequence else self._source.frames[0])

    def read(self, frame: int) -> MapFrame:
        """Read a frame.

        Raises:
            MediaError: the frame or the channel is missing, or the file cannot be read.
        """
        path = self.path_of(frame)
        with open_image(path) as image:
            if is_exr(image):
                specs = all_specs(image)
                chosen = self._choose(list_channels(channel_names_of(specs)), path)
                spec = specs[chosen.part]
                values = read_samples(image, chosen.part, chosen.index, chosen.index + 1, path)[..., 0]
                return MapFrame(
                    np.ascontiguousarray(values, np.float32),
                    data_window_of(spec),
                    display_window_of(spec),
                    is_integer=False,
                )
        return self._read_still(path)

    def _choose(self, refs: tuple[ChannelRef, ...], path: Path) -> ChannelRef:
        by_name = {ref.name: ref for ref in refs}
        if self._channel:
            folded = {name.lower(): ref for name, ref in by_name.items()}
            if self._channel.lower() not in folded:
                raise _no_channel(path, self._channel, by_name)
            return folded[self._channel.lower()]
        wanted = ("alpha", "red", "grey") if self._prefer_alpha else ("red", "grey")
        main = [ref for ref in refs if not ref.layer] or list(refs)
        for role in wanted:
            for ref in main:
                if ref.role == role:
                    return ref
        return main[0]

    def _read_still(self, path: Path) -> MapFrame:
        """A still, turned upright; its channels are R, G, B and A."""
        plate = read_plate(path, channels=("A",))
        alpha = plate.channels.get("A")
        name = self._channel.upper() or ("A" if self._prefer_alpha and alpha is not None else "R")
        if name == "A" and alpha is not None:
            values = alpha
        elif name in _STILL_CHANNELS:
            values = plate.rgb[..., _STILL_CHANNELS[name]]
        else:
            raise _no_channel(path, self._channel, [*_STILL_CHANNELS, *(["A"] if alpha is not None else [])])
        return MapFrame(
            np.ascontiguousarray(values), plate.data_window, plate.display_window, not plate.is_floating_point
        )


def split_channel(spec: str) -> tuple[str, str]:
    """Path and channel of ``file.####.exr:channel``; the channel is empty where none is named.

    >>> split_channel("C:/roto/m.####.exr:mask.alpha")
    ('C:/roto/m.####.exr', 'mask.alpha')
    >>> split_channel("C:/roto/m.png")
    ('C:/roto/m.png', '')
    """
    path, colon, channel = spec.rpartition(":")
    is_drive = re.fullmatch(r"[A-Za-z]", path) is not None
    if not colon or is_drive or "/" in channel or "\\" in channel or Path(spec).expanduser().exists():
        return spec, ""
    return path, channel


def _no_channel(path: Path, channel: str, known: Collection[str]) -> MediaError:
    return MediaError("unknown-channel", f"{path} has no channel {channel!r}", nearest(channel, known))
