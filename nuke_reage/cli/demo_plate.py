"""A plate to try things on: a public-domain portrait filmed by a virtual camera, in scene-linear light."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.imaging.geometry import CropFrame, Window
from nuke_reage.imaging.sampling import warp
from nuke_reage.media.exr import Part, write_layers
from nuke_reage.media.sequence import output_path

__all__ = ["FIRST_FRAME", "FRAME_COUNT", "SOURCE_AGE_YEARS", "write_demo_plate"]

FIRST_FRAME = 1001
FRAME_COUNT = 24
SOURCE_AGE_YEARS = 38.0
"""About the age of Eileen Collins in the portrait of 1994."""

_WIDTH, _HEIGHT = 2048, 1152
_FACE_X, _FACE_Y = 222.0, 132.0
_GRAIN = 0.012


def write_demo_plate(pattern: str, on_frame: Callable[[int], None]) -> tuple[int, ...]:
    """Write a half-float EXR sequence of about 2K.

    The camera pans, rolls and pushes in; half-way the exposure opens by two thirds of a stop; a lamp of about 20 times
    diffuse white stands in the picture; grain carries some dark pixels below zero.

    Args:
        pattern: sequence such as ``demo/plate/plate.####.exr``.
        on_frame: called with every finished frame.

    Returns:
        The frame numbers.

    Raises:
        UsageError: scikit-image, which ships the portrait, is not installed.
    """
    scene = _scene()
    space = WorkingSpace.from_name("scene_linear")
    frames = tuple(range(FIRST_FRAME, FIRST_FRAME + FRAME_COUNT))
    display = Window(0, 0, _WIDTH, _HEIGHT)
    for index, frame in enumerate(frames):
        picture = _film(scene, index / (FRAME_COUNT - 1), seed=frame)
        plate = space.from_linear_rec709(picture)
        channels = {name: np.ascontiguousarray(plate[..., i]) for i, name in enumerate("RGB")}
        metadata: dict[str, str | float] = {"owner": "ReAge demo", "cameraMake": "virtual", "expTime": 1 / 48}
        write_layers(
            output_path(pattern, frame),
            [Part("rgb", channels, display)],
            display_window=display,
            pixel_aspect=1.0,
            metadata=metadata,
        )
        on_frame(frame)
    return frames


def _scene() -> npt.NDArray[np.float32]:
    """The portrait in linear Rec.709 light, with a lamp; (512, 512, 3)."""
    try:
        from skimage.data import astronaut
    except ImportError:
        hint = "Install the extra: pip install nuke-reage[demo]."
        raise UsageError("no-portrait", "The demo's portrait comes with scikit-image.", hint) from None
    portrait = np.asarray(astronaut(), np.float32) / 255.0  # type: ignore[no-untyped-call]
    linear = WorkingSpace.from_name("srgb").to_linear_rec709(portrait)
    rows, columns = np.mgrid[: linear.shape[0], : linear.shape[1]]
    distance = np.hypot(columns - 345.0, rows - 40.0)
    # Soft enough that no resampling filter rings around it.
    lamp = 24.0 * np.exp(-((distance / 6.0) ** 2)) + 0.35 * np.exp(-distance / 18.0)
    return np.asarray(linear + lamp[..., None] * np.array([1.0, 0.86, 0.62]), np.float32)


def _film(scene: npt.NDArray[np.float32], time: float, seed: int) -> npt.NDArray[np.float32]:
    """One frame, (1152, 2048, 3) linear Rec.709."""
    swing = math.sin(math.pi * time)
    push = 1.0 + 0.12 * time
    camera = CropFrame(
        centre_x=_FACE_X + 26.0 * (time - 0.5),
        centre_y=_FACE_Y + 5.0 * swing,
        side_px=430.0 / push,
        angle_degrees=-3.0 + 6.0 * time,
    )
    canvas_from_scene = camera.canvas_from_plate(_WIDTH)
    canvas_from_scene[1, 2] -= (_WIDTH - _HEIGHT) / 2
    picture = warp(scene, Window.of_shape(scene.shape), canvas_from_scene, (_HEIGHT, _WIDTH), filter="cubic")
    exposure = 2.0 ** (-0.67 / (1.0 + math.exp((time - 0.5) * 40.0)))
    noise = np.random.default_rng(seed).standard_normal(picture.shape, dtype=np.float32)
    light = np.maximum(picture, 0.0)
    return np.asarray((picture + _GRAIN * np.sqrt(light * 0.18 + 0.0004) * noise) * exposure, np.float32)
