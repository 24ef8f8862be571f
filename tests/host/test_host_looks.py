"""Load look and Save look: the command line's files on the node's knobs."""

from __future__ import annotations

import json

import pytest

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.errors import HostError
from nuke_reage.core.looks import load_look, save_look
from nuke_reage.nuke_host import callbacks
from nuke_reage.nuke_host.looks import look_of

LOOK = AdjustSettings(
    gain=0.8, detail=0.6, split_radius=0.05, regions=RegionGains(jaw=0.7), protect=Protection(eyes=1.0), mask_blur=0.1
)


@pytest.fixture(params=["ReAge", "ReAgeApply"])
def node(request, gui):
    return gui.nuke.createNode(request.param)


def knobs(node):
    return {name: knob.toScript() for name, knob in node.knobs().items()}


def test_a_saved_look_is_the_command_lines(gui, node, reage):
    flags = ("--gain", "0.8", "--detail-gain", "0.6", "--split-radius", "0.05", "--region-gain", "jaw=0.7")
    flags += ("--protect", "eyes=1", "--mask-blur", "0.1")
    assert reage("look", gui.folder / "theirs.json", "--save", *flags).code == 0
    for name, value in (("gain", 0.8), ("split_radius", 0.05), ("region_gain_jaw", 0.7), ("protect_eyes", 1.0)):
        node[name].setValue(value)
    node["mask_blur"].setExpression("0.1")
    node["detail_gain"].fromScript("{curve L x1001 0.4 x1003 0.8}")
    gui.app.frame, gui.app.chosen_file = 1002, (gui.folder / "mine").as_posix()
    node["do_save_look"].execute()
    assert load_look(gui.folder / "mine.json") == load_look(gui.folder / "theirs.json") == LOOK
    assert (gui.folder / "mine.json").read_bytes() == (gui.folder / "theirs.json").read_bytes()
    assert node["detail_gain"].isAnimated() and gui.app.messages == []


def test_a_loaded_look_sets_every_adjustment_and_is_one_step_to_undo(gui, node):
    save_look(LOOK, gui.folder / "look.json")
    gui.app.chosen_file = (gui.folder / "look.json").as_posix()
    node["chroma_gain"].setExpression("2")
    node["gain"].fromScript("{curve L x1001 0 x1003 1}")
    node["tone_gain"].setValue(3)
    before, steps = knobs(node), len(gui.app.undo)
    node["do_load_look"].execute()
    assert look_of(node) == LOOK and node["gain"].valueAt(1003) == 0.8
    assert not any(node[name].isAnimated() or node[name].hasExpression() for name in ("gain", "chroma_gain"))
    changed = {name for name, text in knobs(node).items() if text != before[name]}
    assert {"chroma_gain", "gain", "tone_gain", "detail_gain", "region_gain_jaw", "protect_eyes"} <= changed
    assert not changed & {"target_age", "face_size", "luma_weights", "status", "bake_record", "region_gain_eyes"}
    assert len(gui.app.undo) == steps + 1
    gui.nuke.undo()
    assert knobs(node) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not valid JSON"), ('{"look": 1, "gian": 1}', "gain"), ('{"look": 1, "gain": 9}', "from -5 to 5"),
     ('{"look": 2}', "version 1"), (None, "Check the path")],
)  # fmt: skip
def test_a_bad_look_is_said_in_a_window_and_changes_nothing(gui, node, text, said):
    file = gui.folder / "look.json"
    if text is not None:
        file.write_text(text)
    gui.app.chosen_file = file.as_posix()
    node["gain"].setValue(2)
    before = knobs(node)
    node["do_load_look"].execute()
    assert said in gui.app.messages[-1] and len(gui.app.messages) == 1 and knobs(node) == before


def test_nothing_is_written_where_the_artist_does_not_want_it_or_where_it_cannot_be_a_look(gui, node):
    file = gui.folder / "look.json"
    file.write_text("mine")
    node["do_save_look"].execute()
    node["do_load_look"].execute()
    gui.app.chosen_file, gui.app.answers = file.as_posix(), False
    node["do_save_look"].execute()
    assert file.read_text() == "mine" and "Replace it?" in gui.app.messages[-1]
    gui.app.answers = True
    node["gain"].setValue(7)
    node["do_save_look"].execute()
    assert file.read_text() == "mine" and "from -5 to 5" in gui.app.messages[-1]
    node["gain"].setValue(1)
    node["do_save_look"].execute()
    assert json.loads(file.read_text())["gain"] == 1
    gui.app.chosen_file = (file / "below.json").as_posix()
    node["do_save_look"].execute()
    assert "Cannot write" in gui.app.messages[-1]


def test_without_windows_it_is_an_error(terminal):
    node = terminal.nuke.createNode("ReAgeApply")
    with pytest.raises(HostError, match="window") as caught:
        callbacks.load_look(node)
    assert "reage look" in caught.value.hint
