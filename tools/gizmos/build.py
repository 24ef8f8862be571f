"""All that ``python -m tools.gizmos`` writes."""

from __future__ import annotations

from tools.gizmos.graph import LADDER_LAYERS, LAYERS, build_apply, build_reage
from tools.gizmos.icons import icons
from tools.gizmos.knobs import apply_panel, reage_panel
from tools.gizmos.pages import page
from tools.gizmos.text import Gizmo

__all__ = ["files", "gizmos"]

_REAGE_HELP = (
    "Makes a face look older or younger.\n\n"
    "Set source age, key target age, press Bake. The node reads what was baked and adds it to the plate as light: "
    "plate + gain * mask * delta. All knobs of Delta and Mask work without baking again.\n\n"
    "Inputs: the plate; a mask that multiplies ReAge's own; an age map, painted in years, read when baking."
)
_APPLY_HELP = (
    "Lays re-aging layers that were painted or graded by hand onto the plate: plate + gain * mask * delta.\n\n"
    "Inputs: the plate; a stream with reage_delta and reage_mask, the plate's own where it is not connected; a mask "
    "that multiplies reage_mask.\n\n"
    "Set face size as it is on the ReAge node that the layers come from."
)


def gizmos() -> dict[str, Gizmo]:
    """The gizmos by class."""
    reage = Gizmo(_REAGE_HELP, reage_panel(), {**LAYERS, **LADDER_LAYERS})
    build_reage(reage)
    apply = Gizmo(_APPLY_HELP, apply_panel(), LAYERS)
    build_apply(apply)
    return {"ReAge": reage, "ReAgeApply": apply}


def files() -> dict[str, bytes]:
    """Path below the project's root, and content."""
    made = gizmos()
    written = {f"gizmos/{name}.gizmo": gizmo.text().encode() for name, gizmo in made.items()}
    written["docs/nuke-knobs.md"] = page(made).encode()
    return written | {f"gizmos/icons/{name}": content for name, content in icons().items()}
