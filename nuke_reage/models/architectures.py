"""The networks that a descriptor can name.

To add one: write the module, then one entry in :func:`architecture`.  PyTorch is imported only when a network is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from nuke_reage.core.errors import ModelError
from nuke_reage.core.strict import nearest
from nuke_reage.models import fran_plan

if TYPE_CHECKING:
    from nuke_reage.models.fran import FranNet

__all__ = ["Architecture", "StateDict", "architecture"]

StateDict: TypeAlias = dict[str, npt.NDArray[Any]]
"""The weights of a network: arrays by name."""


@dataclass(frozen=True)
class Architecture:
    """A family of networks that share code and differ in width.

    Attributes:
        name: as in descriptors.
        build: width → network with arbitrary weights, whose ``forward(x, window)`` is that of
            :class:`nuke_reage.models.fran.FranNet`.
        layout: width → names and shapes of the state dict.
        width_key: the tensor whose first dimension is the width.
        receptive_radius_px: how far away an input pixel can matter; a multiple of 16.
    """

    name: str
    build: Callable[[int], FranNet]
    layout: Callable[[int], Mapping[str, tuple[int, ...]]]
    width_key: str
    receptive_radius_px: int

    def width_of(self, state: Mapping[str, npt.NDArray[Any]], source: str) -> int:
        """The width of the network that these arrays, out of a file called ``source``, belong to.

        Raises:
            ModelError: ``wrong-architecture``; they belong to another network.
        """
        first = state.get(self.width_key)
        if first is None or first.ndim != 4:
            raise ModelError(
                "wrong-architecture",
                f"{source} holds no {self.width_key!r}, so it is not of the {self.name!r} network.",
                "Give the state dict of a network of this architecture.",
            )
        return int(first.shape[0])


def architecture(name: str) -> Architecture:
    """Find an architecture by the name in a descriptor.

    Raises:
        ModelError: ``unknown-architecture``.
    """
    known = {
        "fran": Architecture(
            "fran", _build_fran, fran_plan.layout, "init_conv.0.weight", fran_plan.RECEPTIVE_RADIUS_PX
        ),
    }
    if name not in known:
        raise ModelError("unknown-architecture", f"There is no architecture {name!r}.", nearest(name, known))
    return known[name]


def _build_fran(width: int) -> FranNet:
    from nuke_reage.models.fran import FranNet

    return FranNet(width)
