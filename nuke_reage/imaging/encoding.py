"""What lies between the pixels of a plate and the pixels that a network sees.

Networks were trained on display pictures, plates are scene-linear: a highlight may be 50, a dark pixel below 0.  So:
plate space -> linear Rec.709 -> exposure and white gain of the shot -> the curve of :class:`DisplayCurve`, which can be
undone for any value.  A change that the network proposes to the encoded picture comes back as light to be added to the
plate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.imaging.arrays import FloatArray, require_rgb, require_same_size
from nuke_reage.imaging.gamut import WorkingSpace

__all__ = ["DisplayCurve", "NetworkEncoding"]

# Pixels that are worked on at a time: few enough for the buffers to stay in the processor's cache.
_CHUNK_PX = 16384


@dataclass(frozen=True)
class DisplayCurve:
    """sRGB up to a knee, a logarithmic shoulder above it, mirrored at 0; smooth and invertible, up to 1e38.

    ====================  =====================================================================================
    0.0031308 and below   ``12.92 x`` (IEC 61966-2-1)
    up to the knee        ``1.055 x^(1/2.4) - 0.055`` (IEC 61966-2-1)
    above the knee k      ``E(k) + a ln(1 + (x - k) E'(k) / a)``: value and slope continue those of sRGB
    below 0               ``-E(-x)``
    ====================  =====================================================================================

    With the default knee of 0.6 and shoulder a = 0.25 linear 1 becomes 0.964 (sRGB: 1), 2 becomes 1.17, 16 1.70 and
    60000 3.76.  A smaller shoulder would keep highlights nearer to 1, where networks were trained, but would turn the
    network's small errors into larger changes of light: one unit of encoded change is a factor of e^(1/a) up there.

    Attributes:
        knee: linear value where sRGB ends, above 0.0031308.
        shoulder: encoded units per factor e of light, far above the knee.

    Raises:
        ValueError: the knee lies in sRGB's linear part, or the shoulder is not above 0.

    >>> curve = DisplayCurve()
    >>> [round(float(v), 4) for v in curve.encode([-0.001, 0.0, 0.18, 1.0, 16.0])]
    [-0.0129, 0.0, 0.4614, 0.9644, 1.7037]
    """

    knee: float = 0.6
    shoulder: float = 0.25
    _encoded_knee: float = field(init=False, repr=False, compare=False)
    _slope: float = field(init=False, repr=False, compare=False)

    _TOE = 0.0031308

    def __post_init__(self) -> None:
        if not (math.isfinite(self.knee) and self.knee > self._TOE) or not self.shoulder > 0:
            raise ValueError(f"display curve needs a knee above {self._TOE} and a shoulder above 0, got {self}")
        object.__setattr__(self, "_encoded_knee", 1.055 * self.knee ** (1 / 2.4) - 0.055)
        object.__setattr__(self, "_slope", 1.055 / 2.4 * self.knee ** (1 / 2.4 - 1))

    def encode(self, linear: Any) -> FloatArray:
        """Linear Rec.709 light to encoded values.

        Args:
            linear: any shape, up to 1e38 in size; NaN stays NaN.

        Returns:
            float32 of the same shape, sRGB-like, 0..1 for ordinary light.
        """
        values = np.asarray(linear, dtype=np.float32)
        return self._encode(values.reshape(-1)).reshape(values.shape)

    def decode(self, encoded: Any) -> FloatArray:
        """The inverse of :meth:`encode`; infinite where float32 ends."""
        values = np.asarray(encoded, dtype=np.float32)
        return self._decode(values.reshape(-1)).reshape(values.shape)

    # The curve is a sum of three parts that each stand still outside their own range, which needs no selecting of
    # pixels: selecting costs more than the power.

    def _encode(self, values: FloatArray) -> FloatArray:
        size = np.abs(values)
        low, high = _range(size)
        result = _power(np.clip(size, self._TOE, self.knee), 1 / 2.4)
        result -= _power_of(self._TOE, 1 / 2.4)
        result *= np.float32(1.055)
        if low < self._TOE:
            result += np.minimum(size, np.float32(self._TOE)) * np.float32(12.92)
        else:
            result += np.float32(12.92) * np.float32(self._TOE)
        if high > self.knee:
            above = np.maximum(size - np.float32(self.knee), 0)
            with np.errstate(over="ignore"):
                above *= np.float32(self._slope / self.shoulder)
            result += np.log1p(above) * np.float32(self.shoulder)
        return _signed(result, values)

    def _decode(self, values: FloatArray) -> FloatArray:
        size = np.abs(values)
        low, high = _range(size)
        toe = 12.92 * self._TOE
        base = np.clip(size, toe, self._encoded_knee)
        base += np.float32(0.055)
        base *= np.float32(1 / 1.055)
        result = _power(base, 2.4)
        result -= _power_of(float((np.float32(toe) + np.float32(0.055)) * np.float32(1 / 1.055)), 2.4)
        if low < toe:
            result += np.minimum(size, np.float32(toe)) * np.float32(1 / 12.92)
        else:
            result += np.float32(self._TOE)
        if high > self._encoded_knee:
            above = np.maximum(size - np.float32(self._encoded_knee), 0)
            above *= np.float32(1 / self.shoulder)
            with np.errstate(over="ignore"):
                result += np.expm1(above) * np.float32(self.shoulder / self._slope)
        return _signed(result, values)


class NetworkEncoding:
    """Everything between a plate's pixels and the network's, both ways.

    Args:
        working_space: the plate's colour space.
        exposure_gain: factor on scene-linear light that brings the face to ordinary brightness, above 0.
        white_gain: factors on linear Rec.709 red, green and blue that bring its white balance near to neutral, above 0.
        curve: how light becomes display-like values.

    Raises:
        ValueError: a gain is not a finite number above 0.
    """

    def __init__(
        self,
        working_space: WorkingSpace,
        exposure_gain: float = 1.0,
        white_gain: tuple[float, float, float] = (1.0, 1.0, 1.0),
        *,
        curve: DisplayCurve | None = None,
    ) -> None:
        gains = np.array([exposure_gain * gain for gain in white_gain], dtype=np.float64)
        if gains.shape != (3,) or not np.isfinite(gains).all() or (gains <= 0).any():
            raise ValueError(f"gains must be finite and above 0, got exposure {exposure_gain} and white {white_gain}")
        self.working_space = working_space
        self.exposure_gain = float(exposure_gain)
        self.white_gain = white_gain
        self.curve = curve or DisplayCurve()
        self._gains = gains.astype(np.float32)
        space = working_space.matrix
        self._matrix = None if space is None else gains[:, None] * space
        self._inverse = None if self._matrix is None else np.asarray(np.linalg.inv(self._matrix), dtype=np.float64)

    def encode(self, plate_rgb: Any) -> FloatArray:
        """What the network sees of the plate.

        Args:
            plate_rgb: (H, W, 3) in the plate's own space, unbounded.

        Returns:
            (H, W, 3) float32, sRGB-like, 0..1 for ordinary light, unbounded.  A pixel of which any channel is not
            finite is NaN in all three; :func:`nuke_reage.imaging.sampling.warp` fills such pixels.

        Raises:
            ValueError: the shape is not (H, W, 3).
        """
        plate = require_rgb(plate_rgb, "plate_rgb")
        pixels, encoded = plate.reshape(-1, 3), np.empty_like(plate)
        flat = encoded.reshape(-1, 3)
        for part in _chunks(len(pixels)):
            light, broken = self._light(pixels[part])
            flat[part] = self.curve.encode(light)
            if broken is not None:
                flat[part][broken] = np.nan
        return encoded

    def delta(self, plate_rgb: Any, encoded_delta: Any) -> FloatArray:
        """The light to add to the plate for a change of its encoded picture: ``E^-1(E(plate) + d) - plate``.

        Args:
            plate_rgb: (H, W, 3) in the plate's own space, unbounded.
            encoded_delta: (H, W, 3) change of what :meth:`encode` gave, at the plate's resolution.

        Returns:
            (H, W, 3) float32 in the plate's own space.  Exactly 0 in pixels where ``encoded_delta`` is 0 in all
            channels (in linear Rec.709 in each such channel), and in pixels where the plate, the change or the result
            is not finite.

        Raises:
            ValueError: a shape is not (H, W, 3), or the two differ.
        """
        return self.delta_maker(plate_rgb)(encoded_delta)

    def delta_maker(self, plate_rgb: Any) -> Callable[..., FloatArray]:
        """:meth:`delta` for many changes of one picture, which is encoded once.

        Args:
            plate_rgb: as in :meth:`delta`.

        Returns:
            A function of ``encoded_delta``, and of what shades the changed picture: (H, W, 3) factors on its linear
            Rec.709 light, None = nothing.
        """
        plate = require_rgb(plate_rgb, "plate_rgb")
        pixels = plate.reshape(-1, 3)
        known: dict[int, tuple[FloatArray, Any, FloatArray]] = {}

        def delta(encoded_delta: Any, shading: Any = None) -> FloatArray:
            change = require_rgb(encoded_delta, "encoded_delta")
            require_same_size(change, "encoded_delta", plate.shape)
            changes, result = change.reshape(-1, 3), np.zeros_like(plate)
            factors = None
            if shading is not None:
                require_same_size(require_rgb(shading, "shading"), "shading", plate.shape)
                factors = shading.reshape(-1, 3)
            flat = result.reshape(-1, 3)
            for part in _chunks(len(pixels)):
                factor = None if factors is None else factors[part]
                if not changes[part].any() and (factor is None or (factor == 1).all()):
                    continue
                with np.errstate(invalid="ignore", over="ignore"):
                    if part.start not in known:
                        light, broken = self._light(pixels[part])
                        known[part.start] = light, broken, self.curve.encode(light)
                    added = self._added(*known[part.start], changes[part], factor)
                sound = np.isfinite(added)
                if not sound.all():
                    added[~sound.all(axis=1)] = 0
                flat[part] = added
            return result

        return delta

    def _light(self, pixels: FloatArray) -> tuple[FloatArray, Any]:
        """(N, 3) plate pixels as linear Rec.709 with the gains; also which of them are broken, None for none."""
        sound = np.isfinite(pixels)
        broken = None if sound.all() else ~sound.all(axis=1)
        if self._matrix is not None:
            light = _transform(pixels, self._matrix)
        else:
            light = self.working_space.to_linear_rec709(pixels[None])[0]
            light *= self._gains
        return light, broken

    def _added(
        self, light: FloatArray, broken: Any, encoded: FloatArray, changes: FloatArray, factors: FloatArray | None
    ) -> FloatArray:
        moved = self.curve.decode(encoded + changes)
        is_changed = changes != 0
        if factors is not None:
            moved = moved * factors
            is_changed |= factors != 1
        if self._inverse is not None:
            added = moved - light
            # Exact: there and back through the curve a value comes out within a rounding of itself, not as itself.
            added *= is_changed
            added = _transform(added, self._inverse)
        else:
            # Both go through the inverse, so that values which a log or display space cannot hold cancel out.
            space = self.working_space
            added = space.from_linear_rec709((moved / self._gains)[None])[0]
            added -= space.from_linear_rec709((light / self._gains)[None])[0]
            added[~is_changed.any(axis=1)] = 0
        if broken is not None:
            added[broken] = 0
        return np.asarray(added, dtype=np.float32)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK_PX, count)) for start in range(0, count, _CHUNK_PX))


def _transform(pixels: FloatArray, matrix: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(cv2.transform(pixels[None], matrix), dtype=np.float32).reshape(-1, 3)


def _power(values: FloatArray, exponent: float) -> FloatArray:
    # OpenCV's is vectorised everywhere; numpy's only where the processor has AVX-512.
    return np.asarray(cv2.pow(values, exponent), dtype=np.float32).reshape(values.shape) if values.size else values


def _power_of(value: float, exponent: float) -> np.float32:
    """By the same code as for pictures, so that differences of equal values are exactly 0."""
    return np.float32(_power(np.full(8, value, dtype=np.float32), exponent)[0])


def _range(size: FloatArray) -> tuple[float, float]:
    # fmin and fmax pass NaN by.
    return (float(np.fmin.reduce(size)), float(np.fmax.reduce(size))) if size.size else (0.0, 0.0)


def _signed(size: FloatArray, values: FloatArray) -> FloatArray:
    return np.copysign(size, values, out=size) if np.signbit(values).any() else size
