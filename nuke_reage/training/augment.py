"""The same random change to both pictures of a pair."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.training.config import AugmentConfig
from nuke_reage.training.pictures import to_bytes

__all__ = ["augment_pair", "face_weight", "to_canvas"]

_NO_CHANGE = AugmentConfig(False, *(0.0,) * 11)
# The face in an aligned crop: centre and half axes as shares of the side.
_FACE_CENTRE, _FACE_AXES = (0.5, 0.57), (0.29, 0.38)


def face_weight(canvas_px: int, face_gain: float) -> FloatArray:
    """(S, S) weights: 1 outside of where an aligned crop has its face, ``face_gain`` inside, mean 1."""
    x, y = np.meshgrid(*(2 * [(np.arange(canvas_px, dtype=np.float32) + 0.5) / canvas_px]))
    radius = ((x - _FACE_CENTRE[0]) / _FACE_AXES[0]) ** 2 + ((y - _FACE_CENTRE[1]) / _FACE_AXES[1]) ** 2
    inside = 1.0 / (1.0 + np.exp((radius - 1.0) * 6.0))
    weight = 1.0 + (face_gain - 1.0) * inside
    return np.asarray(weight / weight.mean(), np.float32)


def to_canvas(rgb: FloatArray, canvas_px: int) -> FloatArray:
    """A square picture at the canvas's size, unchanged otherwise."""
    return augment_pair(rgb, rgb, rgb[..., 0], canvas_px, canvas_px, _NO_CHANGE, np.random.default_rng(0))[0]


def augment_pair(
    source: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    canvas_px: int,
    crop_px: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scale a pair to the canvas, change both alike and cut out a square, about the face.

    Args:
        source: (S, S, 3) encoded, 0..1.
        target: the same size.
        weight: (S, S), moved with them.
        canvas_px: side that the whole picture is scaled to.
        crop_px: side of what is cut out; the canvas's = all of it.
        config: how much.
        rng: where the chance comes from.

    Returns:
        Source and target (crop_px, crop_px, 3) in 0..1, and the weight (crop_px, crop_px).
    """
    matrix = _geometry(source.shape[0], canvas_px, crop_px, config, rng)
    flip = config.flip and rng.random() < 0.5
    source, target = (_moved(picture, matrix, crop_px, flip) for picture in (source, target))
    weight = _moved(weight, matrix, crop_px, flip)
    source, target = _colour(source, target, config, rng)
    source, target = _optics(source, target, config, rng)
    source, target = np.clip(source, 0.0, 1.0), np.clip(target, 0.0, 1.0)
    if rng.random() < config.jpeg_share:
        source = _through_jpeg(source, int(rng.integers(40, 90)))
    return source, target, weight


def _geometry(
    side_px: int, canvas_px: int, crop_px: int, config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    scale = canvas_px / side_px * np.exp(rng.normal(0.0, config.scale))
    angle = np.radians(rng.normal(0.0, config.rotation_degrees))
    shift = rng.normal(0.0, config.shift, 2) * canvas_px
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    # The middle of the crop on the canvas, around the face but within the canvas.
    spread = config.crop_spread * canvas_px if crop_px < canvas_px else 0.0
    wanted = np.array(_FACE_CENTRE) * canvas_px + rng.normal(0.0, 1.0, 2) * spread
    middle = np.clip(wanted, crop_px / 2, canvas_px - crop_px / 2)
    # OpenCV counts pixel centres at whole numbers, hence the half pixels.
    offset = crop_px / 2 - middle + canvas_px / 2 - 0.5 + shift - linear @ np.full(2, side_px / 2 - 0.5)
    return np.column_stack([linear, offset])


def _moved(image: FloatArray, matrix: npt.NDArray[np.float64], crop_px: int, flip: bool) -> FloatArray:
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.75:  # linear interpolation alone would alias
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.42 / shrink), np.float32)
    moved = cv2.warpAffine(
        image, matrix, (crop_px, crop_px), flags=cv2.INTER_CUBIC if shrink > 0.9 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.ascontiguousarray(moved[:, ::-1] if flip else moved, dtype=np.float32)


def _colour(
    source: FloatArray, target: FloatArray, config: AugmentConfig, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    # In encoded values a stop is a gain of about 2 ** (1 / 2.2).
    gain = 2.0 ** (rng.normal(0.0, config.exposure_stops) / 2.2) * np.exp(rng.normal(0.0, config.white_balance, 3))
    power = np.exp(rng.normal(0.0, config.gamma))
    saturation = 1.0 + rng.normal(0.0, config.saturation)
    if (gain == 1.0).all() and power == 1.0 and saturation == 1.0:
        return source, target

    def change(rgb: FloatArray) -> FloatArray:
        rgb = np.clip(rgb, 0.0, 1.0) ** np.float32(power) * gain.astype(np.float32)
        grey = rgb.mean(axis=2, keepdims=True)
        return np.asarray(grey + (rgb - grey) * np.float32(saturation), np.float32)

    return change(source), change(target)


def _optics(
    source: FloatArray, target: FloatArray, config: AugmentConfig, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    kind = rng.random()
    if kind < 0.25 and config.blur_px > 0:
        sigma = rng.uniform(0.2, 1.0) * config.blur_px
        return (
            np.asarray(cv2.GaussianBlur(source, (0, 0), sigma), np.float32),
            np.asarray(cv2.GaussianBlur(target, (0, 0), sigma), np.float32),
        )
    if kind > 0.7 and config.grain > 0:
        sigma = rng.uniform(0.1, 1.0) * config.grain
        grain = rng.standard_normal(source.shape, np.float32) * np.float32(sigma)
        return source + grain, target + grain
    return source, target


def _through_jpeg(rgb: FloatArray, quality: int) -> FloatArray:
    _, data = cv2.imencode(".jpg", to_bytes(rgb), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(decoded, np.float32) / np.float32(255.0)
