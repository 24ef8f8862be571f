"""The parts of a layered EXR, in the order of the file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import PROTECTED, REGIONS
from nuke_reage.core.ladder import ladder_part
from nuke_reage.core.settings import OutputSettings
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part
from nuke_reage.media.plate import Plate
from nuke_reage.pipeline.frame import FrameLayers, LadderStep

__all__ = ["COLOURS", "layer_parts"]

Samples = npt.NDArray[np.float16] | npt.NDArray[np.float32]

COLOURS = ("red", "green", "blue")
"""Channels of a delta, in order."""


def layer_parts(plate: Plate, layers: FrameLayers | None, output: OutputSettings, picture: Plate | None) -> list[Part]:
    """Lay out a file: delta, mask, regions, protect, the ladder, comp, as far as they are asked for.

    Args:
        plate: the frame.
        layers: what was made of it; None = no face, and all parts but the comp are a single black pixel.
        output: what is asked for.
        picture: the finished picture, where the comp is.
    """
    made = layers or _nothing(plate, output)
    window = made.window
    parts = {
        "delta": _part("delta", "reage_delta", COLOURS, made.delta, window),
        "mask": _part("mask", "reage_mask", ("alpha",), made.mask[..., None], window),
    }
    if made.regions is not None:
        parts["regions"] = _part("regions", "reage_region", REGIONS, made.regions, window)
    if made.protect is not None:
        parts["protect"] = _part("protect", "reage_protect", PROTECTED, made.protect, window)
    if picture is not None:
        alpha = picture.channels.get("A", np.ones(picture.rgb.shape[:2], np.float32))
        channels = {name: picture.rgb[..., i] for i, name in enumerate("RGB")} | {"A": alpha}
        # Half where that is what the plate has: anything else would not give its own values back.
        parts["comp"] = Part("comp", channels, plate.data_window, "half" if plate.sample_type == "half" else "float")
    order = ("delta", "mask", "regions", "protect")
    ladder = [
        _part(name, name.replace("ladder", "reage_delta"), COLOURS, step.delta, window)
        for name, step in ((ladder_part(step.age_years), step) for step in made.ladder)
    ]
    last = [parts["comp"]] if "comp" in output.layers else []
    return [*(parts[name] for name in order if name in output.layers), *ladder, *last]


def _part(name: str, layer: str, channels: Sequence[str], pixels: Samples, window: Window) -> Part:
    return Part(name, {f"{layer}.{channel}": pixels[..., i] for i, channel in enumerate(channels)}, window)


def _nothing(plate: Plate, output: OutputSettings) -> FrameLayers:
    corner = plate.data_window

    def black(channels: int) -> npt.NDArray[np.float32]:
        return np.zeros((1, 1, channels), np.float32)

    return FrameLayers(
        Window(corner.x_min, corner.y_min, corner.x_min + 1, corner.y_min + 1),
        black(3),
        black(1)[..., 0],
        black(len(REGIONS)),
        black(len(PROTECTED)),
        tuple(LadderStep(age, black(3)) for age in output.ladder),
    )
