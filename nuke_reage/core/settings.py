"""What can be set for a shot: one frozen dataclass for each subject.

The gizmo's knobs, the command line's flags and the job file's keys are all names for these fields; the table that
ties them together is :mod:`nuke_reage.core.knobs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nuke_reage.core.ages import MAX_AGE_YEARS, MIN_AGE_YEARS
from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import nearest

__all__ = [
    "LAYERS",
    "AgeMapSettings",
    "ColourSettings",
    "FaceSettings",
    "MaskSettings",
    "ModelSettings",
    "OutputSettings",
    "PlateSettings",
]

LAYERS = ("delta", "mask", "regions", "protect", "comp")
"""The parts that a bake can write, in the order of the file."""

_CHOICES = {
    "precision": ("exact", "fast"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "backend": ("auto", "torch", "openvino", "onnxruntime"),
    "tiling": ("single", "windows"),
    "mode": ("offset", "replace"),
    "compression": ("zips", "zip", "piz", "dwaa", "none"),
}


def _choose(name: str, value: str) -> None:
    if value not in _CHOICES[name]:
        raise UsageError("bad-setting", f"{name} cannot be {value!r:.120}.", nearest(value, _CHOICES[name]))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError("bad-setting", f"{name} cannot be {value:g}.", f"Use a value from {low:g} to {high:g}.")


@dataclass(frozen=True)
class PlateSettings:
    """The picture to work on.

    Args:
        path: ``shot.####.exr``, ``shot.%04d.exr``, a still or a movie.
        colorspace: OCIO space of its pixels; empty = ``scene_linear`` for EXR, sRGB for other files.
        ocio_config: an OCIO config file or ``ocio://`` name; empty = ``$OCIO``, else the built-in ACES config.
        layer: EXR layer or part to read; empty = the main RGB channels.
    """

    path: str
    colorspace: str = ""
    ocio_config: str = ""
    layer: str = ""


@dataclass(frozen=True)
class FaceSettings:
    """Which face, and how it is followed.

    Args:
        track: trackfile; empty = one beside the output, made when it is missing or stale.
        select: ``largest``, a face's number in the trackfile, or ``X,Y`` in plate pixels from the top left.
        detector: face backend by name.
        smoothing: strength of the whole-shot smoothing, 0 = off, 1 = usual, up to 10.
        max_gap: frames without a detection that are filled by interpolation.
    """

    track: str = ""
    select: str = "largest"
    detector: str = "mediapipe"
    smoothing: float = 1.0
    max_gap: int = 12

    def __post_init__(self) -> None:
        _within("smoothing", self.smoothing, 0.0, 10.0)
        _within("max_gap", self.max_gap, 0, 1000)


@dataclass(frozen=True)
class ColourSettings:
    """How the plate's light is shown to the network.

    Args:
        auto_exposure: bring the face to the brightness that the network knows, one gain for the whole shot.
        exposure_stops: stops on top of that, -10 to 10.
        white_gain: red, green, blue gains on linear light, for strongly tinted plates.
    """

    auto_exposure: bool = True
    exposure_stops: float = 0.0
    white_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        _within("exposure_stops", self.exposure_stops, -10.0, 10.0)
        for gain in self.white_gain:
            _within("white_gain", gain, 0.01, 100.0)


@dataclass(frozen=True)
class ModelSettings:
    """Which network, and where it runs.

    Args:
        name: name in the registry, or a descriptor or weights file.
        precision: ``exact`` = float32; ``fast`` = bfloat16 or float16 where the machine has them.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        backend: ``auto``, ``torch``, ``openvino`` or ``onnxruntime``.
        tiling: ``single`` = one pass over the face; ``windows`` = the published nine windows, slow, as reference.
        lines: gain on the lines of age that are drawn on the tracked mesh for models that ask for it, 0 to 3.
        shade: how far skin that gets darker takes the hue of shadows on skin, for models that ask for it, 0 to 1.
    """

    name: str = "fran-lite"
    precision: str = "exact"
    device: str = "auto"
    backend: str = "auto"
    tiling: str = "single"
    lines: float = 1.0
    shade: float = 1.0

    def __post_init__(self) -> None:
        for name in ("precision", "device", "backend", "tiling"):
            _choose(name, getattr(self, name))
        _within("lines", self.lines, 0.0, 3.0)
        _within("shade", self.shade, 0.0, 1.0)


@dataclass(frozen=True)
class MaskSettings:
    """The soft face mask, in units of the face's size.

    Args:
        expand: moves the edge outwards, -0.5 to 0.5.
        feather: width of the soft edge, 0.005 to 1.
        hair: let the mask reach over the hair.
        neck: let the mask reach down the neck.
        refine: how far the mask keeps to the plate's own skin, so that hair and glasses in front of the face stay
            out, 0 = the mesh alone, 1 = fully.
        matte: roto that multiplies the mask, ``file.####.exr`` or ``file.####.exr:channel``; empty = none.
        holdout: roto that is taken out of the mask, likewise.
    """

    expand: float = 0.0
    feather: float = 0.12
    hair: bool = False
    neck: bool = False
    refine: float = 0.0
    matte: str = ""
    holdout: str = ""

    def __post_init__(self) -> None:
        _within("expand", self.expand, -0.5, 0.5)
        _within("feather", self.feather, 0.005, 1.0)
        _within("refine", self.refine, 0.0, 1.0)


@dataclass(frozen=True)
class AgeMapSettings:
    """Target ages painted by hand, pixel by pixel.

    Args:
        path: picture or sequence, ``file.####.exr`` or ``file.####.exr:channel``, in years; white of an integer still
            is 100 years; empty = none.
        mode: ``offset`` = years added to the target age; ``replace`` = years that count instead of it, where the map
            is above 0.
        soften: blur of the map, in face sizes, 0 to 1.
    """

    path: str = ""
    mode: str = "offset"
    soften: float = 0.0

    def __post_init__(self) -> None:
        _choose("mode", self.mode)
        _within("soften", self.soften, 0.0, 1.0)


@dataclass(frozen=True)
class OutputSettings:
    """The files to write.

    Args:
        path: sequence, still or movie to write; an EXR name gets layers, any other the finished picture.
        layers: parts of the EXR, of :data:`LAYERS`.
        compression: EXR compression.
        ladder: target ages, rising, for each of which the delta is baked into a part of its own; empty = none.
        layers_path: EXR sequence for the layers (of a single still one EXR), beside a still or movie
            (``--layers-to``); empty = none.
    """

    path: str
    layers: tuple[str, ...] = ("delta", "mask")
    compression: str = "zips"
    ladder: tuple[float, ...] = ()
    layers_path: str = ""

    def __post_init__(self) -> None:
        _choose("compression", self.compression)
        if not self.layers:
            raise UsageError("bad-layers", "No layer is asked for.", f"Choose of {', '.join(LAYERS)}.")
        for layer in self.layers:
            if layer not in LAYERS:
                raise UsageError("bad-layers", f"There is no layer {layer!r:.120}.", nearest(layer, LAYERS))
        if any(not MIN_AGE_YEARS <= age <= MAX_AGE_YEARS for age in self.ladder):
            raise UsageError("bad-ladder", "An age of the ladder is out of range.", "Ages are years from 0 to 120.")
        if any(later <= earlier for earlier, later in zip(self.ladder, self.ladder[1:])):
            raise UsageError("bad-ladder", "The ages of the ladder must rise.", "Write 20:80:10, or 20,35,50.")

    @property
    def exr(self) -> str:
        """The EXR that takes the layers, empty where a still or movie is all that is written."""
        return self.layers_path or (self.path if self.path.lower().endswith(".exr") else "")

    @property
    def can_be_checked(self) -> bool:
        """Whether ``reage report`` finds what it reads: a delta and a mask in an EXR."""
        return bool(self.exr) and {"delta", "mask"} <= set(self.layers)
