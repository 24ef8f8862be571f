"""This machine as a farm, through openjd-sessions: the same job, so many tasks at a time."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from nuke_reage.core.errors import CancelledError, FarmError
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FRAMES, FarmJob, Step
from nuke_reage.farm.local import run_local, with_this_program

pytest.importorskip("openjd.sessions")

FRAME_NUMBERS = tuple(range(1, 7))


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / f"program{len(list(tmp_path.glob('program*')))}.py"
    path.write_text("import os, pathlib, sys, time\n" + text)
    return str(path)


def job(tmp_path: Path, *steps: Step, retries: int = 0) -> FarmJob:
    (tmp_path / "job.json").write_text("{}")
    return FarmJob("test", steps, str(tmp_path / "job.json"), (("COLOUR", "grün"),), retries=retries)


def test_tasks_run_together_after_the_step_before_and_share_the_gpus_out(tmp_path):
    note = script(
        tmp_path,
        f"begin = time.time(); time.sleep(0.4)\n"
        f"words = [sys.argv[1], os.environ.get('CUDA_VISIBLE_DEVICES', ''), os.environ['COLOUR'], begin, time.time()]\n"
        f"print('|'.join(map(str, words)), file=open({str(tmp_path)!r} + '/note_' + sys.argv[1], 'w'))\n",
    )
    made = job(
        tmp_path,
        Step("First", (sys.executable, note, "first")),
        Step("Each", (sys.executable, note, FRAMES), ("First",), FRAME_NUMBERS, 1),
    )
    seen = []
    results = run_local(made, tmp_path / "logs", workers=3, gpus=("4", "7", "9"), on_task=seen.append)
    assert [result.frames for result in results] == ["", *map(str, FRAME_NUMBERS)]
    assert all(result.ok and result.attempts == 1 for result in results) and len(seen) == 7
    notes = {path.name[5:]: path.read_text().strip().split("|") for path in tmp_path.glob("note_*")}
    assert len(notes) == 7 and {one[2] for one in notes.values()} == {"grün"}
    times = {name: (float(one[3]), float(one[4])) for name, one in notes.items()}
    each = [times[str(number)] for number in FRAME_NUMBERS]
    assert times["first"][1] <= min(begin for begin, _ in each)
    at_once = [sum(begin <= moment < end for begin, end in each) for moment, _ in each]
    assert 2 <= max(at_once) <= 3, "together, but no more than asked for"
    assert {notes[str(number)][1] for number in FRAME_NUMBERS} == {"4", "7", "9"}
    for moment, _ in each:
        busy = [notes[str(n)][1] for n in FRAME_NUMBERS if times[str(n)][0] <= moment < times[str(n)][1]]
        assert len(busy) == len(set(busy)), "no two tasks on one GPU at a time"


def test_a_task_that_fails_is_tried_again_and_then_stops_what_comes_after(tmp_path):
    shaky = script(
        tmp_path,
        f"flag = pathlib.Path({str(tmp_path)!r}, 'tried_' + sys.argv[1])\n"
        "before = flag.exists(); flag.touch()\n"
        "if sys.argv[1] == '2' and (not before or len(sys.argv) > 2):\n"
        "    print('openjd_fail: the disk is full'); sys.exit(3)\n",
    )
    each = Step("Each", (sys.executable, shaky, FRAMES), (), (1, 2, 3), 1)
    results = run_local(job(tmp_path, each, retries=1), tmp_path / "logs")
    assert [result.attempts for result in results] == [1, 2, 1]
    assert "the disk is full" in results[1].log.read_text()

    always = Step("Each", (sys.executable, shaky, FRAMES, "always"), (), (1, 2, 3), 1)
    after = Step("After", (sys.executable, script(tmp_path, f"open({str(tmp_path)!r} + '/after', 'w')")), ("Each",))
    with pytest.raises(FarmError) as caught:
        run_local(job(tmp_path, always, after, retries=1), tmp_path / "logs2")
    assert caught.value.code == "farm.task-failed" and "the disk is full" in caught.value.message
    assert "Each" in caught.value.message and str(tmp_path / "logs2") in caught.value.hint
    assert not (tmp_path / "after").exists()


def test_a_cancelled_run_ends_its_tasks_soon(tmp_path):
    slow = script(tmp_path, f"open({str(tmp_path)!r} + '/begun_' + sys.argv[1], 'w'); time.sleep(60)\n")
    stop = threading.Event()
    each = Step("Each", (sys.executable, slow, FRAMES), (), FRAME_NUMBERS, 1)
    timer = threading.Timer(2.0, stop.set)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(CancelledError):
        run_local(job(tmp_path, each), tmp_path / "logs", workers=2, cancelled=stop.is_set)
    assert time.monotonic() - begin < 7.0
    assert len(list(tmp_path.glob("begun_*"))) == 2, "the waiting ones were not begun"


def test_a_program_that_is_not_there_is_a_failed_task(tmp_path):
    with pytest.raises(FarmError) as caught:
        run_local(job(tmp_path, Step("A", ("no-such-program-here",))), tmp_path / "logs")
    assert caught.value.code == "farm.task-failed"
    assert "no-such-program-here" in (tmp_path / "logs" / "A.log").read_text()
    with pytest.raises(FarmError):
        run_local(job(tmp_path, Step("A", ("x",))), tmp_path / "logs", workers=0)


@pytest.mark.slow
def test_a_shot_on_this_machine_is_the_shot(reage, farm_plate, tmp_path, on_path, check_against):
    flags = ("--source-age", 35, "--target-age", 70, "--device", "cpu")
    arguments = (farm_plate, tmp_path / "out" / "o.####.exr", *flags, "-o", tmp_path / "farm")
    done = reage("submit", *arguments, "--to", "local", "--workers", 2, "--chunk", 2, "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)["results"]
    assert [(one["step"], one["frames"], one["attempts"]) for one in results] == [
        ("Track", "", 1),
        ("Bake", "1001,1002", 1),
        ("Bake", "1003,1004", 1),
        ("Report", "", 1),
    ]
    assert (tmp_path / "farm" / "report.html").stat().st_size > 1000
    check_against(tmp_path / "out")
    again = reage("submit", *arguments, "--to", "local", "--dry-run", "--json")
    assert [step["name"] for step in again.json["steps"]] == ["Bake", "Report"], "the track holds"


def test_the_site_names_the_programs(tmp_path):
    from nuke_reage.farm.shot import ShotFiles, shot_job

    made = shot_job("a", [1], ShotFiles("/j.json"), FarmSite(reage="/opt/reage/bin/reage"))
    assert {step.command[0] for step in made.steps} == {"/opt/reage/bin/reage"}


def test_a_shot_here_is_run_by_the_program_that_was_started_not_by_one_on_the_path(
    reage, farm_plate, tmp_path, reage_program, monkeypatch
):
    flags = ("--source-age", 35, "--target-age", 70, "--json")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", [str(reage_program)])

    def programs(engine: str) -> set[str]:
        planned = reage("submit", farm_plate, tmp_path / "o.####.exr", *flags, "--to", engine, "--dry-run")
        assert planned.code == 0, planned.err
        return {step["command"][0] for step in planned.json["steps"]}

    assert programs("local") == {str(reage_program)} and programs("openjd") == {"reage"}
    version = Step("Version", (with_this_program(FarmSite()).reage, "--version"), tool="reage")
    (result,) = run_local(job(tmp_path, version), tmp_path / "logs")
    assert result.ok and "reage, version" in result.log.read_text()

    named = tmp_path / "site.json"
    named.write_text(json.dumps({"farm": {"reage": "/opt/reage"}}))
    monkeypatch.setenv("REAGE_SITE", str(named))
    assert programs("local") == {"/opt/reage"}
    monkeypatch.setattr(sys, "argv", ["-c"])
    beside = Path(sys.executable).with_name("reage")
    assert with_this_program(FarmSite()).reage == (str(beside) if beside.exists() else "reage")
