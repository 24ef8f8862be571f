"""What gizmo and command line do to delta and mask after the bake: the arithmetic that both must give.

In this order, each term changing nothing at its default:

1. ``tone = blur(delta) / blur(support)``, ``delta' = tone_gain * tone + detail_gain * (delta - tone)``.  ``support`` is
   1 where the baked mask is above 0.  A normalised convolution (Knutsson, Westin 1993): nothing from beyond the face
   darkens the tone near its edge or at the edge of the plate.
2. ``delta' = chroma * delta' + (luma - chroma) * (weights . delta')``
3. ``delta' = darken * delta'`` where a channel is below 0, ``lighten * delta'`` elsewhere
4. ``delta' *= (1 + sum region * (region_gain - 1)) * product(1 - amount * protect)``
5. ``mask' = mask`` dilated or eroded, blurred inside the plate, ``** (1 / gamma)``, and nowhere above ``16 * mask``:
   the delta ends where the baked mask does, and a mask that went on would show that end as a line
6. ``plate + gain * mask' * delta'``

Sizes are in face sizes.  A blur of size s is a Gaussian of ``sigma = s / 2.4``, the Gaussian of the Blur node as other
compositing programs copy it.  Dilation takes the largest value in a square that reaches s to each side; between two
whole numbers of pixels the two results are mixed, so that a keyed size does not step.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import PROTECTED, REGIONS, AdjustSettings
from nuke_reage.imaging.arrays import FloatArray, require_image, require_mask, require_rgb, require_same_size
from nuke_reage.imaging.blending import comp
from nuke_reage.imaging.gamut import LUMA_WEIGHTS

__all__ = [
    "BLUR_SIGMA",
    "MASK_GUARD",
    "Margins",
    "adjusted_comp",
    "adjusted_delta",
    "adjusted_mask",
]

BLUR_SIGMA = 1 / 2.4
"""Standard deviation of a blur over its size."""

MASK_GUARD = 16.0
"""How many times the baked mask the adjusted one can be at most."""

Margins = tuple[int, int, int, int]
"""Pixels that the plate goes on above, below, left and right of the arrays; delta and mask are 0 there."""

# Beyond this many standard deviations a Gaussian is below the last bit of half float.
_REACH = 4.0
# Longer kernels are quicker in the frequency domain.
_LONG_TAPS = 129


def adjusted_delta(
    delta: Any,
    mask: Any,
    settings: AdjustSettings,
    face_size_px: float,
    *,
    regions: Any = None,
    protect: Any = None,
    luma_weights: tuple[float, float, float] = LUMA_WEIGHTS,
    pixel_aspect: float = 1.0,
) -> FloatArray:
    """The delta with everything done to it but mask and gain.

    Args:
        delta: (H, W, 3), light to add, in the plate's space, unbounded; values that are not finite count as 0.
        mask: (H, W), the baked mask, 0..1.
        settings: what to do.
        face_size_px: the face size in this frame, pixels of square height, above 0.
        regions: (H, W, 8), mattes in the order of :data:`~nuke_reage.core.adjust.REGIONS`, 0..1; None = all 0.
        protect: (H, W, 3), mattes in the order of :data:`~nuke_reage.core.adjust.PROTECTED`, 0..1; None = all 0.
        luma_weights: luminance of the plate's red, green and blue.
        pixel_aspect: width of a pixel over its height.

    Returns:
        (H, W, 3) float32.

    Raises:
        ValueError: the shapes do not go together, or a size is not above 0.
    """
    matte = require_mask(mask, "mask")
    light = require_rgb(delta, "delta")
    require_same_size(light, "delta", matte.shape)
    _require_sizes(face_size_px, pixel_aspect)
    light = np.where(np.isfinite(light), light, np.float32(0))
    with np.errstate(over="ignore", invalid="ignore"):
        light = _split(light, matte > 0, settings, face_size_px, pixel_aspect)
        light = _graded(light, settings, luma_weights)
        weight = _weight(matte.shape, settings, regions, protect)
        return light if weight is None else light * weight[..., None]


def adjusted_mask(
    mask: Any,
    settings: AdjustSettings,
    face_size_px: float,
    *,
    margins_px: Margins = (0, 0, 0, 0),
    pixel_aspect: float = 1.0,
) -> FloatArray:
    """The mask dilated or eroded, blurred, and its soft edge filled or thinned.

    Where the arrays end at the plate's edge, nothing comes in from there: a face that the frame cuts stays covered.

    Args:
        mask: (H, W), the baked mask, 0..1.
        settings: what to do.
        face_size_px: the face size in this frame, pixels of square height, above 0.
        margins_px: how far the plate goes on around the arrays.
        pixel_aspect: width of a pixel over its height.

    Returns:
        (H, W) float32, exactly 0 where the baked mask is.

    Raises:
        ValueError: another shape, or a size that is not above 0.
    """
    baked = require_mask(mask, "mask")
    _require_sizes(face_size_px, pixel_aspect)
    dilate_px = settings.mask_dilate * face_size_px
    sigma_px = settings.mask_blur * face_size_px * BLUR_SIGMA
    if not dilate_px and not sigma_px and settings.mask_gamma == 1.0:
        return baked.copy()
    # Nothing further out can reach a pixel of the arrays.
    reach_px = math.ceil(abs(dilate_px) + 1 + _REACH * sigma_px) / min(1.0, pixel_aspect)
    top, bottom, left, right = (min(int(margin), math.ceil(reach_px)) for margin in margins_px)
    wide = np.pad(baked, ((top, bottom), (left, right)))
    wide = _dilated(wide, dilate_px, pixel_aspect)
    if sigma_px:
        inside = _blurred(np.ones_like(wide), sigma_px, pixel_aspect)
        wide = _blurred(wide, sigma_px, pixel_aspect) / inside
    changed = wide[top : top + baked.shape[0], left : left + baked.shape[1]]
    if settings.mask_gamma != 1.0:
        changed = np.maximum(changed, 0) ** np.float32(1 / settings.mask_gamma)
    return np.asarray(np.minimum(changed, np.float32(MASK_GUARD) * baked))


def adjusted_comp(
    plate: Any,
    mask: Any,
    delta: Any,
    settings: AdjustSettings,
    face_size_px: float,
    *,
    regions: Any = None,
    protect: Any = None,
    luma_weights: tuple[float, float, float] = LUMA_WEIGHTS,
    margins_px: Margins = (0, 0, 0, 0),
    pixel_aspect: float = 1.0,
) -> FloatArray:
    """``plate + gain * mask' * delta'``, and the plate bit for bit where that adds nothing.

    Args:
        plate: (H, W, 3) in the plate's own space, unbounded, NaN and infinities allowed.
        mask: (H, W), the baked mask.
        delta: (H, W, 3), the baked delta.
        settings: what to do.
        face_size_px: see :func:`adjusted_delta`, as for the rest.
        regions: region mattes or None.
        protect: mattes to hold out or None.
        luma_weights: luminance of the plate's red, green and blue.
        margins_px: how far the plate goes on around the arrays.
        pixel_aspect: width of a pixel over its height.

    Returns:
        (H, W, 3) float32; where only the gain is set, bit for bit that of :func:`~nuke_reage.imaging.blending.comp`.

    Raises:
        ValueError: the shapes do not go together, or a size is not above 0.
    """
    if settings.is_plain:
        return comp(plate, mask, delta, settings.gain)
    light = adjusted_delta(
        delta,
        mask,
        settings,
        face_size_px,
        regions=regions,
        protect=protect,
        luma_weights=luma_weights,
        pixel_aspect=pixel_aspect,
    )
    matte = adjusted_mask(mask, settings, face_size_px, margins_px=margins_px, pixel_aspect=pixel_aspect)
    return comp(plate, matte, light, settings.gain)


def _require_sizes(face_size_px: float, pixel_aspect: float) -> None:
    for name, value in (("face_size_px", face_size_px), ("pixel_aspect", pixel_aspect)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be above 0 and finite, got {value}")


def _split(
    light: FloatArray, support: Any, settings: AdjustSettings, face_size_px: float, pixel_aspect: float
) -> FloatArray:
    """The delta with its broad and its fine part weighted, 0 outside the support."""
    if settings.tone == settings.detail == 1.0:
        return light
    inside = support.astype(np.float32)
    light = light * inside[..., None]
    if settings.tone == settings.detail:
        return np.asarray(light * np.float32(settings.detail))
    sigma_px = settings.split_radius * face_size_px * BLUR_SIGMA
    total = _blurred(inside, sigma_px, pixel_aspect)
    tone = _blurred(light, sigma_px, pixel_aspect) / np.where(support, total, np.float32(1))[..., None]
    split = np.float32(settings.detail) * light + np.float32(settings.tone - settings.detail) * tone
    return np.asarray(split * inside[..., None])


def _graded(light: FloatArray, settings: AdjustSettings, luma_weights: tuple[float, float, float]) -> FloatArray:
    """The delta with luminance and colour, then darkening and lightening weighted."""
    if (settings.luma, settings.chroma) != (1.0, 1.0):
        luminance = light @ np.asarray(luma_weights, np.float32)
        light = np.float32(settings.chroma) * light + np.float32(settings.luma - settings.chroma) * luminance[..., None]
    if (settings.darken, settings.lighten) != (1.0, 1.0):
        light = light * np.where(light < 0, np.float32(settings.darken), np.float32(settings.lighten))
    return np.asarray(light)


def _weight(shape: tuple[int, ...], settings: AdjustSettings, regions: Any, protect: Any) -> FloatArray | None:
    """Factor of regions and protection, (H, W); None where it is 1 everywhere."""
    gains = [getattr(settings.regions, name) - 1 for name in REGIONS]
    amounts = [getattr(settings.protect, name) for name in PROTECTED]
    weight: FloatArray | None = None
    if regions is not None and any(gains):
        mattes = _require_mattes(regions, "regions", shape, len(REGIONS))
        weight = np.float32(1) + mattes @ np.asarray(gains, np.float32)
    if protect is not None and any(amounts):
        mattes = _require_mattes(protect, "protect", shape, len(PROTECTED))
        kept = np.prod(1 - mattes * np.asarray(amounts, np.float32), axis=2, dtype=np.float32)
        weight = kept if weight is None else weight * kept
    return weight


def _require_mattes(array: Any, name: str, shape: tuple[int, ...], count: int) -> FloatArray:
    mattes = require_image(array, name)
    if mattes.shape != (*shape, count):
        raise ValueError(f"{name} must have shape {(*shape, count)}, got {mattes.shape}")
    return mattes


def _blurred(image: FloatArray, sigma_px: float, pixel_aspect: float) -> FloatArray:
    """Gaussian blur with 0 around the array; ``sigma_px`` is in pixels of square height."""
    kernels = [_gaussian(sigma_px / pixel_aspect), _gaussian(sigma_px)]
    if max(len(kernel) for kernel in kernels) <= _LONG_TAPS:
        across, down = (kernel.astype(np.float32) for kernel in kernels)
        return np.asarray(cv2.sepFilter2D(image, -1, across, down, borderType=cv2.BORDER_CONSTANT))
    result = image.astype(np.float64)
    for axis, kernel in ((1, kernels[0]), (0, kernels[1])):
        shape = [1] * image.ndim
        shape[axis] = len(kernel)
        result = _convolved(result, kernel.reshape(shape), axis)
    # The rounding of the transform, where there is nothing.
    result[np.abs(result) < 1e-12] = 0.0
    return np.asarray(result, dtype=np.float32)


def _convolved(image: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """The convolution along one axis, as large as the image, however long the kernel is."""
    from scipy.signal import fftconvolve  # brings scipy.stats: a second that a bake without adjustments saves

    start = (kernel.shape[axis] - 1) // 2
    full = fftconvolve(image, kernel, axes=axis)
    return np.asarray(np.take(full, range(start, start + image.shape[axis]), axis=axis))


def _gaussian(sigma: float) -> npt.NDArray[np.float64]:
    """An odd number of taps that sum to 1."""
    reach = math.ceil(_REACH * sigma)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    return np.asarray(taps / taps.sum())


def _dilated(mask: FloatArray, dilate_px: float, pixel_aspect: float) -> FloatArray:
    """The mask moved outwards by ``dilate_px``, inwards where that is below 0."""
    if not dilate_px:
        return mask
    # Eroding is dilating what the mask leaves free: what lies beyond the array then never counts, either way.
    grown = mask if dilate_px > 0 else 1 - mask
    low_px = math.floor(abs(dilate_px))
    share = np.float32(abs(dilate_px) - low_px)
    low, high = (_largest_within(grown, size_px, pixel_aspect) for size_px in (low_px, low_px + 1))
    if dilate_px < 0:
        # Turned back before they are mixed: what is eroded away is 0 then, not a rounding that gamma would bring out.
        low, high = 1 - low, 1 - high
    return np.asarray(low * (1 - share) + high * share, dtype=np.float32)


def _largest_within(mask: FloatArray, size_px: int, pixel_aspect: float) -> FloatArray:
    columns = math.floor(size_px / pixel_aspect + 0.5)
    square = np.ones((2 * size_px + 1, 2 * columns + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, square)) if square.size > 1 else mask
