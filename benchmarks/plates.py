"""Plates and models that the benchmarks work on; nothing here is downloaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from skimage.data import astronaut

from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.geometry import CropFrame, Window
from nuke_reage.imaging.sampling import warp
from nuke_reage.media.exr import Part, write_layers
from nuke_reage.media.sequence import output_path
from nuke_reage.models.descriptor import save_descriptor
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.registry import Registry
from nuke_reage.models.weights import save_weights, sha256_of

__all__ = ["SIZES", "install_full_size_network", "make_plate"]

SIZES = {"small": (320, 240), "2k": (2048, 1152), "uhd": (3840, 2160)}
_FACE_CENTRE = (222.0, 128.0)
_FACE_HEIGHT = 118.0


def make_plate(folder: Path, size: str, face_px: float, frames: int) -> str:
    """A half-float ACEScg sequence of a face that drifts, with grain.

    Args:
        folder: where to write.
        size: one of :data:`SIZES`.
        face_px: height of the face, brow to chin and a little more, in pixels.
        frames: how many; further ones are links to the first 24.
    """
    width, height = SIZES[size]
    space = WorkingSpace.from_name("scene_linear")
    scene = WorkingSpace.from_name("srgb").to_linear_rec709(astronaut().astype(np.float32) / 255.0)
    pattern = str(folder / "plate.####.exr")
    window = Window(0, 0, width, height)
    for index in range(frames):
        path = output_path(pattern, 1001 + index)
        if index >= 24:
            path.hardlink_to(output_path(pattern, 1001 + index % 24))
            continue
        side = width * _FACE_HEIGHT / face_px
        camera = CropFrame(_FACE_CENTRE[0] + 0.2 * index, _FACE_CENTRE[1], side, 2.0 * np.sin(index / 4))
        matrix = camera.canvas_from_plate(width)
        matrix[1, 2] -= (width - height) / 2
        picture = warp(scene, Window.of_shape(scene.shape), matrix, (height, width), filter="cubic")
        noise = np.random.default_rng(index).standard_normal(picture.shape, dtype=np.float32)
        plate = space.from_linear_rec709(picture + 0.004 * noise)
        channels = {name: np.ascontiguousarray(plate[..., i]) for i, name in enumerate("RGB")}
        write_layers(path, [Part("rgb", channels, window)], display_window=window)
    return pattern


def install_full_size_network(folder: Path) -> str:
    """The published size with weights from a formula, as a model of its own; returns the name."""
    descriptor = next(one for one in Registry.from_environment({}).list() if one.name == "fran")
    folder.mkdir(parents=True, exist_ok=True)
    name = "full-size"
    weights = folder / f"{name}.safetensors"
    save_weights(formula_state_dict(descriptor.width), weights, dtype="float32", metadata={})
    described = dataclasses.replace(
        descriptor,
        name=name,
        weights_file=weights.name,
        sha256=sha256_of(weights),
        hub=None,
        weights_path=None,
        card_path=None,
    )
    save_descriptor(described, folder / f"{name}.json")
    return name
