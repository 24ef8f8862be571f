"""Layers as their file holds them, and read back from it, so that a second run needs no network to show them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import PROTECTED, REGIONS, AdjustSettings, Protection, RegionGains
from nuke_reage.media.exr import read_layers
from nuke_reage.media.layers import Part
from nuke_reage.pipeline.frame import FrameLayers, as_half
from nuke_reage.pipeline.layer_parts import COLOURS

__all__ = ["as_stored", "read_stored"]

Image = npt.NDArray[np.float32]


def as_stored(layers: FrameLayers) -> FrameLayers:
    """The layers rounded as their file holds them (``dwaa`` left aside); the ladder stays as it is.

    Args:
        layers: as they were made.
    """

    def rounded(pixels: Image) -> Image:
        return as_half(pixels).astype(np.float32, copy=False)

    return replace(
        layers,
        delta=rounded(layers.delta),
        mask=rounded(layers.mask),
        regions=None if layers.regions is None else rounded(layers.regions),
        protect=None if layers.protect is None else rounded(layers.protect),
    )


def read_stored(path: Path, adjust: AdjustSettings, face_size_px: float) -> FrameLayers | None:
    """What the finished picture of a frame takes, from its layer file.

    Args:
        path: the EXR.
        adjust: how the picture is made.
        face_size_px: the face size in this frame, in rows of the plate.

    Returns:
        The layers without their ladder, or None where the file lacks a part that the picture needs.

    Raises:
        MediaError: the file is missing or damaged.
    """
    parts = read_layers(path).parts
    needed = {"delta", "mask"}
    needed |= {"regions"} if adjust.regions != RegionGains() else set()
    needed |= {"protect"} if adjust.protect != Protection() else set()
    if not needed <= set(parts):
        return None
    return FrameLayers(
        parts["delta"].data_window,
        _pixels(parts["delta"], "reage_delta", COLOURS),
        parts["mask"].channels["reage_mask.alpha"],
        _pixels(parts["regions"], "reage_region", REGIONS) if "regions" in needed else None,
        _pixels(parts["protect"], "reage_protect", PROTECTED) if "protect" in needed else None,
        face_size_px=face_size_px,
    )


def _pixels(part: Part, layer: str, channels: tuple[str, ...]) -> Image:
    return np.stack([part.channels[f"{layer}.{channel}"] for channel in channels], axis=-1)
