"""What the ReAge node has beside the knobs of :mod:`nuke_reage.core.knobs`: buttons, and what a bake leaves on it.

The gizmo's text, the host's callbacks and the tests all use these names.
"""

from __future__ import annotations

from dataclasses import dataclass

from nuke_reage.core.site import ENGINES

__all__ = ["BUTTONS", "LADDER_SLOTS", "MODES", "NODE_CLASS", "OUTPUTS", "STATE", "Button", "StateKnob"]

NODE_CLASS = "ReAge"
"""Class of the gizmo; ``ReAgeApply`` is the one for layers edited by hand."""

OUTPUTS = ("comp", "plate + layers", "delta", "mask")
"""Choices of the knob ``output``."""

MODES = ("exact", "ladder")
"""Choices of the knob ``mode``: the baked target age, or the ladder with the target age live."""

LADDER_SLOTS = tuple(range(5, 101, 5))
"""Ages that the gizmo can read from a ladder, in years: its channels are named inside it and cannot be computed.  A
ladder for the node has even steps on this grid."""


@dataclass(frozen=True)
class Button:
    """A button; it calls the function of the same name in :mod:`nuke_reage.nuke_host.callbacks` with the node."""

    name: str
    label: str
    tooltip: str
    tab: str = "ReAge"

    @property
    def knob(self) -> str:
        """Its name on the node: ``do_track``, for ``track`` is the knob of the trackfile."""
        return f"do_{self.name}"


@dataclass(frozen=True)
class StateKnob:
    """A knob that the host fills in, or that belongs to the node alone.

    Attributes:
        name: on the node.
        kind: ``text``, ``file``, ``int``, ``float``, ``bool``, ``rgb`` or ``choice``.
        label: what the artist reads.
        tooltip: one or two sentences.
        default: of a fresh node.
        tab: of the gizmo.
        choices: of a choice.
        animated: has keyframes.
        hidden: not shown; the host alone writes it.
    """

    name: str
    kind: str
    label: str
    tooltip: str
    default: object
    tab: str = "ReAge"
    choices: tuple[str, ...] = ()
    animated: bool = False
    hidden: bool = False


BUTTONS: tuple[Button, ...] = (
    Button("track", "Track", "Export the plate where it is missing or stale, and track the face through the shot."),
    Button("bake", "Bake", "Track where no track holds, then re-age every frame that is missing or stale."),
    Button("update_frame", "Update frame", "Re-age the current frame only."),
    Button("cancel", "Cancel", "Stop; finished frames stay."),
    Button("clear_cache", "Clear cache", "Delete what this node has exported and baked."),
    Button("to_tracker", "Export track", "Make a node that carries the track, of the kind chosen beside."),
    Button(
        "load_look",
        "Load look",
        "Set the adjustments of Delta and Mask from a look file. Their keyframes go; undo brings them back.",
        tab="Delta",
    ),
    Button(
        "save_look",
        "Save look",
        "Write the adjustments of Delta and Mask, as they are in this frame, to a look file.",
        tab="Delta",
    ),
    Button("submit", "Submit", "Send export, track, bake and render to the farm.", tab="Farm"),
)

STATE: tuple[StateKnob, ...] = (
    StateKnob("status", "text", "status", "What is baked, stale or failed.", "nothing baked"),
    StateKnob("mode", "choice", "mode", "exact: ages as baked. ladder: target age live between the baked ones.",
              "exact", choices=MODES),
    StateKnob("output", "choice", "output", "What the node gives.", "comp", choices=OUTPUTS),
    StateKnob("frames", "text", "frames", "Frames to bake, such as 1001-1050. Empty: the plate's.", ""),
    StateKnob("cache_dir", "file", "cache folder", "Where plates and layers are kept. Empty: beside the script.", "",
              tab="Farm"),
    StateKnob("layers_file", "file", "layers", "The baked layers that the node reads.", "", tab="Farm"),
    StateKnob("first_frame", "int", "first baked", "First frame of the layers.", 1, tab="Farm"),
    StateKnob("last_frame", "int", "last baked", "Last frame of the layers.", 1, tab="Farm"),
    StateKnob("is_baked", "float", "is baked",
              "1 in the frames that are baked; where it is not 1 the plate goes through.", 1.0, tab="Farm",
              animated=True),
    StateKnob("face_size", "float", "face size", "Size of the face in full-resolution pixels, frame by frame.", 400.0,
              tab="Delta", animated=True),
    StateKnob("luma_weights", "rgb", "luma weights", "Luminance of the plate's red, green and blue.",
              (0.2126, 0.7152, 0.0722), tab="Delta"),
    StateKnob("ladder_first", "float", "first of ladder", "Youngest baked age.", 20.0, tab="Farm"),
    StateKnob("ladder_last", "float", "last of ladder", "Oldest baked age.", 80.0, tab="Farm"),
    StateKnob("ladder_step", "float", "step of ladder", "Years between baked ages.", 10.0, tab="Farm"),
    StateKnob("export_kind", "choice", "export as", "Kind of node for the track.", "Transform",
              choices=("Transform", "Tracker4", "CornerPin2D", "STMap")),
    StateKnob("farm_engine", "choice", "farm", "Where Submit sends the shot. site: as the site file says.", "site",
              tab="Farm", choices=("site", *ENGINES)),
    StateKnob("farm_folder", "file", "job folder", "Where the farm's files go. Empty: reage_farm beside the script.",
              "", tab="Farm"),
    StateKnob("farm_chunk", "int", "frames a task", "0: as the site file says.", 0, tab="Farm"),
    StateKnob("farm_gpu", "bool", "GPU", "Bake on nodes with a GPU only.", False, tab="Farm"),
    StateKnob("farm_write", "text", "Write to render", "Name of a Write that the farm renders at the end. Empty: all.",
              "", tab="Farm"),
    StateKnob("farm_track", "bool", "track in the export",
              "The farm's export tracks too and sets the face size. Needed where the node is not tracked here.", False,
              tab="Farm"),
    StateKnob("farm_dry_run", "bool", "check only", "Submit checks and says what it would do, and sends nothing.",
              False, tab="Farm"),
    StateKnob("bake_record", "text", "record", "What the layers were made from; the host alone reads it.", "",
              tab="Farm", hidden=True),
)  # fmt: skip
