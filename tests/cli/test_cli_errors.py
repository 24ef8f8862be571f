"""Bad input: the right exit code, a hint that helps, and nothing lost."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest

from nuke_reage.core.errors import error_from_dict
from nuke_reage.media.exr import read_layers

pytestmark = pytest.mark.xdist_group("cli_errors")

AGES = ("--source-age", "35", "--target-age", "70")


def failed(outcome, code: int, slug: str) -> str:
    """Check how a command has failed; the message."""
    assert outcome.code == code, outcome.err
    told = outcome.json["error"]
    assert told["code"].endswith(f".{slug}"), told
    assert told["exit_code"] == code and error_from_dict(told).exit_code == code
    assert len(told["hint"]) > 10, "a hint says what to do"
    assert told["code"] in outcome.err and "Traceback" not in outcome.err
    return told["message"]


@pytest.fixture
def broken(shots, tmp_path):
    """A frame of a plate, broken in some way."""

    def make(how: str) -> Path:
        shots.write(tmp_path / "p.####.exr", {1: shots.film()})
        path = tmp_path / "p.0001.exr"
        whole = path.read_bytes()
        if how == "missing":
            path.unlink()
        elif how == "empty":
            path.write_bytes(b"")
        elif how == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        elif how == "text":
            path.write_bytes(b"once upon a time " * 200)
        elif how == "channels":
            spec = oiio.ImageSpec(64, 48, 2, "half")
            spec.channelnames = ("Z", "forward.u")
            output = oiio.ImageOutput.create(str(path))
            assert output.open(str(path), spec) and output.write_image(np.zeros((48, 64, 2), np.float32))
            assert output.close()
        elif how == "deep":
            spec = oiio.ImageSpec(8, 8, 3, "half")
            spec.deep = True
            spec.channelnames = ("R", "G", "B")
            data = oiio.DeepData()
            data.init(64, 3, ("half", "half", "half"), ("R", "G", "B"))
            output = oiio.ImageOutput.create(str(path))
            assert output.open(str(path), spec) and output.write_deep_image(data)
            assert output.close()
        return path

    return make


@pytest.mark.parametrize(
    ("how", "slug"),
    [
        ("missing", "missing-file"),
        ("empty", "empty-file"),
        ("truncated", "truncated"),
        ("text", "not-an-image"),
        ("channels", "no-colour"),
        ("deep", "deep"),
    ],
)
def test_plates_that_cannot_be_read(reage, broken, tmp_path, how, slug):
    path = broken(how)
    before = path.read_bytes() if path.exists() else None
    out = tmp_path / "out" / "o.####.exr"
    message = failed(reage("run", path, out, *AGES, "--json"), 3, slug)
    assert path.name in message
    assert (path.read_bytes() if path.exists() else None) == before
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_sequence_without_frames(reage, tmp_path):
    (tmp_path / "other.0001.exr").write_bytes(b"x")
    message = failed(reage("run", tmp_path / "p.####.exr", tmp_path / "o.####.exr", *AGES, "--json"), 3, "no-frames")
    assert "p.####.exr" in message


def test_a_picture_without_a_face(reage, shots, tmp_path):
    wall = np.random.default_rng(1).uniform(0.2, 0.3, (120, 160, 3)).astype(np.float32)
    plate = shots.write(tmp_path / "wall.####.exr", {1: wall, 2: wall})
    out = tmp_path / "out"
    failed(reage("run", plate, out / "o.####.exr", *AGES, "--json"), 4, "no-face")
    assert not list(out.glob("*.exr"))
    told = reage("track", plate, "-o", tmp_path / "t.json", "--json")
    assert told.code == 0 and told.json["faces"] == [], "to have no face is no error before one is asked for"


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (("--input-colorspace", "ACEScgg"), 2, "unknown-colorspace"),
        (("--ocio-config", "/nowhere/config.ocio"), 2, "ocio-config"),
        (("--target-age", "-5"), 2, "bad-age"),
        (("--target-age", "300"), 2, "bad-age"),
        (("--source-age", "nan"), 2, "bad-age"),
        (("--target-age", "1001:40,1001:50"), 2, "bad-age"),
        (("--target-age", "young"), 2, "bad-age"),
        (("--frames", "10-1"), 2, "bad-frames"),
        (("--frames", "1-99999999"), 2, "bad-frames"),
        (("--frames", "1001-1010"), 3, "missing-frame"),
        (("--model", "fran-lit"), 5, "unknown-model"),
        (("--model", "fran"), 5, "not-installed"),
        (("--track", "nowhere.track.json"), 4, "track-not-found"),
        (("--gain", "nan"), 2, "bad-setting"),
        (("--mask-feather", "7"), 2, "bad-setting"),
        (("--white-gain", "1,2"), 2, "bad-setting"),
        (("--layers", "delta,maks"), 2, "bad-layers"),
        (("--precision", "perfect"), 2, "bad-command-line"),
        (("--smoothness", "2"), 2, "bad-command-line"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_flags_that_cannot_be(reage, plate, tmp_path, monkeypatch, arguments, code, slug):
    monkeypatch.setenv("REAGE_MODELS", str(tmp_path / "models"))
    out = tmp_path / "out" / "o.####.exr"
    message = failed(reage("run", plate, out, *AGES, *arguments, "--json"), code, slug)
    assert message
    assert not (tmp_path / "out").exists(), "found out before anything is made"


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (("--plate-layer", "nope"), 3, "unknown-layer"),
        (("--face", "banana"), 4, "bad-selector"),
        (("--face", "1,2,3"), 4, "bad-selector"),
        (("--detector", "bogus"), 2, "unknown-plugin"),
        (("--backend", "onnxruntime", "--device", "cuda"), 6, "wrong-device"),
        (("--device", "mps"), 6, "no-device"),
        (("--detector", "manual"), 4, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_dry_run_passes_nothing_that_cannot_run(reage, plate, tmp_path, arguments, code, slug):
    out, job = tmp_path / "out" / "o.####.exr", tmp_path / "job.json"
    outcome = reage("run", plate, out, *AGES, *arguments, "--dry-run", "--json")
    assert outcome.code == code and outcome.json["error"]["code"].endswith(slug), outcome.out
    saved = reage("run", plate, out, *AGES, *arguments, "--save-job", job, "--json")
    if arguments[-1] in {"mps", "manual"}:
        assert saved.code == 0 and job.is_file(), "another machine may run it"
    else:
        assert saved.code == code and saved.json["error"]["code"].endswith(slug)
    assert {path.name for path in tmp_path.iterdir()} <= {"job.json"}


def test_a_dry_run_looks_for_the_face_in_a_track_that_is_there(reage, plate, baked):
    outcome = reage("run", plate, baked / "shot.####.exr", *AGES, "--face", "7", "--dry-run", "--json")
    failed(outcome, 4, "unknown-face")


def test_bad_frames_are_reported_beside_those_that_were_made(reage, shots, tmp_path):
    plate = shots.write(tmp_path / "p.####.exr", {frame: shots.film((320, 180), side=300) for frame in (1, 2, 3)})
    (tmp_path / "p.0002.exr").write_bytes(b"")
    out = tmp_path / "o.####.exr"
    outcome = reage("run", plate, out, *AGES, "--json")
    failed(outcome, 3, "empty-file")
    assert [one["state"] for one in outcome.json["frames"]] == ["baked", "failed", "baked"]
    assert outcome.json["frames"][1]["error"] == outcome.json["error"] and "p.0002.exr" in outcome.err
    again = reage("run", plate, out, *AGES)
    assert again.code == 3 and "2 kept, 1 failed" in again.out and "Traceback" not in again.err


def test_a_bug_is_one_line_and_one_document_and_its_traceback_can_be_had(reage, plate, tmp_path, monkeypatch):
    def stumble(*_arguments, **_options):
        raise TypeError("no such\nluck")

    monkeypatch.setattr("nuke_reage.pipeline.shot.open_shot", stumble)
    outcome = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--json")
    told = failed(outcome, 1, "bug")
    assert told == "TypeError: no such luck" and "report" in outcome.json["error"]["hint"]
    monkeypatch.setenv("REAGE_TRACEBACK", "1")
    outcome = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--json")
    assert outcome.code == 1 and "Traceback" in outcome.err and outcome.json["error"]["code"] == "reage.bug"


def test_hints_name_the_nearest_name(reage, plate, tmp_path):
    out = tmp_path / "o.####.exr"
    for arguments, wanted in (
        (("run", plate, out, *AGES, "--model", "fran-lit"), "fran-lite"),
        (("run", plate, out, *AGES, "--layers", "delta,maks"), "mask"),
        (("runn", plate, out), "run"),
        (("run", plate, out, *AGES, "--input-colorspace", "ACEScgg"), "ACEScg"),
    ):
        outcome = reage(*arguments, "--json")
        assert outcome.code in {2, 5}
        assert wanted in outcome.json["error"]["hint"] + outcome.json["error"]["message"]


def test_what_is_left_out(reage, plate, tmp_path):
    failed(reage("run", plate, "--json"), 2, "bad-command-line")
    failed(reage("run", plate, tmp_path / "o.exr", "--source-age", 35, "--json"), 2, "no-age")
    failed(reage("track", plate, "--json"), 2, "bad-command-line")


def test_a_job_with_a_typing_error(reage, shots, plate, tmp_path):
    data = shots.job(plate, tmp_path / "o.####.exr").to_dict()
    data["mask"]["fether"] = data["mask"].pop("feather")
    (tmp_path / "job.json").write_text(json.dumps(data))
    outcome = reage("run", tmp_path / "job.json", "--json")
    failed(outcome, 2, "unknown-setting")
    assert "feather" in outcome.json["error"]["hint"]
    (tmp_path / "job.json").write_text(json.dumps(data)[:-20])
    failed(reage("run", tmp_path / "job.json", "--json"), 2, "bad-json")
    failed(reage("run", tmp_path / "nowhere.json", "--json"), 2, "bad-job")
    data["version"] = 99
    data["mask"] = {}
    (tmp_path / "job.json").write_text(json.dumps(data))
    failed(reage("run", tmp_path / "job.json", "--json"), 2, "job-version")


def test_output_is_input(reage, plate):
    before = Path(plate.replace("####", "1001")).read_bytes()
    failed(reage("run", plate, plate, *AGES, "--json"), 2, "output-is-input")
    failed(reage("run", plate, plate.replace("####", "%04d"), *AGES, "--dry-run", "--json"), 2, "output-is-input")
    assert Path(plate.replace("####", "1001")).read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "text", "typo", "newer"])
def test_a_damaged_trackfile(reage, plate, baked, tmp_path, damage):
    text = (baked / "shot.track.json").read_text()
    broken = {
        "cut": text[: len(text) // 2],
        "text": "once upon a time",
        "typo": text.replace('"confidence"', '"confidense"', 1),
        "newer": text.replace('"version": 1', '"version": 2', 1),
    }[damage]
    track = tmp_path / "t.json"
    track.write_text(broken)
    slug = {"typo": "unknown-track-key", "newer": "track-version"}.get(damage, "corrupt-track")
    outcome = reage("run", plate, tmp_path / "o.####.exr", *AGES, "--track", track, "--json")
    assert "t.json" in failed(outcome, 4, slug)
    assert track.read_text() == broken and not list(tmp_path.glob("*.exr"))


class _Payload:
    def __reduce__(self):
        return os.system, (f"touch {_Payload.target}",)

    target = ""


def test_a_checkpoint_that_carries_code_is_refused_and_runs_nothing(reage, plate, tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_MODELS", str(tmp_path / "models"))
    _Payload.target = str(tmp_path / "owned")
    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"init_conv.0.weight": _Payload()}))
    outcome = reage("models", "import", evil, "--name", "evil")
    assert outcome.code == 5 and "model.unsafe-weights" in outcome.err
    failed(reage("run", plate, tmp_path / "o.####.exr", *AGES, "--model", evil, "--json"), 5, "no-descriptor")
    assert not (tmp_path / "owned").exists() and not (tmp_path / "models" / "evil.safetensors").exists()


def test_an_output_folder_that_cannot_be(reage, plate, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    failed(reage("run", plate, tmp_path / "file" / "o.####.exr", *AGES, "--json"), 3, "unwritable")
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.fixture
def open_to_all(tmp_path):
    """Lets a user without rights through to the test's folder."""
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
        folder.chmod(folder.stat().st_mode | 0o055)
        folder = folder.parent
    return tmp_path


def in_child(arguments, before: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a child whose rights are taken away after the imports."""
    code = (
        "import sys, os, resource, encodings.idna\n"
        "import nuke_reage.cli.run, nuke_reage.pipeline.bake, nuke_reage.pipeline.shot, nuke_reage.models.backends\n"
        "import nuke_reage.models.backends.openvino_backend, nuke_reage.models.inference, openvino, rich.markup\n"
        "from nuke_reage.cli.main import main\n"
        f"{before}\nmain(sys.argv[1:])\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": "/"}
    command = [sys.executable, "-c", code, *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_a_folder_without_rights_and_a_full_disk(shots, plate, baked, open_to_all):
    """Real processes, real refusals of the system; what stood there before stays whole."""
    closed = open_to_all / "closed"
    closed.mkdir(mode=0o555)
    track = ("--track", baked / "shot.track.json")
    drop = "if os.getuid() == 0:\n os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    for path in (baked, Path(plate).parent):
        folder = path
        while folder != folder.parent and folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
            folder = folder.parent
    done = in_child(("run", plate, closed / "o.####.exr", *AGES, *track, "--json"), drop)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "media.unwritable"
    assert not list(closed.iterdir())

    full = open_to_all / "full"
    full.mkdir()
    older = b"an older picture"
    (full / "o.1002.exr").write_bytes(older)
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    done = in_child(("run", plate, full / "o.####.exr", *AGES, *track, "--layers", "comp", "--json"), limit)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "media.disk-full"
    assert {path.name for path in full.iterdir()} == {"o.1002.exr"}
    assert (full / "o.1002.exr").read_bytes() == older


def _lost(shots, tmp_path, gap: int) -> tuple[str, list[int]]:
    """A plate in which the face is away for so many frames, three frames of face on either side."""
    size = (320, 180)
    rows, columns = np.mgrid[:180, :320].astype(np.float32)
    empty = np.repeat((0.2 + 0.1 * np.sin(columns / 37) * np.cos(rows / 29))[..., None], 3, axis=2).astype(np.float32)
    away = list(range(1004, 1004 + gap))
    pictures = {frame: shots.film(size, side=300) for frame in (1001, 1002, 1003)}
    pictures |= dict.fromkeys(away, empty)
    pictures |= {1004 + gap + index: shots.film(size, side=300, shift=(3, 1)) for index in range(3)}
    return shots.write(tmp_path / "p.####.exr", pictures), away


@pytest.mark.parametrize("gap", [1, 5])
def test_a_face_lost_for_a_moment_is_carried_across(reage, shots, tmp_path, gap):
    plate, away = _lost(shots, tmp_path, gap)
    frames = f"1003-{away[-1] + 1}"
    outcome = reage("run", plate, tmp_path / "o" / "o.####.exr", *AGES, "--frames", frames, "--json")
    assert outcome.code == 0, outcome.err
    assert [one["state"] for one in outcome.json["frames"]] == ["baked"] * (gap + 2)
    track = json.loads((tmp_path / "o" / "o.track.json").read_text())
    states = {int(frame): one["state"] for frame, one in track["faces"]["0"]["frames"].items()}
    assert [states[frame] for frame in away] == ["interpolated"] * gap
    assert states[1003] == "detected"


@pytest.mark.slow
def test_a_face_lost_for_long_is_a_black_pixel_and_is_told(reage, shots, tmp_path):
    plate, away = _lost(shots, tmp_path, 50)
    out = tmp_path / "o" / "o.####.exr"
    chosen = f"1003,{away[0]},{away[25]},{away[-1]},{away[-1] + 1}"
    outcome = reage("run", plate, out, *AGES, "--frames", chosen, "--layers", "delta,mask,comp", "--json")
    assert outcome.code == 0, outcome.err
    assert [one["state"] for one in outcome.json["frames"]] == ["baked", "no-face", "no-face", "no-face", "baked"]
    layers = read_layers(tmp_path / "o" / f"o.{away[25]}.exr")
    for name in ("delta", "mask"):
        assert layers.parts[name].data_window.shape == (1, 1)
        assert all((channel == 0).all() for channel in layers.parts[name].channels.values())
    comp = shots.layers(tmp_path / "o" / f"o.{away[25]}.exr")["comp"]
    from nuke_reage.media.exr import read_plate

    assert np.array_equal(comp, read_plate(plate.replace("####", str(away[25]))).rgb)
    assert layers.display_window.shape == (180, 320)
    again = reage("run", plate, out, *AGES, "--frames", chosen, "--layers", "delta,mask,comp")
    assert again.code == 0 and "5 kept" in again.out
