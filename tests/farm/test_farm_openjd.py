"""The bundle, run by the real ``openjd``: in order, out of order, two at once, stopped, failed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("openjd.cli")

from nuke_reage.core.site import FarmSite  # noqa: E402
from nuke_reage.farm.openjd import job_template, write_bundle  # noqa: E402
from nuke_reage.farm.shot import NukeScript, ShotFiles, shot_job  # noqa: E402

AGES = ("--source-age", "35", "--target-age", "70")
OPENJD = (sys.executable, "-m", "openjd")


def openjd(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OPENJD, *(str(one) for one in arguments)], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def bundle(reage, farm_plate, tmp_path, on_path):
    """A bundle as the command writes it, two frames a task, and the folder that it will fill."""
    arguments = (farm_plate, tmp_path / "out" / "o.####.exr", *AGES, "--device", "cpu")
    done = reage("submit", *arguments, "--to", "openjd", "-o", tmp_path / "bundle", "--chunk", 2, "--json")
    assert done.code == 0, done.err
    assert [step["tasks"] for step in done.json["steps"]] == [1, 2, 1]
    return tmp_path / "bundle", tmp_path / "out"


@pytest.mark.parametrize("nuke", [None, NukeScript("/a b/s.nk", "ReAge1", "/farm/s.nk", "Write1")])
@pytest.mark.parametrize("gpu", [False, True])
def test_openjd_accepts_the_bundle(tmp_path, nuke, gpu):
    files = ShotFiles("/shows/job.json", ("/shows/plate", "/shows/m.exr"), ("/shows/out",), "/shows/report.html")
    site = FarmSite(chunk=4, environment=("OCIO=/x y/c.ocio",), gpu_memory_mib=6000)
    job = shot_job("Zoë: 010", [*range(1, 9), 20, 22, 24], files, site, gpu=gpu, nuke=nuke)
    written = write_bundle(job, tmp_path)
    checked = openjd("check", written[0])
    assert checked.returncode == 0, checked.stdout + checked.stderr
    told = openjd("summary", written[0], "--output", "json")
    steps = {step["name"]: step for step in json.loads(told.stdout)["steps"]}
    assert list(steps) == [step.name for step in job.steps]
    template = yaml.safe_load(written[0].read_text())
    assert template == job_template(job)
    bake = next(step for step in template["steps"] if step["name"] == "Bake")
    amounts = {one["name"]: one["min"] for one in bake.get("hostRequirements", {}).get("amounts", ())}
    assert amounts == ({"amount.worker.gpu": 1, "amount.worker.gpu.memory": 6000} if gpu else {})
    values = {one["name"]: one["value"] for one in yaml.safe_load(written[1].read_text())["parameterValues"]}
    assert values["JobFile"] == "/shows/job.json" and values["deadline:maxRetriesPerTask"] == 2
    assets = yaml.safe_load(written[2].read_text())["assetReferences"]
    assert assets["outputs"]["directories"] == ["/shows/out"]


def test_openjd_can_refuse_a_bundle(tmp_path):
    """What the check above is worth."""
    job = shot_job("a", [1, 2], ShotFiles("/j.json"), FarmSite())
    file = write_bundle(job, tmp_path)[0]
    file.write_text(file.read_text().replace("dependsOn: Track", "dependsOn: Trakc"))
    assert openjd("check", file).returncode != 0


def test_a_name_that_the_format_cannot_carry_is_refused():
    from nuke_reage.core.errors import FarmError

    with pytest.raises(FarmError) as caught:
        job_template(shot_job("a", [1], ShotFiles("/x/j.json"), FarmSite(reage="/x/{{y}}/reage")))
    assert caught.value.hint


@pytest.mark.slow
def test_openjd_runs_the_whole_job(bundle, check_against):
    folder, out = bundle
    done = openjd("run", folder / "template.yaml", "--step", "Report", "--run-dependencies")
    assert done.returncode == 0, done.stdout
    assert "Chunks run: 4" in done.stdout
    assert "1004" in (folder / "report.html").read_text(encoding="utf-8")
    percents = [int(number) for number in re.findall(r"openjd_progress: (\d+)$", done.stdout, re.M)]
    assert percents.count(100) == 3 and set(percents) > {0, 50, 100}
    assert "openjd_status: track" in done.stdout and "openjd_status: bake" in done.stdout
    check_against(out)


@pytest.mark.slow
def test_tasks_run_alone_out_of_order_and_two_at_once(bundle, check_against):
    folder, out = bundle
    template = folder / "template.yaml"
    assert openjd("run", template, "--step", "Track").returncode == 0

    def task(frames: str) -> subprocess.Popen[str]:
        arguments = ("run", str(template), "--step", "Bake", "-tp", f"Frames={frames}")
        return subprocess.Popen([*OPENJD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    for together in (("1004",), ("1003", "1001-1002"), ("1001",)):
        for process in [task(frames) for frames in together]:
            said = process.communicate(timeout=200)[0]
            assert process.returncode == 0, said
    check_against(out)


@pytest.mark.slow
def test_a_failed_task_says_why(bundle):
    folder, out = bundle
    done = openjd("run", folder / "template.yaml", "--step", "Bake", "-tp", "Frames=1001")
    assert done.returncode != 0
    assert re.search(r"openjd_fail: face\.track-not-found .*o\.track\.json", done.stdout), "it was not tracked"
    assert not list(out.glob("*.exr"))


@pytest.mark.slow
def test_a_cancelled_task_is_gone_within_five_seconds_and_leaves_whole_frames(shots, bundle, reage_program, tmp_path):
    """A long bake in the real runner; the signal goes to the runner, as a farm's worker sends it."""
    still = shots.film((256, 192), side=300)
    plate = shots.write(tmp_path / "long.####.exr", dict.fromkeys(range(1, 41), still))
    job = shots.job(plate, tmp_path / "long" / "o.####.exr", layers=("delta", "mask"))
    shots.open(job)
    from nuke_reage.core.job import save_job

    save_job(job, tmp_path / "job.json")
    farm_job = shot_job(
        "a", range(1, 41), ShotFiles(str(tmp_path / "job.json")), FarmSite(reage=str(reage_program), chunk=40)
    )
    template = write_bundle(farm_job, tmp_path / "b2")[0]
    arguments = ("run", str(template), "-p", f"JobFile={tmp_path / 'job.json'}", "--step", "Bake")
    process = subprocess.Popen([*OPENJD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "long").glob("*.exr"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert time.monotonic() - begin < 5.0, said
    done = list((tmp_path / "long").glob("*.exr"))
    assert 2 <= len(done) < 40
    for path in done:
        assert set(shots.layers(path)) == {"delta", "mask"}
    assert not list((tmp_path / "long").glob(".*"))


@pytest.mark.slow
def test_paths_of_another_system_are_mapped_by_the_session(bundle, check_against, tmp_path):
    """The job file as a Windows machine would have written it."""
    folder, out = bundle
    text = (folder / "job.json").read_text()
    (folder / "job.json").write_text(text.replace(f"{tmp_path}/out/", "P:\\\\shows\\\\out\\\\"))
    assert "P:\\\\shows" in (folder / "job.json").read_text()
    rule = {"source_path_format": "WINDOWS", "source_path": "P:\\shows", "destination_path": str(tmp_path)}
    rules = json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": [rule]})
    done = openjd(
        "run", folder / "template.yaml", "--step", "Bake", "--run-dependencies", "--path-mapping-rules", rules
    )
    assert done.returncode == 0, done.stdout
    check_against(Path(out))
