"""The farm job: steps in an order that can run, frames in chunks, and YAML that YAML readers read."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.core.errors import FarmError
from nuke_reage.core.frames import parse_frames
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FRAMES, FarmJob, Step, frame_text
from nuke_reage.farm.shot import NukeScript, ShotFiles, shot_job
from nuke_reage.farm.yamltext import to_yaml

FILES = ShotFiles("/shows/job.json", ("/shows/plate",), ("/shows/out",))
NUKE = NukeScript("/shows/a.nk", "ReAge1", "/farm/a.nk", "Write1")
some_frames = st.sets(st.integers(-50, 400), min_size=1, max_size=60)


@given(some_frames)
def test_frame_text_can_be_read_back(frames):
    assert parse_frames(frame_text(frames)) == tuple(sorted(frames))
    assert parse_frames(frame_text(frames, ":")) == tuple(sorted(frames))


def test_frame_text_is_short():
    assert frame_text(range(1001, 1101, 2)) == "1001-1099x2"
    assert frame_text([1, 2]) == "1-2" and frame_text([1, 3]) == "1,3"


@given(some_frames, st.integers(1, 30), st.booleans())
def test_every_frame_is_in_one_task_and_no_task_is_too_long(frames, chunk, only_runs):
    step = Step("Bake", ("reage", FRAMES), frames=tuple(sorted(frames)), chunk=chunk, only_runs=only_runs)
    tasks = step.tasks()
    assert [frame for task in tasks for frame in task] == sorted(frames)
    assert all(1 <= len(task) <= chunk for task in tasks)
    if only_runs:
        assert all(task[-1] - task[0] + 1 == len(task) for task in tasks)


def test_a_shot_is_tracked_before_it_is_baked():
    job = shot_job("a", range(1, 21), FILES, FarmSite(chunk=8))
    assert [(step.name, step.after, len(step.tasks())) for step in job.steps] == [
        ("Track", (), 1),
        ("Bake", ("Track",), 3),
    ]
    assert job.step("Bake").words("1-8") == ("reage", "run", "/shows/job.json", "--frames", "1-8")
    assert job.step("Bake").gpus == 0 and dict(job.environment) == {"HF_HUB_OFFLINE": "1"}
    assert [step.name for step in shot_job("a", [1], FILES, FarmSite(), track=False).steps] == ["Bake"]


def test_with_a_nuke_script_the_plate_is_exported_first_and_the_script_rendered_last():
    site = FarmSite(nuke="/opt/nuke", bake_script="/opt/reage_bake.py", nuke_limit="nuke_r", gpu_memory_mib=6000)
    files = dataclasses.replace(FILES, report="/shows/report.html")
    job = shot_job("a", [1, 2, 3, 7], files, site, chunk=2, gpu=True, nuke=NUKE)
    assert [(step.name, step.after) for step in job.steps] == [
        ("Export", ()),
        ("Track", ("Export",)),
        ("Bake", ("Track",)),
        ("Render", ("Bake",)),
        ("Report", ("Bake",)),
    ]
    export = job.step("Export").command
    assert export[:4] == ("/opt/nuke", "-t", "/opt/reage_bake.py", "/shows/a.nk")
    assert export[export.index("--save") + 1] == "/farm/a.nk", "the script itself is not changed"
    assert export[-2:] == ("--node", "ReAge1"), "Nuke takes a range at the end of its line for its own"
    assert job.step("Render").words("1-2") == ("/opt/nuke", "-F", "1-2", "-X", "Write1", "-x", "/farm/a.nk")
    assert job.step("Render").tasks() == ((1, 2), (3,), (7,))
    assert (job.step("Bake").gpus, job.step("Bake").gpu_memory_mib) == (1, 6000)
    assert [step.limits for step in job.steps] == [("nuke_r",), (), (), ("nuke_r",), ()]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Step("a b", ("x",)),
        lambda: Step("A", ()),
        lambda: Step("A", ("x\n",)),
        lambda: Step("A", ("x", FRAMES)),
        lambda: Step("A", ("x",), frames=(1,)),
        lambda: Step("A", ("x", FRAMES), frames=(1,), chunk=0),
        lambda: FarmJob("a", (), "/j"),
        lambda: FarmJob("", (Step("A", ("x",)),), "/j"),
        lambda: FarmJob("a", (Step("A", ("x",), after=("B",)), Step("B", ("x",))), "/j"),
        lambda: FarmJob("a", (Step("A", ("x",), after=("A",)),), "/j"),
        lambda: FarmJob("a", (Step("A", ("x",)), Step("A", ("y",))), "/j"),
        lambda: FarmJob("a", (Step("A", ("x",)),), "/j", environment=(("A B", "1"),)),
        lambda: shot_job("a", [], FILES, FarmSite()),
        lambda: shot_job("a", [1], FILES, FarmSite(), chunk=-1),
    ],
)
def test_a_job_that_cannot_run_is_refused(make):
    with pytest.raises(FarmError) as caught:
        make()
    assert caught.value.hint and caught.value.exit_code == 8


trees = st.recursive(
    st.one_of(st.text(max_size=20), st.integers(-(10**9), 10**9), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), trees, min_size=1, max_size=5))
def test_yaml_says_what_the_tree_says(tree):
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(to_yaml(tree)) == tree
