"""What each node class of ReAge's gizmos does, in numpy.

Written after the documentation of the nodes and public source (EXR files get a ring of black where data and display
window differ; sizes of filters are divided by the pixel aspect in x).  Assumed: a Gaussian blur of size s has
``sigma = s / 2.4``, cut at four of them; Dilate takes the largest value in a square of whole pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import read_layers
from nuke_text.expressions import evaluate
from nuke_text.images import Image, Pixels

if TYPE_CHECKING:
    from nuke_text.render import Context

__all__ = ["CLASSES", "LAZY"]

RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
_MASKS = {"rgba": RGBA, "rgb": RGBA[:3], "alpha": RGBA[3:]}
_SHORT = dict(zip("rgba", RGBA, strict=True))
_FROM_EXR = dict(zip("RGBA", RGBA, strict=True))
LAZY = {"Switch"}
"""Classes that look at one input alone; the others are not even computed."""


def _read(context: Context) -> Image:
    assert context.flag("raw"), "colour must not be touched"
    assert context.text("on_error") == "error" and context.text("localizationPolicy") == "off"
    path = context.file("file")
    if not Path(path).is_file():
        raise FileNotFoundError(path)
    assert context.number("first", 1) <= context.frame <= context.number("last", 1)
    layers = read_layers(path)
    box = Window(0, 0, 0, 0)
    for part in layers.parts.values():
        box = box.union(part.data_window)
    channels: dict[str, Pixels] = {}
    for part in layers.parts.values():
        for name, pixels in part.channels.items():
            whole = np.zeros(box.shape, np.float32)
            whole[part.data_window.slices_in(box)] = pixels
            channels[_FROM_EXR.get(name, name)] = whole
    image = Image(box, channels, layers.display_window, layers.pixel_aspect)
    return image if box == layers.display_window else image.in_black_ring()


def _copy(context: Context) -> Image:
    base, source = context.images
    box = base.box if context.text("bbox", "union") == "B" else base.box.union(source.box)
    result = base.on(box)
    changed = {}
    for index in range(4):
        name = context.text(f"from{index}", "rgba.alpha" if index == 0 else "none")
        if name != "none":
            changed[context.text(f"to{index}", "rgba.alpha" if index == 0 else "none")] = source.get(name, box)
    return result.with_channels(changed)


def _expressions(context: Context, box: Window, channel: Callable[[str], Pixels | None]) -> dict[str, Pixels]:
    """The channels that the four expressions make; temporary names are made one after the other."""
    temporary: dict[str, object] = {}

    def lookup(name: str) -> object:
        if name in temporary:
            return temporary[name]
        found = channel(name)
        return context.knob(name) if found is None else found

    for index in range(4):
        name = context.text(f"temp_name{index}", "")
        if name:
            temporary[name] = evaluate(context.text(f"temp_expr{index}"), lookup)
    made = {}
    for index, name in enumerate(RGBA):
        text = context.text(f"expr{index}", "")
        if text:
            made[name] = np.broadcast_to(np.asarray(evaluate(text, lookup), np.float32), box.shape)
    return made


def _expression(context: Context) -> Image:
    (image,) = context.images

    def channel(name: str) -> Pixels | None:
        name = _SHORT.get(name, name)
        return image.get(name, image.box) if context.is_channel(name) else None

    return image.with_channels(_expressions(context, image.box, channel))


def _merge_expression(context: Context) -> Image:
    base, other = context.images
    box = base.box.union(other.box)

    def channel(name: str) -> Pixels | None:
        if len(name) == 2 and name[0] in "AB" and name[1] in _SHORT:
            return (base if name[0] == "B" else other).get(_SHORT[name[1]], box)
        return None

    return base.on(box).with_channels(_expressions(context, box, channel))


def _merge(context: Context) -> Image:
    base, other = context.images
    masks = {context.text(knob, "rgba") for knob in ("Achannels", "Bchannels", "output")}
    assert len(masks) == 1 and context.text("bbox", "union") == "B"
    operation = context.text("operation", "over")
    changed = {}
    for name in _MASKS[masks.pop()]:
        b, a = base.get(name, base.box), other.get(name, base.box)
        if operation == "plus":
            changed[name] = a + b
        else:
            assert operation == "multiply"
            changed[name] = np.where((a < 0) & (b < 0), a, a * b)
    return base.with_channels(changed)


def _dissolve(context: Context) -> Image:
    first, second = context.images
    box = first.box.union(second.box)
    share = np.float32(min(max(context.number("which", 0), 0), 1))
    names = _MASKS[context.text("channels", "all")]
    mixed = {name: first.get(name, box) * (1 - share) + second.get(name, box) * share for name in names}
    return first.on(box).with_channels(mixed)


def _blur(context: Context) -> Image:
    (image,) = context.images
    assert not context.flag("crop"), "overscan must not be cut off"
    size = context.number("size", 0)
    sigmas = (size / 2.4, size / 2.4 / image.pixel_aspect)
    if size <= 0:
        return image
    reach = [int(np.ceil(4 * sigma)) for sigma in sigmas]
    box = _grown(image.box, reach[0], reach[1])
    seen = _grown(box, reach[0], reach[1])
    changed = {}
    for name in _MASKS[context.text("channels", "all")]:
        if name in image.channels:
            pixels = image.get(name, seen).astype(np.float64)
            soft = ndimage.gaussian_filter(pixels, sigmas, mode="constant", radius=reach)
            changed[name] = soft[box.slices_in(seen)].astype(np.float32)
    return image.on(box).with_channels(changed)


def _dilate(context: Context) -> Image:
    (image,) = context.images
    size = context.number("size", 0)
    assert size >= 0, "the gizmos only grow"
    rows, columns = (int(np.floor(one + 0.5)) for one in (size, size / image.pixel_aspect))
    box = _grown(image.box, rows, columns)
    seen = _grown(box, rows, columns)
    changed = {}
    for name in _MASKS[context.text("channels", "all")]:
        largest = ndimage.maximum_filter(image.get(name, seen), (2 * rows + 1, 2 * columns + 1), mode="nearest")
        changed[name] = largest[box.slices_in(seen)]
    return image.on(box).with_channels(changed)


def _grown(box: Window, rows: int, columns: int) -> Window:
    return Window(box.x_min - columns, box.y_min - rows, box.x_max + columns, box.y_max + rows)


def _first(context: Context) -> Image:
    return context.images[0]


CLASSES: dict[str, Callable[[Context], Image]] = {
    "Read": _read,
    "Copy": _copy,
    "Expression": _expression,
    "MergeExpression": _merge_expression,
    "Merge2": _merge,
    "Dissolve": _dissolve,
    "Blur": _blur,
    "Dilate": _dilate,
    "BlackOutside": lambda context: context.images[0].in_black_ring(),
    "Switch": _first,
    "Output": _first,
}
