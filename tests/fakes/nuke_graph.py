"""Nodes of the stand-in for Nuke: their knobs, and pictures of those few that tests look at.

Only what ReAge's host meets is here: Read, Constant, Grade, ReAge (plate plus mask times delta) and Write.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.node import BUTTONS, STATE

__all__ = ["CLASSES", "files_of", "range_of", "write_frame"]

Table = dict[str, tuple[str, Any, tuple[str, ...]]]

_TRACK = ("none", "stabilize", "match-move")
_COMMON: Table = {
    "name": ("String_Knob", "", ()),
    "label": ("String_Knob", "", ()),
    "xpos": ("Int_Knob", 0, ()),
    "ypos": ("Int_Knob", 0, ()),
    "selected": ("Boolean_Knob", False, ()),
    "disable": ("Boolean_Knob", False, ()),
}
_READ: Table = {
    "file": ("File_Knob", "", ()),
    "first": ("Int_Knob", 1, ()),
    "last": ("Int_Knob", 1, ()),
    "origfirst": ("Int_Knob", 1, ()),
    "origlast": ("Int_Knob", 1, ()),
    "raw": ("Boolean_Knob", False, ()),
    "on_error": ("Enumeration_Knob", "error", ("error", "black", "checkerboard", "nearest frame")),
    "localizationPolicy": (
        "Enumeration_Knob", "fromAutoLocalizePath", ("on", "fromAutoLocalizePath", "onDemand", "off")
    ),
    "version": ("Int_Knob", 0, ()),
    "reload": ("Script_Knob", "", ()),
}  # fmt: skip
_WRITE: Table = {
    "file": ("File_Knob", "", ()),
    "file_type": ("Enumeration_Knob", " ", (" ", "dpx", "exr", "jpeg", "png", "tiff")),
    "channels": ("String_Knob", "rgb", ()),
    "create_directories": ("Boolean_Knob", False, ()),
    "raw": ("Boolean_Knob", False, ()),
    "datatype": ("Enumeration_Knob", "16 bit half", ("16 bit half", "32 bit float")),
    "compression": ("Enumeration_Knob", "Zip (1 scanline)", ("none", "Zip (1 scanline)", "Zip (16 scanlines)")),
}


def _reage() -> Table:
    """The knobs of the gizmo, from the same tables that make it."""
    kinds = {
        "age": "Double_Knob", "float": "Double_Knob", "int": "Int_Knob", "bool": "Boolean_Knob",
        "choice": "Enumeration_Knob", "rgb": "Color_Knob", "file": "File_Knob",
        "regions": "Double_Knob", "region_ages": "Double_Knob", "protect": "Double_Knob",
    }  # fmt: skip
    table: Table = {}
    for one in KNOBS:
        default = one.default
        if one.kind == "age":
            default = {"source_age": 35.0, "target_age": 65.0}[one.name]
        elif one.kind in {"layers", "ladder"}:
            default = ",".join(str(item) for item in default)
        elif one.kind == "region_ages":
            default = 0.0
        for name in one.node_knobs:
            table[name] = (kinds.get(one.kind, "String_Knob"), default, one.choices)
    for state in STATE:
        table[state.name] = (kinds.get(state.kind, "String_Knob"), state.default, state.choices)
    for button in BUTTONS:
        call = f"import nuke_reage.nuke_host.callbacks; nuke_reage.nuke_host.callbacks.{button.name}(nuke.thisNode())"
        table[f"do_{button.name}"] = ("PyScript_Knob", call, ())
    return table


_PIN: Table = {f"{side}{index}": ("XY_Knob", 0.0, ()) for side in ("to", "from") for index in (1, 2, 3, 4)}
_MOVE: Table = {
    "translate": ("XY_Knob", 0.0, ()),
    "rotate": ("Double_Knob", 0.0, ()),
    "scale": ("XY_Knob", 1.0, ()),
    "center": ("XY_Knob", (1024.0, 778.0), ()),
}
_ADJUST = {name for one in KNOBS if one.setting.startswith("adjust.") for name in one.node_knobs}
CLASSES: dict[str, Table] = {
    "*": _COMMON,
    "Root": {
        "views": ("String_Knob", "main", ()),
        "format": ("String_Knob", "320 240", ()),
        "colorManagement": ("Enumeration_Knob", "OCIO", ("OCIO", "Nuke")),
        "OCIO_config": ("Enumeration_Knob", "default", ("default", "nuke-default", "custom")),
        "customOCIOConfigPath": ("File_Knob", "", ()),
    },
    "Read": _READ,
    "Write": _WRITE,
    "Constant": {"color": ("AColor_Knob", 0.0, ()), "first": ("Int_Knob", 1001, ()), "last": ("Int_Knob", 1003, ())},
    "Grade": {"white": ("AColor_Knob", 1.0, ())},
    "NoOp": {},
    "Dot": {},
    "Group": {},
    "ReAge": _reage(),
    "ReAgeApply": {
        name: knob
        for name, knob in _reage().items()
        if name in {*_ADJUST, "output", "face_size", "luma_weights", "do_load_look", "do_save_look"}
    },
    "Transform": _MOVE,
    "CornerPin2D": _PIN,
    "Tracker4": {
        **_MOVE,
        "tracks": ("String_Knob", "", ()),
        "reference_frame": ("Int_Knob", 1, ()),
        "transform": ("Enumeration_Knob", "none", _TRACK),
    },
    "STMap": {"uv": ("String_Knob", "none", ())},
}


def files_of(node: Any, frames: Iterable[int]) -> Iterator[tuple[Any, list[str]]]:
    """Reads above a node, and the files that they read in these frames."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting.extend(one._inputs)
        if one._class == "Read":
            yield one, [_file(one["file"].value(), frame, "main") for frame in frames]


def range_of(node: Any) -> tuple[int, int]:
    """First and last frame, those of the first input up to where they come from."""
    while "first" not in node._knobs and node._inputs and node._inputs[0] is not None:
        node = node._inputs[0]
    if "first" in node._knobs:
        return int(node._knobs["first"]._values[0]), int(node._knobs["last"]._values[0])
    return 1, 1


def write_frame(node: Any, frame: int, view: str) -> None:
    """What executing a Write does: one EXR, under a temporary name, then renamed."""
    import numpy as np
    import OpenImageIO as oiio

    if node._class != "Write":
        raise RuntimeError(f"{node.name()} is no Write")
    if node["file_type"].value() != "exr":
        raise RuntimeError("the stand-in writes EXR only")
    if node._inputs[0] is None:
        raise RuntimeError("no input")
    rgba = picture(node._inputs[0], frame, view)
    if node.app.proxy:
        rgba = rgba[::2, ::2]
    if not node["raw"].value():
        rgba = np.sign(rgba) * np.abs(rgba) ** (1 / 2.2)
    names = {"rgb": ("R", "G", "B"), "rgba": ("R", "G", "B", "A"), "alpha": ("A",)}[node["channels"].value()]
    pixels = np.ascontiguousarray(rgba[..., ["RGBA".index(name) for name in names]])
    path = Path(_file(node["file"].value(), frame, view))
    if not path.parent.is_dir():
        if not node["create_directories"].value():
            raise RuntimeError(f"{path.parent} does not exist")
        path.parent.mkdir(parents=True)
    kind = {"16 bit half": "half", "32 bit float": "float"}[node["datatype"].value()]
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], len(names), kind)
    spec.channelnames = names
    spec.attribute("compression", "zips")
    # The writer's own clock would make two equal frames differ.
    spec.attribute("DateTime", "2020:01:01 00:00:00")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp.exr")
    output = oiio.ImageOutput.create(str(temporary))
    if not output or not output.open(str(temporary), spec) or not output.write_image(pixels) or not output.close():
        raise RuntimeError(f"{path} cannot be written")
    temporary.replace(path)


def picture(node: Any, frame: int, view: str) -> Any:
    """(H, W, 4) float32 of a node in a frame."""
    import numpy as np

    if node is None:
        raise RuntimeError("no input")
    kind = node._class
    if kind == "Read":
        return _read(_file(node["file"].value(), frame, view), node["on_error"].value())
    if kind == "Constant":
        color = [float(node["color"].valueAt(frame, index)) for index in range(4)]
        return np.broadcast_to(np.array(color, np.float32), (240, 320, 4)).copy()
    below = picture(node._inputs[0] if node._inputs else None, frame, view)
    if node["disable"].value():
        return below
    if kind == "Grade":
        return below * np.array([node["white"].valueAt(frame, index) for index in range(4)], np.float32)
    if kind == "ReAge":
        return _re_aged(node, below, frame, view)
    return below


def _re_aged(node: Any, plate: Any, frame: int, view: str) -> Any:
    import OpenImageIO as oiio

    file = node["layers_file"].value()
    inside = node["first_frame"].value() <= frame <= node["last_frame"].value()
    if not file or not inside or node["is_baked"].valueAt(frame) <= 0.999:
        return plate
    path = _file(file, frame, view)
    out = plate.copy()
    parts = {}
    for index in range(2):
        part = oiio.ImageBuf(path, index, 0)
        if part.has_error:
            raise RuntimeError(f"{path} cannot be read")
        parts[str(part.spec().get_string_attribute("oiio:subimagename") or part.spec().getattribute("name"))] = part
    delta, mask = parts["delta"], parts["mask"]
    spec = delta.spec()
    rows, columns = slice(spec.y, spec.y + spec.height), slice(spec.x, spec.x + spec.width)
    gain = float(node["gain"].valueAt(frame))
    out[rows, columns, :3] += gain * mask.get_pixels(oiio.FLOAT) * delta.get_pixels(oiio.FLOAT)
    return out


def _read(path: str, on_error: str) -> Any:
    import numpy as np
    import OpenImageIO as oiio

    image = oiio.ImageBuf(path)
    if not Path(path).is_file() or image.has_error:
        if on_error == "error":
            raise RuntimeError(f"{path}: no such file")
        return np.zeros((240, 320, 4), np.float32)
    pixels = image.get_pixels(oiio.FLOAT)
    alpha = np.ones((*pixels.shape[:2], 1), np.float32)
    return np.concatenate([pixels[..., :3], alpha], axis=-1)


def _file(name: str, frame: int, view: str) -> str:
    name = name.replace("%V", view)
    name = re.sub(r"%0(\d)d", lambda one: f"{frame:0{one[1]}d}", name)
    return re.sub(r"#+", lambda one: f"{frame:0{len(one[0])}d}", name)
