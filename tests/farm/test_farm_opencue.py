"""OpenCue: the outline script, loaded by the real PyOutline and made into the job that a Cuebot reads."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from nuke_reage.core.errors import FarmError
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.opencue import launch, write_outline
from nuke_reage.farm.shot import NukeScript, ShotFiles, shot_job

SITE = FarmSite(chunk=5, nuke_limit="nuke_r", opencue_show="sho", opencue_facility="cloud", gpu_memory_mib=6000)
JOB = shot_job(
    "Sh 010: older",
    range(1001, 1021),
    ShotFiles("/shows/farm 1/job.json"),
    SITE,
    gpu=True,
    nuke=NukeScript("/shows/a.nk", "ReAge1", "/farm/a.nk"),
)
CHILDREN = ("cmd", "range", "chunk", "threadable", "gpus", "gpu_memory", "limits", "env", "services", "outputs")
"""Of a layer in ``cjsl-1.15``, in the order that it demands; only those used here."""


def serialised(script) -> ElementTree.Element:
    pytest.importorskip("outline")
    code = (
        "import runpy, sys, outline.cuerun\n"
        "made = runpy.run_path(sys.argv[1])\n"
        "launcher = outline.cuerun.OutlineLauncher(made['make'](), **made['FLAGS'])\n"
        "print(launcher.serialize(use_pycuerun=False))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cjsl-1.15.dtd" in done.stdout
    return ElementTree.fromstring(done.stdout)


def test_pyoutline_makes_the_job_that_was_meant(tmp_path):
    spec = serialised(write_outline(JOB, SITE, tmp_path))
    assert [child.tag for child in spec] == ["facility", "show", "shot", "user", "email", "uid", "job", "depends"]
    assert (spec.findtext("facility"), spec.findtext("show")) == ("cloud", "sho")
    job = spec.find("job")
    assert job.get("name") == "sh_010_older"
    assert (job.findtext("priority"), job.findtext("maxretries")) == ("50", "2")
    layers = {layer.get("name"): layer for layer in job.find("layers")}
    assert list(layers) == ["Export", "Track", "Bake", "Render"]
    for layer in layers.values():
        tags = [child.tag for child in layer]
        assert tags == sorted(tags, key=CHILDREN.index) and layer.get("type") == "Render"
    bake = layers["Bake"]
    assert bake.findtext("cmd") == "reage run '/shows/farm 1/job.json' --frames #FRAMESPEC#"
    assert (bake.findtext("range"), bake.findtext("chunk")) == ("1001-1020", "5")
    assert (bake.findtext("gpus"), bake.findtext("gpu_memory")) == ("1", "6000m")
    assert bake.find("env/key").get("name") == "HF_HUB_OFFLINE" and bake.findtext("env/key") == "1"
    assert layers["Render"].findtext("limits/limit") == "nuke_r" and bake.find("limits") is None
    assert layers["Track"].find("gpus") is None
    waits = [(one.findtext("deplayer"), one.findtext("onlayer"), one.get("type")) for one in spec.find("depends")]
    assert waits == [
        ("Track", "Export", "LAYER_ON_LAYER"),
        ("Bake", "Track", "LAYER_ON_LAYER"),
        ("Render", "Bake", "LAYER_ON_LAYER"),
    ]


def test_nuke_gets_single_frames_where_there_are_gaps(tmp_path):
    job = shot_job("a", [1, 3, 5], ShotFiles("/j.json"), SITE, nuke=NukeScript("/a.nk", "R", "/farm/a.nk"))
    layers = {one.get("name"): one for one in serialised(write_outline(job, SITE, tmp_path)).find("job/layers")}
    assert layers["Render"].findtext("chunk") == "1" and layers["Bake"].findtext("chunk") == "5"
    assert layers["Bake"].findtext("range") == "1-5x2"


def test_a_script_that_cannot_launch_is_an_error(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("raise SystemExit('no Cuebot answers')\n")
    with pytest.raises(FarmError) as caught:
        launch(script)
    assert "no Cuebot answers" in caught.value.message and caught.value.hint
    script.write_text("print('sho-reage-root_a')\n")
    assert launch(script) == ("sho-reage-root_a",)
