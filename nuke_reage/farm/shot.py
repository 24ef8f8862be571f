"""The farm job of a shot: track, bake in chunks, report; with a Nuke script around it export and render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nuke_reage.core.errors import FarmError
from nuke_reage.core.site import FarmSite
from nuke_reage.farm.base import FRAMES, FarmJob, Step, frame_text

__all__ = ["NukeScript", "ShotFiles", "shot_job"]

_BAKE_SCRIPT = Path(__file__).resolve().parents[2] / "reage_bake.py"


@dataclass(frozen=True)
class NukeScript:
    """The script that the plate comes from and the picture goes through.

    Args:
        path: absolute path of the script; it is not changed.
        node: the ReAge node in it.
        rendered: absolute path of the copy that the export saves, with the layers filled in; the render uses it.
        write: Write node to render; empty = all.
        view: view to export, bake and render; empty = the script has one only.
        track_first: the export tracks too, which sets the node's face size and luma weights.
    """

    path: str
    node: str
    rendered: str
    write: str = ""
    view: str = ""
    track_first: bool = False


@dataclass(frozen=True)
class ShotFiles:
    """Where a shot's files are, absolute paths.

    Args:
        job_file: the ReAge job file.
        inputs: what is read: plates, mattes, models.
        outputs: folders that are written.
        report: the report to write; empty = none.
    """

    job_file: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    report: str = ""


def shot_job(
    name: str,
    frames: Sequence[int],
    files: ShotFiles,
    site: FarmSite,
    *,
    chunk: int = 0,
    gpu: bool = False,
    track: bool = True,
    nuke: NukeScript | None = None,
) -> FarmJob:
    """Put the steps of a shot together.

    Args:
        name: of the job.
        frames: frames to bake and render.
        files: the shot's files.
        site: the farm.
        chunk: frames a task; 0 = as the site says.
        gpu: the bake needs a GPU.
        track: the track is still to be made.
        nuke: the script around; None = the plate is there and the layers are the result.

    Raises:
        FarmError: no frame is left, or a chunk is negative.
    """
    if not frames:
        raise FarmError("no-frames", "The farm job has no frames.", "Give --frames.")
    if chunk < 0:
        raise FarmError("bad-chunk", f"A chunk of {chunk} frames makes no sense.", "Use a chunk size of 1 or more.")
    size, wanted = chunk or site.chunk, tuple(sorted(set(frames)))
    limits = (site.nuke_limit,) if site.nuke_limit else ()
    steps: list[Step] = []

    def after() -> tuple[str, ...]:
        return (steps[-1].name,) if steps else ()

    if nuke:
        # Nuke takes a trailing number or range for its own: the frames must not come last.
        script = (site.bake_script or str(_BAKE_SCRIPT), nuke.path, "--job", files.job_file, "--save", nuke.rendered)
        what = (*(("--view", nuke.view) if nuke.view else ()), *(("--track",) if nuke.track_first else ()))
        command = (site.nuke, "-t", *script, f"--frames={frame_text(wanted)}", *what, "--node", nuke.node)
        steps.append(Step("Export", command, limits=limits, tool="nuke"))
    if track and not (nuke and nuke.track_first):
        steps.append(Step("Track", (site.reage, "track", files.job_file), after(), tool="reage"))
    steps.append(
        Step(
            "Bake",
            (site.reage, "run", files.job_file, "--frames", FRAMES),
            after(),
            wanted,
            size,
            gpus=1 if gpu else 0,
            gpu_memory_mib=site.gpu_memory_mib if gpu else 0,
            tool="reage",
        )
    )
    if nuke:
        write = ("-X", nuke.write) if nuke.write else ()
        view = ("--view", nuke.view) if nuke.view else ()
        command = (site.nuke, "-F", FRAMES, *view, *write, "-x", nuke.rendered)
        steps.append(Step("Render", command, after(), wanted, size, only_runs=True, limits=limits, tool="nuke"))
    if files.report:
        words = ("report", files.job_file, "-o", files.report)
        steps.append(Step("Report", (site.reage, *words), ("Bake",), tool="reage"))
    return FarmJob(
        name,
        tuple(steps),
        files.job_file,
        # A node has no business with the internet: a model that is missing is an error at once.
        (("HF_HUB_OFFLINE", "1"), *_pairs(site.environment)),
        files.inputs,
        files.outputs,
        site.priority,
        site.retries,
    )


def _pairs(variables: Sequence[str]) -> tuple[tuple[str, str], ...]:
    split = (one.partition("=") for one in variables)
    return tuple((name, value) for name, _, value in split)
