"""The nodes inside ReAge and ReAgeApply: the arithmetic of ``nuke_reage.imaging.adjust``, native nodes only."""

from __future__ import annotations

from nuke_reage.core.adjust import PROTECTED, REGIONS
from nuke_reage.core.ladder import ladder_part
from nuke_reage.core.node import LADDER_SLOTS
from nuke_reage.imaging.adjust import MASK_GUARD
from tools.gizmos.text import Expr, Gizmo, Node, Tcl

__all__ = ["LADDER_LAYERS", "LAYERS", "build_apply", "build_reage"]

RGB = ("red", "green", "blue")
RGBA = (*RGB, "alpha")
LAYERS: dict[str, tuple[str, ...]] = {
    "reage_delta": RGB,
    "reage_mask": ("alpha",),
    "reage_region": REGIONS,
    "reage_protect": PROTECTED,
}
LADDER_LAYERS = {f"reage_delta_{ladder_part(age).removeprefix('ladder_')}": RGB for age in LADDER_SLOTS}

_PLATE, _FILE, _LADDER, _DELTA, _MASK = 0, -2, -4, -1, 1
_GRID = LADDER_SLOTS[1] - LADDER_SLOTS[0]
_DILATE_PX = "fabs(parent.mask_dilate*parent.face_size)"
_BAKED = (
    "[string length [value parent.layers_file]] > 0 && frame >= parent.first_frame && frame <= parent.last_frame"
    " && parent.is_baked > 0.999"
)
# The target age within the ladder, in steps from its youngest.
_STEPS = (
    "((max(parent.ladder_first, min(parent.ladder_last, parent.target_age)) - parent.ladder_first)"
    "/max(parent.ladder_step, 1))"
)


def build_reage(gizmo: Gizmo) -> None:
    """Plate and file in, comp out."""
    plate = gizmo.add("Input", "plate", column=_PLATE)
    roto = gizmo.add("Input", "mask", number=1, column=_MASK + 1)
    gizmo.add("Input", "age", number=2, note="painted ages, read when baking", column=_MASK + 2)
    file = gizmo.add(
        "Read",
        "Layers",
        file_type="exr",
        file=Tcl("[value parent.layers_file]"),
        first=-100000,
        last=1000000,
        origfirst=-100000,
        origlast=1000000,
        origset=True,
        on_error="error",
        localizationPolicy="off",
        raw=True,
        note="the only file; parts that nothing asks for are not decoded",
        column=_FILE,
    )
    layers = gizmo.add("BlackOutside", "LayersEdge", file, column=_FILE)
    exact = _as_rgba(gizmo, "Exact", layers, "reage_delta", _FILE)
    rungs = [
        _as_rgba(gizmo, f"Age{age:03d}", layers, layer, _LADDER)
        for age, layer in zip(LADDER_SLOTS, LADDER_LAYERS, strict=True)
    ]
    below = gizmo.add("Switch", "Younger", *rungs, which=_slot(f"floor({_STEPS})"), column=_LADDER)
    above = gizmo.add("Switch", "Older", *rungs, which=_slot(f"ceil({_STEPS})"), column=_LADDER + 1)
    share = Expr(f"{_STEPS} - floor({_STEPS})")
    ladder = gizmo.add("Dissolve", "Between", below, above, channels="rgba", which=share, column=_LADDER)
    delta = gizmo.add("Switch", "Baked", exact, ladder, which=Expr("parent.mode"), column=_FILE)
    outputs = _adjust(gizmo, plate, layers, delta, roto, "input1")
    black = gizmo.add("Expression", "Nothing", plate, **_all("0"), column=_PLATE + 3)
    choice = Expr(f"{_BAKED} ? parent.output : (parent.output < 2 ? {len(outputs)} : {len(outputs) + 1})")
    gizmo.add("Switch", "Out", *outputs, plate, black, which=choice, note="nothing baked: the plate", column=_PLATE)


def build_apply(gizmo: Gizmo) -> None:
    """Plate and painted layers in, comp out."""
    plate = gizmo.add("Input", "plate", column=_PLATE)
    stream = gizmo.add("Input", "layers", number=1, column=_FILE)
    roto = gizmo.add("Input", "mask", number=2, column=_MASK + 1)
    chosen = gizmo.add(
        "Switch", "Stream", plate, stream, which=Expr("[exists parent.input1]"), note="layers, else plate", column=_FILE
    )
    layers = gizmo.add("BlackOutside", "LayersEdge", chosen, column=_FILE)
    delta = _as_rgba(gizmo, "Baked", layers, "reage_delta", _FILE)
    outputs = _adjust(gizmo, plate, layers, delta, roto, "input2")
    gizmo.add("Switch", "Out", *outputs, which=Expr("parent.output"), column=_PLATE)


def _adjust(gizmo: Gizmo, plate: Node, layers: Node, delta: Node, roto: Node, roto_input: str) -> list[Node]:
    """What both gizmos do; returns the four outputs in the order of the knob."""
    light = _light(gizmo, delta)
    matte = _matte(gizmo, plate, layers, roto, roto_input)
    joined = gizmo.add(
        "Copy", "WithMask", light, matte, **_pairs({"rgba.alpha": "rgba.alpha"}), bbox="B", column=_DELTA
    )
    masked = gizmo.add(
        "Expression",
        "Strength",
        joined,
        **{f"expr{i}": f"parent.gain*a*{c}" for i, c in enumerate("rgb")},
        column=_DELTA,
    )
    added = gizmo.add("BlackOutside", "AddedLight", masked, column=_DELTA)

    names = {f"rgba.{one}": f"reage_delta.{one}" for one in RGB} | {"rgba.alpha": "reage_mask.alpha"}
    carried = gizmo.add("Copy", "PlateDelta", plate, delta, **_pairs(names), bbox="B", column=_PLATE)
    for name, layer, channels in (
        ("PlateRegions1", "reage_region", REGIONS[:4]),
        ("PlateRegions2", "reage_region", REGIONS[4:]),
        ("PlateProtect", "reage_protect", PROTECTED),
    ):
        same = {f"{layer}.{one}": f"{layer}.{one}" for one in channels}
        carried = gizmo.add("Copy", name, carried, layers, **_pairs(same), bbox="B", column=_PLATE)
    comp = gizmo.add(
        "Merge2",
        "Comp",
        carried,
        added,
        operation="plus",
        Achannels="rgb",
        Bchannels="rgb",
        output="rgb",
        bbox="B",
        note="plate + gain * mask * delta",
        column=_PLATE,
    )
    whole = {f"rgba.{one}": f"rgba.{one}" for one in RGBA}
    shown = gizmo.add("Copy", "ShowDelta", carried, added, **_pairs(whole), bbox="B", column=_PLATE + 1)
    mask = gizmo.add("Expression", "ShowMask", shown, expr0="a", expr1="a", expr2="a", column=_PLATE + 2)
    return [comp, carried, shown, mask]


def _light(gizmo: Gizmo, delta: Node) -> Node:
    """The delta, split, graded and weighted; alpha is 1 where the baked mask is above 0."""
    inside = {f"expr{i}": f"a > 0 ? {c} : 0" for i, c in enumerate("rgb")}
    support = gizmo.add("Expression", "Support", delta, **inside, expr3="a > 0", column=_DELTA)
    edge = gizmo.add("BlackOutside", "SupportEdge", support, column=_DELTA)
    tone = gizmo.add(
        "Blur",
        "Tone",
        edge,
        channels="rgba",
        size=Expr("parent.split_radius*parent.face_size"),
        crop=False,
        disable=Expr("parent.tone_gain == parent.detail_gain"),
        column=_DELTA - 1,
    )
    parts = "Ba > 0 ? parent.detail_gain*B{c} + (parent.tone_gain - parent.detail_gain)*A{c}/Aa : 0"
    split = gizmo.add(
        "MergeExpression",
        "Split",
        edge,
        tone,
        **{f"expr{i}": parts.format(c=c) for i, c in enumerate("rgb")},
        note="tone = blurred, detail = the rest",
        column=_DELTA,
    )
    weights = " + ".join(f"parent.luma_weights.{c}*{c}" for c in "rgb")
    graded = gizmo.add(
        "Expression",
        "Colour",
        split,
        temp_name0="grey",
        temp_expr0=f"(parent.luma_gain - parent.chroma_gain)*({weights})",
        **{f"temp_name{i + 1}": f"graded_{c}" for i, c in enumerate("rgb")},
        **{f"temp_expr{i + 1}": f"parent.chroma_gain*{c} + grey" for i, c in enumerate("rgb")},
        **{
            f"expr{i}": f"graded_{c} < 0 ? parent.darken_gain*graded_{c} : parent.lighten_gain*graded_{c}"
            for i, c in enumerate("rgb")
        },
        note="luma, chroma, darken, lighten",
        column=_DELTA,
    )
    gains = {name: f"parent.region_gain_{name}" for name in REGIONS}
    regions = gizmo.add(
        "Expression",
        "Regions",
        graded,
        temp_name0="weight",
        temp_expr0="1 + " + " + ".join(f"({gain} - 1)*reage_region.{name}" for name, gain in gains.items()),
        **{f"expr{i}": f"weight*{c}" for i, c in enumerate("rgb")},
        disable=Expr(" && ".join(f"{gain} == 1" for gain in gains.values())),
        column=_DELTA,
    )
    amounts = {name: f"parent.protect_{name}" for name in PROTECTED}
    return gizmo.add(
        "Expression",
        "Protect",
        regions,
        temp_name0="weight",
        temp_expr0="*".join(f"(1 - {amount}*reage_protect.{name})" for name, amount in amounts.items()),
        **{f"expr{i}": f"weight*{c}" for i, c in enumerate("rgb")},
        disable=Expr(" && ".join(f"{amount} == 0" for amount in amounts.values())),
        column=_DELTA,
    )


def _matte(gizmo: Gizmo, plate: Node, layers: Node, roto: Node, roto_input: str) -> Node:
    """The mask in alpha, dilated, blurred, its edge bent, times the roto; red is 1 inside the plate."""
    inside = gizmo.add("Expression", "Inside", plate, expr0="1", note="red: 1 where the plate is", column=_MASK)
    edge = gizmo.add("BlackOutside", "InsideEdge", inside, column=_MASK)
    names = _pairs({"reage_mask.alpha": "rgba.alpha"}) | {"from1": "reage_mask.alpha", "to1": "reage_mask.alpha"}
    mask = gizmo.add("Copy", "BakedMask", edge, layers, **names, bbox="B", column=_MASK)
    # Eroding is dilating what the mask leaves free, so that nothing beyond the plate ever counts.
    start = gizmo.add(
        "Expression",
        "Free",
        mask,
        expr3="parent.mask_dilate < 0 ? r*(1 - a) : a",
        note="eroding: inverted",
        column=_MASK,
    )
    off = Expr("parent.mask_dilate == 0")
    turned = []
    for name, more, column in (("Low", "", _MASK), ("High", " + 1", _MASK + 1)):
        size = Expr(f"floor({_DILATE_PX}){more}")
        grown = gizmo.add("Dilate", f"Dilate{name}", start, channels="alpha", size=size, disable=off, column=column)
        back = "r*(parent.mask_dilate < 0 ? 1 - a : a)"
        turned.append(gizmo.add("Expression", f"Turned{name}", grown, expr3=back, note="turned back", column=column))
    share = Expr(f"{_DILATE_PX} - floor({_DILATE_PX})")
    dilated = gizmo.add("Dissolve", "Dilated", *turned, channels="alpha", which=share, column=_MASK)
    blurred = gizmo.add(
        "Blur",
        "MaskBlur",
        dilated,
        channels="rgba",
        size=Expr("parent.mask_blur*parent.face_size"),
        crop=False,
        disable=Expr("parent.mask_blur == 0"),
        column=_MASK,
    )
    # The guard: the delta ends where the baked mask does, and so must the mask.
    bent = gizmo.add(
        "Expression",
        "MaskGamma",
        blurred,
        expr3=f"min(pow(max(r > 0 ? a/r : 0, 0), 1/parent.mask_gamma), {MASK_GUARD:g}*reage_mask.alpha)",
        column=_MASK,
    )
    return gizmo.add(
        "Merge2",
        "Roto",
        bent,
        roto,
        operation="multiply",
        Achannels="alpha",
        Bchannels="alpha",
        output="alpha",
        bbox="B",
        disable=Expr(f"[exists parent.{roto_input}] ? 0 : 1"),
        column=_MASK,
    )


def _as_rgba(gizmo: Gizmo, name: str, layers: Node, layer: str, column: int) -> Node:
    """A delta as rgb with the baked mask as alpha."""
    names = {f"{layer}.{one}": f"rgba.{one}" for one in RGB} | {"reage_mask.alpha": "rgba.alpha"}
    return gizmo.add("Copy", name, layers, layers, **_pairs(names), column=column)


def _pairs(names: dict[str, str]) -> dict[str, str]:
    sources = {f"from{i}": name for i, name in enumerate(names)}
    return sources | {f"to{i}": name for i, name in enumerate(names.values())}


def _all(expression: str) -> dict[str, str]:
    return {f"expr{i}": expression for i in range(4)}


def _slot(steps: str) -> Expr:
    """The input of a Switch that has the age of this many steps."""
    age = f"min(parent.ladder_last, parent.ladder_first + parent.ladder_step*{steps})"
    return Expr(f"floor({age}/{_GRID} + 0.5) - {LADDER_SLOTS[0] // _GRID}")
