"""init.py and menu.py: whole, broken, in odd places; the one line of install-nuke; the farm's first step."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nuke_reage.core.frames import parse_frames

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests" / "fakes"
LIGHT = ("core", "client", "nuke_host")


def _is_supported(path: Path) -> bool:
    return int(path.parts[-3].split(".")[1]) >= 9


PYTHONS = sorted(
    {str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3") if _is_supported(path)}
    | {sys.executable}
)

FOLDERS = ("gizmos", "gizmos/icons")
_NUKE = """
import sys
sys.path.insert(0, {fakes!r})
for name in ('numpy', 'torch', 'cv2', 'OpenImageIO', 'PyOpenColorIO', 'click', 'rich', 'scipy', 'av', 'fileseq'):
    sys.modules[name] = None
{before}
import importlib.util
def run(file):
    exec(compile(open(file, encoding='utf-8').read(), file, 'exec'), {{'__file__': file, '__name__': 'init'}})
run({root!r} + '/init.py')
run({root!r} + '/menu.py')
import nuke, json
menu = nuke.menu('Nodes').findItem('ReAge')
print(json.dumps({{
    'path': nuke.pluginPath(),
    'entries': menu.entries if menu else None,
    'events': sorted(nuke.fake_app.callbacks),
    'heavy': [name for name in sys.modules if name.startswith('nuke_reage') and name.split('.')[1:2] and
              name.split('.')[1] not in {light!r}],
}}))
"""


def start_nuke(python: str, root: Path, *, before: str = "", **environment: str) -> tuple[dict, str]:
    """What a fresh Python with the stand-in looks like after init.py and menu.py."""
    # The stand-in reads the tables of knobs, which a broken installation has not.
    helper = _NUKE.format(fakes=str(FAKES), root=str(root), before=before, light=LIGHT)
    env = {"PATH": os.environ["PATH"], "HOME": str(root), **environment}
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-c", helper], capture_output=True, text=True, env=env, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture
def installation(tmp_path) -> Path:
    """A copy of what Nuke needs, in a folder that a careless script would trip over."""
    root = tmp_path / "Prögrams & tools" / "it's ReAge"
    for room in LIGHT:
        shutil.copytree(
            ROOT / "nuke_reage" / room, root / "nuke_reage" / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "nuke_reage" / "__init__.py", root / "nuke_reage")
    for name in ("init.py", "menu.py", "reage_bake.py"):
        shutil.copy(ROOT / name, root)
    (root / "gizmos").mkdir()
    for name in ("ReAge", "ReAgeApply"):
        (root / "gizmos" / f"{name}.gizmo").write_text("Gizmo {\n}\n")
    return root


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: "-".join(Path(path).parts[-3:]))
def test_nuke_starts_with_the_light_ring_alone(python, installation):
    seen, log = start_nuke(python, installation, REAGE_PYTHON=sys.executable)
    assert seen["path"] == [(installation / one).as_posix() for one in FOLDERS], "and never the package itself"
    assert seen["entries"] == {"ReAge": "nuke.createNode('ReAge')", "ReAgeApply": "nuke.createNode('ReAgeApply')"}
    assert seen["heavy"] == [] and "Traceback" not in log
    assert seen["events"] == ["knobChanged", "onCreate", "onDestroy", "onScriptClose", "onScriptLoad"]


def test_without_a_worker_the_menu_says_so_and_the_nodes_are_there(installation):
    seen, log = start_nuke(sys.executable, installation, REAGE_PYTHON="/no/such/python")
    assert set(seen["entries"]) == {"ReAge", "ReAgeApply", "What is wrong"}
    assert "/no/such/python" in seen["entries"]["What is wrong"] and "/no/such/python" in log


def test_a_missing_gizmo_is_named(installation):
    (installation / "gizmos" / "ReAge.gizmo").unlink()
    seen, _ = start_nuke(sys.executable, installation, REAGE_PYTHON=sys.executable)
    assert "ReAge.gizmo is missing" in seen["entries"]["What is wrong"]


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_broken_installation_leaves_nuke_running_and_tells_the_artist(installation, damage):
    broken = installation / "nuke_reage" / "nuke_host" / "startup.py"
    if damage == "gone":
        broken.unlink()
    else:
        broken.write_text(broken.read_text()[:300] + "\n(((")
    seen, log = start_nuke(sys.executable, installation)
    assert seen["path"] == [] and list(seen["entries"]) == ["What is wrong"]
    assert "ReAge cannot be loaded" in seen["entries"]["What is wrong"] and "Traceback" in log
    script = seen["entries"]["What is wrong"]
    said = []
    exec(script, {"nuke": type("Nuke", (), {"message": said.append})})
    assert said[0].startswith("ReAge cannot be loaded: ")


def test_the_menu_is_made_once(gui, monkeypatch):
    from nuke_reage.nuke_host import startup

    for _ in range(2):
        startup.menu(str(ROOT))
        startup.init(str(ROOT))
    assert gui.app.plugin_path == [(ROOT / one).as_posix() for one in FOLDERS]
    assert list(gui.nuke.menu("Nodes").entries) == ["ReAge"]


def test_install_nuke_adds_one_line_that_works_and_takes_it_away(reage, tmp_path, monkeypatch):
    folder = tmp_path / "home dir" / ".nuke"
    folder.mkdir(parents=True)
    mine = "import os\r\n# my own"
    (folder / "init.py").write_bytes(mine.encode())
    (folder / "menu.py").write_text("print('menu')\n")
    dry = reage("install-nuke", "--folder", folder, "--dry-run")
    assert dry.code == 0 and "would be changed" in dry.out and (folder / "init.py").read_bytes() == mine.encode()
    assert reage("install-nuke", "--folder", folder).code == 0
    text = (folder / "init.py").read_bytes().decode()
    assert text.startswith(mine + "\n") and len(re.findall("added by reage", text)) == 1
    assert "nothing to do" in reage("install-nuke", "--folder", folder).out
    assert (folder / "init.py").read_bytes().decode() == text
    import nuke

    nuke.fake_app.reset()
    runpy.run_path(str(folder / "init.py"))
    assert nuke.fake_app.plugin_path == [
        *((ROOT / one).as_posix() for one in ("gizmos", "gizmos/icons")),
        ROOT.as_posix(),
    ]
    assert reage("install-nuke", "--folder", folder, "--uninstall").code == 0
    assert (folder / "init.py").read_bytes().decode() == mine + "\n"
    assert (folder / "menu.py").read_text() == "print('menu')\n"
    fresh = tmp_path / "none"
    assert reage("install-nuke", "--folder", fresh).code == 0 and (fresh / "init.py").is_file()


def test_an_init_that_cannot_be_read_is_left_alone(reage, tmp_path):
    (tmp_path / "init.py").write_bytes(b"\xff\xfe\x00")
    done = reage("install-nuke", "--folder", tmp_path)
    assert done.code == 2 and (tmp_path / "init.py").read_bytes() == b"\xff\xfe\x00"


@pytest.mark.slow
def test_the_farm_exports_bakes_in_chunks_and_renders(terminal, small_plate, reage, shots, capsys):
    import numpy as np
    from nuke_files import pixels

    from nuke_reage.nuke_host import bake_script

    nuke = terminal.nuke
    read = terminal.read(small_plate, 1001, 1003)
    for _ in range(2):
        terminal.reage(read)
    nuke.toNode("ReAge2")["disable"].setValue(True)
    script, ready = terminal.folder / "shot.nk", terminal.folder / "ready.nk"
    nuke.scriptSaveAs(str(script))
    before = script.read_bytes()
    code = bake_script.main([str(script), "--frames", "1001-1003", "--track", "--save", str(ready), "--json"])
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert code == 0 and [one["node"] for one in jobs] == ["ReAge1"] and script.read_bytes() == before
    for chunk in ("1001-1002", "1003"):
        done = reage("run", jobs[0]["job"], "--frames", chunk, "--json")
        assert done.code == 0 and all(one["state"] == "baked" for one in done.json["frames"])
    terminal.app.reset()
    nuke.scriptOpen(str(ready))
    node = nuke.toNode("ReAge1")
    assert len(node["face_size"]._curves[0]) == 3
    nuke.execute(
        nuke.nodes.Write(inputs=[node], file=(terminal.folder / "o.%04d.exr").as_posix(), file_type="exr", raw=True),
        1001,
        1003,
    )
    change = np.abs(pixels(terminal.folder / "o.1003.exr") - pixels(small_plate.replace("%04d", "1003")))
    assert change.max() > 0.005


def farm_words(script: Path, folder: Path, frames: tuple[int, ...]) -> list[str]:
    """The words of the farm's own export step, as Nuke hands them on: from the script's name."""
    from nuke_reage.cli.submit_job import nuke_farm_job
    from nuke_reage.core.frames import format_frames
    from nuke_reage.core.site import Site
    from nuke_reage.farm.shot import NukeScript

    nuke_script = NukeScript(str(script), "ReAge2", "")
    job = nuke_farm_job(
        nuke_script, format_frames(frames), str(folder), Site(), name="", chunk=0, gpu=False, report=False
    )
    _, terminal, bake_script, *words = job.step("Export").command
    assert (terminal, Path(bake_script)) == ("-t", ROOT / "reage_bake.py")
    assert words[-1] == "ReAge2", "Nuke takes a trailing range for its own"
    return words


def test_the_farms_own_export_step_writes_a_job_that_can_be_run(terminal, small_plate, reage, monkeypatch):
    from nuke_reage.core.job import load_job

    nuke = terminal.nuke
    read = terminal.read(small_plate, 1001, 1003)
    for age in (20, 75):
        terminal.reage(read)["target_age"].setValue(age)
    script, farm = terminal.folder / "shot.nk", terminal.folder / "farm"
    nuke.scriptSaveAs(str(script))
    monkeypatch.setattr(sys, "argv", ["reage_bake.py", *farm_words(script, farm, (1001, 1003))])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "reage_bake.py"), run_name="__main__")
    assert ended.value.code == 0
    job = load_job(farm / "job.json")
    assert job.target_age.at(1002) == 75 and parse_frames(job.frames) == (1001, 1003)
    planned = reage("run", farm / "job.json", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    nuke.scriptOpen(str(farm / "shot.nk"))
    assert nuke.toNode("ReAge2")["layers_file"].value() == job.output.path
    assert nuke.toNode("ReAge1")["layers_file"].value() == ""


def test_one_job_file_is_of_one_node_and_one_view(terminal, small_plate, capsys, monkeypatch):
    from nuke_reage.nuke_host import bake_script

    for _ in range(2):
        terminal.reage(terminal.read(small_plate, 1001, 1001))
    terminal.nuke.scriptSaveAs(str(terminal.folder / "shot.nk"))
    monkeypatch.chdir(terminal.folder)
    assert bake_script.main(["shot.nk", "--job", "job.json"]) == 2
    assert "Add --node ReAge1" in capsys.readouterr().err and not Path("job.json").exists()
    assert bake_script.main(["shot.nk", "--job", "job.json", "--node", "ReAge2"]) == 0
    said = capsys.readouterr()
    assert "not tracked" in said.err and (terminal.folder / "job.json").as_posix() in said.out
    plate = Path(json.loads(Path("job.json").read_text())["plate"]["path"])
    assert plate.is_absolute(), "the script was named from the current folder"
    terminal.app.views = ["left", "right"]
    assert bake_script.main(["shot.nk", "--job", "job.json", "--node", "ReAge2"]) == 2
    assert "Add --view left" in capsys.readouterr().err
    assert bake_script.main(["shot.nk", "--job", "job.json", "--node", "ReAge2", "--view", "middle"]) == 9
    assert bake_script.main(["shot.nk", "--job", "job.json", "--node", "ReAge2", "--view", "right"]) == 0
    assert "/right/plate/" in json.loads(Path("job.json").read_text())["plate"]["path"]


def test_the_farm_is_told_what_is_not_there(terminal, small_plate, capsys):
    from nuke_reage.nuke_host import bake_script

    assert bake_script.main([str(terminal.folder / "none.nk")]) == 2
    script = terminal.folder / "shot.nk"
    terminal.read(small_plate, 1001, 1001)
    terminal.nuke.scriptSaveAs(str(script))
    assert bake_script.main([str(script)]) == 9
    assert bake_script.main([str(script), "--node", "ReAge7"]) == 9
    said = capsys.readouterr().err
    assert said.count("ERROR:") == 3 and "ReAge7" in said


@pytest.mark.slow
def test_the_session_for_a_real_nuke_runs_here_too(small_plate, tmp_path):
    """Nobody may find out in front of a licensed Nuke that the script itself is broken."""
    session = str(ROOT / "tests" / "nuke" / "nuke_session.py")
    code = (
        f"import sys; sys.path[:0] = [{str(FAKES)!r}, {str(ROOT)!r}]\n"
        f"sys.argv[:] = ['s', {str(ROOT)!r}, {small_plate!r}, {str(tmp_path)!r}]\n"
        f"exec(compile(open({session!r}).read(), 'session', 'exec'), {{'__name__': 's'}})\n"
    )
    environment = {
        **os.environ,
        "REAGE_PYTHON": sys.executable,
        "XDG_CACHE_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert (
        seen["baked"] == seen["again"] == seen["reloaded"] == "3 of 3 frames" and "the plate changed" in seen["stale"]
    )
    assert {"Transform", "CornerPin2D", "Tracker4", "STMap"} <= set(seen["made"])
