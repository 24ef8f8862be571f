"""Between a plate's colour space and linear light of Rec.709 primaries, through OpenColorIO.

Spaces that are a matrix away (ACEScg, ACES2065-1, linear camera gamuts) use that matrix in float64: exact, without
bounds, and quick.  Log and display-encoded spaces go through OCIO's CPU processors both ways.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PyOpenColorIO

from nuke_reage.core.errors import UsageError
from nuke_reage.imaging.arrays import FloatArray, require_rgb

__all__ = ["DEFAULT_CONFIG", "LUMA_WEIGHTS", "WorkingSpace"]

Matrix = npt.NDArray[np.float64]

DEFAULT_CONFIG = "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
"""Named in full, for what ``ocio://default`` means changes with the library; *studio* has the camera spaces."""

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luminance of the red, green and blue of linear Rec.709 (ITU-R BT.709)."""

_LINEAR_REC709 = "Linear Rec.709 (sRGB)"

# What people say, and the names it goes by in the ACES configs, then in older studio and Nuke configs.
_ALIASES: dict[str, tuple[str, ...]] = {
    "srgb": ("sRGB Encoded Rec.709 (sRGB)", "sRGB - Texture", "Utility - sRGB - Texture", "sRGB", "srgb8"),
    "srgb - texture": ("sRGB Encoded Rec.709 (sRGB)", "sRGB - Texture", "Utility - sRGB - Texture", "sRGB"),
    "linear": (_LINEAR_REC709, "Utility - Linear - sRGB", "Utility - Linear - Rec.709", "lin_srgb", "lin_rec709"),
    "linear rec.709": (_LINEAR_REC709, "Utility - Linear - Rec.709", "lin_rec709", "linear"),
    "linear rec709": (_LINEAR_REC709, "Utility - Linear - Rec.709", "lin_rec709", "linear"),
    "linear srgb": (_LINEAR_REC709, "Utility - Linear - sRGB", "lin_srgb", "linear"),
    "acescg": ("ACES - ACEScg", "lin_ap1"),
    "aces2065-1": ("ACES - ACES2065-1", "lin_ap0"),
    "logc": ("ARRI LogC3 (EI800)", "Input - ARRI - V3 LogC (EI800) - Wide Gamut", "AlexaV3LogC"),
    "logc3": ("ARRI LogC3 (EI800)", "Input - ARRI - V3 LogC (EI800) - Wide Gamut", "AlexaV3LogC"),
    "logc4": ("ARRI LogC4", "Input - ARRI - LogC4"),
    "slog3": ("S-Log3 S-Gamut3.Cine", "Input - Sony - S-Log3 - S-Gamut3.Cine", "SLog3"),
    "log3g10": ("Log3G10 REDWideGamutRGB", "Input - RED - REDLog3G10 - REDWideGamutRGB"),
    "vlog": ("V-Log V-Gamut", "Input - Panasonic - V-Log - V-Gamut"),
}


@dataclass(frozen=True)
class WorkingSpace:
    """A colour space that a plate is in.

    Attributes:
        name: the colour space's own name in its config, roles and aliases resolved.
        config_name: what the config calls itself, or its path.
        matrix: (3, 3) float64 to linear Rec.709 for column vectors, None where the space is not linear.
        inverse_matrix: (3, 3) float64 from linear Rec.709, None likewise.
    """

    name: str
    config_name: str
    matrix: Matrix | None = field(repr=False, compare=False)
    inverse_matrix: Matrix | None = field(repr=False, compare=False)
    _to_linear: Any = field(repr=False, compare=False, default=None)
    _from_linear: Any = field(repr=False, compare=False, default=None)

    @classmethod
    def from_name(cls, name: str, config: str | None = None) -> WorkingSpace:
        """Look a colour space up.

        Args:
            name: a colour space, alias or role of the config (``scene_linear``, ``ACEScg``, ``ARRI LogC4``), or a
                common short name (``srgb``, ``linear``, ``logc3``, ``logc4``, ``slog3``).
            config: path of an OCIO config or ``ocio://...``; default: ``$OCIO``, else :data:`DEFAULT_CONFIG`.

        Raises:
            UsageError: the config cannot be read (``ocio-config``), has no such space (``unknown-colorspace``), or
                the space holds data, not colour, or does not say how it relates to others (``unusable-colorspace``).
        """
        location = config or os.environ.get("OCIO") or DEFAULT_CONFIG
        loaded = _load(location)
        space = _find(loaded, name, location)
        if space.isData():
            raise UsageError(
                "unusable-colorspace",
                f"colour space {space.getName()!r} holds data, not colour",
                "Name the space that the plate's pixels are in, for example scene_linear or ACEScg.",
            )
        config_name = loaded.getName() or location
        forward, backward = _processors(loaded, space.getName(), config_name)
        matrix = _matrix_of(forward)
        if matrix is not None:
            return cls(space.getName(), config_name, matrix, np.asarray(np.linalg.inv(matrix), dtype=np.float64))
        return cls(space.getName(), config_name, None, None, _cpu(forward), _cpu(backward))

    @classmethod
    def linear_rec709(cls) -> WorkingSpace:
        """The space that the others are converted to, without asking OCIO."""
        return cls(_LINEAR_REC709, "", np.eye(3), np.eye(3))

    @property
    def is_linear(self) -> bool:
        """Whether the space is a matrix away from linear Rec.709."""
        return self.matrix is not None

    @property
    def luma_weights(self) -> tuple[float, float, float]:
        """Luminance (Y of ITU-R BT.709) of this space's primaries; of Rec.709's where it is not linear."""
        red, green, blue = LUMA_WEIGHTS if self.matrix is None else np.array(LUMA_WEIGHTS) @ self.matrix
        return float(red), float(green), float(blue)

    def to_linear_rec709(self, rgb: Any) -> FloatArray:
        """Convert from this space.

        Args:
            rgb: (H, W, 3) in this space, unbounded.

        Returns:
            (H, W, 3) float32, scene-linear, Rec.709 primaries, unbounded; NaN and infinity stay in their pixel.

        Raises:
            ValueError: another shape.
        """
        return self._convert(require_rgb(rgb, "rgb"), self.matrix, self._to_linear)

    def from_linear_rec709(self, rgb: Any) -> FloatArray:
        """The inverse of :meth:`to_linear_rec709`.

        Raises:
            ValueError: another shape.
        """
        return self._convert(require_rgb(rgb, "rgb"), self.inverse_matrix, self._from_linear)

    @staticmethod
    def _convert(image: FloatArray, matrix: Matrix | None, processor: Any) -> FloatArray:
        if matrix is None:
            converted = image.copy()
            processor.applyRGB(converted)
            return converted
        if np.array_equal(matrix, np.eye(3)):
            return image.copy()
        return np.asarray(cv2.transform(image, matrix), dtype=np.float32)


@lru_cache(maxsize=4)
def _built_in(location: str) -> Any:
    """A config of OCIO's own, which cannot change; read once, because that takes longer than all else here."""
    return PyOpenColorIO.Config.CreateFromFile(location)


def _load(location: str) -> Any:
    try:
        return (_built_in if location.startswith("ocio://") else PyOpenColorIO.Config.CreateFromFile)(location)
    except PyOpenColorIO.Exception as error:
        reason = str(error).strip().splitlines()
        raise UsageError(
            "ocio-config",
            f"cannot read the OCIO config {location!r}: {reason[0] if reason else 'unknown reason'}",
            "Correct --ocio-config or the OCIO environment variable, or unset it to use the built-in ACES config.",
        ) from error


def _find(config: Any, name: str, location: str) -> Any:
    """The colour space that a name, alias, role or short name means."""
    wanted = name.strip()
    for candidate in (wanted, *_ALIASES.get(wanted.lower().replace("_", " "), ())):
        space = config.getColorSpace(candidate) if candidate else None
        if space is not None:
            return space
    known = [space for listed in config.getColorSpaces() for space in (listed.getName(), *listed.getAliases())]
    known += [role for role, _ in config.getRoles()]
    # The config's own spelling where it and a short name differ in case only.
    by_lower = {entry.lower(): entry for entry in (*_ALIASES, *reversed(known))}
    near = difflib.get_close_matches(wanted.lower(), list(by_lower), n=4, cutoff=0.4)
    choices = ", ".join(by_lower[entry] for entry in near) or ", ".join(role for role, _ in config.getRoles())
    raise UsageError(
        "unknown-colorspace",
        f"the OCIO config {config.getName() or location!r} has no colour space {name!r}",
        f"Nearest names: {choices}." if near else f"It has the roles {choices}.",
    )


def _processors(config: Any, name: str, config_name: str) -> tuple[Any, Any]:
    """OCIO's way to linear Rec.709 and back."""
    aces = _built_in(DEFAULT_CONFIG)
    # Configs without interchange roles (Nuke's own among them) still name their linear Rec.709.
    own = next((entry for entry in (_LINEAR_REC709, *_ALIASES["linear"], "linear") if config.getColorSpace(entry)), "")
    ways: list[Callable[[], tuple[Any, Any]]] = [
        lambda: (
            PyOpenColorIO.Config.GetProcessorFromConfigs(config, name, aces, _LINEAR_REC709),
            PyOpenColorIO.Config.GetProcessorFromConfigs(aces, _LINEAR_REC709, config, name),
        ),
        lambda: (config.getProcessor(name, own), config.getProcessor(own, name)),
    ]
    has_interchange = any(role == "aces_interchange" for role, _ in config.getRoles())
    reasons = []
    for way in ways if has_interchange or not own else ways[::-1]:
        try:
            return way()
        except PyOpenColorIO.Exception as error:
            reasons.append(str(error).strip())
    raise UsageError(
        "unusable-colorspace",
        f"the OCIO config {config_name!r} cannot convert {name!r} to linear Rec.709: {reasons[0]}",
        "Choose a scene-referred colour space, or give the config the role aces_interchange.",
    )


def _matrix_of(processor: Any) -> Matrix | None:
    """The 3 x 3 matrix that a processor amounts to, None where it is anything else."""
    matrix = np.eye(3)
    for transform in processor.getOptimizedProcessor(PyOpenColorIO.OPTIMIZATION_LOSSLESS).createGroupTransform():
        if not isinstance(transform, PyOpenColorIO.MatrixTransform) or any(transform.getOffset()):
            return None
        step = np.array(transform.getMatrix()).reshape(4, 4)[:3, :3]
        matrix = (
            np.linalg.inv(step) if transform.getDirection() == PyOpenColorIO.TRANSFORM_DIR_INVERSE else step
        ) @ matrix
    # There and back through a reference space leaves 1e-16 beside the identity; linear Rec.709 must be exactly itself.
    return np.eye(3) if np.allclose(matrix, np.eye(3), rtol=0, atol=1e-9) else matrix


def _cpu(processor: Any) -> Any:
    return processor.getOptimizedCPUProcessor(PyOpenColorIO.OPTIMIZATION_LOSSLESS)
