"""Which channels of a file are its picture: names, layers, parts, and what to do when it is not plain RGB.

EXR files name the same thing in many ways: ``R G B A``, ``rgba.red``, ``diffuse.R`` in one part, plain ``R`` in a part
called ``diffuse``, a lone ``Y``.  Everything here works on names; no pixel is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nuke_reage.core.errors import MediaError

__all__ = ["ChannelRef", "ColourChoice", "PartNames", "choose_colour", "list_channels"]

_BASES = {
    "r": "red",
    "red": "red",
    "g": "green",
    "green": "green",
    "b": "blue",
    "blue": "blue",
    "a": "alpha",
    "alpha": "alpha",
    "y": "grey",
    "l": "grey",
    "i": "grey",
    "luminance": "grey",
    "gray": "grey",
    "grey": "grey",
}
_MAIN_LAYERS = ("", "rgba", "rgb", "beauty", "main", "color", "colour", "combined", "c")


@dataclass(frozen=True)
class PartNames:
    """Names in one part of a file.

    Attributes:
        name: the part's name, empty in a single-part file.
        view: stereo view, empty without one.
        channels: channel names in the reader's order.
        formats: sample type of each channel, for example ``half``.
    """

    name: str
    view: str
    channels: tuple[str, ...]
    formats: tuple[str, ...]


@dataclass(frozen=True)
class ChannelRef:
    """One channel of a file and where to find it.

    Attributes:
        part: index of the part.
        index: index of the channel in that part, in the reader's order.
        layer: the layer it belongs to, from its prefix or its part's name; empty for the main layer.
        base: name without the layer.
        is_prefixed: whether the layer stands in the channel's own name, not only in its part's.
        name: name that is unique in the file, with the layer where it is not the main one.
        sample_format: for example ``half``.
    """

    part: int
    index: int
    layer: str
    base: str
    is_prefixed: bool
    name: str
    sample_format: str

    @property
    def role(self) -> str:
        """``red``, ``green``, ``blue``, ``alpha``, ``grey`` or empty."""
        return _BASES.get(self.base.lower(), "")


@dataclass(frozen=True)
class ColourChoice:
    """The channels that make a picture.

    Attributes:
        layer: the layer chosen.
        red: also the grey channel of a greyscale picture, as are the next two.
        green: green.
        blue: blue.
        alpha: the alpha of the same layer, or None.
    """

    layer: str
    red: ChannelRef
    green: ChannelRef
    blue: ChannelRef
    alpha: ChannelRef | None


def list_channels(parts: Sequence[PartNames]) -> tuple[ChannelRef, ...]:
    """All channels of a file with their layers, in file order."""
    found: list[ChannelRef] = []
    seen: set[str] = set()
    for part_index, part in enumerate(parts):
        part_layer = _part_layer(part) if len(parts) > 1 else ""
        for index, (full, sample_format) in enumerate(zip(part.channels, part.formats, strict=True)):
            prefix, _, base = full.rpartition(".")
            layer = prefix or part_layer
            name = full if prefix or layer.lower() in _MAIN_LAYERS else f"{layer}.{base}"
            if name in seen:
                name = f"{part.name or part_index}.{full}"
            seen.add(name)
            found.append(ChannelRef(part_index, index, layer, base, bool(prefix), name, sample_format))
    return tuple(found)


def choose_colour(channels: Sequence[ChannelRef], layer: str | None, path: object) -> ColourChoice:
    """Find the picture among the channels of a file.

    Without a wish the main layer is taken (no prefix, else ``rgba``, ``beauty``, ...), else the first part's, else the
    only layer that is a picture at all.

    Args:
        channels: from :func:`list_channels`.
        layer: layer by name, upper and lower case alike; None for the main one.
        path: the file, for messages.

    Returns:
        The chosen channels.

    Raises:
        MediaError: no such layer, several candidates, or no colour at all.
    """
    pictures = _pictures(channels)
    if layer is not None:
        wanted = [name for name in pictures if name.lower() == layer.lower()]
        if wanted:
            return pictures[wanted[0]]
        raise MediaError(
            "unknown-layer",
            f"{path} has no picture in a layer named {layer!r}",
            _offer(pictures, f"The file holds {_names(channel.name for channel in channels)}."),
        )
    for main in _MAIN_LAYERS:
        for name, picture in pictures.items():
            if name.lower() == main:
                return picture
    first_part = [picture for picture in pictures.values() if picture.red.part == 0 and not picture.red.is_prefixed]
    candidates = first_part or list(pictures.values())
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise MediaError(
            "ambiguous-layer", f"{path} has several layers that could be the picture", _offer(pictures, "")
        )
    if any(channel.base.lower() in {"ry", "by"} for channel in channels):
        raise MediaError(
            "luminance-chroma",
            f"{path} stores luminance and chroma (Y RY BY), which is not supported",
            "Write the plate again as RGB.",
        )
    raise MediaError(
        "no-colour",
        f"{path} has no red, green and blue channels",
        f"The file holds {_names(channel.name for channel in channels)}; write the plate with R, G and B.",
    )


def _part_layer(part: PartNames) -> str:
    """The layer that a part's name stands for: ``rgba.left`` of the view ``left`` is ``rgba``."""
    name = part.name
    if part.view:
        name = "" if name == part.view else name.removesuffix(f".{part.view}")
    return name


def _pictures(channels: Sequence[ChannelRef]) -> dict[str, ColourChoice]:
    """Layers that are a picture, by name; of the views of one layer the first."""
    groups: dict[tuple[str, int], dict[str, ChannelRef]] = {}
    chroma: set[tuple[str, int]] = set()
    for channel in channels:
        key = (channel.layer, channel.part)
        groups.setdefault(key, {}).setdefault(channel.role, channel)
        if channel.base.lower() in {"ry", "by"}:
            chroma.add(key)
    pictures: dict[str, ColourChoice] = {}
    for key, roles in groups.items():
        if {"red", "green", "blue"} <= roles.keys():
            triple = (roles["red"], roles["green"], roles["blue"])
        elif "grey" in roles and key not in chroma and not roles.keys() & {"red", "green", "blue"}:
            triple = (roles["grey"],) * 3
        else:
            continue
        pictures.setdefault(key[0], ColourChoice(key[0], *triple, roles.get("alpha")))
    return pictures


def _offer(pictures: dict[str, ColourChoice], otherwise: str) -> str:
    if not pictures:
        return otherwise
    return f"Choose one of the layers {_names(name or '(main)' for name in pictures)}."


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")
