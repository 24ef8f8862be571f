"""Draw the figures of the documentation from the code that they show: ``python docs/figures.py``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import numpy.typing as npt
from skimage.data import astronaut

from nuke_reage.core.adjust import PROTECTED, REGIONS
from nuke_reage.evaluation.sitting import ModelRunner
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.imaging.encoding import DisplayCurve
from nuke_reage.imaging.face_mask import face_mask
from nuke_reage.imaging.geometry import CropFrame, Window, apply_affine
from nuke_reage.imaging.lines import FaceLines
from nuke_reage.imaging.mesh import FaceMesh
from nuke_reage.imaging.protect import protect_mattes
from nuke_reage.imaging.regions import region_mattes, region_weights
from nuke_reage.imaging.relief import Relief
from nuke_reage.imaging.sampling import warp
from nuke_reage.imaging.shade import SHADE_OF_SKIN
from nuke_reage.imaging.skin import skin_matte
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.training.portraits import crop_face

__all__ = ["display_curve_svg", "lines_picture", "main", "mattes_picture", "models_picture"]

Points = npt.NDArray[np.float64]

IMAGES = Path(__file__).resolve().parent / "images"

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 696, 22, 320
_STOPS = (-7.0, 12.0)
_LARGEST = 2.8
_GREY = 0.18
_TILE = 400
_SMALL_TILE, _HALF_FACE = 280, 84.0
_AGES = (20.0, 35.0, 50.0, 65.0, 80.0)
_TINTS = np.array(
    [
        (0.95, 0.2, 0.2), (0.2, 0.8, 0.25), (0.1, 0.75, 0.95), (1.0, 0.6, 0.1),
        (0.95, 0.5, 0.8), (0.95, 0.9, 0.2), (0.55, 0.25, 0.9), (0.75, 0.75, 0.75),
    ],
    np.float32,
)  # fmt: skip


def main() -> None:
    """Write all figures."""
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "display_curve.svg").write_text(display_curve_svg(), encoding="utf-8", newline="\n")
    for name, rgb in (("mattes", mattes_picture()), ("lines", lines_picture()), ("models", models_picture())):
        picture = (rgb[..., ::-1] * 255).round().astype(np.uint8)
        cv2.imwrite(str(IMAGES / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


def mattes_picture() -> npt.NDArray[np.float32]:
    """The astronaut (NASA, public domain): mask and refined mask, regions, protection; (h, w, 3) in 0..1."""
    photo = astronaut().astype(np.float32) / 255
    (face, *_) = MediapipeBackend().detect(photo)
    crop = CropFrame(222.0, 118.0, 190.0, 0.0).canvas_from_plate(_TILE)
    picture = np.clip(warp(photo, Window.of_shape(photo.shape), crop, (_TILE, _TILE)), 0, 1)
    points = apply_affine(crop, face.landmarks[:, :2])
    window = Window(0, 0, _TILE, _TILE)
    mask = face_mask(points, window)
    refined = mask * skin_matte(picture, points)
    regions = region_mattes(region_weights(points, window), mask)
    protect = protect_mattes(points, window)
    tiles = {
        "mask": _tinted(picture, mask[..., None], _TINTS[:1]),
        "mask, refine 1": _tinted(picture, refined[..., None], _TINTS[:1]),
        "regions": _tinted(picture, regions, _TINTS),
        "protect": _tinted(picture, protect, _TINTS[[1, 0, 2]]),
    }
    keys = {"regions": (REGIONS, _TINTS), "protect": (PROTECTED, _TINTS[[1, 0, 2]])}
    for name, tile in tiles.items():
        _written(tile, name, 8, 22, (1.0, 1.0, 1.0))
        for row, (key, tint) in enumerate(zip(*keys.get(name, ((), ())), strict=True)):
            _written(tile, key, 8, 44 + 19 * row, tuple(float(value) for value in tint))
    return np.hstack(list(tiles.values()))


def lines_picture() -> npt.NDArray[np.float32]:
    """The astronaut: photograph, the relief of 80 years, and the relief lit as she is; (h, w, 3) in 0..1."""
    crop = crop_face(astronaut().astype(np.float32) / 255, 2 * _TILE, MediapipeBackend())
    if crop is None:
        raise LookupError("the astronaut's face was not found")
    mesh = FaceMesh(crop.landmarks / np.float32(2 * _TILE), 2 * _TILE)
    lines = FaceLines(crop.rgb, crop.landmarks, 2 * _TILE).log_shading(25.0, 80.0)
    height = np.clip(0.5 + 0.3 * Relief(mesh).height(25.0, 80.0), 0, 1)
    curve = DisplayCurve()
    lined = curve.encode(curve.decode(crop.rgb) * np.exp(lines[..., None] * SHADE_OF_SKIN))
    around = (slice(int(0.45 * _TILE), int(1.65 * _TILE)), slice(int(0.4 * _TILE), int(1.6 * _TILE)))
    return np.hstack([picture[around] for picture in (crop.rgb, np.repeat(height[..., None], 3, 2), lined)])


def models_picture() -> npt.NDArray[np.float32]:
    """The astronaut, 38, by each of the bundled models at five ages, the photograph first; (h, w, 3) in 0..1."""
    rows = []
    with TemporaryDirectory() as folder:
        photo = Path(folder) / "astronaut.png"
        cv2.imwrite(str(photo), astronaut()[..., ::-1])
        for model in ("fran-lite", "fran-lite-clean"):
            sitting = ModelRunner(model, Path(folder), PredictorCache()).sit(photo)
            tiles = []
            for name, rgb in zip(
                (model, *(f"{age:g}" for age in _AGES)), (sitting.source, *sitting.reage(38.0, _AGES)), strict=True
            ):
                middle = sitting.landmarks.mean(axis=0)
                crop = CropFrame(float(middle[0]), float(middle[1]) - 8, _HALF_FACE, 0.0).canvas_from_plate(_SMALL_TILE)
                tile = np.clip(warp(rgb, Window.of_shape(rgb.shape), crop, (_SMALL_TILE, _SMALL_TILE)), 0, 1)
                _written(tile, name, 8, 22, (1.0, 1.0, 1.0))
                tiles.append(tile)
            rows.append(np.hstack(tiles))
    return np.vstack(rows)


def _tinted(
    picture: npt.NDArray[np.float32], mattes: npt.NDArray[np.float32], tints: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    share = np.clip(mattes.sum(axis=2, keepdims=True), 0, 1)
    return np.ascontiguousarray(picture * (1 - 0.6 * share) + 0.6 * (mattes @ tints), np.float32)


def _written(tile: npt.NDArray[np.float32], text: str, x: int, y: int, colour: tuple[float, ...]) -> None:
    for tint, width in (((0.0, 0.0, 0.0), 4), (colour, 1)):
        cv2.putText(tile, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.55, tint, width, cv2.LINE_AA)


def display_curve_svg() -> str:
    """The curve between linear light and what the network sees, beside sRGB, over stops from middle grey."""
    curve, srgb = DisplayCurve(), DisplayCurve(knee=1.0)
    stops = np.linspace(*_STOPS, 400)
    light = _GREY * 2.0**stops
    knee = float(np.log2(curve.knee / _GREY))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for value in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        parts.append(_line([(_STOPS[0], value), (_STOPS[1], value)], "#e0e0e0"))
        parts.append(_text(_x(_STOPS[0]) - 8, _y(value) + 4, f"{value:g}", "end"))
    for stop in range(-6, 13, 3):
        parts.append(_line([(stop, 0.0), (stop, _LARGEST)], "#e0e0e0"))
        parts.append(_text(_x(stop), _BOTTOM + 18, f"{stop:+d}" if stop else "0", "middle"))
        parts.append(_text(_x(stop), _BOTTOM + 34, f"{_GREY * 2.0**stop:.3g}", "middle", "#777777"))
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 53, "stops from middle grey, and linear light", "middle"))
    clipped = np.minimum(srgb.encode(light).astype(np.float64), 1.0)
    parts.append(_line(np.column_stack([stops, clipped]), "#b0703c", 2, "6 5"))
    parts.append(_line(np.column_stack([stops, curve.encode(light)]), "#1f6f8b", 2.6))
    at_knee = float(curve.encode(np.array([curve.knee]))[0])
    parts.append(f'<circle cx="{_x(knee):.1f}" cy="{_y(at_knee):.1f}" r="4" fill="#1f6f8b"/>')
    parts.append(_text(_x(knee) - 9, _y(at_knee) - 7, f"knee, {curve.knee:g}", "end", "#1f6f8b"))
    parts.append(_text(_x(7.5), _y(2.05), "E, what the network sees", "end", "#1f6f8b"))
    parts.append(_text(_x(11.9), _y(0.88), "sRGB, which ends at 1", "end", "#b0703c"))
    return "\n".join([*parts, "</svg>", ""])


def _x(stop: float) -> float:
    return _LEFT + (stop - _STOPS[0]) / (_STOPS[1] - _STOPS[0]) * (_RIGHT - _LEFT)


def _y(value: float) -> float:
    return _BOTTOM - value / _LARGEST * (_BOTTOM - _TOP)


def _line(
    points: Points | list[tuple[float, float]] | list[tuple[int, float]],
    colour: str,
    width: float = 1.0,
    dashes: str = "",
) -> str:
    path = " ".join(f"{_x(float(stop)):.1f},{_y(float(value)):.1f}" for stop, value in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


if __name__ == "__main__":
    main()
