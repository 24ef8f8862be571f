"""``reage doctor --farm`` names what a node lacks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from nuke_reage.cli.doctor_farm import farm_checks
from nuke_reage.core.errors import ReageError

SYSTEM = {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]


def findings(environ, job=""):
    """Subject → findings; a check that raises is a finding too."""
    found = []
    for check in farm_checks(job, environ).values():
        try:
            found.extend(check())
        except ReageError as error:
            found.append((error.code, False))
    return found


def site_file(tmp_path: Path, **settings) -> dict[str, str]:
    file = tmp_path / "site.json"
    file.write_text(json.dumps(settings))
    return {"REAGE_SITE": str(file), "PATH": os.environ["PATH"]}


def test_a_node_that_has_all_it_needs(tmp_path, on_path):
    for name in ("shows", "models"):
        (tmp_path / name).mkdir()
    environ = site_file(
        tmp_path,
        paths=[{SYSTEM: str(tmp_path / "shows"), {"linux": "macos"}.get(SYSTEM, "linux"): "/elsewhere"}],
        roots=[str(tmp_path / "shows")],
        models=[str(tmp_path / "models")],
    )
    found = findings(environ)
    assert [one for one in found if not one.ok and one.fatal] == []
    subjects = {one.subject: one for one in found}
    assert subjects["clock"].ok and subjects["command"].ok and subjects["model folder"].ok
    assert subjects["path rules"].text.startswith("1 ")
    assert not list((tmp_path / "shows").iterdir()), "nothing of the probe is left"


def test_what_is_missing_is_named_with_a_remedy(tmp_path):
    environ = site_file(
        tmp_path,
        paths=[{SYSTEM: str(tmp_path / "not mounted")}, {"windows": "Z:/", "macos": "/Volumes/z", SYSTEM: ""}],
        models=["/not/mounted"],
        farm={"reage": "reage-not-here"},
    )
    environ["LD_LIBRARY_PATH"] = "/opt/other/lib"
    wrong = {one.subject: one for one in findings(environ) if not one.ok}
    assert {"shared folder", "model folder", "command", "Nuke", "environment"} <= set(wrong)
    assert "reage-not-here" in wrong["command"].text and wrong["command"].fatal
    assert "LD_LIBRARY_PATH" in wrong["environment"].text and not wrong["environment"].fatal
    assert all(one.hint for one in wrong.values())


def test_a_job_that_cannot_run_here_is_found_out(shots, reage, farm_plate, tmp_path, monkeypatch):
    from nuke_reage.core.job import save_job

    job = shots.job(farm_plate, tmp_path / "out" / "o.####.exr")
    save_job(job, tmp_path / "job.json")
    assert [one.subject for one in findings({"PATH": ""}, str(tmp_path / "job.json"))][-2:] == ["job", "output"]
    save_job(shots.job("/not/mounted/p.####.exr", tmp_path / "o.####.exr"), tmp_path / "job.json")
    assert findings({"PATH": ""}, str(tmp_path / "job.json"))[-1] == ("media.no-frames", False)
    monkeypatch.setenv("REAGE_SITE", str(tmp_path / "nowhere.json"))
    assert reage("doctor", "--farm", "--json").code == 2


@pytest.mark.slow
def test_the_command_says_whether_the_node_is_ready(shots, reage, farm_plate, tmp_path, on_path, monkeypatch):
    from nuke_reage.core.job import save_job

    save_job(shots.job(farm_plate, tmp_path / "out" / "o.####.exr"), tmp_path / "job.json")
    told = reage("doctor", "--farm", "--job", tmp_path / "job.json", "--json")
    assert told.code == 0 and told.json["ok"], told.out
    subjects = [one["subject"] for one in told.json["findings"]]
    assert {"worker", "command", "job", "output"} <= set(subjects)
    monkeypatch.setenv("REAGE_ROOTS", "/nowhere/else")
    told = reage("doctor", "--job", tmp_path / "job.json")
    assert told.code == 2 and "FAIL farm job" in told.out and "outside" in told.out
