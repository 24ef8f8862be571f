"""The hue of age: how red shadows in skin are, and how warm grey hair is.

Of each old portrait the logarithm of linear light is split into bands of detail, and in the skin that is darker than
its surroundings by five per cent the means of the three channels are divided by that of the luminance: what lines do to
red, green and blue.  ``nuke_reage.imaging.shade.SHADE_OF_SKIN`` was read off the coarse band.  Grey hair is red, green
and blue as encoded over their luminance, at four luminances; ``nuke_reage.training.hair`` greys like the greyest
quarter.  Shown are medians and quartiles over the people.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]

_SIDE_PX, _GAMMA = 256, 2.2
_DARKER, _MIN_PIXELS = -0.05, 60
_HAIR_LUMINANCES, _HALF_WIDTH = (0.2, 0.4, 0.6, 0.8), 0.1
_IS_HAIR, _IS_GREY = 0.8, 0.7
_FACING_DEGREES = 15.0


def main(arguments: list[str]) -> int:
    from nuke_reage.training.hair import HairFinder

    parser = argparse.ArgumentParser(prog="python -m benchmarks shade", description=__doc__)
    parser.add_argument("portraits", type=Path, help="folder of portraits")
    parser.add_argument("--ages-file", type=Path, required=True, help="JSON of ages, as for reage data pairs")
    parser.add_argument("--from-age", type=float, default=62.0, help="younger people are left out")
    parser.add_argument("--limit", type=int, default=80, help="about so many people, spread over the folder")
    options = parser.parse_args(arguments)
    lines: dict[str, list[list[float]]] = {band: [] for band in ("fine", "coarse")}
    hair: dict[float, list[list[float]]] = {luminance: [] for luminance in _HAIR_LUMINANCES}
    finder = HairFinder()
    for portrait in _portraits(options):
        for band, ratios in _ratios(portrait).items():
            lines[band].append(ratios)
        for luminance, tint in _grey_tints(portrait, finder).items():
            hair[luminance].append(tint)
    if not all(lines.values()):
        parser.error(f"nobody of {options.from_age:g} or older has enough lines")
    for band, found in lines.items():
        _tell(f"lines, {band}", found)
    for luminance, found in hair.items():
        _tell(f"grey hair at {luminance:g}", found)
    return 0


def _tell(name: str, found: list[list[float]]) -> None:
    if found:
        low, middle, high = np.percentile(np.array(found), [25, 50, 75], axis=0)
        told = ", ".join(f"{b:.2f} ({a:.2f} to {c:.2f})" for a, b, c in zip(low, middle, high, strict=True))
        print(f"{name:16} {len(found):3} people: red, green, blue {told}")


def _portraits(options: argparse.Namespace) -> list[Any]:
    from nuke_reage.faces.backends.mediapipe import MediapipeBackend
    from nuke_reage.training.pictures import read_picture
    from nuke_reage.training.portraits import calibrated_ages, crop_face, read_ages

    ages = calibrated_ages(read_ages(options.ages_file))
    old = [options.portraits / f"{key}.jpg" for key, age in sorted(ages.items()) if age >= options.from_age]
    there = [path for path in old if path.is_file()]
    backend = MediapipeBackend()
    crops = (crop_face(read_picture(one), _SIDE_PX, backend) for one in there[:: max(1, len(there) // options.limit)])
    return [one for one in crops if one is not None and abs(one.yaw_degrees) < _FACING_DEGREES]


def _ratios(crop: Any) -> dict[str, list[float]]:
    from nuke_reage.imaging.anatomy import face_parts
    from nuke_reage.imaging.gamut import LUMA_WEIGHTS
    from nuke_reage.imaging.skin import skin_matte
    from nuke_reage.training.statistics import detail_bands

    linear = crop.rgb**_GAMMA + 0.003
    channels = [detail_bands(np.ascontiguousarray(one)) for one in np.moveaxis(np.log(linear), -1, 0)]
    luminance = detail_bands(np.log(linear @ np.array(LUMA_WEIGHTS, np.float32)))
    skin = face_parts(crop.landmarks, _SIDE_PX).skin * skin_matte(crop.rgb, crop.landmarks, features=False) > 0.8
    skin &= (crop.rgb.max(axis=2) < 0.97) & (crop.rgb.min(axis=2) > 0.05)
    ratios = {}
    for band in ("fine", "coarse"):
        light = getattr(luminance, band)
        dark = skin & (light < _DARKER)
        if dark.sum() >= _MIN_PIXELS:
            ratios[band] = [float(getattr(one, band)[dark].mean() / light[dark].mean()) for one in channels]
    return ratios


def _grey_tints(crop: Any, finder: Any) -> dict[float, list[float]]:
    from nuke_reage.imaging.anatomy import face_parts
    from nuke_reage.training.statistics import luminance

    found = finder.find(crop.rgb, crop.landmarks, face_parts(crop.landmarks, _SIDE_PX))
    grey = (found.head > _IS_HAIR) & (found.faded > _IS_GREY)
    light = luminance(crop.rgb)
    tints = {}
    for middle in _HAIR_LUMINANCES:
        alike = grey & (np.abs(light - middle) < _HALF_WIDTH)
        if alike.sum() >= _MIN_PIXELS:
            tints[middle] = [float(one) for one in np.median(crop.rgb[alike] / light[alike][:, None], axis=0)]
    return tints
