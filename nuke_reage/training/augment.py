"""The same random change to both pictures of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.training.config import AugmentConfig
from nuke_reage.training.pictures import to_bytes

__all__ = ["Change", "augment_pair", "draw_change", "face_weight", "to_canvas"]

# The face in an aligned crop: centre and half axes as shares of the side.
_FACE_CENTRE, _FACE_AXES = (0.5, 0.57), (0.29, 0.38)
# Shares of the pairs; the others are left sharp and clean.
_BLURRED, _GRAINED = 0.25, 0.3


def face_weight(canvas_px: int, face_gain: float) -> FloatArray:
    """(S, S) weights: 1 outside of where an aligned crop has its face, ``face_gain`` inside, mean 1."""
    x, y = np.meshgrid(*(2 * [(np.arange(canvas_px, dtype=np.float32) + 0.5) / canvas_px]))
    radius = ((x - _FACE_CENTRE[0]) / _FACE_AXES[0]) ** 2 + ((y - _FACE_CENTRE[1]) / _FACE_AXES[1]) ** 2
    inside = 1.0 / (1.0 + np.exp((radius - 1.0) * 6.0))
    weight = 1.0 + (face_gain - 1.0) * inside
    return np.asarray(weight / weight.mean(), np.float32)


@dataclass(frozen=True, eq=False)
class Change:
    """What chance does to a pair.

    Attributes:
        matrix: (2, 3) from pixels of the picture to those of the square that is cut out, centres at whole numbers.
        flip: mirror the square.
        gain: (3,) on encoded values.
        power: contrast.
        saturation: distance from grey.
        blur_px: sigma.
        grain: standard deviation of noise, in 0..1.
        jpeg_quality: of the source; None = not compressed.
    """

    matrix: npt.NDArray[np.float64]
    flip: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    power: float = 1.0
    saturation: float = 1.0
    blur_px: float = 0.0
    grain: float = 0.0
    jpeg_quality: int | None = None

    @property
    def shrink(self) -> float:
        """Pixels of the square for a pixel of the picture."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def keeps_colour(self) -> bool:
        return self.gain == (1.0, 1.0, 1.0) and self.power == 1.0 and self.saturation == 1.0


def draw_change(side_px: int, canvas_px: int, crop_px: int, config: AugmentConfig, rng: np.random.Generator) -> Change:
    """Chance for one pair.

    Args:
        side_px: of its pictures.
        canvas_px: side that whole pictures are scaled to.
        crop_px: side of what is cut out, about the face; the canvas's = all of it.
        config: how much.
        rng: where the chance comes from.
    """
    matrix = _geometry(side_px, canvas_px, crop_px, config, rng)
    flip = bool(config.flip and rng.random() < 0.5)
    # In encoded values a stop is a gain of about 2 ** (1 / 2.2).
    gain = 2.0 ** (rng.normal(0.0, config.exposure_stops) / 2.2) * np.exp(rng.normal(0.0, config.white_balance, 3))
    power = float(np.exp(rng.normal(0.0, config.gamma)))
    saturation = float(1.0 + rng.normal(0.0, config.saturation))
    kind, strength = rng.random(), rng.random()
    blur_px = (0.2 + 0.8 * strength) * config.blur_px if kind < _BLURRED else 0.0
    grain = (0.1 + 0.9 * strength) * config.grain if kind > 1.0 - _GRAINED else 0.0
    quality = int(rng.integers(40, 90)) if rng.random() < config.jpeg_share else None
    red, green, blue = (float(one) for one in gain)
    return Change(matrix, flip, (red, green, blue), power, saturation, blur_px, grain, quality)


def to_canvas(rgb: FloatArray, canvas_px: int) -> FloatArray:
    """A square picture at the canvas's size, unchanged otherwise."""
    scale = canvas_px / rgb.shape[0]
    # OpenCV counts pixel centres at whole numbers, hence the half pixels.
    matrix = np.array([[scale, 0.0, 0.5 * scale - 0.5], [0.0, scale, 0.5 * scale - 0.5]])
    return np.clip(_moved(rgb, Change(matrix), canvas_px), 0.0, 1.0)


def augment_pair(
    source: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    crop_px: int,
    change: Change,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Change both pictures of a pair alike and cut out a square.

    Args:
        source: (S, S, 3) encoded, 0..1.
        target: the same size.
        weight: (S, S), moved with them.
        crop_px: side of what is cut out.
        change: what to do.
        rng: of the grain.

    Returns:
        Source and target (crop_px, crop_px, 3) in 0..1, and the weight (crop_px, crop_px).
    """
    source, target, weight = (_moved(picture, change, crop_px) for picture in (source, target, weight))
    if not change.keeps_colour:
        source, target = _coloured(source, change), _coloured(target, change)
    if change.blur_px > 0:
        source, target = (
            np.asarray(cv2.GaussianBlur(one, (0, 0), change.blur_px), np.float32) for one in (source, target)
        )
    if change.grain > 0:
        grain = rng.standard_normal(source.shape, np.float32) * np.float32(change.grain)
        source, target = source + grain, target + grain
    source, target = np.clip(source, 0.0, 1.0), np.clip(target, 0.0, 1.0)
    if change.jpeg_quality is not None:
        compressed = _through_jpeg(source, change.jpeg_quality)
        # The target has what it does to the source: a network that took it out would change plates at equal ages.
        source, target = compressed, np.clip(target + (compressed - source), 0.0, 1.0)
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


def _moved(image: FloatArray, change: Change, crop_px: int) -> FloatArray:
    if change.shrink < 0.75:  # linear interpolation alone would alias
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.42 / change.shrink), np.float32)
    moved = cv2.warpAffine(
        image, change.matrix, (crop_px, crop_px),
        flags=cv2.INTER_CUBIC if change.shrink > 0.9 else cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.ascontiguousarray(moved[:, ::-1] if change.flip else moved, dtype=np.float32)


def _coloured(rgb: FloatArray, change: Change) -> FloatArray:
    rgb = np.clip(rgb, 0.0, 1.0) ** np.float32(change.power) * np.array(change.gain, np.float32)
    grey = rgb.mean(axis=2, keepdims=True)
    return np.asarray(grey + (rgb - grey) * np.float32(change.saturation), np.float32)


def _through_jpeg(rgb: FloatArray, quality: int) -> FloatArray:
    _, data = cv2.imencode(".jpg", to_bytes(rgb)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[:, :, ::-1], np.float32) / np.float32(255.0)
