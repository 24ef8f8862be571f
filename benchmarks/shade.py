"""How red shadows in skin are: what lines of old faces do to red, green and blue, over what they do to the luminance.

Of each portrait the logarithm of linear light is split into bands of detail, and in the skin that is darker than its
surroundings by five per cent the means of the three channels are divided by that of the luminance.  Shown are medians
and quartiles over the people.  ``nuke_reage.imaging.lines.SHADE_OF_SKIN`` was read off the coarse band.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]

_SIDE_PX, _GAMMA = 256, 2.2
_DARKER, _MIN_PIXELS = -0.05, 60
_FACING_DEGREES = 15.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks shade", description=__doc__)
    parser.add_argument("portraits", type=Path, help="folder of portraits")
    parser.add_argument("--ages-file", type=Path, required=True, help="JSON of ages, as for reage data pairs")
    parser.add_argument("--from-age", type=float, default=62.0, help="younger people are left out")
    parser.add_argument("--limit", type=int, default=80, help="about so many people, spread over the folder")
    options = parser.parse_args(arguments)
    found = {band: [] for band in ("fine", "coarse")}
    for portrait in _portraits(options):
        for band, ratios in _ratios(portrait).items():
            found[band].append(ratios)
    if not all(found.values()):
        parser.error(f"nobody of {options.from_age:g} or older has enough lines")
    for band, ratios in found.items():
        low, middle, high = np.percentile(np.array(ratios), [25, 50, 75], axis=0)
        told = ", ".join(f"{b:.2f} ({a:.2f} to {c:.2f})" for a, b, c in zip(low, middle, high, strict=True))
        print(f"{band:6} {len(ratios):3} people: red, green, blue {told}")
    return 0


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
