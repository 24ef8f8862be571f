"""Small bakes on disk, and what ``imaging.adjust`` makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from nuke_reage.core.adjust import PROTECTED, REGIONS, AdjustSettings, Protection, RegionGains
from nuke_reage.core.knobs import KNOBS, setting_of
from nuke_reage.core.ladder import ladder_part
from nuke_reage.imaging.adjust import adjusted_comp, adjusted_delta, adjusted_mask
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, read_layers, write_layers
from nuke_text.images import Image, Pixels

__all__ = ["FACE_PX", "Bake", "adjustments", "bake", "knobs_of", "plate_image", "reference"]

FACE_PX = 30.0
WEIGHTS = (0.27, 0.67, 0.06)
RGB = ("red", "green", "blue")


@dataclass
class Bake:
    """A plate, and the layers that were baked for it."""

    plate: Image
    window: Window
    pattern: str
    ages: tuple[float, ...] = ()
    stored: Mapping[str, Pixels] = field(default_factory=dict)


def plate_image(box: Window, display: Window, pixel_aspect: float = 1.0, seed: int = 1) -> Image:
    """A grainy plate with values above 1 and below 0."""
    random = np.random.default_rng(seed)
    rgba = {f"rgba.{name}": random.normal(0.5, 0.6, box.shape).astype(np.float32) for name in RGB}
    rgba["rgba.alpha"] = random.random(box.shape).astype(np.float32)
    return Image(box, rgba, display, pixel_aspect)


def bake(
    folder: Path,
    plate: Image,
    window: Window,
    *,
    ages: Sequence[float] = (),
    mattes: bool = True,
    frame: int = 1001,
    seed: int = 2,
) -> Bake:
    """Write layers as the pipeline does: multi-part, half, the data window that of the face, delta 0 off the mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[window.y_min : window.y_max, window.x_min : window.x_max] + 0.5
    centre = ((window.y_min + window.y_max) / 2, (window.x_min + window.x_max) / 2)
    far = np.hypot((rows - centre[0]) / window.height, (columns - centre[1]) / window.width)
    ramp = np.clip((0.55 - far) / 0.25, 0, 1)
    mask = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    inside = mask.astype(np.float16) > 0

    def light() -> Pixels:
        noise = random.normal(0, 0.2, (*window.shape, 3)) * inside[..., None]
        return np.asarray(noise, np.float32)

    def part(name: str, layer: str, names: Sequence[str], pixels: Pixels) -> Part:
        channels = {f"{layer}.{one}": np.ascontiguousarray(pixels[..., i]) for i, one in enumerate(names)}
        return Part(name, channels, window)

    parts = [
        part("delta", "reage_delta", RGB, light()),
        part("mask", "reage_mask", ["alpha"], mask[..., None]),
    ]
    if mattes:
        shares = random.random((*window.shape, len(REGIONS))).astype(np.float32)
        shares /= shares.sum(axis=2, keepdims=True)
        parts.append(part("regions", "reage_region", REGIONS, shares))
        held = random.random((*window.shape, len(PROTECTED))).astype(np.float32)
        parts.append(part("protect", "reage_protect", PROTECTED, held))
    for age in ages:
        name = ladder_part(age)
        parts.append(part(name, name.replace("ladder", "reage_delta"), RGB, light()))
    pattern = str(folder / "bake.%04d.exr")
    path = folder / f"bake.{frame:04d}.exr"
    write_layers(path, parts, display_window=plate.format, pixel_aspect=plate.pixel_aspect)
    # By name: a file keeps its channels in an order of its own.
    found = read_layers(path).parts
    stored = {one.name: np.stack([found[one.name].channels[name] for name in one.channels], axis=-1) for one in parts}
    return Bake(plate, window, pattern, tuple(ages), stored)


def knobs_of(adjust: AdjustSettings) -> dict[str, float]:
    """Settings as values of the gizmo's knobs, by the table."""
    found: dict[str, float] = {}
    for one in KNOBS:
        if one.setting.startswith("adjust."):
            value = setting_of(adjust, one.setting.removeprefix("adjust."))
            values = [getattr(value, part) for part in one.parts] if one.parts else [value]
            found.update(zip(one.node_knobs, values, strict=True))
    return found


@dataclass(frozen=True)
class Reference:
    """What ``imaging.adjust`` gives over the plate's box: comp, added light, mask."""

    comp: Pixels
    added: Pixels
    mask: Pixels


def reference(made: Bake, adjust: AdjustSettings, delta: Pixels | None = None, roto: Pixels | None = None) -> Reference:
    """The picture that a gizmo must give; ``roto`` is over the plate's box and multiplies the mask."""
    box, window, aspect = made.plate.box, made.window, made.plate.pixel_aspect
    inside = window.slices_in(box)
    light, mask = made.stored["delta"] if delta is None else delta, made.stored["mask"][..., 0]
    mattes = {"regions": made.stored.get("regions"), "protect": made.stored.get("protect")}
    margins = (
        window.y_min - box.y_min, box.y_max - window.y_max, window.x_min - box.x_min, box.x_max - window.x_max,
    )  # fmt: skip
    matte = adjusted_mask(mask, adjust, FACE_PX, margins_px=margins, pixel_aspect=aspect)
    weights = {"luma_weights": WEIGHTS, "pixel_aspect": aspect}
    shown = adjusted_delta(light, mask, adjust, FACE_PX, **mattes, **weights)
    held = roto[inside] if roto is not None else np.ones_like(matte)
    plate = np.stack([made.plate.channels[f"rgba.{name}"] for name in RGB], axis=-1)
    comp, added, whole = plate.copy(), np.zeros_like(plate), np.zeros(box.shape, np.float32)
    added[inside] = adjust.gain * shown * (matte * held)[..., None]
    whole[inside] = matte * held
    if roto is None:
        comp[inside] = adjusted_comp(
            plate[inside], mask, light, adjust, FACE_PX, **mattes, **weights, margins_px=margins
        )
    else:
        comp += added
    return Reference(comp, added, whole)


@st.composite
def adjustments(draw: st.DrawFn) -> AdjustSettings:
    """Any settings; each one is often as it comes, for a node that is off is another path through the graph."""
    gain = st.one_of(st.just(1.0), st.floats(0, 4))
    amount = st.one_of(st.just(0.0), st.floats(0, 1))
    tone = draw(gain)
    return AdjustSettings(
        gain=draw(st.one_of(st.just(1.0), st.floats(-5, 5))),
        tone=tone,
        detail=draw(st.one_of(st.just(tone), st.floats(0, 4))),
        split_radius=draw(st.floats(0.001, 0.5)),
        luma=draw(gain),
        chroma=draw(gain),
        darken=draw(gain),
        lighten=draw(gain),
        regions=RegionGains(*(draw(gain) for _ in REGIONS)) if draw(st.booleans()) else RegionGains(),
        protect=Protection(*(draw(amount) for _ in PROTECTED)),
        mask_dilate=draw(st.one_of(st.just(0.0), st.floats(-0.5, 0.5))),
        mask_blur=draw(amount),
        mask_gamma=draw(st.one_of(st.just(1.0), st.floats(0.1, 10))),
    )
