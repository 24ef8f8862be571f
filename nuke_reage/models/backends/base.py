"""What all backends share: the protocol, the way in and out, and a small cache of compiled networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran_plan import MULTIPLE, PixelWindow

__all__ = ["Ages", "CompiledCache", "Image", "Predictor", "pack_input", "unpack_delta"]

Image: TypeAlias = npt.NDArray[np.float32]
Ages: TypeAlias = float | npt.NDArray[np.float32]
Compiled = TypeVar("Compiled")

_SMALLEST_SIDE_PX = 64


class Predictor(Protocol):
    """A network that is ready to run.

    Attributes:
        name: backend, device and number format, for logs and provenance, such as ``"openvino cpu bf16"``.
        descriptor: of the model.
    """

    name: str
    descriptor: ModelDescriptor

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """Computes the delta of one canvas.

        Args:
            rgb: (H, W, 3) float32, encoded as the descriptor says; H and W multiples of 16, at least 64.
            source_age: years, one number or (H, W) float32.
            target_age: years, one number or (H, W) float32.
            window: rows and columns wanted; the values are those of the whole canvas, outside is not computed.

        Returns:
            (H, W, 3) float32, or (h, w, 3) of the window: to be added to ``rgb``.

        Raises:
            ValueError: wrong shape, dtype or window.
        """
        ...


class CompiledCache(Generic[Compiled]):
    """The networks compiled last, by shape and window; compiling takes longer than running a small one."""

    def __init__(self, capacity: int = 4) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, Compiled] = OrderedDict()

    def get(self, key: Hashable, build: Callable[[], Compiled]) -> Compiled:
        """The entry of that key, built if it is not there; the one unused for longest makes room."""
        if key not in self._entries:
            while len(self._entries) >= self._capacity:
                self._entries.popitem(last=False)
            self._entries[key] = build()
        self._entries.move_to_end(key)
        return self._entries[key]


def pack_input(
    rgb: Image, source_age: Ages, target_age: Ages, window: tuple[slice, slice] | None
) -> tuple[Image, PixelWindow]:
    """Check a canvas and lay it out for the network.

    Returns:
        (1, 5, H, W) float32 of red, green, blue, source age / 100, target age / 100; and the window as bounds.

    Raises:
        ValueError: wrong shape, dtype or window.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.float32:
        raise ValueError(f"canvas must be (H, W, 3) float32, not {rgb.shape} {rgb.dtype}")
    height, width = rgb.shape[:2]
    if height % MULTIPLE or width % MULTIPLE or min(height, width) < _SMALLEST_SIDE_PX:
        raise ValueError(
            f"canvas sides must be multiples of {MULTIPLE} and at least {_SMALLEST_SIDE_PX}, not {height}×{width}"
        )
    packed = np.empty((1, 5, height, width), np.float32)
    packed[0, :3] = rgb.transpose(2, 0, 1)
    for channel, age in ((3, source_age), (4, target_age)):
        years = np.asarray(age, np.float32)
        if years.shape not in ((), (height, width)):
            raise ValueError(f"an age must be a number or ({height}, {width}), not {years.shape}")
        packed[0, channel] = years / np.float32(100.0)
    return packed, _bounds(window, height, width)


def unpack_delta(delta: Image) -> Image:
    """(1, 3, h, w) as the network gives it to (h, w, 3), contiguous and owned by the caller."""
    return np.array(delta[0].transpose(1, 2, 0), dtype=np.float32, order="C")


def _bounds(window: tuple[slice, slice] | None, height: int, width: int) -> PixelWindow:
    if window is None:
        return 0, height, 0, width
    top, bottom, row_step = window[0].indices(height)
    left, right, column_step = window[1].indices(width)
    if row_step != 1 or column_step != 1 or top >= bottom or left >= right:
        raise ValueError(f"window {window} holds no rectangle of the {height}×{width} canvas")
    return top, bottom, left, right
