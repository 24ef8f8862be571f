"""Deadline: the files that it reads, and what happens when ``deadlinecommand`` is there, refuses or hangs up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nuke_reage.core.errors import FarmError
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.deadline import find_deadlinecommand, job_info, plugin_info, submit, write_files
from nuke_reage.farm.shot import NukeScript, ShotFiles, shot_job

SITE = FarmSite(
    chunk=5,
    nuke="/opt/Nuke 16/Nuke16.0",
    bake_script="/opt/reage/reage_bake.py",
    nuke_limit="nuke_r",
    deadline_pool="comp",
    deadline_group="cpu",
    deadline_gpu_group="gpu",
    environment=("OCIO=/shows/config.ocio",),
)
JOB = shot_job(
    "sh010 older",
    range(1001, 1021),
    ShotFiles("/shows/farm/job.json", outputs=("/shows/out",)),
    SITE,
    gpu=True,
    nuke=NukeScript("/shows/sh 010.nk", "ReAge1", "/shows/farm/sh 010.nk", "Write1"),
)

BAKE_JOB = """\
Plugin=CommandLine
Name=sh010 older - Bake
BatchName=sh010 older
Comment=ReAge
Priority=50
Pool=comp
Group=gpu
Frames=1001-1020
ChunkSize=5
JobDependencies=5f01
OverrideTaskFailureDetection=True
FailureDetectionTaskErrors=3
OutputDirectory0=/shows/out
EnvironmentKeyValue0=REAGE_PROGRESS=deadline
EnvironmentKeyValue1=HF_HUB_OFFLINE=1
EnvironmentKeyValue2=OCIO=/shows/config.ocio
"""
BAKE_PLUGIN = """\
Executable=reage
Arguments=run /shows/farm/job.json --frames <STARTFRAME>-<ENDFRAME>
Shell=default
ShellExecute=False
SingleFramesOnly=False
StartupDirectory=
"""
EXPORT_PLUGIN = """\
Executable=/opt/Nuke 16/Nuke16.0
Arguments=-t /opt/reage/reage_bake.py "/shows/sh 010.nk" --job /shows/farm/job.json \
--save "/shows/farm/sh 010.nk" --frames=1001-1020 --node ReAge1
Shell=default
ShellExecute=False
SingleFramesOnly=False
StartupDirectory=
"""


def test_the_files_are_those_that_deadline_reads():
    bake = JOB.step("Bake")
    assert job_info(JOB, bake, SITE, ["5f01"]) == BAKE_JOB
    assert plugin_info(bake) == BAKE_PLUGIN
    assert plugin_info(JOB.step("Export")) == EXPORT_PLUGIN
    export = job_info(JOB, JOB.step("Export"), SITE).splitlines()
    assert {"Group=cpu", "LimitGroups=nuke_r", "Frames=0", "ChunkSize=1"} <= set(export)
    assert not [line for line in export if line.startswith("JobDependencies")]


def test_frames_with_gaps_are_tasks_of_their_own():
    """A task learns its first and last frame only; what lies between must be its own."""
    for frames, chunk in (([1, 2, 3, 7, 8], 1), ([1, 3, 5], 1), ([1, 2, 3], 5)):
        job = shot_job("a", frames, ShotFiles("/j.json"), SITE)
        lines = job_info(job, job.step("Bake"), SITE).splitlines()
        assert f"ChunkSize={chunk}" in lines


def test_a_quote_is_refused():
    job = shot_job("a", [1], ShotFiles('/sho"ws/j.json'), SITE)
    with pytest.raises(FarmError) as caught:
        plugin_info(job.step("Bake"))
    assert caught.value.hint


@pytest.fixture
def deadlinecommand(tmp_path):
    """A program in Deadline's place: it keeps what it is given and answers with ids, until it shall not."""

    def make(refuse_at: int = 99) -> tuple[str, Path]:
        record = tmp_path / "record"
        record.mkdir(exist_ok=True)
        program = tmp_path / "bin" / "deadlinecommand"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            "#!/bin/sh\n"
            f"n=$(ls {record} | grep -c job)\n"
            f'if [ "$n" -ge {refuse_at} ]; then echo "Error: pool comp does not exist"; exit 1; fi\n'
            f'cp "$1" {record}/$n.job; cp "$2" {record}/$n.plugin\n'
            'echo "Deadline Command 10.4"; echo; echo "Result=Success"; echo "JobID=65a0f$n"\n'
            'echo "The job was submitted successfully."\n'
        )
        program.chmod(0o755)
        return str(program), record

    return make


def test_each_step_waits_for_the_id_of_the_one_before(deadlinecommand, tmp_path):
    program, record = deadlinecommand()
    ids = submit(JOB, SITE, tmp_path / "files", program)
    assert ids == {"Export": "65a0f0", "Track": "65a0f1", "Bake": "65a0f2", "Render": "65a0f3"}
    dependencies = {
        number: [line for line in (record / f"{number}.job").read_text().splitlines() if "JobDependencies" in line]
        for number in range(4)
    }
    assert dependencies == {
        0: [],
        1: ["JobDependencies=65a0f0"],
        2: ["JobDependencies=65a0f1"],
        3: ["JobDependencies=65a0f2"],
    }
    assert (record / "2.plugin").read_text() == BAKE_PLUGIN


def test_a_refusal_says_what_deadline_said_and_what_it_holds_already(deadlinecommand, tmp_path):
    program, _ = deadlinecommand(refuse_at=2)
    with pytest.raises(FarmError) as caught:
        submit(JOB, SITE, tmp_path / "files", program)
    assert "pool comp does not exist" in caught.value.message
    assert "65a0f0, 65a0f1" in caught.value.hint
    with pytest.raises(FarmError) as caught:
        submit(JOB, SITE, tmp_path / "files", str(tmp_path / "nowhere"))
    assert caught.value.code == "farm.submit-failed" and caught.value.hint


def test_the_command_hands_over_where_deadlinecommand_is_found(
    reage, shots, farm_plate, farm_reference, deadlinecommand, tmp_path, monkeypatch
):
    program, record = deadlinecommand()
    monkeypatch.setenv("DEADLINE_PATH", str(Path(program).parent))
    track = farm_reference / "o.track.json"
    flags = ("--source-age", 35, "--target-age", 70, "--track", track, "--to", "deadline", "--gpu", "--json")
    first = reage("submit", farm_plate, tmp_path / "o.####.exr", *flags, "-o", tmp_path / "farm", "--write-only")
    assert first.code == 0 and first.json["ids"] == {} and not list(record.iterdir())
    done = reage("submit", farm_plate, tmp_path / "o.####.exr", *flags, "-o", tmp_path / "farm")
    assert done.code == 0, done.err
    assert done.json["ids"] == {"Bake": "65a0f0", "Report": "65a0f1"}, "it is tracked already"
    job = json.loads((tmp_path / "farm" / "job.json").read_text())
    assert job["output"]["path"] == f"{tmp_path}/o.####.exr" and job["face"]["track"] == str(track)
    assert [one["frame"] for one in job["target_age"]["values"]] == [1001, 1002, 1003, 1004]
    arguments = (record / "0.plugin").read_text().splitlines()[1]
    assert arguments == f"Arguments=run {tmp_path}/farm/job.json --frames <STARTFRAME>-<ENDFRAME>"


def test_deadlinecommand_is_looked_for_where_it_is(tmp_path):
    assert find_deadlinecommand({"PATH": str(tmp_path)}) == ""
    program = tmp_path / "deadlinecommand"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_deadlinecommand({"PATH": "/nowhere", "DEADLINE_PATH": str(tmp_path)}) == str(program)


def test_both_files_of_each_step_are_written(tmp_path):
    names = [path.name for path in write_files(JOB, SITE, tmp_path)]
    assert names[:4] == ["1_export_job.txt", "1_export_plugin.txt", "2_track_job.txt", "2_track_plugin.txt"]
    assert len(names) == 8 and (tmp_path / "3_bake_plugin.txt").read_text() == BAKE_PLUGIN
