"""The button Submit: the real command line behind it, and what the artist reads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nuke_reage.core.errors import HostError
from nuke_reage.nuke_host import callbacks
from nuke_reage.nuke_host.status import read_record, write_record
from nuke_reage.nuke_host.submission import submissions


def a_node(session, small_plate, *, tracked: bool = True, saved: bool = True):
    node = session.reage(session.read(small_plate, 1001, 1003))
    if tracked:
        write_record(node, replace(read_record(node), tracked=True))
    if saved:
        session.nuke.scriptSaveAs(str(session.folder / "shöt one.nk"))
    return node


def press(session, node) -> str:
    node["do_submit"].execute()
    key = callbacks.work.key_of(node)
    session.app.pump(lambda: not submissions().is_busy(key) and session.app.calls.empty())
    return str(node["status"].value())


@pytest.mark.slow
def test_submit_writes_what_the_farm_needs_and_says_where(gui, small_plate):
    node = a_node(gui, small_plate)
    node["farm_chunk"].setValue(2)
    node["farm_write"].setValue("Write1")
    gui.app.modified = True
    node["do_submit"].execute()
    assert str(node["status"].value()).startswith("submitting"), "the button has returned, the command runs"
    node["do_bake"].execute()
    assert "being worked on" in gui.app.messages.pop(), "one thing at a time"
    assert gui.app.messages.pop() == "Save shöt one.nk and submit ReAge1?"
    assert press_is_over(gui, node)
    folder = gui.folder / "reage_farm" / "shöt one" / "ReAge1"
    assert node["status"].value() == f"written for openjd: 7 tasks, {folder.as_posix()}"
    assert gui.app.messages == [] and any("submitting" in line for task in gui.app.tasks for line in task.said)
    template = (folder / "template.yaml").read_text(encoding="utf-8")
    for word in ("reage_bake.py", "--frames=1001-1003", "ReAge1", "-X", "Write1", "t one.nk"):
        assert word in template
    assert "farm_chunk 2" in (gui.folder / "shöt one.nk").read_text(encoding="utf-8"), "saved before it was sent"
    assert not list(folder.glob(".*"))


def press_is_over(session, node) -> bool:
    key = callbacks.work.key_of(node)
    session.app.pump(lambda: not submissions().is_busy(key) and session.app.calls.empty())
    return not submissions().is_busy(key)


@pytest.mark.slow
def test_a_check_writes_nothing_and_each_view_is_a_job(gui, small_plate):
    gui.app.views = ["left", "right"]
    node = a_node(gui, small_plate, tracked=False)
    node["farm_track"].setValue(True)
    node["farm_dry_run"].setValue(True)
    node["farm_folder"].setValue("jobs")
    assert press(gui, node) == "checked for openjd: 8 tasks; nothing was sent"
    assert not (gui.folder / "jobs").exists()
    node["farm_dry_run"].setValue(False)
    assert press(gui, node).startswith("written for openjd: 8 tasks")
    for view in ("left", "right"):
        template = (gui.folder / "jobs" / view / "template.yaml").read_text()
        assert template.count("--view") == 2 and f"ReAge1 {view}" in template
        assert "--track" in template and "name: Track" not in template.replace('"', "")


@pytest.mark.slow
def test_the_commands_error_and_its_hint_are_on_the_node(gui, small_plate, monkeypatch):
    site = gui.folder / "site.json"
    site.write_text(json.dumps({"farm": {"engine": "local", "nuke": "no-nuke-here", "retries": 0}}))
    monkeypatch.setenv("REAGE_SITE", str(site))
    node = a_node(gui, small_plate)
    status = press(gui, node)
    assert status.startswith("failed because ") and "Export" in status and "log" in status.lower()
    assert len(gui.app.messages) == 1 and "farm." in gui.app.messages[0]
    site.write_text(json.dumps({"farm": {"engine": "tractor"}}))
    assert "openjd, opencue, deadline, local" in press(gui, node)


@pytest.mark.slow
def test_a_submission_can_be_stopped(gui, small_plate, monkeypatch):
    slow = gui.folder / "python"
    slow.write_text(f"#!/bin/sh\ntrap 'exit 130' TERM\ntouch '{gui.folder / 'begun'}'\nsleep 60 &\nwait\n")
    slow.chmod(0o755)
    monkeypatch.setenv("REAGE_PYTHON", str(slow))
    node = a_node(gui, small_plate)
    node["do_submit"].execute()
    gui.app.pump((gui.folder / "begun").exists)
    node["do_cancel"].execute()
    assert press_is_over(gui, node)
    assert node["status"].value() == "tracked, nothing baked" and gui.app.messages == []


def test_what_the_farm_could_not_do_is_refused_before_anything_is_sent(terminal, small_plate, monkeypatch):
    monkeypatch.setenv("REAGE_PYTHON", str(terminal.folder / "must not be started"))
    for given, slug in (({"saved": False}, "unsaved"), ({"tracked": False}, "not-tracked")):
        node = a_node(terminal, small_plate, **given)
        with pytest.raises(HostError) as caught:
            callbacks.submit(node)
        assert caught.value.slug == slug and caught.value.hint in node["status"].value()
    node.setInput(0, None)
    with pytest.raises(HostError, match="no plate"):
        callbacks.submit(node)


def test_an_artist_who_does_not_want_to_save_submits_nothing(gui, small_plate):
    node = a_node(gui, small_plate)
    node["farm_chunk"].setValue(5)
    gui.app.answers = False
    assert press(gui, node) == "tracked, nothing baked"
    assert gui.app.messages == ["Save shöt one.nk and submit ReAge1?"], "asked, and no error after it"
    assert "farm_chunk" not in (gui.folder / "shöt one.nk").read_text(encoding="utf-8")
    assert not (gui.folder / "reage_farm").exists()


def test_a_command_that_ends_without_a_word_is_an_error_with_a_hint(terminal, small_plate, monkeypatch):
    broken = terminal.folder / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no such thing' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("REAGE_PYTHON", str(broken))
    node = a_node(terminal, small_plate)
    with pytest.raises(Exception, match="ImportError: no such thing") as caught:
        callbacks.submit(node)
    assert caught.value.code == "worker.command-failed" and "doctor" in caught.value.hint
    assert not submissions().is_busy(callbacks.work.key_of(node))
