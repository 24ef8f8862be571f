"""``reage submit``: what it writes, what it refuses, and that it writes nothing until all is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nuke_reage.core.job import load_job

AGES = ("--source-age", 35, "--target-age", "1001:35,1004:70")


def test_a_job_file_holds_whole_paths_and_evaluated_ages(reage, farm_plate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = reage("submit", farm_plate, "out/o.####.exr", *AGES, "--to", "openjd", "-o", "farm", "--json")
    assert done.code == 0, done.err
    job = load_job(tmp_path / "farm" / "job.json")
    assert job.output.path == f"{tmp_path}/out/o.####.exr" and job.plate.path == farm_plate
    assert job.face.track == f"{tmp_path}/out/o.track.json", "every task uses the one track"
    assert [round(job.target_age.at(frame), 3) for frame in range(1001, 1005)] == [35, 46.667, 58.333, 70]
    assert len(job.target_age.values) == 4
    assert not (tmp_path / "out").exists(), "nothing is computed"
    track, bake, report = done.json["steps"]
    assert track["command"] == ["reage", "track", f"{tmp_path}/farm/job.json"]
    assert bake["command"][:3] == ["reage", "run", f"{tmp_path}/farm/job.json"] and bake["after"] == ["Track"]
    assert report["command"][1:] == ["report", f"{tmp_path}/farm/job.json", "-o", f"{tmp_path}/farm/report.html"]
    bare = reage("submit", farm_plate, "out/o.####.exr", *AGES, "--to", "openjd", "--dry-run", "--json", "--no-report")
    assert [step["name"] for step in bare.json["steps"]] == ["Track", "Bake"]


def test_a_job_file_can_be_submitted_as_it_is_or_changed_by_flags(reage, farm_plate, tmp_path):
    saved = reage("run", farm_plate, tmp_path / "o.####.exr", *AGES, "--save-job", tmp_path / "a.json")
    assert saved.code == 0, saved.err
    flags = ("--to", "openjd", "--frames", "1001,1003", "--mask-feather", 0.2, "--chunk", 1, "--json")
    done = reage("submit", tmp_path / "a.json", *flags, "-o", tmp_path / "farm")
    assert done.code == 0, done.err
    job = load_job(tmp_path / "farm" / "job.json")
    assert job.mask.feather == 0.2 and done.json["frames"] == "1001,1003"
    assert {step["name"]: step["tasks"] for step in done.json["steps"]}["Bake"] == 2


def test_a_dry_run_writes_nothing_and_says_the_same(reage, farm_plate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("submit", farm_plate, "out/o.####.exr", *AGES, "--to", "deadline", "--chunk", 2, "--gpu")
    dry = reage(*arguments, "--dry-run")
    assert dry.code == 0, dry.err
    assert "Bake    2 tasks after Track, GPU: reage run" in dry.out
    assert not list(tmp_path.iterdir())
    wet = reage(*arguments, "-o", ".", "--write-only")
    assert wet.out.startswith(dry.out)


def test_what_goes_into_one_file_is_one_task(reage, farm_plate, tmp_path):
    done = reage("submit", farm_plate, tmp_path / "o.mov", *AGES, "--to", "openjd", "--dry-run", "--json", "--chunk", 1)
    assert done.code == 0, done.err
    assert {step["name"]: step["tasks"] for step in done.json["steps"]}["Bake"] == 1


@pytest.mark.parametrize(
    ("out", "flags", "is_checked"),
    [
        ("o.mov", (), False),
        ("o.mov", ("--layers-to", "l.####.exr"), True),
        ("o.####.png", (), False),
        ("o.####.png", ("--layers", "delta,mask"), True),
        ("o.####.exr", ("--layers", "comp"), False),
        ("o.####.exr", ("--layers", "comp,mask,delta"), True),
    ],
)
def test_what_has_no_layers_to_check_gets_no_report(reage, farm_plate, tmp_path, monkeypatch, out, flags, is_checked):
    monkeypatch.chdir(tmp_path)
    done = reage("submit", farm_plate, out, *AGES, *flags, "--to", "openjd", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert [step["name"] for step in done.json["steps"]] == ["Track", "Bake", "Report"][: 3 if is_checked else 2]


def test_a_nuke_script_gets_export_and_render_around_it(reage, tmp_path):
    (tmp_path / "a.nk").write_text("")
    flags = ("--nuke", tmp_path / "a.nk", "--node", "ReAge1", "--write", "Write1", "--frames", "1-4")
    done = reage("submit", *flags, "--to", "openjd", "-o", tmp_path / "farm", "--json")
    assert done.code == 0, done.err
    assert [step["name"] for step in done.json["steps"]][:4] == ["Export", "Track", "Bake", "Render"]
    assert not (tmp_path / "farm" / "job.json").exists(), "the export writes it, with the plate that it exports"
    export = done.json["steps"][0]["command"]
    assert export[1] == "-t" and export[2].endswith("reage_bake.py")
    assert export[export.index("--job") + 1] == f"{tmp_path}/farm/job.json"
    assert done.json["steps"][3]["command"][-1] == export[export.index("--save") + 1] == f"{tmp_path}/farm/a.nk"


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (("{plate}", "{out}", *AGES, "--to", "openjd"), 2, "bad-command-line"),
        (("{plate}", *AGES, "--to", "openjd", "-o", "{farm}"), 2, "bad-command-line"),
        (("{plate}", "{out}", *AGES, "--view", "left", "--to", "openjd", "-o", "{farm}"), 2, "bad-command-line"),
        (("{plate}", "{out}", *AGES, "--to", "tractor", "-o", "{farm}"), 2, "bad-command-line"),
        (("{plate}", "{out}", "--source-age", 35, "--to", "openjd", "-o", "{farm}"), 2, "no-age"),
        (("{plate}", "{out}", *AGES, "--to", "openjd", "-o", "{farm}", "--frames", "1-3"), 3, "missing-frame"),
        (("{plate}", "{out}", *AGES, "--to", "openjd", "-o", "{farm}", "--model", "frann"), 5, "unknown-model"),
        (("{plate}", "{out}", *AGES, "--to", "openjd", "-o", "{farm}", "--name", "a\nb"), 8, "bad-name"),
        (("--nuke", "{farm}/no.nk", "--node", "R", "--frames", "1", "--to", "openjd", "-o", "{farm}"), 2, "no-script"),
        (("--nuke", "{nk}", "--node", "R", "--to", "openjd", "-o", "{farm}"), 2, "bad-frames"),
        (("--nuke", "{nk}", "--node", "R", "--frames", "1", "--to", "openjd", "-o", "{nk}/.."), 2, "output-is-input"),
        (("--nuke", "{nk}", "--frames", "1", "--to", "openjd", "-o", "{farm}"), 2, "bad-command-line"),
        (("{plate}", "--nuke", "{nk}", "--node", "R", "--to", "openjd", "-o", "{farm}"), 2, "bad-command-line"),
        (("{plate}", "{out}", *AGES, "--to", "openjd", "-o", "{nk}/x"), 2, "unwritable"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error_and_leaves_nothing(reage, farm_plate, tmp_path, arguments, code, slug):
    (tmp_path / "a.nk").write_text("")
    names = {
        "plate": farm_plate,
        "out": tmp_path / "o.####.exr",
        "farm": tmp_path / "farm",
        "nk": tmp_path / "a.nk",
    }
    done = reage("submit", *(str(one).format(**names) for one in arguments), "--json")
    assert done.code == code, done.err
    told = json.loads(done.out)["error"]
    assert told["code"].endswith(slug) and told["hint"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.nk"}


@pytest.mark.slow
def test_a_track_of_a_job_file_lands_where_its_bake_looks(reage, farm_plate, tmp_path):
    arguments = (farm_plate, tmp_path / "out" / "o.####.exr", *AGES, "--to", "openjd", "-o", tmp_path / "farm")
    assert reage("submit", *arguments).code == 0
    done = reage("track", tmp_path / "farm" / "job.json", "--json")
    assert done.code == 0, done.err
    assert Path(done.json["track"]) == tmp_path / "out" / "o.track.json"
    run = reage("run", tmp_path / "farm" / "job.json", "--frames", "1002", "--json")
    assert run.code == 0 and run.json["warnings"] == [], "the track fits"
    assert reage("track", farm_plate, "--json").code == 2
