"""What a model is and how it wants to be called: the JSON file that lies beside its weights.

::

    fran-lite.json          the descriptor, this module
    fran-lite.safetensors   the weights, named by ``weights_file``
    fran-lite.md            the model card, for people
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.strict import from_dict, nearest, read_json

__all__ = ["FETCH_HINT", "HubFile", "ModelDescriptor", "load_descriptor", "save_descriptor"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_SHA256 = re.compile(r"(?:[0-9a-f]{64})?\Z")
_MULTIPLE = 16
_FRAMING_NUMBERS: Mapping[str, frozenset[str]] = {
    "ffhq": frozenset({"eye_factor", "mouth_factor", "centre_shift"}),
    "box": frozenset({"scale", "above"}),
}
FETCH_HINT = "Fetch or import the model again (reage models fetch NAME, reage models import FILE --name NAME)."
_REPAIR_HINT = "Repair the descriptor, or fetch or import the model again (reage models)."
# Set by the registry, never written into the file: they belong to one machine.
_LOCAL_FIELDS = frozenset({"weights_path", "card_path", "origin"})


@dataclass(frozen=True)
class HubFile:
    """Where a checkpoint can be fetched.

    Attributes:
        repository: ``owner/name`` on the Hugging Face hub.
        file: path of the checkpoint in it.
        revision: branch, tag or commit.
        sha256: of the file as published; empty = recorded when it is first fetched.
    """

    repository: str
    file: str
    revision: str = "main"
    sha256: str = ""


@dataclass(frozen=True)
class ModelDescriptor:
    """A network and everything that is needed to call it.

    Attributes:
        name: name in the registry, ``[a-z0-9._-]``.
        title: one line for people.
        architecture: which network, see :mod:`nuke_reage.models.architectures`.
        width: channels at full resolution.
        canvas_px: side of the canvas that the network was trained for, a multiple of 16.
        framing: the square crop in terms of landmarks.  ``{"kind": "ffhq", "eye_factor": 2.0, "mouth_factor": 1.8,
            "centre_shift": 0.1}``: half side = max(eye_factor × eye distance, mouth_factor × eye-to-mouth distance),
            centre = middle of the eyes + centre_shift × (eyes → mouth).  ``{"kind": "box", "scale": 1.85, "above":
            0.63}``: side = scale × height of the face box (brow to chin), this part of the extra margin above the brow.
        encoding: of the picture given to the network; ``"srgb"``.
        age_range: years, youngest and oldest that the network has seen.
        tile_px: side of the largest square that the network is run on in one pass, in ordinary use.
        max_canvas_px: side of the largest canvas worth using; above ``tile_px`` the canvas is tiled at native scale.
        lines: gain on the lines of age that are drawn beside its delta, 0..3; 0 for a network that draws its own.
        shade: hue of what its delta darkens on skin, 0..1: the share of :data:`nuke_reage.imaging.shade.SHADE_OF_SKIN`
            that broad shadows get; 0 leaves the network's own hue.
        licence: SPDX identifier, or words.
        commercial_use: whether the licence lets results be used commercially.
        training_data: what it learnt from.
        weights_file: name of the safetensors file beside the descriptor.
        sha256: of that file; empty = not recorded yet.
        url: home page.
        hub: where to fetch it, if it can be fetched.
        weights_path: the weights on this machine; None = not installed.
        card_path: the model card on this machine, if there is one.
        origin: ``"bundled"``, ``"user"`` or ``"file"``.
    """

    name: str
    title: str
    architecture: str
    width: int
    canvas_px: int
    tile_px: int
    max_canvas_px: int
    licence: str
    training_data: str
    weights_file: str
    framing: Mapping[str, Any] = field(default_factory=lambda: {"kind": "ffhq"}, hash=False)
    encoding: str = "srgb"
    age_range: tuple[float, float] = (18.0, 85.0)
    commercial_use: bool = False
    lines: float = 0.0
    shade: float = 0.0
    sha256: str = ""
    url: str = ""
    hub: HubFile | None = None
    weights_path: Path | None = None
    card_path: Path | None = None
    origin: str = "file"

    def __post_init__(self) -> None:
        checks = (
            (bool(_NAME.match(self.name)), "name", "lower-case letters, digits, dot, underscore and minus"),
            (1 <= self.width <= 512, "width", "1 to 512"),
            (_is_canvas(self.canvas_px), "canvas_px", "a multiple of 16, 64 to 16384"),
            (_is_canvas(self.tile_px), "tile_px", "a multiple of 16, 64 to 16384"),
            (_is_canvas(self.max_canvas_px), "max_canvas_px", "a multiple of 16, 64 to 16384"),
            (self.max_canvas_px >= self.canvas_px, "max_canvas_px", "at least canvas_px"),
            (self.encoding == "srgb", "encoding", "'srgb'"),
            (0.0 <= self.age_range[0] < self.age_range[1] <= 150.0, "age_range", "two ages in years, rising"),
            (0.0 <= self.lines <= 3.0, "lines", "0 to 3"),
            (0.0 <= self.shade <= 1.0, "shade", "0 to 1"),
            (Path(self.weights_file).name == self.weights_file != "", "weights_file", "a file name without a folder"),
            (bool(_SHA256.match(self.sha256)), "sha256", "64 hexadecimal digits or empty"),
        )
        for passed, name, expectation in checks:
            if not passed:
                raise _bad(f"{name} of model {self.name!r} must be {expectation}, not {getattr(self, name)!r}.")
        _check_framing(self.name, self.framing)

    def require_weights(self) -> Path:
        """The weights on this machine.

        Raises:
            ModelError: ``not-installed``.
        """
        if self.weights_path is None or not self.weights_path.is_file():
            hint = f"Run: reage models fetch {self.name}" if self.hub else FETCH_HINT
            raise ModelError("not-installed", f"The weights of model {self.name!r} are not on this machine.", hint)
        return self.weights_path

    @property
    def installed(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights_path is not None and self.weights_path.is_file()

    def card(self) -> str:
        """The text of the model card, or an empty string."""
        return self.card_path.read_text(encoding="utf-8") if self.card_path else ""

    def to_dict(self) -> dict[str, Any]:
        """The descriptor as JSON values, without what belongs to this machine."""
        data = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in _LOCAL_FIELDS}
        data["framing"] = dict(self.framing)
        data["age_range"] = list(self.age_range)
        data["hub"] = dataclasses.asdict(self.hub) if self.hub else None
        return data


def load_descriptor(path: Path, *, origin: str = "file") -> ModelDescriptor:
    """Read a descriptor and find the files that lie beside it.

    Raises:
        ModelError: ``missing-descriptor``, or ``bad-descriptor`` with the key that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError("missing-descriptor", f"There is no model descriptor {path}.", _REPAIR_HINT) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(f"{path} cannot be read: {error}.") from None
    try:
        data = dict(read_json(text, str(path)))
        for local in _LOCAL_FIELDS & data.keys():
            raise _bad(f"{path} has no setting {local!r}.")
        framing, hub = data.pop("framing", None), data.pop("hub", None)
        if not isinstance(framing, dict):
            raise _bad(f"{path}: framing must be an object.")
        descriptor = dataclasses.replace(
            from_dict(ModelDescriptor, data, path.name),
            framing=framing,
            hub=None if hub is None else from_dict(HubFile, hub, f"{path.name}.hub"),
        )
    except UsageError as error:
        raise _bad(f"{error.message} {error.hint}".strip()) from None
    weights, card = path.with_name(descriptor.weights_file), path.with_suffix(".md")
    return dataclasses.replace(
        descriptor,
        weights_path=weights if weights.is_file() else None,
        card_path=card if card.is_file() else None,
        origin=origin,
    )


def save_descriptor(descriptor: ModelDescriptor, path: Path) -> None:
    """Write a descriptor, whole or not at all.

    Raises:
        ModelError: ``unwritable``.
    """
    try:
        write_text_atomic(path, json.dumps(descriptor.to_dict(), indent=2, allow_nan=False) + "\n")
    except UsageError as error:
        raise ModelError("unwritable", error.message, error.hint) from None


def _is_canvas(side_px: int) -> bool:
    return 64 <= side_px <= 16384 and side_px % _MULTIPLE == 0


def _check_framing(name: str, framing: Mapping[str, Any]) -> None:
    kind = str(framing.get("kind"))
    if kind not in _FRAMING_NUMBERS:
        raise _bad(f"framing.kind of model {name!r} is {kind!r}. {nearest(kind, _FRAMING_NUMBERS)}")
    for key, value in framing.items():
        if key == "kind":
            continue
        if key not in _FRAMING_NUMBERS[kind]:
            raise _bad(f"framing of model {name!r} has no {key!r}. {nearest(key, _FRAMING_NUMBERS[kind])}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:
            raise _bad(f"framing.{key} of model {name!r} must be a number of at least 0, not {value!r}.")


def _bad(message: str) -> ModelError:
    return ModelError("bad-descriptor", message, _REPAIR_HINT)
