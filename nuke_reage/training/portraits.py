"""Portraits of known age, brought to the network's canvas."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nuke_reage.core.errors import FaceError, MediaError, UsageError
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.canonical import FFHQ, crop_frame, fit_pose, framing_from_spec
from nuke_reage.faces.types import FaceBackend
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.geometry import Window, apply_affine
from nuke_reage.imaging.sampling import warp
from nuke_reage.training.pictures import list_pictures, read_picture

__all__ = ["Crop", "Portrait", "calibrated_ages", "crop_face", "load_portraits", "read_ages"]

_GREY_LEVEL = 6.0 / 255.0
_MIN_KNOWN_FOR_CALIBRATION = 30
_SEXES = ("f", "m")


@dataclass(frozen=True, eq=False)
class Crop:
    """A face on the canvas.

    Attributes:
        rgb: (S, S, 3) sRGB-encoded, 0..1.
        landmarks: (468, 2) canvas pixels.
        yaw_degrees: positive = the nose points to the right.
        pitch_degrees: positive = the nose points down.
    """

    rgb: FloatArray
    landmarks: FloatArray
    yaw_degrees: float
    pitch_degrees: float


@dataclass(frozen=True, eq=False)
class Portrait:
    """One person once.

    Attributes:
        key: name of the file without its ending.
        crop: the face.
        age_years: at the time of the picture.
        sex: "f" or "m", as the statistics of aging are kept apart.
    """

    key: str
    crop: Crop
    age_years: float
    sex: str


def crop_face(rgb: FloatArray, canvas_px: int, backend: FaceBackend) -> Crop | None:
    """The largest face of a picture, cut out as a model of framing ``ffhq`` wants it.

    Args:
        rgb: (H, W, 3) sRGB-encoded, 0..1.
        canvas_px: side of the crop.
        backend: finds the face.

    Returns:
        The crop, or None where there is no face.
    """
    found = backend.detect(rgb)
    if not found:
        return None
    landmarks = found[0].landmarks
    pose = fit_pose(landmarks)
    canvas_from_plate = crop_frame(pose, framing_from_spec(FFHQ)).canvas_from_plate(canvas_px)
    canvas = warp(rgb, Window.of_shape(rgb.shape), canvas_from_plate, (canvas_px, canvas_px))
    points = apply_affine(canvas_from_plate, landmarks[:, :2]).astype(np.float32)
    return Crop(np.clip(canvas, 0.0, 1.0), points, pose.yaw_degrees, pose.pitch_degrees)


def read_ages(path: Path) -> dict[str, Mapping[str, Any]]:
    """Read who is how old: ``{"KEY": {"age": 41, "sex": "m"}, ...}``.

    ``age_from_birth_year`` and ``age_estimated`` (by a network) may stand for ``age``.

    Raises:
        UsageError: no such file, no JSON, or an entry without a usable age or sex; all bad entries are named.
    """
    hint = 'Give a JSON file such as {"portrait_01": {"age": 41, "sex": "m"}}.'
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("bad-ages", f"Cannot read ages from {path}: {error}.", hint) from None
    if not isinstance(data, dict):
        raise UsageError("bad-ages", f"{path} is not a JSON object.", hint)
    bad = [str(key) for key, entry in data.items() if not _is_entry(entry)]
    if bad:
        shown = ", ".join(bad[:8])
        raise UsageError("bad-ages", f"{path}: {len(bad)} entries lack an age or a sex: {shown}.", hint)
    return dict(data)


def calibrated_ages(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """One age for everybody, the estimator's bias taken out.

    An estimator pulls towards the middle: the young are guessed older, the old younger.  Where enough people have both
    an estimate and a known age, the line that gives estimates the known ages' mean and spread (reduced major axis) is
    applied to all estimates.  Someone with both gets their mean: birth years are certain, the year of the picture is
    not.

    Args:
        entries: as :func:`read_ages` gives them.

    Returns:
        Years by key.
    """
    pairs = np.array(
        [
            (entry["age_estimated"], entry["age_from_birth_year"])
            for entry in entries.values()
            if "age_estimated" in entry and "age_from_birth_year" in entry
        ]
    )
    gain, offset = 1.0, 0.0
    if len(pairs) >= _MIN_KNOWN_FOR_CALIBRATION:
        gain = float(pairs[:, 1].std() / max(pairs[:, 0].std(), 1e-6))
        offset = float(pairs[:, 1].mean() - gain * pairs[:, 0].mean())
    ages = {}
    for key, entry in entries.items():
        if "age" in entry:
            ages[key] = float(entry["age"])
            continue
        parts = []
        if "age_from_birth_year" in entry:
            parts.append(float(entry["age_from_birth_year"]))
        if "age_estimated" in entry:
            parts.append(gain * float(entry["age_estimated"]) + offset)
        ages[key] = sum(parts) / len(parts)
    return ages


def load_portraits(
    folder: str | os.PathLike[str],
    ages_file: str | os.PathLike[str],
    canvas_px: int,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Portrait], dict[str, str]]:
    """Read, find and crop all portraits of a folder whose age is known.

    Args:
        folder: pictures, one person each.
        ages_file: see :func:`read_ages`; keys are the files' names without their endings.
        canvas_px: side of the crops.
        progress: called with how many are done and how many there are.

    Returns:
        The portraits in the order of their names, and why others were left out, by name.

    Raises:
        UsageError: no pictures, or ages that cannot be read.
        FaceError: not one face was found.
    """
    entries = read_ages(Path(ages_file))
    ages = calibrated_ages(entries)
    files = list_pictures(Path(folder))
    if not files:
        raise UsageError("no-pictures", f"There are no pictures in {folder}.", "Give a folder of jpg or png files.")
    backend = MediapipeBackend()
    portraits, skipped = [], {}
    for index, path in enumerate(files):
        progress(index, len(files))
        if path.stem not in entries:
            skipped[path.name] = "no age is given"
            continue
        try:
            rgb = read_picture(path)
        except MediaError as error:
            skipped[path.name] = "damaged or no picture" if error.slug == "not-a-picture" else error.message
            continue
        if float(np.abs(rgb[..., 0] - rgb[..., 2]).mean()) < _GREY_LEVEL:
            skipped[path.name] = "black and white"
            continue
        crop = crop_face(rgb, canvas_px, backend)
        if crop is None:
            skipped[path.name] = "no face was found"
            continue
        portraits.append(Portrait(path.stem, crop, ages[path.stem], str(entries[path.stem]["sex"])))
    progress(len(files), len(files))
    if not portraits:
        raise FaceError("no-face", f"No usable portrait in {folder}.", "Give colour pictures with one face each.")
    return portraits, skipped


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("sex") not in _SEXES:
        return False
    given = [entry[name] for name in ("age", "age_from_birth_year", "age_estimated") if name in entry]
    return bool(given) and all(
        isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age <= 120 for age in given
    )
