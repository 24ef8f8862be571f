"""What stays adjustable after the bake: the arithmetic on delta and mask that gizmo, command line and looks share.

``out = plate + gain * mask' * weight * delta'``; :mod:`nuke_reage.imaging.adjust` is the reference for each term.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from nuke_reage.core.errors import UsageError

__all__ = ["PROTECTED", "REGIONS", "AdjustSettings", "Protection", "RegionGains"]

REGIONS = ("forehead", "eyes", "undereye", "nose", "cheeks", "mouth", "jaw", "neck")
"""Soft mattes of the face, in the order of the channels ``reage_region.*``."""

PROTECTED = ("eyes", "lips", "teeth")
"""Mattes to hold out, in the order of the channels ``reage_protect.*``."""

_RANGES = {
    "gain": (-5.0, 5.0),
    "tone": (0.0, 4.0),
    "detail": (0.0, 4.0),
    "split_radius": (0.001, 0.5),
    "luma": (0.0, 4.0),
    "chroma": (0.0, 4.0),
    "darken": (0.0, 4.0),
    "lighten": (0.0, 4.0),
    "mask_dilate": (-0.5, 0.5),
    "mask_blur": (0.0, 1.0),
    "mask_gamma": (0.1, 10.0),
}


def _check(values: object, ranges: dict[str, tuple[float, float]], place: str) -> None:
    for name, (low, high) in ranges.items():
        value = getattr(values, name)
        if not low <= value <= high:
            raise UsageError(
                "bad-setting", f"{place}{name} cannot be {value:g}.", f"Use a value from {low:g} to {high:g}."
            )


@dataclass(frozen=True)
class RegionGains:
    """Factors on the delta in each region, 0 to 4."""

    forehead: float = 1.0
    eyes: float = 1.0
    undereye: float = 1.0
    nose: float = 1.0
    cheeks: float = 1.0
    mouth: float = 1.0
    jaw: float = 1.0
    neck: float = 1.0

    def __post_init__(self) -> None:
        _check(self, dict.fromkeys(REGIONS, (0.0, 4.0)), "regions.")


@dataclass(frozen=True)
class Protection:
    """How much of the delta is held out of each, 0 = nothing, 1 = all."""

    eyes: float = 0.0
    lips: float = 0.0
    teeth: float = 0.0

    def __post_init__(self) -> None:
        _check(self, dict.fromkeys(PROTECTED, (0.0, 1.0)), "protect.")


@dataclass(frozen=True)
class AdjustSettings:
    """How delta and mask are laid onto the plate.  The defaults change nothing.

    Args:
        gain: 0 = the plate, 1 = as the network says, -5 to 5.
        tone: factor on the part of the delta that is broader than ``split_radius``, 0 to 4.
        detail: factor on the part that is finer: lines and pores, 0 to 4.
        split_radius: where tone ends and detail begins, in face sizes, 0.001 to 0.5.
        luma: factor on the delta's luminance, 0 to 4.
        chroma: factor on its colour, 0 to 4.
        darken: factor where a channel gets darker, 0 to 4.
        lighten: factor where a channel gets brighter, 0 to 4.
        regions: factor in each region.
        protect: what is held out.
        mask_dilate: moves the mask's edge outwards, in face sizes, -0.5 to 0.5.
        mask_blur: softens the mask, in face sizes, 0 to 1.
        mask_gamma: above 1 fills the soft edge, below 1 thins it, 0.1 to 10.
    """

    gain: float = 1.0
    tone: float = 1.0
    detail: float = 1.0
    split_radius: float = 0.03
    luma: float = 1.0
    chroma: float = 1.0
    darken: float = 1.0
    lighten: float = 1.0
    regions: RegionGains = field(default_factory=RegionGains)
    protect: Protection = field(default_factory=Protection)
    mask_dilate: float = 0.0
    mask_blur: float = 0.0
    mask_gamma: float = 1.0

    def __post_init__(self) -> None:
        _check(self, _RANGES, "")

    @property
    def is_plain(self) -> bool:
        """Whether nothing but ``gain`` is set, so that ``plate + gain * mask * delta`` is all there is to do."""
        fresh = AdjustSettings()
        return all(getattr(self, one.name) == getattr(fresh, one.name) for one in fields(self) if one.name != "gain")
