import json
from dataclasses import replace

import pytest

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.errors import UsageError
from nuke_reage.core.job import JobSpec, load_job, save_job
from nuke_reage.core.settings import OutputSettings, PlateSettings


@pytest.fixture
def job():
    return JobSpec(
        PlateSettings("plates/shot.####.exr"),
        OutputSettings("out/shot.####.exr", layers=("delta", "mask", "comp")),
        AgeCurve.constant(35),
        AgeCurve.parse("1001:35,1050:70"),
        frames="1001-1050",
    ).with_sampled_ages((1001, 1025, 1050))


def test_a_job_file_gives_the_same_job_back(job, tmp_path):
    save_job(job, tmp_path / "ünï cödé.json")
    read = load_job(tmp_path / "ünï cödé.json")
    assert read == job
    assert read.content_hash == job.content_hash
    assert read.target_age.at(1025) == pytest.approx(35 + 35 * 24 / 49)


def test_the_hash_tells_jobs_apart(job):
    other = replace(job, adjust=AdjustSettings(gain=0.5))
    assert other.content_hash != job.content_hash


def test_a_typo_is_refused_and_the_right_name_suggested(job):
    data = job.to_dict()
    data["mask"]["fether"] = data["mask"].pop("feather")
    with pytest.raises(UsageError) as caught:
        JobSpec.from_dict(data)
    assert caught.value.code == "usage.unknown-setting"
    assert "fether" in caught.value.message
    assert "feather" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", True),
        ("frames", "10-1"),
        ("adjust.gain", "strong"),
        ("adjust.gain", float("1e400")),
        ("mask.feather", -1),
        ("colour.white_gain", [1, 1]),
        ("model.precision", "quick"),
        ("output.layers", ["delta", "dleta"]),
        ("output.layers", []),
        ("source_age", "35"),
        ("source_age", True),
        ("source_age", 400),
        ("source_age", float("nan")),
        ("target_age", 10**400),
        ("source_age.keys", [{"frame": 1, "age_years": 300}]),
        ("source_age.keys", []),
        ("plate", None),
    ],
)
def test_a_bad_value_is_refused(job, path, value):
    data = job.to_dict()
    place = data
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    if path == "source_age.keys" and value == []:
        data["source_age"]["values"] = []
    with pytest.raises(UsageError) as caught:
        JobSpec.from_dict(data)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_an_age_that_stays_the_same_may_be_a_number(job):
    short = {**job.to_dict(), "source_age": 68, "target_age": 20.5}
    made = JobSpec.from_dict(short)
    assert (made.source_age.at(1), made.target_age.at(1050)) == (68, 20.5)
    assert JobSpec.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"a": ' * 100_000, json.dumps({"version": 1}).encode()]
)
def test_a_damaged_job_file_is_refused(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(UsageError):
        load_job(tmp_path / "job.json")


def test_a_job_that_cannot_be_written_leaves_the_old_one(job, tmp_path):
    file = tmp_path / "job.json"
    save_job(job, file)
    with pytest.raises(UsageError) as caught:
        save_job(job, file / "below-a-file.json")
    assert caught.value.code == "usage.unwritable"
    assert load_job(file) == job
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


@pytest.mark.parametrize("key", ["layers", "compression"])
def test_an_absurdly_long_word_is_not_repeated_whole(key):
    data = {
        "plate": {"path": "p.exr"},
        "output": {"path": "o.exr", key: ["x" * 5000] if key == "layers" else "x" * 5000},
    }
    data |= {age: {"keys": [{"frame": 1, "age_years": 30.0}]} for age in ("source_age", "target_age")}
    with pytest.raises(UsageError) as caught:
        JobSpec.from_dict(data)
    assert caught.value.hint and len(caught.value.message) < 500
