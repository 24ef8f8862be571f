"""What goes wrong, and what two nodes do to each other."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import HostError, ReageError
from nuke_reage.nuke_host import api, callbacks
from nuke_reage.nuke_host.record import parse_record


def folder_of(node) -> Path:
    return Path(parse_record(node["bake_record"].value()).folder)


def black_plate(session):
    return session.nuke.nodes.Constant()


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_is_started_again_and_no_frame_is_lost(gui, small_plate, shots):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    gui.press(node, "track")
    first = gui.worker
    node["do_bake"].execute()
    gui.app.pump(lambda: "1 of 3" in str(node["status"].value()) or "2 of 3" in str(node["status"].value()))
    os.kill(first, signal.SIGKILL)
    gui.wait()
    assert node["status"].value() == "3 of 3 frames" and gui.worker not in (None, first)
    for frame in (1001, 1002, 1003):
        assert np.abs(shots.layers(node["layers_file"].value() % frame)["delta"]).max() > 1e-3
    assert gui.app.messages == []


@pytest.mark.slow
def test_a_plate_without_a_face_is_said_on_the_node_and_in_a_window(gui):
    node = gui.reage(black_plate(gui))
    status = gui.press(node, "bake")
    assert status.startswith("failed because No face was found") and "crop" in status
    assert len(gui.app.messages) == 1 and "face.no-face" in gui.app.messages[0]
    assert node["layers_file"].value() == ""


@pytest.mark.slow
def test_cancel_keeps_what_is_finished_and_is_no_failure(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    gui.press(node, "track")
    node["do_bake"].execute()
    gui.app.pump(lambda: "1 of 3" in str(node["status"].value()))
    node["do_bake"].execute()
    assert "being worked on" in gui.app.messages[-1], "one bake a node at a time"
    node["do_cancel"].execute()
    gui.wait()
    status = node["status"].value()
    assert (
        status in {"1 of 3 frames (1001)", "2 of 3 frames (1001-1002)", "3 of 3 frames"} and len(gui.app.messages) == 1
    )
    assert gui.press(node, "bake") == "3 of 3 frames"
    # The window's own Cancel.
    node["target_age"].setValue(30)
    gui.app.cancel_tasks = True
    gui.press(node, "bake")
    assert node["status"].value().startswith("stale since") and len(gui.app.messages) == 1


@pytest.mark.slow
def test_a_node_that_is_deleted_while_it_bakes_takes_its_bake_with_it(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    node["do_bake"].execute()
    gui.nuke.delete(node)
    gui.wait()
    assert gui.app.messages == [] and not list(gui.folder.rglob("layers.*.exr"))


@pytest.mark.slow
def test_a_copy_that_goes_while_the_original_bakes_stops_nothing(gui, small_plate):
    nuke = gui.nuke
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    gui.press(node, "track")
    node["do_bake"].execute()
    node.setSelected(True)
    nuke.nodeCopy("%clipboard%")
    copy = nuke.nodePaste("%clipboard%")
    node.setName("Hero")
    nuke.delete(copy)
    gui.wait()
    assert node["status"].value() == "3 of 3 frames" and gui.app.messages == []


def test_export_that_is_cancelled_leaves_no_write_and_says_nothing_wrong(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    gui.app.cancel_render_at = 1003
    gui.app.proxy = True
    gui.app.modified = False
    assert gui.press(node, "track") == "nothing baked"
    assert [one.Class() for one in gui.nuke.allNodes()] == ["Read", "ReAge"] and gui.app.proxy
    assert gui.app.messages == [] and not list(gui.folder.rglob("plate.*.exr"))


def test_full_size_plates_come_out_in_proxy_mode(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    node["frames"].setValue("1002")
    gui.app.proxy = True
    gui.press(node, "track")
    files = list(gui.folder.rglob("plate.*.exr"))
    assert [one.name for one in files] == ["plate.1002.exr"] and gui.app.proxy
    from nuke_files import pixels

    assert pixels(files[0]).shape == (240, 320, 3)


def test_a_button_while_nuke_renders_is_refused(terminal, small_plate):
    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    caught = []

    def meanwhile():
        with pytest.raises(HostError) as error:
            callbacks.track(node)
        caught.append(error.value.slug)

    terminal.nuke.addBeforeRender(meanwhile)
    terminal.nuke.execute(
        terminal.nuke.nodes.Write(
            inputs=[node._inputs[0]], file=(terminal.folder / "a.%04d.exr").as_posix(), file_type="exr", raw=True
        ),
        1001,
        1001,
    )
    assert caught == ["busy"]


@pytest.mark.parametrize(
    ("prepare", "slug"),
    [
        (lambda node: node.setInput(0, None), "no-input"),
        (lambda node: node["frames"].setValue("ten"), "bad-frames"),
        (lambda node: node["source_age"].setValue(200), "bad-age"),
        (lambda node: node["ladder"].setValue("20,30,50"), "bad-ladder"),
        (lambda node: node["layers"].setValue("delta, msk"), "bad-layers"),
    ],
)
def test_what_a_job_cannot_be_made_of_is_an_error_with_a_hint(terminal, small_plate, prepare, slug):
    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    prepare(node)
    with pytest.raises(ReageError) as caught:
        callbacks.bake(node)
    assert caught.value.slug == slug and caught.value.hint
    assert node["status"].value().startswith("failed because ") and caught.value.hint in node["status"].value()


def test_a_folder_that_cannot_be_written(terminal, small_plate):
    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    blocked = terminal.folder / "file"
    blocked.write_text("a file, no folder")
    node["cache_dir"].setValue((blocked / "cache").as_posix())
    with pytest.raises(HostError) as caught:
        callbacks.track(node)
    assert caught.value.slug == "cache-unwritable" and "cache folder" in caught.value.hint
    assert "cache folder" in node["status"].value()


def test_a_python_that_is_not_there_and_then_is(terminal, small_plate, monkeypatch):
    from nuke_reage.nuke_host.session import host_session

    host_session().close()
    host_session.cache_clear()
    monkeypatch.setenv("REAGE_PYTHON", str(terminal.folder / "no-python"))
    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    with pytest.raises(ReageError) as caught:
        callbacks.track(node)
    assert caught.value.code == "worker.no-python" and "no-python" in node["status"].value()
    host_session.cache_clear()


def test_two_nodes_and_copies_and_scripts_never_share_a_folder(terminal, small_plate):
    nuke = terminal.nuke
    nuke.scriptSaveAs(str(terminal.folder / "a.nk"))
    read = terminal.read(small_plate, 1001, 1002)
    one, two = terminal.reage(read), terminal.reage(read)
    for node in (one, two):
        callbacks.track(node)
    mine = folder_of(one)
    assert mine != folder_of(two) and mine.parent == terminal.folder / "reage_cache"

    # Renamed: it keeps what it has.
    one.setName("Hero")
    rendered = len(terminal.app.rendered)
    callbacks.track(one)
    assert folder_of(one) == mine and len(terminal.app.rendered) == rendered

    # Copied: the copy reads on, and takes a folder of its own when it works; nothing is rendered again.
    one.setSelected(True)
    nuke.nodeCopy("%clipboard%")
    copy = nuke.nodePaste("%clipboard%")
    copy.setInput(0, read)
    assert copy is not one and folder_of(copy) == mine
    stamp = (mine / "main/plate/plate.1001.exr").stat()
    callbacks.track(copy)
    assert folder_of(copy) != mine and folder_of(one) == mine and len(terminal.app.rendered) == rendered
    callbacks.track(one)
    assert folder_of(one) == mine
    assert (folder_of(copy) / "main/plate/plate.1001.exr").read_bytes() == (
        mine / "main/plate/plate.1001.exr"
    ).read_bytes()
    assert (mine / "main/plate/plate.1001.exr").stat().st_mtime_ns == stamp.st_mtime_ns

    # The script under another name: the first one's files are left alone while it is there.
    nuke.scriptSaveAs(str(terminal.folder / "b.nk"))
    Path(terminal.folder / "a.nk").touch()
    callbacks.track(one)
    theirs = folder_of(one)
    assert theirs != mine and len(terminal.app.rendered) == rendered
    callbacks.clear_cache(one)
    assert not theirs.exists() and mine.is_dir() and one["status"].value() == "nothing baked"


def test_a_script_that_was_never_saved_works_in_the_users_cache_and_moves_when_saved(terminal, small_plate):
    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    callbacks.track(node)
    assert folder_of(node).parent == terminal.folder / "home cache" / "reage" / "unsaved"
    terminal.nuke.scriptSaveAs(str(terminal.folder / "shöt one.nk"))
    rendered = len(terminal.app.rendered)
    callbacks.track(node)
    assert folder_of(node).parent == terminal.folder / "reage_cache" and len(terminal.app.rendered) == rendered


def test_painted_ages_travel_and_the_live_roto_does_not(terminal, small_plate):
    nuke = terminal.nuke
    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    ages = nuke.nodes.Constant()
    ages["color"].setValue([12.34, 0, 0, 1])
    node.setInput(1, nuke.nodes.Constant())
    node.setInput(2, ages)
    from nuke_reage.core.job import load_job
    from nuke_reage.nuke_host import bridge, work

    prepared = work.prepare(node, bridge.frames_of(node))
    job = load_job(prepared.cache.job_file("main"))
    assert job.age_map.path == prepared.cache.pattern("age", "main") + ":R" and job.mask.matte == ""
    from nuke_files import pixels

    assert pixels(prepared.cache.file("age", "main", 1001))[5, 5, 0] == pytest.approx(12.34, abs=1e-5)
    node["age_map"].setValue("/other/map.####.exr")
    assert bridge.job_of(node, "main", prepared.cache, (1001,)).age_map.path == "/other/map.####.exr"


def test_ages_are_evaluated_by_nuke_in_every_frame(terminal, small_plate):
    from nuke_reage.nuke_host import bridge
    from nuke_reage.nuke_host.cache import CacheFolder

    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    node["target_age"].setExpression("40 + (frame - 1001) * 2.5")
    node["region_age_jaw"].fromScript("{curve L x1001 0 x1003 8}")
    node["region_gain_nose"].setValue(0.5)
    job = bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001, 1002, 1003))
    assert [job.target_age.at(frame) for frame in (1001, 1002, 1003)] == [40.0, 42.5, 45.0]
    assert job.region_age.at(1002) == {"jaw": 4.0} and job.source_age.at(1002) == 35.0
    assert {"delta", "mask", "regions", "protect"} <= set(job.output.layers), "what the live knobs work with"
    before = bridge.settings_key(job, live_age=False)
    node["gain"].setValue(2.0)
    assert (
        bridge.settings_key(bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001, 1002, 1003)), False)
        == before
    )
    terminal.app.root["colorManagement"].setValue("Nuke")
    assert bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001,)).plate.colorspace == "linear"


def test_layers_that_the_node_needs_are_baked_whatever_is_asked_for(terminal, small_plate):
    from nuke_reage.nuke_host import bridge
    from nuke_reage.nuke_host.cache import CacheFolder

    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    node["layers"].setValue("comp")
    job = bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001,))
    assert job.output.layers == ("delta", "mask", "regions", "protect", "comp")
    for name in ("region_gain_jaw", "protect_teeth"):
        node[name].setValue(0.5)
    again = bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001,))
    assert bridge.settings_key(again, live_age=False) == bridge.settings_key(job, live_age=False)


def test_the_scripts_colour_management_is_the_jobs(terminal, small_plate, monkeypatch):
    from nuke_reage.nuke_host import bridge
    from nuke_reage.nuke_host.cache import CacheFolder

    monkeypatch.delenv("OCIO", raising=False)
    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    root = terminal.app.root

    def plate():
        return bridge.job_of(node, "main", CacheFolder(terminal.folder), (1001,)).plate

    assert (plate().colorspace, plate().ocio_config) == ("", "")
    root["OCIO_config"].setValue("custom")
    root["customOCIOConfigPath"].setValue("/my shows/it's/config.ocio")
    assert (plate().colorspace, plate().ocio_config) == ("", "/my shows/it's/config.ocio"), "without a script's quotes"
    root["OCIO_config"].setValue("nuke-default")
    assert (plate().colorspace, plate().ocio_config) == ("linear", "")
    monkeypatch.setenv("OCIO", "/studio/config.ocio")
    assert plate().colorspace == "", "the studio's config counts"
    root["colorManagement"].setValue("Nuke")
    assert plate().colorspace == "linear"


def test_another_mode_reads_other_layers_and_says_so(gui, small_plate):
    from nuke_reage.nuke_host import status
    from nuke_reage.nuke_host.record import Record, ViewRecord

    node = gui.reage(gui.read(small_plate, 1001, 1001))
    gui.press(node, "track")
    record = parse_record(node["bake_record"].value())
    from nuke_reage.nuke_host import bridge
    from nuke_reage.nuke_host.cache import CacheFolder

    job = bridge.job_of(node, "main", CacheFolder(Path(record.folder)), (1001,))
    view = ViewRecord("main", status.inputs_key(node), status.job_key(node, job), "1001")
    status.write_record(node, Record(record.uid, record.owner, record.folder, "1001", views=(view,)))
    assert node["status"].value() == "1 of 1 frames"
    node["mode"].setValue("ladder")
    assert "a setting changed" in node["status"].value(), "no ladder is baked"
    node["mode"].setValue("exact")
    assert node["status"].value() == "1 of 1 frames"


def test_both_views_are_exported_and_read(terminal, small_plate):
    terminal.app.views = ["left", "right"]
    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    callbacks.track(node)
    folder = folder_of(node)
    assert (folder / "left/plate/plate.1001.exr").is_file() and (folder / "right/plate/plate.1001.exr").is_file()
    from nuke_reage.nuke_host import bridge, work

    work.expect_layers(node, work.prepare(node, bridge.frames_of(node)))
    assert node["layers_file"].value() == f"{folder.as_posix()}/%V/layers/layers.%04d.exr"


def test_an_undo_does_not_take_the_bake_back(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1001))
    node["target_age"].setValue(50)
    steps = len(gui.app.undo)
    gui.press(node, "track")
    assert len(gui.app.undo) == steps and node["status"].value() == "tracked, nothing baked"
    gui.nuke.undo()
    assert node["target_age"].value() == 75 and node["status"].value() == "tracked, nothing baked"


def test_knobs_are_refused_to_other_threads_by_the_stand_in(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1001))
    caught = []

    def touch():
        try:
            node["gain"].setValue(2)
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    assert "main thread" in caught[0]
    api.run_in_main(lambda: node["gain"].setValue(2))
    assert node["gain"].value() == 2


def test_dragging_a_live_knob_writes_nothing_and_costs_microseconds(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1001))
    node["bake_record"].setValue('{"uid":"a","frames":"1001","views":[{"view":"main","done":"1001"}]}')
    record, status = node["bake_record"].value(), node["status"].value()
    begin = time.perf_counter()
    for _ in range(1000):
        callbacks.knob_changed(node, "gain")
    assert time.perf_counter() - begin < 0.1
    assert (node["bake_record"].value(), node["status"].value()) == (record, status)
    node["mode"].setValue("ladder")
    node["bake_record"].setValue(record)
    node["target_age"].setValue(33)
    assert node["bake_record"].value() == record, "on a ladder the target age is live"
    node["model"].setValue("other")
    assert "stale since" in node["status"].value() and "model changed" in node["status"].value()


def test_a_script_saved_in_the_middle_of_a_bake_says_what_it_has(terminal):
    node = terminal.reage(black_plate(terminal))
    node["status"].setValue("baking: 3 of 12 frames")
    terminal.nuke.scriptSaveAs(str(terminal.folder / "a.nk"))
    terminal.nuke.scriptClear()
    terminal.nuke.scriptOpen(str(terminal.folder / "a.nk"))
    assert terminal.nuke.toNode("ReAge1")["status"].value() == "nothing baked"


def test_a_damaged_record_is_a_fresh_start(terminal, small_plate):
    node = terminal.reage(terminal.read(small_plate, 1001, 1001))
    node["bake_record"].setValue('{"uid": [}')
    callbacks.track(node)
    assert node["status"].value() == "tracked, nothing baked"


@pytest.mark.slow
def test_a_worker_that_dies_once_before_any_frame_costs_nothing(gui, small_plate):
    node = gui.reage(gui.read(small_plate, 1001, 1003))
    node["do_track"].execute()
    gui.app.pump(lambda: "tracking: 1" in str(node["status"].value()))
    first = gui.worker
    os.kill(first, signal.SIGKILL)
    gui.wait()
    assert node["status"].value() == "tracked, nothing baked" and gui.worker not in (None, first)
    assert gui.app.messages == []


def test_a_worker_that_dies_again_and_again_is_an_error_not_an_endless_loop(gui, small_plate, monkeypatch):
    from nuke_reage.nuke_host.session import host_session

    host_session().close()
    host_session.cache_clear()
    dead = gui.folder / "python"
    dead.write_text(f"#!/bin/sh\necho >> '{gui.folder / 'starts'}'\nexit 3\n")
    dead.chmod(0o755)
    monkeypatch.setenv("REAGE_PYTHON", str(dead))
    node = gui.reage(gui.read(small_plate, 1001, 1001))
    status = gui.press(node, "track")
    assert status.startswith("failed because The worker ended unexpectedly") and len(gui.app.messages) == 1
    assert (gui.folder / "starts").read_text().count("\n") == 2
    host_session().close()
    host_session.cache_clear()


@pytest.mark.slow
def test_between_scattered_frames_the_plate_goes_through_without_an_error(gui, small_plate, shots):
    from nuke_files import pixels

    node = gui.reage(gui.read(small_plate, 1001, 1003))
    for frame, status in ((1001, "1 of 3 frames (1001)"), (1003, "2 of 3 frames (1001,1003)")):
        gui.app.frame = frame
        assert gui.press(node, "update_frame") == status
    assert [node["is_baked"].valueAt(frame) for frame in (1001, 1002, 1003)] == [1, 0, 1]
    comp = gui.folder / "comp.%04d.exr"
    write = gui.nuke.nodes.Write(inputs=[node], file=comp.as_posix(), file_type="exr", raw=True)
    gui.nuke.execute(write, 1001, 1003)
    changed = [np.abs(pixels(str(comp) % f) - pixels(small_plate % f)).max() for f in (1001, 1002, 1003)]
    assert changed[1] == 0 and min(changed[0], changed[2]) > 0.005
    gui.app.frame = 1002
    assert gui.press(node, "update_frame") == "3 of 3 frames"
    assert not node["is_baked"].isAnimated() and node["is_baked"].value() == 1


def test_each_view_has_its_own_ages(terminal, small_plate):
    from nuke_reage.nuke_host import bridge
    from nuke_reage.nuke_host.cache import CacheFolder

    terminal.app.views = ["left", "right"]
    node = terminal.reage(terminal.read(small_plate, 1001, 1003))
    node["target_age"].fake_split["right"] = 71.0
    node["region_age_jaw"].fake_split["right"] = 4.0
    left, right = (bridge.job_of(node, view, CacheFolder(terminal.folder), (1001, 1003)) for view in ("left", "right"))
    assert (left.target_age.at(1003), right.target_age.at(1003)) == (75.0, 71.0)
    assert (left.region_age.at(1001), right.region_age.at(1001)) == ({}, {"jaw": 4.0})


def test_negative_frames_are_exported_however_they_are_written(terminal, small_plate, capsys):
    import json

    from nuke_reage.nuke_host import bake_script

    terminal.reage(terminal.nuke.nodes.Constant(first=-5, last=3))
    terminal.nuke.scriptSaveAs(str(terminal.folder / "a.nk"))
    for words in (["--frames", "-5--4"], ["--frames=-5--4"]):
        assert bake_script.main([str(terminal.folder / "a.nk"), *words, "--json"]) == 0
        (job,) = json.loads(capsys.readouterr().out)["jobs"]
        assert job["frames"] == "-5--4"
