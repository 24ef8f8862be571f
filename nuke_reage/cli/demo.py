"""``reage demo``: from nothing to pictures, through the same code as any shot."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from nuke_reage.cli.console import BarReporter, interruptible, make_progress, show_json, stderr_console
from nuke_reage.cli.options import home_path
from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.files import write_text_atomic
from nuke_reage.core.job import JobSpec, save_job
from nuke_reage.core.settings import ModelSettings, OutputSettings, PlateSettings

if TYPE_CHECKING:
    from nuke_reage.pipeline.reporting import FrameResult
    from nuke_reage.pipeline.shot import Shot

__all__ = ["command"]

Bytes = npt.NDArray[np.uint8]

_FRAMES_PER_SECOND = 12
_SHEET_FRAMES = (0, 8, 16, 23)
_MOVIE_HEIGHT_PX = 576
_SPLIT_PX = 2


@click.command("demo")
@click.option(
    "-o", "--output", type=home_path, default="demo", show_default=True, metavar="FOLDER", help="Where everything goes."
)
@click.option("--model", default="fran-lite", show_default=True, help="Name of a model, or a file.")
@click.option("--overwrite", is_flag=True, help="Make everything again.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(output: str, model: str, overwrite: bool, as_json: bool) -> None:
    """Make a plate, track it, re-age it and show it.

    \b
    reage demo
    reage demo -o demo-fran --model fran

    The plate is a public-domain portrait filmed by a virtual camera, in scene-linear ACEScg. The target age runs from
    20 to 80 over 24 frames.
    """  # noqa: D301
    from nuke_reage.cli.demo_plate import FRAME_COUNT, SOURCE_AGE_YEARS, write_demo_plate
    from nuke_reage.core.frames import format_frames
    from nuke_reage.evaluation.quality import measure_quality
    from nuke_reage.evaluation.quality_page import quality_html, quality_json
    from nuke_reage.media.sequence import open_plate
    from nuke_reage.pipeline.bake import bake
    from nuke_reage.pipeline.shot import open_shot

    started = time.monotonic()
    folder = Path(output)
    plate = f"{output}/plate/plate.####.exr"
    with interruptible() as stop, make_progress(stderr_console()) as progress:
        reporter = BarReporter(progress, stop)
        if overwrite or not _is_complete(plate, FRAME_COUNT):
            count = 0

            def written(_frame: int) -> None:
                nonlocal count
                count += 1
                reporter.progress("plate", count, FRAME_COUNT)

            reporter.progress("plate", 0, FRAME_COUNT)
            write_demo_plate(plate, written)
        frames = open_plate(plate).frames
        job = JobSpec(
            PlateSettings(plate),
            OutputSettings(f"{output}/layers/shot.####.exr", layers=("delta", "mask", "comp")),
            AgeCurve.constant(SOURCE_AGE_YEARS),
            AgeCurve.parse(f"{frames[0]}:20,{frames[-1]}:80"),
            frames=format_frames(frames),
            model=ModelSettings(name=model),
        ).with_sampled_ages(frames)
        save_job(job, folder / "job.json")
        shot = open_shot(job, reporter, overwrite=overwrite)
        results = bake(shot, reporter, overwrite=overwrite)
        _show(shot, folder, lambda done: reporter.progress("show", done, len(frames)))
        quality = measure_quality(shot.job, progress=lambda done, total: reporter.progress("check", done, total))
    report = {**quality_json(quality), "run": _facts(shot, results, time.monotonic() - started)}
    write_text_atomic(folder / "report.json", json.dumps(report, indent=2) + "\n")
    write_text_atomic(folder / "report.html", quality_html(quality))
    files = {
        "plate": plate,
        "job": f"{output}/job.json",
        "track": shot.job.face.track,
        "layers": job.output.path,
        "sheet": f"{output}/contact_sheet.png",
        "movie": f"{output}/before_after.mp4",
        "report": f"{output}/report.html",
    }
    if as_json:
        show_json(files)
        return
    for name, path in files.items():
        click.echo(f"{name:7} {path}")


def _is_complete(plate: str, count: int) -> bool:
    from nuke_reage.core.errors import MediaError
    from nuke_reage.media.sequence import open_plate

    try:
        return len(open_plate(plate).frames) == count
    except MediaError:
        return False


def _show(shot: Shot, folder: Path, on_frame: Callable[[int], None]) -> None:
    """Contact sheet and before / after movie, read back from the files that were written."""
    from nuke_reage.evaluation.sheets import contact_sheet, fit, lettered, screen_bytes
    from nuke_reage.media.exr import read_layers
    from nuke_reage.media.movie import MovieWriter
    from nuke_reage.media.sequence import output_path
    from nuke_reage.media.still_write import write_still

    space = shot.encoding.working_space
    rows: list[list[tuple[str, Bytes]]] = []
    first = shot.source.read(shot.frames[0])
    width = round(_MOVIE_HEIGHT_PX * first.display_window.width / first.display_window.height / 2) * 2
    with MovieWriter(folder / "before_after.mp4", Fraction(_FRAMES_PER_SECOND), (width, _MOVIE_HEIGHT_PX)) as movie:
        for index, frame in enumerate(shot.frames):
            plate = shot.source.read(frame)
            layers = read_layers(output_path(shot.job.output.path, frame))
            comp = layers.parts["comp"].channels
            before = screen_bytes(plate.rgb, space)
            after = screen_bytes(np.stack([comp[name] for name in "RGB"], axis=-1), space)
            wipe = _wipe(before, after, index / (len(shot.frames) - 1), width)
            ages = (f"plate, {shot.job.source_age.at(frame):.0f}", f"target age {shot.job.target_age.at(frame):.0f}")
            movie.write(lettered(wipe, *ages) / 255.0)
            if index in _SHEET_FRAMES:
                face = layers.parts["delta"].data_window.expanded(90).intersect(plate.data_window)
                part = face.slices_in(plate.data_window)
                age = f"{shot.job.target_age.at(frame):.0f}"
                rows.append(
                    [
                        (f"frame {frame}, plate", before[part]),
                        (f"comp at {age}", after[part]),
                        ("delta, grey = 0", _delta_picture(layers.parts, plate.rgb.shape[:2], plate.data_window)[part]),
                        ("mask", _mask_picture(layers.parts, plate.rgb.shape[:2], plate.data_window)[part]),
                    ]
                )
            on_frame(index + 1)
    cell = (400, 500)
    rows = [[(caption, fit(picture, *cell)) for caption, picture in row] for row in rows]
    write_still(folder / "contact_sheet.png", contact_sheet(rows, cell) / 255.0)


def _wipe(before: Bytes, after: Bytes, time_share: float, width_px: int) -> Bytes:
    """Plate on the left, comp on the right of a line that swings across the face."""
    from nuke_reage.evaluation.sheets import fit

    column = round(before.shape[1] * (0.46 + 0.16 * np.sin(2 * np.pi * time_share)))
    both = after.copy()
    both[:, :column] = before[:, :column]
    both[:, column - _SPLIT_PX : column + _SPLIT_PX] = 255
    return fit(both, width_px, _MOVIE_HEIGHT_PX)


def _delta_picture(parts: Any, shape: tuple[int, int], window: Any) -> Bytes:
    part = parts["delta"]
    picture = np.zeros((*shape, 3), np.float32)
    delta = np.stack(list(part.channels.values()), axis=-1)
    picture[part.data_window.slices_in(window)] = delta
    return np.asarray(np.rint(np.clip(0.5 + 2.0 * picture, 0.0, 1.0) * 255.0), np.uint8)


def _mask_picture(parts: Any, shape: tuple[int, int], window: Any) -> Bytes:
    part = parts["mask"]
    picture = np.zeros(shape, np.float32)
    picture[part.data_window.slices_in(window)] = part.channels["reage_mask.alpha"]
    return np.repeat(np.asarray(np.rint(picture * 255.0), np.uint8)[..., None], 3, axis=2)


def _facts(shot: Shot, results: list[FrameResult], seconds: float) -> dict[str, Any]:
    return {
        "model_sha256": shot.descriptor.sha256,
        "backend": shot.predictor.name,
        "colourspace": shot.encoding.working_space.name,
        "exposure_gain": shot.encoding.exposure_gain,
        "canvas_px": shot.canvas.canvas_px if shot.canvas else 0,
        "seconds": round(seconds, 1),
        "frames": dict(Counter(result.state for result in results)),
    }
