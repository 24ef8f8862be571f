"""Several processes, as torchrun starts them."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from nuke_reage.training.config import load_config
from nuke_reage.training.loop import train

CONFIG = """
[model]
name = "tiny"
width = 2
canvas_px = 64
[data]
crop_px = 64
validation_people = ["person_04"]
[loss]
adversarial = 0.05
[optimiser]
steps = 3
batch_size = 2
accumulate = 2
precision = "fp32"
[validation]
every_steps = 2
"""


def script_in(folder):
    script = folder / "reage.py"
    script.write_text("from nuke_reage.cli.main import main\nmain()\n")
    return script


@pytest.mark.slow
def test_two_processes_learn_one_model_from_twice_the_pictures(people, tmp_path, project_root):
    settings, out, alone = tmp_path / "tiny.toml", tmp_path / "run", tmp_path / "alone"
    settings.write_text(CONFIG)
    train([people], out, load_config(settings), device="cpu")
    start = shutil.copytree(out, tmp_path / "before") / "tiny.json"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--",
        script_in(tmp_path), "train", people, "-o", out, "--config", settings, "--device", "cpu", "--json",
        "--overwrite", "--start", start,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project_root)}
    done = subprocess.run(
        [str(one) for one in command], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    # torchrun itself may say something on stdout first.
    report = json.loads(done.stdout[done.stdout.index("{") :])
    train([people], alone, load_config(settings), start=start, device="cpu")
    assert report["steps"] == 3 and report["finished"] and 0.0 < report["best"]["ratio"] < 2.0
    with (out / "train.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [1, 2, 3], "begun again by both, and one of them logs"
    assert all(float(row["discriminator"]) > 0.0 for row in rows)
    both, single = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (out, alone))
    apart = max(float((both["net"][key] - single["net"][key]).abs().max()) for key in both["net"])
    assert 0.0 < apart < 0.1, "the other process's pictures count"
    assert (out / "tiny.safetensors").stat().st_size > 1000


def test_ctrl_c_keeps_the_run_and_its_status_says_that_it_is_not_done(people, tmp_path):
    config, out = tmp_path / "long.toml", tmp_path / "run"
    config.write_text(CONFIG.replace("steps = 3", "steps = 100000").replace("every_steps = 2", "every_steps = 99999"))
    command = [sys.executable, script_in(tmp_path), "train", people, "-o", out, "--config", config]
    with subprocess.Popen(
        [str(one) for one in command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not (out / "train.csv").exists() or len((out / "train.csv").read_text().splitlines()) < 3:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped; the same command goes on" in said and "writing a checkpoint and the model" in " ".join(
        told.split()
    )
    assert (out / "last.ckpt").exists() and (out / "tiny.safetensors").exists()
