"""The command as people and scripts use it: plans, job files, reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.job import load_job

AGES = ("--source-age", "35", "--target-age", "70")
LAYERS = ("--layers", "delta,mask,comp")


def test_the_command_bakes_what_the_pipeline_bakes(reage, shots, plate, baked, tmp_path):
    out = tmp_path / "new" / "folder" / "shot.####.exr"
    outcome = reage("run", plate, out, *AGES, *LAYERS, "--frames", "1003-1004", "--json")
    assert outcome.code == 0, outcome.err
    report = outcome.json
    assert [one["frame"] for one in report["frames"]] == [1003, 1004]
    assert all(one["state"] == "baked" and one["mean_delta"] > 0.005 for one in report["frames"])
    assert report["track"].endswith("shot.track.json") and report["warnings"] == []
    for one in report["frames"]:
        ours, theirs = shots.layers(one["path"]), shots.layers(baked / Path(one["path"]).name)
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    again = reage("run", plate, out, *AGES, *LAYERS, "--frames", "1002-1004")
    assert again.code == 0 and "2 kept" in again.out and "1 baked" in again.out


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(reage, plate, baked, tmp_path):
    out = tmp_path / "out" / "shot.####.exr"
    outcome = reage("run", plate, out, *AGES, "--frames", "1001-1006x2", "--dry-run", "--json")
    assert outcome.code == 0
    assert outcome.json["frames"] == "1001,1003,1005" and outcome.json["model"] == "fran-lite"
    assert outcome.json["colourspace"] == "ACEScg" and outcome.json["track"].endswith("(missing)")
    assert not list(tmp_path.iterdir())
    known = reage("run", plate, baked / "shot.####.exr", *AGES, "--dry-run")
    assert "(fresh)" in known.out and "35" in known.out and "70" in known.out


def test_layers_beside_a_still_are_planned_and_written(reage, shots, plate, tmp_path):
    still, layers = tmp_path / "older.png", tmp_path / "layers" / "shot.####.exr"
    command = ("run", plate, still, *AGES, "--layers-to", layers, "--frames", "1003")
    planned = reage(*command, "--dry-run", "--json")
    assert planned.json["layers"] == str(layers) and not list(tmp_path.iterdir())
    outcome = reage(*command)
    assert outcome.code == 0 and f"{layers}: delta, mask" in outcome.out, outcome.err
    assert still.is_file() and shots.layers(tmp_path / "layers" / "shot.1003.exr")["mask"].max() == 1.0
    wrong = reage("run", plate, tmp_path / "shot.####.exr", *AGES, "--layers-to", layers)
    assert wrong.code == 2 and "holds the layers already" in wrong.err and "Leave" in wrong.err


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        (("--layers", "delta,mask,regions"), "older.####.exr"),
        (("--layers-to", "layers"), "layers/older.####.exr"),
        (("--layers-to", "layers/"), "layers/older.####.exr"),
        (("--layers-to", "deep/clip.%04d.exr", "--layers", "mask"), "deep/clip.%04d.exr"),
        ((), ""),
    ],
)
def test_a_movie_says_where_its_layers_go(reage, plate, tmp_path, monkeypatch, flags, place):
    monkeypatch.chdir(tmp_path)
    planned = reage("run", plate, "older.mov", *AGES, *flags, "--dry-run", "--json")
    assert planned.code == 0 and planned.json["layers"] == place, planned.err
    bundle = reage("submit", plate, "older.mov", *AGES, *flags, "--to", "openjd", "-o", "bundle", "--write-only")
    assert bundle.code == 0, bundle.err
    saved = load_job(tmp_path / "bundle" / "job.json").output.layers_path
    assert saved == (str(tmp_path / place) if place else "")


def test_a_movie_and_its_layers_are_reported(reage, plate, baked, tmp_path):
    out, layers, track = tmp_path / "m.mp4", tmp_path / "l.####.exr", baked / "shot.track.json"
    files = [tmp_path / f"l.{frame}.exr" for frame in (1001, 1002)]
    command = ("run", plate, out, *AGES, "--layers-to", layers, "--track", track, "--frames", "1001-1002", "--json")
    for state in ("baked", "kept"):
        outcome = reage(*command)
        assert [(one["state"], one["path"], one["layers"]) for one in outcome.json["frames"]] == [
            (state, str(out), str(file)) for file in files
        ]
    job = tmp_path / "job.json"
    assert reage(*command, "--save-job", job).code == 0
    page = reage("report", job, "--json")
    assert page.code == 0, page.err
    assert [one["state"] for one in page.json["frames"]] == ["baked"] * 2
    assert all(one["mean_delta"] > 0.005 for one in page.json["frames"])


def test_a_path_is_no_name_of_a_layer(reage, plate, tmp_path):
    outcome = reage("run", plate, tmp_path / "m.mp4", *AGES, "--layers", "layers/clip.####.exr")
    assert outcome.code == 2 and "--layers-to" in outcome.err
    folder = tmp_path / "closed"
    folder.write_text("a file where a folder should be")
    outcome = reage("run", plate, tmp_path / "m.mp4", *AGES, "--layers-to", folder / "clip.####.exr")
    assert outcome.code == 3 and "closed" in outcome.err and list(tmp_path.iterdir()) == [folder]


def test_a_saved_job_gives_the_same_frames(reage, shots, plate, baked, tmp_path):
    job_file, out = tmp_path / "shot.json", tmp_path / "shot.####.exr"
    keys = ("--source-age", "35", "--target-age", "1001:70,1006:70")
    saved = reage("run", plate, out, *keys, *LAYERS, "--frames", "1001-1002", "--save-job", job_file)
    assert saved.code == 0 and {path.name for path in tmp_path.iterdir()} == {"shot.json"}
    job = load_job(job_file)
    assert job.target_age.at(1002) == 70 and len(job.target_age.values) == 2 and len(job.target_age.keys) == 2

    outcome = reage("run", job_file, "--json")
    assert [one["state"] for one in outcome.json["frames"]] == ["baked", "baked"], outcome.err
    for frame in (1001, 1002):
        ours, theirs = (shots.layers(folder / f"shot.{frame}.exr") for folder in (tmp_path, baked))
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    direct = reage("run", plate, out, *AGES, *LAYERS, "--frames", "1001-1002", "--json")
    assert {one["state"] for one in direct.json["frames"]} == {"kept"}, "flags and job file name the same pixels"
    other = reage("run", job_file, "--frames", "1002", "--gain", "0.5", "--json")
    assert [(one["frame"], one["state"]) for one in other.json["frames"]] == [(1002, "baked")], "a flag beats the file"


def test_track_writes_a_trackfile_that_run_takes(reage, plate, tmp_path):
    track = tmp_path / "own.json"
    told = reage("track", plate, "-o", track, "--json")
    assert told.code == 0 and told.json["faces"][0]["frames"] == "1001-1006"
    before = track.read_bytes()
    assert reage("track", plate, "-o", track).code == 0
    assert track.read_bytes() == before
    outcome = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--track", track, "--frames", "1004", "--json")
    assert outcome.code == 0 and outcome.json["track"] == track.as_posix() and outcome.json["warnings"] == []
    assert {path.name for path in tmp_path.iterdir()} == {"own.json", "o.1004.exr"}, "no second trackfile"


def test_an_age_that_the_model_has_not_learnt_is_a_warning(reage, plate, baked, tmp_path):
    arguments = ("--track", baked / "shot.track.json", "--frames", "1001", "--json")
    outcome = reage("run", plate, tmp_path / "o.####.exr", "--source-age", 35, "--target-age", 110, *arguments)
    assert outcome.code == 0 and "110" in outcome.json["warnings"][0]
    assert "110" in outcome.err


def test_sweep_shows_the_ages(reage, plate, tmp_path):
    from PIL import Image

    for name in ("sheet.png", "ages.gif"):
        outcome = reage("sweep", plate, "-o", tmp_path / name, "--source-age", 35, "--ages", "30,80", "--frame", 1002)
        assert outcome.code == 0, outcome.err
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"), np.float32)
    assert sheet.std() > 20 and sheet.shape[1] > sheet.shape[0]
    with Image.open(tmp_path / "ages.gif") as animation:
        assert animation.n_frames == 2
    assert "learnt" not in outcome.err
    seven = ("--ages", "5,20,30,40,50,100", "--frame", 1002)
    outcome = reage("sweep", plate, "-o", tmp_path / "seven.png", "--source-age", 35, *seven)
    assert outcome.code == 0 and " ".join(outcome.err.split()).count("runs from 5 to 100") == 1, outcome.err
    rows = np.asarray(Image.open(tmp_path / "seven.png").convert("RGB"), np.float32)
    assert rows.shape[1] == pytest.approx(4 * 368 + 8), "four and three, no picture alone in a row"
    too_many = reage("sweep", plate, "-o", tmp_path / "s.png", "--source-age", 35, "--ages", "0:120:0.1")
    assert too_many.code == 2


def test_sweep_shows_an_anamorphic_plate_as_a_viewer_does(reage, shots, tmp_path):
    from PIL import Image

    sizes = {}
    for name, squeeze in (("flat", 1.0), ("squeezed", 2.0)):
        film = shots.film((round(640 / squeeze), 360), squeeze=squeeze)
        plate = shots.write(tmp_path / f"{name}.####.exr", {1: film}, pixel_aspect=squeeze)
        outcome = reage("sweep", plate, "-o", tmp_path / f"{name}.png", "--source-age", 35, "--ages", "70")
        assert outcome.code == 0, outcome.err
        sheet = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), np.float32)
        sizes[name] = [np.ptp(side) for side in np.nonzero(np.ptp(sheet[8:368, 8:368], axis=2) > 0)]
    assert np.allclose(sizes["flat"], sizes["squeezed"], rtol=0.05), sizes


def test_sweep_never_writes_over_its_plate(reage, shots, tmp_path):
    from PIL import Image

    photo = tmp_path / "photo.gif"
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(photo)
    before = photo.read_bytes()
    outcome = reage("sweep", photo, "-o", photo, "--source-age", 35, "--ages", "70")
    assert outcome.code == 2 and "output-is-input" in outcome.err and photo.read_bytes() == before


@pytest.mark.parametrize("command", ["models", "doctor"])
def test_reports_are_json(reage, command):
    arguments = ("models", "list") if command == "models" else ("doctor",)
    outcome = reage(*arguments, "--json")
    assert outcome.code == 0 and outcome.json
    if command == "models":
        assert {"fran", "fran-lite"} <= {one["name"] for one in outcome.json}


def test_help_is_short_of_nothing(reage):
    assert "reage run" in reage("--help").out
    for name in ("run", "track", "sweep", "models", "doctor", "demo", "worker"):
        outcome = reage(name, "--help")
        assert outcome.code == 0 and "Usage: reage" in outcome.out
        assert name in reage("--help").out
    assert reage("--version").out.startswith("reage, version")


def test_a_run_that_keeps_all_never_imports_a_network(plate, baked):
    """A farm's empty chunk, or an artist's second click, should take a second and not ten."""
    arguments = ["run", plate, str(baked / "shot.####.exr"), *AGES, *LAYERS, "--device", "cpu", "--json"]
    code = (
        "import sys\nfrom nuke_reage.cli.main import main\n"
        f"main({arguments!r})\n"
        "heavy = {'torch', 'openvino', 'onnxruntime', 'skimage', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {one["state"] for one in json.loads(done.stdout)["frames"]} == {"kept"}


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_bake_with_openvino_imports_neither_torch_nor_scipy(plate, baked, tmp_path, monkeypatch, precision):
    """It would cost each process of a farm seconds and a few hundred megabytes."""
    pytest.importorskip("openvino")
    monkeypatch.delenv("REAGE_MODELS")  # the bundled model, as it comes
    track = str(baked / "shot.track.json")
    arguments = [
        "run", plate, str(tmp_path / "o.####.exr"), *AGES, "--frames", "1002", "--track", track,
        "--device", "cpu", "--backend", "openvino", "--precision", precision, "--json",
    ]  # fmt: skip
    code = (
        "import sys\nfrom nuke_reage.cli.main import main\n"
        f"main({arguments!r})\n"
        "assert 'openvino' in sys.modules and not {'torch', 'scipy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [one["state"] for one in json.loads(done.stdout)["frames"]] == ["baked"]


def test_help_imports_next_to_nothing():
    code = (
        "import sys\nfrom nuke_reage.cli.main import main\nmain(['--help'])\n"
        "assert not {'numpy', 'torch', 'cv2', 'OpenImageIO', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["exr", "track", "notes", "empty"])
def test_a_saved_job_replaces_a_job_alone(reage, plate, baked, tmp_path, what):
    own = {
        "exr": (baked / "shot.1001.exr").read_bytes(),
        "track": (baked / "shot.track.json").read_bytes(),
        "notes": b'{"plate": "the blue one"}',
        "empty": b"",
    }[what]
    file = tmp_path / "job.json"
    command = ("run", plate, tmp_path / "o.####.exr", *AGES, "--save-job", file, "--json")
    file.write_bytes(own)
    done = reage(*command)
    assert done.code == 2 and done.json["error"]["code"] == "usage.foreign-file" and file.read_bytes() == own
    file.unlink()
    assert reage(*command).code == 0 and reage(*command, "--gain", 2).code == 0
    assert load_job(file).adjust.gain == 2


def test_a_quoted_home_is_the_home_for_every_file(reage, shots, tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "p").mkdir(parents=True)
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(here)
    shots.write(home / "p" / "shot.####.exr", shots.move(2))
    plate, out, frame = "~/p/shot.####.exr", "~/o/shot.####.exr", ("--frames", "1001", "--device", "cpu")
    commands = (
        ("run", plate, out, *AGES, *frame, "--json"),
        ("run", plate, out, *AGES, *frame, "--save-job", "~/j/job.json", "--track", "~/o/shot.track.json"),
        ("run", plate, "~/o/m.mov", *AGES, *frame, "--layers-to", "~/l/", "--track", "~/o/shot.track.json"),
        ("report", plate, out, "--frames", "1001", "-o", "~/r/report.html"),
        ("track", plate, "-o", "~/t/shot.track.json"),
        ("track", plate, "-o", "~/t/s.nk", "--export", "tracker", "--track", "~/t/shot.track.json"),
        ("sweep", plate, "-o", "~/s/sheet.png", "--source-age", 35, "--ages", "30", "--device", "cpu"),
        ("look", "~/a/soft.json", "--save", "--gain", "0.5"),
        ("submit", plate, out, *AGES, "--look", "~/a/soft.json", "--to", "openjd", "-o", "~/f", "--write-only"),
    )
    for command in commands:
        done = reage(*command)
        assert done.code == 0, (command, done.err)
    job = load_job(home / "j" / "job.json")
    assert job.plate.path == f"{home}/p/shot.####.exr" and job.face.track == f"{home}/o/shot.track.json"
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert {
        "o/shot.1001.exr", "o/shot.track.json", "o/m.mov", "l/m.1001.exr", "r/report.html", "r/report.json",
        "t/shot.track.json", "t/s.nk", "s/sheet.png", "a/soft.json", "f/job.json",
    } <= found  # fmt: skip
    assert not list(here.iterdir()), "no folder is called ~"
    nobody = reage("run", "~no one/p.####.exr", out, *AGES, "--json")
    assert nobody.code == 2 and nobody.json["error"]["code"] == "usage.bad-path"


def test_the_home_in_a_job_file_is_the_home_of_who_runs_it(reage, shots, tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(here)
    shots.write(home / "p" / "shot.####.exr", shots.move(2))
    job = shots.job("~/p/shot.####.exr", "~/o/shot.####.exr", frames="1001")
    (here / "job.json").write_text(json.dumps(job.to_dict()))
    done = reage("run", "job.json", "--json")
    assert done.code == 0 and done.json["track"] == f"{home}/o/shot.track.json", done.err
    assert {path.name for path in (home / "o").iterdir()} == {"shot.1001.exr", "shot.track.json"}
    assert [path.name for path in here.iterdir()] == ["job.json"]


@pytest.mark.parametrize(
    ("name", "track"),
    [("o #.####.exr", "o #.track.json"), ("take @2_%04d.exr", "take @2.track.json"), ("50% grey.mp4", "50% grey")],
)
def test_only_the_frame_number_is_left_out_of_the_name_of_a_track(reage, plate, tmp_path, name, track):
    planned = reage("run", plate, tmp_path / name, *AGES, "--dry-run", "--json")
    assert planned.code == 0 and Path(planned.json["track"].rpartition(" (")[0]).name.startswith(track), planned.out


def test_sweep_names_its_own_flag_for_a_frame_that_is_missing(reage, plate, tmp_path):
    done = reage("sweep", plate, "-o", tmp_path / "s.png", "--source-age", 35, "--frame", 9999)
    assert done.code == 3 and done.err.startswith("media.missing-frame") and "1001-1006" in done.err
    assert done.err.rstrip().endswith("--frame.")
