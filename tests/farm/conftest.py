"""A small real shot for farms, and the programs of engines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.media.exr import read_layers

ROOT = Path(__file__).resolve().parents[2]
COUNT = 4
FRAMES = range(1001, 1001 + COUNT)


def parts_of(path: Path) -> dict[str, tuple[object, dict[str, np.ndarray]]]:
    """Window and pixels of every part of a layer file."""
    return {name: (part.data_window, dict(part.channels)) for name, part in read_layers(path).parts.items()}


def same_pixels(ours: Path, theirs: Path) -> bool:
    """Whether two layer files hold the same parts, bit for bit."""
    one, other = parts_of(ours), parts_of(theirs)
    return one.keys() == other.keys() and all(
        one[name][0] == other[name][0]
        and one[name][1].keys() == other[name][1].keys()
        and all(np.array_equal(one[name][1][key], other[name][1][key]) for key in one[name][1])
        for name in one
    )


@pytest.fixture(scope="session")
def farm_plate(shots, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A camera move of four frames, 256 x 192; only to be read."""
    pictures = {
        frame: shots.film((256, 192), side=300 - 5 * index, angle=index, centre=(222 + index, 140))
        for index, frame in enumerate(FRAMES)
    }
    return shots.write(tmp_path_factory.mktemp("farm") / "p.####.exr", pictures)


@pytest.fixture(scope="session")
def farm_reference(shots, farm_plate: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed bake of that plate, ages 35 to 70, delta and mask."""
    folder = tmp_path_factory.mktemp("farm_reference")
    shots.bake(shots.job(farm_plate, folder / "o.####.exr", layers=("delta", "mask")))
    for frame in FRAMES:
        layers = shots.layers(folder / f"o.{frame}.exr")
        assert np.abs(layers["delta"]).max() > 0.01 and layers["mask"].max() > 0.9, "something is aged"
    return folder


@pytest.fixture
def check_against(farm_reference: Path) -> Callable[[Path], None]:
    """Compare a finished output folder with the undisturbed bake."""

    def check(folder: Path) -> None:
        names = sorted(path.name for path in folder.glob("*.exr"))
        assert names == [f"o.{frame}.exr" for frame in FRAMES]
        assert [name for name in names if not same_pixels(folder / name, farm_reference / name)] == []
        assert not list(folder.glob(".*")), "nothing half-written is left"

    return check


@pytest.fixture(scope="session")
def reage_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command ``reage`` as a file, as a farm's nodes have it."""
    program = tmp_path_factory.mktemp("bin") / "reage"
    program.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={ROOT} OMP_NUM_THREADS=1\n"
        f'exec {sys.executable} -c "from nuke_reage.cli.main import main; main()" "$@"\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def on_path(reage_program: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts ``reage`` and the engines' programs of this environment on the path."""
    folders = [str(reage_program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    return reage_program
