"""Which Python runs the worker, and what of Nuke's environment it gets to see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nuke_reage.client import launcher
from nuke_reage.core.errors import WorkerError
from nuke_reage.core.site import Site, load_site

ROOT = Path(__file__).resolve().parents[2]


def test_environment_then_site_file_then_venv_beside_the_package_then_the_running_python(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "_ROOT", tmp_path)
    site = tmp_path / "site.json"
    site.write_text(json.dumps({"python": str(tmp_path / "studio")}))
    for name in ("studio", "mine"):
        (tmp_path / name).touch()
    named = load_site({"REAGE_SITE": str(site), "REAGE_PYTHON": str(tmp_path / "mine")})
    assert launcher.find_python(named).name == "mine"
    assert launcher.find_python(load_site({"REAGE_SITE": str(site)})).name == "studio"
    assert launcher.find_python(Site()) == Path(sys.executable)
    beside = tmp_path / ".venv" / "bin" / "python"
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert launcher.find_python(Site()) == beside


@pytest.mark.parametrize("executable", ["/opt/Nuke16.0v1/Nuke16.0", "/opt/Nuke16.0v1/python3"])
def test_nukes_own_python_is_never_taken(tmp_path, monkeypatch, executable):
    monkeypatch.setattr(launcher, "_ROOT", tmp_path)
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(WorkerError) as caught:
        launcher.find_python(Site())
    assert caught.value.slug == "no-python" and "REAGE_PYTHON" in caught.value.hint


def test_the_worker_sees_nothing_of_nukes_python_libraries_and_qt(tmp_path, monkeypatch):
    told = tmp_path / "told.json"
    python = tmp_path / "a python"
    python.write_text(
        f"#!{sys.executable} -S\nimport json, os\nopen({str(told)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
    )
    python.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", "/opt/Nuke/lib")
    for name in ("PYTHONHOME", "LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH"):
        monkeypatch.setenv(name, "/opt/Nuke")
    monkeypatch.setenv("OCIO", "/studio/config.ocio")
    process = launcher.start_worker(Site(python=str(python)))
    with process:
        process.stdin.close()
        process.stdout.read()
    seen = json.loads(told.read_text())
    assert not [name for name in seen if name.startswith(("QT_", "LD_")) or name == "PYTHONHOME"]
    assert seen["PYTHONPATH"] == str(ROOT) and seen["OCIO"] == "/studio/config.ocio"


def is_alive(pid: int) -> bool:
    try:
        return b"Z" not in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2][:3]
    except OSError:
        return False


@pytest.mark.slow
def test_the_worker_ends_with_nuke_even_when_nuke_is_killed(tmp_path):
    code = (
        "import sys, os, time\n"
        f"sys.path.insert(0, {str(ROOT / 'tests' / 'fakes')!r})\n"
        "from nuke_reage.nuke_host.session import host_session\n"
        "print(host_session()._started().pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {
        **os.environ,
        "REAGE_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    nuke = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    with nuke:
        worker = int(nuke.stdout.readline())
        assert is_alive(worker)
        nuke.kill()
        nuke.wait()
        deadline = time.monotonic() + 20
        while is_alive(worker):
            assert time.monotonic() < deadline, "the worker outlives Nuke"
            time.sleep(0.1)
    assert list((tmp_path / "reage" / "logs").glob("worker-*.log")), "the worker's log is kept"
