"""The gizmos' text against the tables of knobs and the known facts about Nuke's nodes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nuke_reage.core.knobs import KNOBS
from nuke_reage.core.node import BUTTONS, LADDER_SLOTS, STATE
from nuke_text.check import complaints
from nuke_text.script import parse, read_script

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((Path(__file__).parent / "data" / "node_knobs.json").read_text(encoding="utf-8"))
TEXTS = {name: (ROOT / "gizmos" / f"{name}.gizmo").read_text(encoding="utf-8") for name in ("ReAge", "ReAgeApply")}
SCRIPTS = {name: parse(text) for name, text in TEXTS.items()}
APPLY_STATE = {"output", "face_size", "luma_weights"}
TYPES = {
    "age": 7, "float": 7, "regions": 7, "region_ages": 7, "protect": 7, "int": 3, "bool": 6, "choice": 4, "text": 1,
    "file": 2, "rgb": 18, "layers": 1, "ladder": 1,
}  # fmt: skip


def panel(name):
    """The user knobs that hold a value or do something, by name."""
    return {one.name: one for one in SCRIPTS[name].gizmo.user_knobs if one.type_number not in {20, 26}}


def number(value):
    return tuple(float(one) for one in value) if isinstance(value, tuple) else float(value)


def test_the_files_are_those_that_the_tables_make():
    done = subprocess.run(
        [sys.executable, "-m", "tools.gizmos", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TEXTS)
def test_nuke_knows_all_that_a_gizmo_is_made_of(name):
    assert complaints(SCRIPTS[name], FACTS) == []
    assert SCRIPTS[name].version == "14.0 v1"
    assert len(SCRIPTS[name].nodes) > 25


def test_reage_has_a_knob_for_everything_that_can_be_set_and_no_other():
    expected = {name for one in KNOBS for name in one.node_knobs}
    expected |= {one.knob for one in BUTTONS} | {one.name for one in STATE}
    assert set(panel("ReAge")) == expected
    adjust = {name for one in KNOBS if one.setting.startswith("adjust.") for name in one.node_knobs}
    assert set(panel("ReAgeApply")) == adjust | APPLY_STATE | {"do_load_look", "do_save_look"}
    both = set(panel("ReAgeApply"))
    theirs, ours = (SCRIPTS[name].gizmo.knobs for name in ("ReAge", "ReAgeApply"))
    assert {name: theirs.get(name) for name in both} == {name: ours.get(name) for name in both}


@pytest.mark.parametrize("one", KNOBS, ids=lambda one: one.name)
def test_a_knob_has_the_tables_type_range_choices_and_default(one):
    found, values = panel("ReAge"), SCRIPTS["ReAge"].gizmo.knobs
    for name in one.node_knobs:
        knob = found[name]
        assert knob.type_number == TYPES[one.kind] and (knob.type_number == 7 or not one.animated)
        assert knob.options["l"] and knob.options["t"]
        assert knob.options.get("M", ()) == one.choices
        if one.minimum < one.maximum and one.kind != "rgb":
            assert number(knob.options["R"]) == (one.minimum, one.maximum)
        if one.kind == "age":
            assert one.minimum < number(values[name]) < one.maximum
        elif one.kind in {"float", "int", "rgb", "regions", "protect"}:
            assert number(values[name]) == one.default
        elif one.kind == "region_ages":
            assert number(values[name]) == 0
        elif one.kind == "bool":
            assert values[name] == str(one.default).lower()
        elif one.kind in {"layers", "ladder"}:
            assert values.get(name, "") == ",".join(map(str, one.default))
        else:
            assert values.get(name, "") == one.default
    if len(one.node_knobs) == 1:
        assert found[one.name].options["l"] == one.label
        assert one.tooltip.startswith(found[one.name].options["t"])


@pytest.mark.parametrize("one", STATE, ids=lambda one: one.name)
def test_a_knob_of_the_nodes_own_is_as_the_table_says(one):
    knob, values = panel("ReAge")[one.name], SCRIPTS["ReAge"].gizmo.knobs
    assert (knob.type_number, knob.options["l"], knob.options["t"]) == (TYPES[one.kind], one.label, one.tooltip)
    assert knob.options.get("M", ()) == one.choices and ("+INVISIBLE" in knob.flags) == one.hidden
    value = values.get(one.name, "")
    if one.kind == "bool":
        value = {"true": True, "false": False}[value]
    assert (number(value) if one.kind in {"float", "int", "rgb"} else value) == one.default


def test_a_button_calls_its_function_with_the_node():
    found = panel("ReAge")
    for one in BUTTONS:
        assert found[one.knob].options["T"].endswith(f".callbacks.{one.name}(nuke.thisNode())")
        assert (found[one.knob].options["l"], found[one.knob].options["t"]) == (one.label, one.tooltip)


def test_every_knob_lies_on_its_tab():
    tabs, tab = {}, ""
    for one in SCRIPTS["ReAge"].gizmo.user_knobs:
        if one.type_number == 20 and "n" not in one.options:
            tab = one.options["l"]
        if one.name:
            tabs[one.name] = tab
    wanted = {name: one.tab for one in KNOBS for name in one.node_knobs}
    wanted |= {one.knob: one.tab for one in BUTTONS} | {one.name: one.tab for one in STATE}
    assert {name: tabs[name] for name in wanted} == wanted
    assert list(dict.fromkeys(tabs.values())) == ["ReAge", "Delta", "Mask", "Model & colour", "Farm"]


def test_every_knob_after_the_bake_drives_a_node():
    for name, text in TEXTS.items():
        inside = text[text.index("\n}\n") :]
        driven = {knob for knob in panel(name) if re.search(rf"parent\.{knob}\b", inside)}
        expected = {one for row in KNOBS if row.setting.startswith("adjust.") for one in row.node_knobs} | APPLY_STATE
        if name == "ReAge":
            expected |= {"mode", "target_age", "layers_file", "first_frame", "last_frame", "is_baked"}
            expected |= {"ladder_first", "ladder_last", "ladder_step"}
        assert driven == expected


def test_no_python_is_needed_to_render():
    for name, script in SCRIPTS.items():
        assert "python" not in TEXTS[name].lower().replace("nuke_reage", "")
        kinds = {node.kind for node in script.nodes.values()}
        # All of them are in the plain Nuke; none is a plug-in, a Blink script, or of NukeX alone.
        assert kinds <= set(FACTS["classes"])


def test_the_ladder_has_a_layer_for_every_slot():
    layers = {f"reage_delta_{age:03d}" for age in LADDER_SLOTS}
    assert layers | {"reage_delta", "reage_mask", "reage_region", "reage_protect"} == set(SCRIPTS["ReAge"].layers)
    switch = SCRIPTS["ReAge"].nodes["Younger"]
    for age, one in zip(LADDER_SLOTS, switch.inputs, strict=True):
        assert one.knobs["from0"] == f"reage_delta_{age:03d}.red"


def test_the_read_is_safe_on_a_farm():
    reads = [node for node in SCRIPTS["ReAge"].nodes.values() if node.kind == "Read"]
    assert len(reads) == 1
    knobs = reads[0].knobs
    assert (knobs["raw"], knobs["localizationPolicy"], knobs["on_error"]) == ("true", "off", "error")
    assert knobs["file"] == "[value parent.layers_file]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" BlackOutside {", " BlackOutsider {", "there is no class"),
        ("  crop false", "  corp false", "has no knob corp"),
        ("  operation plus", "  operation sum", "operation cannot be 'sum'"),
        ("  crop false", "  crop 2", "crop cannot be '2'"),
        ("parent.split_radius*", "parent.split_radios*", "refers to parent.split_radios"),
        ("parent.luma_weights.g", "parent.luma_weights.green", "refers to parent.luma_weights.green"),
        ("*reage_region.jaw", "*reage_region.chin", "refers to reage_region.chin"),
        ("  from0 reage_region.forehead", "  from0 reage_region.brow", "names no channel"),
        ("pow(max(", "pow(maximum(", "no function maximum"),
        ("graded_r <", "graded_q <", "refers to graded_q"),
        ("[exists parent.input1]", "[exists parent.input7]", "refers to parent.input7"),
        ("[value parent.layers_file]\"", "[value parent.layer_file]\"", "gives nothing"),
        ("\\[value parent.layers_file]", "[value parent.layers_file]", "runs when the file is loaded"),
        ("addUserKnob {7 gain ", "addUserKnob {99 gain ", "unknown type 99"),
        ("addUserKnob {7 gain ", "addUserKnob {7 label ", "one that every node has"),
        ("\n output comp", "\n output plate", "cannot be 'plate'"),
        ("nuke.thisNode())\" +STARTLINE", "nuke.thisNode())\\nprint()\" +STARTLINE", "runs 'import"),
        ("_end n -1}", "_end}", "not closed"),
        ("push $N_Comp\n", "push 0\n", "not connected"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_text_is_found(old, new, said):
    text = TEXTS["ReAge"]
    assert old in text
    found = complaints(parse(text.replace(old, new, 1)), FACTS)
    assert any(said in one for one in found), found


@pytest.mark.parametrize("name", ["ReAge", "ReAgeApply"])
def test_icons_are_pictures_of_the_right_size(name):
    for suffix, size in (("", 24), ("@2x", 48), ("_128", 128)):
        with Image.open(ROOT / "gizmos" / "icons" / f"{name}{suffix}.png") as icon:
            assert icon.size == (size, size) and icon.mode == "RGBA"
            low, high = icon.getchannel("A").getextrema()
            assert (low, high) == (0, 255)
            assert len(icon.getcolors(size * size) or []) > 20


def test_the_facts_are_those_of_the_classes_in_use():
    used = {node.kind for script in SCRIPTS.values() for node in script.nodes.values()} | {"Gizmo"}
    assert set(FACTS["classes"]) == used and FACTS["source"]


def test_the_parser_reads_what_is_on_disk():
    assert read_script(ROOT / "gizmos" / "ReAge.gizmo").nodes.keys() == SCRIPTS["ReAge"].nodes.keys()
