"""Fixtures that all tests share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from nuke_reage.core.job import JobSpec
    from nuke_reage.imaging.geometry import Window
    from nuke_reage.pipeline.reporting import FrameResult, Reporter
    from nuke_reage.pipeline.shot import Shot

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
REAGE = (sys.executable, "-c", "from nuke_reage.cli.main import main; main()")


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real photos, a clip and reference numbers that lie beside the project, not in it."""
    if not (SHARED / "plates").is_dir():
        pytest.skip("the folder of real photos and reference numbers is not here")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def quick_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In front of the bundled models lies one of the same name and weights on a canvas of 128: a sixteenth of the work.

    Most tests ask what becomes of files, processes and pixels, not what a face looks like; see ``bundled_models``.
    """
    assets, folder = ROOT / "nuke_reage" / "assets" / "models", tmp_path_factory.mktemp("models")
    descriptor = json.loads((assets / "fran-lite.json").read_text(encoding="utf-8"))
    small = dict.fromkeys(("canvas_px", "tile_px", "max_canvas_px"), 128)
    (folder / "fran-lite.json").write_text(json.dumps({**descriptor, **small}), encoding="utf-8")
    for ending in ("safetensors", "md"):
        shutil.copy(assets / f"fran-lite.{ending}", folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REAGE_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def bundled_models() -> Iterator[None]:
    """For a module whose figures are those of the bundled model as it is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("REAGE_MODELS", raising=False)
        yield


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shots:
    """Small real plates, filmed from a public-domain portrait, and what the pipeline makes of them."""

    def __init__(self, portrait: np.ndarray) -> None:
        from nuke_reage.pipeline.predictors import PredictorCache

        self.portrait = portrait
        self.predictors = PredictorCache()

    def film(
        self,
        size: tuple[int, int] = (640, 360),
        *,
        side: float = 400.0,
        angle: float = 0.0,
        centre: tuple[float, float] = (222.0, 140.0),
        shift: tuple[float, float] = (0.0, 0.0),
        squeeze: float = 1.0,
    ) -> np.ndarray:
        """One frame, (height, width, 3) float32 linear Rec.709; ``shift`` moves the picture by pixels of any size."""
        from nuke_reage.imaging.geometry import CropFrame, Window
        from nuke_reage.imaging.sampling import warp

        width, height = size
        matrix = CropFrame(centre[0], centre[1], side, angle).canvas_from_plate(round(width * squeeze))
        matrix[1, 2] -= (width * squeeze - height) / 2
        matrix[0] /= squeeze
        matrix[:, 2] += shift
        picture = warp(self.portrait, Window.of_shape(self.portrait.shape), matrix, (height, width))
        return np.maximum(picture, 0.0)

    def move(self, count: int = 6) -> dict[int, np.ndarray]:
        """A short camera move, frames from 1001."""
        steps = np.linspace(0.0, 1.0, max(count, 2))[:count]
        return {
            1001 + index: self.film(
                side=400 / (1 + 0.1 * step), angle=-2 + 4 * step, centre=(212 + 20 * step, 138 + 4 * step)
            )
            for index, step in enumerate(steps)
        }

    def write(
        self,
        pattern: str | Path,
        pictures: Mapping[int, np.ndarray],
        *,
        space: str = "ACEScg",
        sample_type: str = "half",
        data_window: Window | None = None,
        display_window: Window | None = None,
        pixel_aspect: float = 1.0,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Write pictures (linear Rec.709) as an EXR sequence of the given colour space; returns the pattern."""
        from nuke_reage.imaging.gamut import WorkingSpace

        working = WorkingSpace.from_name(space)
        pixels = {frame: working.from_linear_rec709(picture) for frame, picture in pictures.items()}
        return self.write_raw(
            pattern,
            pixels,
            sample_type=sample_type,
            data_window=data_window,
            display_window=display_window,
            pixel_aspect=pixel_aspect,
            metadata=metadata,
        )

    def write_raw(
        self,
        pattern: str | Path,
        pictures: Mapping[int, np.ndarray],
        *,
        sample_type: str = "half",
        data_window: Window | None = None,
        display_window: Window | None = None,
        pixel_aspect: float = 1.0,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Write pictures as they are."""
        from nuke_reage.imaging.geometry import Window
        from nuke_reage.media.exr import Part, write_layers
        from nuke_reage.media.sequence import output_path

        for frame, picture in pictures.items():
            window = data_window or Window.of_shape(picture.shape)
            channels = {name: np.ascontiguousarray(picture[..., i], np.float32) for i, name in enumerate("RGB")}
            write_layers(
                output_path(pattern, frame),
                [Part("rgb", channels, window)],
                display_window=display_window or window,
                pixel_aspect=pixel_aspect,
                metadata=dict(metadata or {}),
                sample_type="float" if sample_type == "float" else "half",
            )
        return str(pattern)

    def job(self, plate: str | Path, output: str | Path, **knobs: Any) -> JobSpec:
        """A job; knobs by their names in the table, ages as text."""
        from nuke_reage.core.ages import AgeCurve
        from nuke_reage.core.job import JobSpec
        from nuke_reage.core.knobs import knob
        from nuke_reage.core.strict import to_dict

        data: dict[str, Any] = {"plate": {"path": str(plate)}, "output": {"path": str(output)}}
        data["frames"] = knobs.pop("frames", "")
        given = {"source_age": 35, "target_age": 70, "layers": ("delta", "mask", "comp"), "device": "cpu", **knobs}
        for name, value in given.items():
            one = knob(name)
            *parents, last = one.setting.split(".")
            place = data
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = to_dict(AgeCurve.parse(str(value))) if one.kind == "age" else to_dict(value)
        return JobSpec.from_dict(data)

    def open(self, job: JobSpec, frames: str = "", reporter: Reporter | None = None) -> Shot:
        """Open a job with the warm network of the test session."""
        from nuke_reage.pipeline.shot import open_shot

        return open_shot(job, reporter, frames=frames, predictors=self.predictors)

    def bake(self, job: JobSpec, frames: str = "", **options: Any) -> list[FrameResult]:
        """Open and bake a job."""
        from nuke_reage.pipeline.bake import bake

        return bake(self.open(job, frames), **options)

    @staticmethod
    def layers(path: str | Path) -> dict[str, np.ndarray]:
        """Parts of a layer file: ``delta`` and ``comp`` (h, w, 3), ``mask`` (h, w)."""
        from nuke_reage.media.exr import read_layers

        parts = read_layers(path).parts
        found = {}
        for name, part in parts.items():
            channels = list(part.channels.values())[:3]
            found[name] = channels[0] if len(part.channels) == 1 else np.stack(channels, axis=-1)
        return found

    @staticmethod
    def spread(path: str | Path, window: Window) -> dict[str, np.ndarray]:
        """``delta`` and ``mask`` of a layer file on another window, zero where the file has no pixels."""
        from nuke_reage.media.exr import read_layers

        parts = read_layers(path).parts
        found = {}
        for name in ("delta", "mask"):
            part = parts[name]
            picture = np.zeros((*window.shape, len(part.channels)), np.float32)
            common = part.data_window.intersect(window)
            for index, channel in enumerate(part.channels.values()):
                picture[(*common.slices_in(window), index)] = channel[common.slices_in(part.data_window)]
            found[name] = picture if name == "delta" else picture[..., 0]
        return found


@pytest.fixture(scope="session")
def shots() -> Shots:
    data = pytest.importorskip("skimage.data")
    encoded = np.asarray(data.astronaut(), np.float32) / 255.0
    return Shots(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32))


@pytest.fixture(scope="session")
def plate(shots: Shots, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six frames, 640 x 360, half float, ACEScg; only to be read."""
    return shots.write(tmp_path_factory.mktemp("plate") / "plate.####.exr", shots.move())


@pytest.fixture(scope="session")
def baked(shots: Shots, plate: str, quick_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bake of ``plate``, ages 35 to 70, all layers, its track beside it; only to be read."""
    folder = tmp_path_factory.mktemp("baked")
    with pytest.MonkeyPatch.context() as patched:
        # Whoever asks for it first may be a module that uses the bundled models.
        patched.setenv("REAGE_MODELS", str(quick_models))
        shots.bake(shots.job(plate, folder / "shot.####.exr"))
    return folder


@pytest.fixture
def reage() -> Callable[..., Outcome]:
    """The command, in this process."""
    from nuke_reage.cli.main import main

    def run(*arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(one) for one in arguments])
            except SystemExit as end:
                code = int(end.code or 0)
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def reage_process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The command, as a process of its own; what is still running at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [*REAGE, *(str(one) for one in arguments)]
        started.append(subprocess.Popen(command, env=environment, **{**pipes, **options}))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
