"""Damaged jobs, tracks, messages and pictures: an error with a hint, never a traceback, a hang or a full memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mutate import mutate_json
from benchmarks.soak import attack
from benchmarks.soak_bench import Bench
from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.errors import MediaError, ReageError, WorkerError
from nuke_reage.core.job import JobSpec, load_job
from nuke_reage.core.protocol import decode
from nuke_reage.core.settings import OutputSettings, PlateSettings

pytestmark = pytest.mark.xdist_group("damaged_input")

ROOT = Path(__file__).resolve().parents[2]
JOB = json.dumps(
    JobSpec(
        PlateSettings("p.exr"), OutputSettings("o.exr"), AgeCurve.parse("1:30,9:40"), AgeCurve.constant(60)
    ).to_dict()
)


@settings(max_examples=400, deadline=2000)
@given(st.randoms(use_true_random=False))
def test_a_damaged_job_is_a_job_or_an_error(tmp_path_factory, chance):
    file = tmp_path_factory.getbasetemp() / "mutated.json"
    file.write_bytes(mutate_json(JOB, chance).encode("utf-8", "surrogatepass"))
    try:
        job = load_job(file)
    except ReageError as error:
        assert error.hint and len(error.message) < 2000
    else:
        assert JobSpec.from_dict(job.to_dict()) == job and len(job.content_hash) == 64


@settings(max_examples=400, deadline=2000)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode), st.randoms(use_true_random=False)))
def test_a_damaged_message_is_a_message_or_an_error(line):
    if isinstance(line, Random):
        line = mutate_json(
            '{"type":"submit","id":"a","job":{"a":1},"frames":[1],"overwrite":false,"action":"bake"}', line
        )
        line = line.encode("utf-8", "replace")
    try:
        assert isinstance(decode(line)["type"], str)
    except WorkerError as error:
        assert error.hint


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), 2)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("job", 150), ("protocol", 300), ("exr", 300), ("track", 25)])
def test_damaged_by_the_hundred(bench, kind, count):
    told = attack(bench, kind, count, seed=7)
    assert told["refused"] > count // 2 and told["taken"] > 0, "some of it is harmless, most of it is not"


@pytest.mark.parametrize("side", [20_000, 1_000_000, 2_147_483_646])
def test_a_header_that_promises_a_huge_picture_costs_no_memory(shots, tmp_path, side):
    """Data and display window of a small file, enlarged; reading it must not reserve what it promises."""
    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film((64, 48))})
    path = Path(pattern.replace("####", "0001"))
    window, huge = struct.pack("<4i", 0, 0, 63, 47), struct.pack("<4i", 0, 0, side, side)
    data = path.read_bytes()
    assert data.count(window) == 2
    path.write_bytes(data.replace(window, huge))
    code = (
        "import resource, sys\n"
        "from nuke_reage.core.errors import MediaError\n"
        "from nuke_reage.media.exr import read_plate\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_plate(sys.argv[1])\n"
        "except MediaError as error:\n    print(error.code, bool(error.hint))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    said, grown = done.stdout.splitlines()
    assert said.startswith("media.") and said.endswith(" True") and int(grown) < 1024


def test_metadata_in_another_encoding_does_not_cost_the_plate(shots, tmp_path):
    from nuke_reage.media.exr import read_plate

    pattern = shots.write(tmp_path / "p.####.exr", {1: shots.film((64, 48))}, metadata={"owner": "cafe99"})
    path = Path(pattern.replace("####", "0001"))
    whole = read_plate(path).rgb
    assert b"cafe99" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"cafe99", b"caf\xe999"))
    assert (read_plate(path).rgb == whole).all() and whole.max() > 0.1
    path.write_bytes(path.read_bytes().replace(b"compression", b"c\xffmpression"))
    with pytest.raises(MediaError) as caught:
        read_plate(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    "landmarks",
    [[5.0] * 936, [1e9] * 936, [1e300] * 936, [float(i // 2) for i in range(936)]],
    ids=lambda one: str(one[:3]),
)
def test_a_track_that_is_no_face_is_an_error(farm_reference, tmp_path, landmarks):
    from nuke_reage.core.errors import FaceError
    from nuke_reage.faces.trackfile import Track

    content = json.loads((farm_reference / "o.track.json").read_text())
    content["faces"]["0"]["frames"]["1002"]["landmarks"] = landmarks
    (tmp_path / "t.json").write_text(json.dumps(content))
    with pytest.raises(FaceError) as caught:
        Track.load(tmp_path / "t.json")
    assert caught.value.code == "face.corrupt-track" and "1002" in caught.value.message and caught.value.hint


CLIMBS = ["../../etc/o.####.exr", "{tmp}/farm/../../etc/o.####.exr", "/etc/o.####.exr", "{tmp}/farm/link/o.####.exr"]


@pytest.mark.parametrize("path", CLIMBS)
@pytest.mark.parametrize("command", ["run", "track"])
def test_a_job_stays_inside_the_folders_that_the_site_names(
    shots, reage, farm_plate, tmp_path, monkeypatch, path, command
):
    farm = tmp_path / "farm"
    (tmp_path / "outside").mkdir()
    (farm / "plates").mkdir(parents=True)
    (farm / "link").symlink_to(tmp_path / "outside")
    for file in Path(farm_plate).parent.glob("p.*.exr"):
        (farm / "plates" / file.name).symlink_to(file)
    monkeypatch.chdir(farm)
    job = shots.job(f"{farm}/plates/p.####.exr", path.format(tmp=tmp_path)).to_dict()
    (farm / "job.json").write_text(json.dumps(job))
    before = sorted(tmp_path.rglob("*"))
    site = tmp_path.parent / f"{tmp_path.name}.site.json"
    site.write_text(json.dumps({"roots": [str(farm)]}))
    monkeypatch.setenv("REAGE_SITE", str(site))
    done = reage(command, farm / "job.json", "--json")
    assert done.code == 2, done.err
    assert done.json["error"]["code"] == "usage.outside-roots" and str(farm) in done.json["error"]["hint"]
    assert sorted(tmp_path.rglob("*")) == before, "nothing is made anywhere"


class _Payload:
    target = ""

    def __reduce__(self):
        return os.system, (f"touch {_Payload.target}",)


@pytest.mark.parametrize("kind", ["pickle", "zip", "tar", "script archive"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_archive_or_a_pickle_is_no_model(reage, tmp_path, monkeypatch, kind, suffix):
    monkeypatch.setenv("REAGE_MODELS", str(tmp_path / "models"))
    _Payload.target = str(tmp_path / "owned")
    evil = tmp_path / f"evil{suffix}"
    payload = pickle.dumps({"init_conv.0.weight": _Payload()})
    if kind == "pickle":
        evil.write_bytes(payload)
    elif kind == "tar":
        with tarfile.open(evil, "w") as archive:
            member = tarfile.TarInfo("../../owned")
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
    else:
        with zipfile.ZipFile(evil, "w") as archive:
            inside = "archive/data.pkl" if kind == "script archive" else "../../owned"
            archive.writestr(inside, payload)
            archive.writestr("archive/code/__torch__.py", "import os")
            archive.writestr("archive/version", "3")
    done = reage("models", "import", evil, "--name", "evil")
    assert done.code == 5, done.out + done.err
    assert "Traceback" not in done.err and "→" in done.err
    assert not (tmp_path / "owned").exists() and not list((tmp_path / "models").glob("evil*"))
