"""Paths of other systems become this one's, and no job leaves the folders that the site allows."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.errors import UsageError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.pathmap import PathRoot, PathRule, localise, map_path, read_path_rules, rules_of_roots
from nuke_reage.core.settings import FaceSettings, MaskSettings, ModelSettings, OutputSettings, PlateSettings
from nuke_reage.core.site import load_site, path_rules

SHOWS = PathRoot(windows="P:/shows", macos="/Volumes/shows", linux="/mnt/shows")
SERVER = PathRoot(windows="//server/cache", macos="/Volumes/cache", linux="/mnt/cache")


def job(plate: str, output: str = "/mnt/shows/o.####.exr", **groups) -> JobSpec:
    ages = AgeCurve.constant(30), AgeCurve.constant(60)
    return JobSpec(PlateSettings(plate), OutputSettings(output), *ages, **groups)


@pytest.mark.parametrize(
    ("platform", "given_path", "wanted"),
    [
        ("linux", r"P:\shows\ab\010\p.####.exr", "/mnt/shows/ab/010/p.####.exr"),
        ("linux", "p:/SHOWS/ab/p.%04d.exr", "/mnt/shows/ab/p.%04d.exr"),
        ("linux", r"\\server\cache\x.exr", "/mnt/cache/x.exr"),
        ("linux", "/Volumes/shows/ab/p.exr", "/mnt/shows/ab/p.exr"),
        ("linux", "/Volumes/showsX/p.exr", "/Volumes/showsX/p.exr"),
        ("linux", "/volumes/shows/p.exr", "/volumes/shows/p.exr"),
        ("linux", "P:/shows", "/mnt/shows"),
        ("linux", "Q:/shows/p.exr", "Q:/shows/p.exr"),
        ("win32", "/mnt/shows/ab/p.exr", "P:/shows/ab/p.exr"),
        ("win32", "/mnt/cache/p.exr", "//server/cache/p.exr"),
        ("darwin", r"P:\shows\ab\p.exr", "/Volumes/shows/ab/p.exr"),
        ("darwin", "plates/p.exr", "plates/p.exr"),
    ],
)
def test_a_path_of_another_system_becomes_this_ones(platform, given_path, wanted):
    assert map_path(given_path, rules_of_roots((SHOWS, SERVER), platform)) == wanted


def test_the_longest_root_counts():
    rules = [PathRule("/a", "/short"), PathRule("/a/b", "/long")]
    assert map_path("/a/b/c", rules) == "/long/c" and map_path("/a/x", rules) == "/short/x"


@given(st.text(alphabet="ab/#%. \\:_-é", max_size=30))
def test_there_and_back_is_the_same_path(rest):
    there = map_path("/mnt/shows/" + rest, rules_of_roots((SHOWS,), "darwin"))
    assert there == "/Volumes/shows/" + rest
    assert map_path(there, rules_of_roots((SHOWS,), "linux")) == "/mnt/shows/" + rest


def test_every_path_of_a_job_is_mapped_and_nothing_else():
    given_job = job(
        r"P:\shows\p.####.exr",
        r"P:\shows\o.####.exr",
        face=FaceSettings(track=r"P:\shows\t.track.json"),
        mask=MaskSettings(matte=r"P:\shows\m.####.exr:matte.alpha", holdout="P:/shows/h.exr"),
        model=ModelSettings(name=r"P:\shows\models\a.json"),
    )
    mapped = localise(given_job, rules_of_roots((SHOWS,), "linux"))
    assert json.dumps(mapped.to_dict()).count("/mnt/shows/") == 6
    assert "P:" not in json.dumps(mapped.to_dict())
    assert mapped.mask.matte == "/mnt/shows/m.####.exr:matte.alpha"
    assert replace(job("x"), plate=mapped.plate).model.name == "fran-lite"
    assert localise(job("x"), rules_of_roots((SHOWS,), "linux")) == job("x")


def test_rules_of_a_session_are_read_and_come_before_the_sites(tmp_path):
    file = tmp_path / "map.json"
    rule = {"source_path_format": "WINDOWS", "source_path": "P:\\shows", "destination_path": "/sessions/1"}
    file.write_text(json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": [rule]}))
    assert map_path("P:/shows/x", read_path_rules(file)) == "/sessions/1/x"
    site_file = tmp_path / "site.json"
    site_file.write_text(json.dumps({"paths": [{"windows": "P:/", "linux": "/mnt/p"}]}))
    environ = {"REAGE_SITE": str(site_file), "REAGE_PATH_MAP": str(file)}
    rules = path_rules(load_site(environ), environ)
    assert map_path("P:/shows/x", rules) == "/sessions/1/x"
    if os.name == "posix":
        assert map_path("P:/other/x", rules) in {"/mnt/p/other/x", "P:/other/x"}
    file.write_text("{}")
    assert read_path_rules(file) == (), "a session without rules writes an empty object"
    for broken in ("[]", '{"path_mapping_rules": [{}]}', '{"path_mapping_rules": 3}', "\x00"):
        file.write_text(broken)
        with pytest.raises(UsageError) as caught:
            read_path_rules(file)
        assert caught.value.hint


@pytest.mark.parametrize(
    "climbing",
    ["{root}/../secret/o.####.exr", "{root}/a/../../secret/o.exr", "{root}X/o.exr", "/etc/passwd", "{root}/link/o.exr"],
)
@pytest.mark.parametrize("setting", ["plate", "output", "track", "matte", "model"])
def test_no_path_climbs_out_of_the_allowed_folders(tmp_path, climbing, setting):
    root = tmp_path / "shows"
    root.mkdir()
    (tmp_path / "secret").mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    inside, outside = f"{root}/p.####.exr", climbing.format(root=root)
    made = job(
        outside if setting == "plate" else inside,
        outside if setting == "output" else inside,
        face=FaceSettings(track=outside if setting == "track" else ""),
        mask=MaskSettings(matte=outside if setting == "matte" else ""),
        model=ModelSettings(name=outside if setting == "model" else "fran-lite"),
    )
    with pytest.raises(UsageError) as caught:
        localise(made, (), (str(root),))
    assert caught.value.code == "usage.outside-roots" and str(root) in caught.value.hint
    assert localise(made, ()) == made, "without a list the user's own rights count"


def test_what_is_inside_and_what_is_no_path_is_allowed(tmp_path):
    root = tmp_path / "shows"
    (root / "a").mkdir(parents=True)
    (tmp_path / "other").symlink_to(root)
    made = job(f"{root}/a/../p.####.exr", f"{tmp_path}/other/o.####.exr", model=ModelSettings(name="fran"))
    made = replace(made, plate=replace(made.plate, ocio_config="ocio://default"))
    assert localise(made, (), (str(root),)) == made


def test_the_allowed_folders_count_after_the_mapping(tmp_path):
    rules = [PathRule("P:/shows", str(tmp_path), windows=True)]
    assert localise(job("P:/shows/p.exr", "P:/shows/o.exr"), rules, (str(tmp_path),)).plate.path == f"{tmp_path}/p.exr"
    with pytest.raises(UsageError, match="outside"):
        localise(job("P:/shows/../p.exr", "P:/shows/o.exr"), rules, (str(tmp_path),))


@pytest.mark.parametrize(
    "path", ["a" * 300 + ".exr", "/".join("a" * 3000), "p.%0999999d.exr", "p.$F999.exr", "~no one/p"]
)
def test_what_can_be_no_path_is_an_error_and_not_a_traceback(path):
    with pytest.raises(UsageError) as caught:
        localise(job(path), ())
    assert caught.value.code == "usage.bad-path" and caught.value.hint and len(caught.value.message) < 200


@pytest.mark.parametrize("text", ["p\0.exr", "p\ud800.exr"])
def test_what_can_be_no_text_is_an_error_and_not_a_traceback(text):
    data = job("p.exr").to_dict()
    for group, name in (("plate", "path"), ("plate", "colorspace"), ("model", "name")):
        with pytest.raises(UsageError) as caught:
            JobSpec.from_dict({**data, group: {**data[group], name: text}})
        assert caught.value.hint and caught.value.message.encode()


def test_the_site_file_names_paths_roots_and_the_farm(tmp_path):
    file = tmp_path / "site.json"
    file.write_text(
        json.dumps({"paths": [{"windows": "P:/shows", "linux": "/mnt/shows"}], "roots": ["/mnt"], "farm": {"chunk": 5}})
    )
    site = load_site({"REAGE_SITE": str(file)})
    assert site.paths == (PathRoot(windows="P:/shows", linux="/mnt/shows"),)
    assert site.roots == ("/mnt",) and site.farm.chunk == 5 and site.farm.reage == "reage"
    assert load_site({"REAGE_SITE": str(file), "REAGE_ROOTS": "/a"}).roots == ("/a",)
    for wrong in ({"farm": {"chunk": 0}}, {"farm": {"environment": ["A B=1"]}}, {"paths": [{"unix": "/"}]}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(UsageError) as caught:
            load_site({"REAGE_SITE": str(file)})
        assert caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_site_file_that_cannot_be_read_is_an_error(tmp_path, content):
    file = tmp_path / "site.json"
    if content is None:
        file.write_text("{}")
        if os.getuid() == 0:
            pytest.skip("this user may read everything")
        file.chmod(0)
    else:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_site({"REAGE_SITE": str(file)})
    assert caught.value.code == "usage.bad-site-file" and str(Path(file)) in caught.value.message
