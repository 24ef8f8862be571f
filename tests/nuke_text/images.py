"""Pictures as Nuke's nodes pass them on: a bounding box, channels by name, and what lies outside of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.geometry import Window

__all__ = ["Image", "Pixels"]

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Image:
    """A stream.

    Outside the bounding box a node sees the nearest pixel of its edge, as in Nuke; a ring of black makes it black.

    Attributes:
        box: the bounding box, y counted downwards as in a file.
        channels: (h, w) float32 over the box, by full name; a channel that is not here is 0.
        format: the display window.
        pixel_aspect: width of a pixel over its height.
    """

    box: Window
    channels: Mapping[str, Pixels]
    format: Window
    pixel_aspect: float = 1.0

    @classmethod
    def black(cls, window: Window) -> Image:
        """One pixel of nothing: what an input that is not connected gives."""
        return cls(Window(window.x_min, window.y_min, window.x_min + 1, window.y_min + 1), {}, window)

    def get(self, channel: str, window: Window) -> Pixels:
        """A channel over any window."""
        if channel not in self.channels:
            return np.zeros(window.shape, np.float32)
        rows = np.clip(np.arange(window.y_min, window.y_max), self.box.y_min, self.box.y_max - 1) - self.box.y_min
        columns = np.clip(np.arange(window.x_min, window.x_max), self.box.x_min, self.box.x_max - 1) - self.box.x_min
        return self.channels[channel][np.ix_(rows, columns)]

    def on(self, box: Window) -> Image:
        """The same stream with another bounding box."""
        return replace(self, box=box, channels={name: self.get(name, box) for name in self.channels})

    def with_channels(self, changed: Mapping[str, Pixels]) -> Image:
        """The stream with channels replaced or added."""
        return replace(self, channels={**self.channels, **changed})

    def in_black_ring(self) -> Image:
        """The box grown by a pixel of black on each side."""
        box = self.box.expanded(1)
        return replace(self, box=box, channels={name: np.pad(one, 1) for name, one in self.channels.items()})
