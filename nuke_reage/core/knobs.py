"""One table for the gizmo's knobs, the command line's flags, the job file's keys and the docs.

Tests hold all four against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

__all__ = ["KNOBS", "Knob", "knob", "setting_of"]


@dataclass(frozen=True)
class Knob:
    """One thing that an artist can set.

    Args:
        name: the knob's name in Nuke; the flag is the same with ``--`` and hyphens.
        setting: dotted path in :class:`~nuke_reage.core.job.JobSpec`.
        label: what the artist reads.
        tooltip: one or two sentences.
        kind: ``age``, ``float``, ``int``, ``bool``, ``choice``, ``text``, ``file``, ``rgb`` or ``layers``.
        default: value of a fresh node or command.
        minimum: lowest legal value of a number.
        maximum: highest legal value of a number.
        choices: legal values of a choice.
        tab: tab of the gizmo.
        animated: can be keyframed.
    """

    name: str
    setting: str
    label: str
    tooltip: str
    kind: str
    default: Any
    minimum: float = 0.0
    maximum: float = 0.0
    choices: tuple[str, ...] = ()
    tab: str = "ReAge"
    animated: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


KNOBS: tuple[Knob, ...] = (
    Knob(
        "source_age",
        "source_age",
        "source age",
        "Age of the actor in the plate, in years. Keyframes: 1001:35,1050:36.",
        "age",
        None,
        0,
        120,
        animated=True,
    ),
    Knob(
        "target_age",
        "target_age",
        "target age",
        "Age to show, in years. Keyframes: 1001:35,1050:70.",
        "age",
        None,
        0,
        120,
        animated=True,
    ),
    Knob(
        "face",
        "face.select",
        "face",
        "Which face: largest, its number in the trackfile, or X,Y in plate pixels from the top left.",
        "text",
        "largest",
    ),
    Knob(
        "track",
        "face.track",
        "trackfile",
        "Track to use. Empty: made beside the output, and again when stale.",
        "file",
        "",
    ),
    Knob(
        "detector",
        "face.detector",
        "detector",
        "Face detector and landmark model: mediapipe, face-alignment, or the name of a plug-in.",
        "text",
        "mediapipe",
    ),
    Knob(
        "smoothing",
        "face.smoothing",
        "smoothing",
        "Strength of the whole-shot smoothing of the track. 0 is off, 1 is usual.",
        "float",
        1.0,
        0,
        10,
    ),
    Knob(
        "max_gap",
        "face.max_gap",
        "fill gaps",
        "Frames without a detection that are filled by interpolation.",
        "int",
        12,
        0,
        1000,
    ),
    Knob(
        "gain",
        "comp.gain",
        "gain",
        "Strength of the delta in the finished picture. 0 gives the plate.",
        "float",
        1.0,
        -5,
        5,
        tab="Delta",
    ),
    Knob(
        "mask_expand",
        "mask.expand",
        "expand",
        "Moves the mask's edge outwards, in units of the face's size.",
        "float",
        0.0,
        -0.5,
        0.5,
        tab="Mask",
    ),
    Knob(
        "mask_feather",
        "mask.feather",
        "feather",
        "Width of the mask's soft edge, in units of the face's size.",
        "float",
        0.12,
        0.005,
        1,
        tab="Mask",
    ),
    Knob("model", "model.name", "model", "Name of a model, or a file.", "text", "fran-lite", tab="Model & colour"),
    Knob(
        "precision",
        "model.precision",
        "precision",
        "exact: float32. fast: half precision where the machine has it.",
        "choice",
        "exact",
        choices=("exact", "fast"),
        tab="Model & colour",
    ),
    Knob(
        "device",
        "model.device",
        "device",
        "Where the network runs.",
        "choice",
        "auto",
        choices=("auto", "cpu", "cuda", "mps"),
        tab="Model & colour",
    ),
    Knob(
        "backend",
        "model.backend",
        "backend",
        "Library that runs the network.",
        "choice",
        "auto",
        choices=("auto", "torch", "openvino", "onnxruntime"),
        tab="Model & colour",
    ),
    Knob(
        "tiling",
        "model.tiling",
        "tiling",
        "single: one pass over the face. windows: the published nine windows, slow, for reference.",
        "choice",
        "single",
        choices=("single", "windows"),
        tab="Model & colour",
    ),
    Knob(
        "input_colorspace",
        "plate.colorspace",
        "input colourspace",
        "OCIO space of the plate. Empty: scene_linear for EXR, sRGB for stills and movies.",
        "text",
        "",
        tab="Model & colour",
    ),
    Knob(
        "ocio_config",
        "plate.ocio_config",
        "OCIO config",
        "Empty: $OCIO, else the built-in ACES config.",
        "file",
        "",
        tab="Model & colour",
    ),
    Knob(
        "plate_layer",
        "plate.layer",
        "plate layer",
        "EXR layer to read. Empty: the main RGB.",
        "text",
        "",
        tab="Model & colour",
    ),
    Knob(
        "auto_exposure",
        "colour.auto_exposure",
        "auto exposure",
        "Show the face to the network at the brightness that it knows: one gain for the whole shot.",
        "bool",
        True,
        tab="Model & colour",
    ),
    Knob(
        "exposure",
        "colour.exposure_stops",
        "exposure",
        "Stops on top of that.",
        "float",
        0.0,
        -10,
        10,
        tab="Model & colour",
    ),
    Knob(
        "white_gain",
        "colour.white_gain",
        "white gain",
        "Red, green, blue gains for strongly tinted plates.",
        "rgb",
        (1.0, 1.0, 1.0),
        0.01,
        100,
        tab="Model & colour",
    ),
    Knob(
        "layers",
        "output.layers",
        "layers",
        "Parts to write: delta, mask, comp.",
        "layers",
        ("delta", "mask"),
        tab="Farm",
    ),
    Knob(
        "compression",
        "output.compression",
        "compression",
        "EXR compression.",
        "choice",
        "zips",
        choices=("zips", "zip", "piz", "dwaa", "none"),
        tab="Farm",
    ),
)


def knob(name: str) -> Knob:
    """The knob of this name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in KNOBS}[name]


def setting_of(job: Any, path: str) -> Any:
    """The value at a dotted path, for example ``"comp.gain"`` of a job."""
    return reduce(getattr, path.split("."), job)
