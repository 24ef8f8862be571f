"""The bake: read ahead, infer, write behind.

Reading and writing run in a thread each, beside the network, through short queues: the disk waits for the network or
the network for the disk only when one of them is really slower, and memory stays flat over any number of frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nuke_reage import __version__
from nuke_reage.core.errors import CancelledError, MediaError
from nuke_reage.imaging.face_mask import face_size_px
from nuke_reage.media.plate import Plate
from nuke_reage.pipeline.fingerprint import FINGERPRINT_KEY, frame_fingerprint, holds
from nuke_reage.pipeline.frame import NOTHING_MORE, FrameExtras, FrameLayers, reage_frame
from nuke_reage.pipeline.predictors import Stopwatch
from nuke_reage.pipeline.prefetch import AHEAD_FRAMES, prefetch
from nuke_reage.pipeline.reporting import FrameResult, Reporter, Silent
from nuke_reage.pipeline.shot import Shot
from nuke_reage.pipeline.sinks import MadeFrame, Sink, open_sink
from nuke_reage.pipeline.stored import read_stored

__all__ = ["bake"]


@dataclass(frozen=True)
class _Task:
    frame: int
    path: Path
    layers_path: Path | None
    plate_fingerprint: str
    fingerprint: str
    layers_hold: bool


@dataclass(frozen=True)
class _Loaded:
    """What was read for a frame: no plate where nothing is to be written, ``stored`` where no network is needed."""

    task: _Task
    plate: Plate | None = None
    extras: FrameExtras = NOTHING_MORE
    stored: FrameLayers | None = None


def bake(shot: Shot, reporter: Reporter | None = None, *, overwrite: bool = False) -> list[FrameResult]:
    """Re-age the frames of a shot and write them.

    A frame whose plate or maps cannot be read costs no other where each has a file of its own: it is reported as
    ``failed``, the others are baked, and the error is raised after the last.

    Args:
        shot: the opened shot.
        reporter: listener; None = nobody.
        overwrite: bake also frames that are there with the same fingerprint.

    Returns:
        One result a frame, in order.

    Raises:
        MediaError: the first frame that failed, after the last one; or a file that cannot be written, at once.
        ReageError: anything else that went wrong, at once; frames finished before it are on disk and whole.
        CancelledError: the reporter asked to stop; likewise.
    """
    listener = reporter or Silent()
    space = shot.encoding.working_space
    sink = open_sink(shot.job.output, shot.job.adjust, shot.source, space)
    results: list[FrameResult] = []
    complete = False
    try:
        listener.progress("bake", 0, len(shot.frames))
        for result in _run(shot, sink, listener, overwrite):
            results.append(result)
            listener.frame(result)
            listener.progress("bake", len(results), len(shot.frames))
        complete = True
    finally:
        sink.close(complete=complete)
    for result in results:
        if result.error is not None:
            raise result.error
    return results


def _run(shot: Shot, sink: Sink, listener: Reporter, overwrite: bool) -> Iterator[FrameResult]:
    def read(frame: int) -> _Loaded | FrameResult:
        try:
            return _read(shot, sink, frame, overwrite)
        except MediaError as error:
            return _failed(sink, frame, error)

    writes: deque[Future[FrameResult]] = deque()
    with ThreadPoolExecutor(1, "reage-write") as writer:
        for loaded in prefetch(read, shot.frames):
            if listener.cancelled():
                # What is under way is finished and reported; nothing new is begun.
                while writes:
                    yield writes.popleft().result()
                raise CancelledError("by-user", "Stopped.", "Run the same command again to go on.")
            if isinstance(loaded, FrameResult):
                # In its turn, between those that are still being written.
                failed: Future[FrameResult] = Future()
                failed.set_result(loaded)
                writes.append(failed)
                continue
            layers, seconds = (loaded.stored, 0.0) if loaded.stored else _infer(shot, loaded)
            writes.append(writer.submit(_write, shot, sink, loaded.task, loaded.plate, layers, seconds))
            del loaded, layers
            while writes and (writes[0].done() or len(writes) > AHEAD_FRAMES):
                yield writes.popleft().result()
        while writes:
            yield writes.popleft().result()


def _read(shot: Shot, sink: Sink, frame: int, overwrite: bool) -> _Loaded:
    """The frame's plate and what else it takes, or no plate where a finished file still holds."""
    before = shot.source.fingerprint(frame)
    fingerprint = frame_fingerprint(
        shot.job,
        frame,
        before,
        shot.face_at(frame),
        shot.signature,
        shot.descriptor.sha256,
        shot.maps.fingerprint(frame),
    )
    file = sink.layers_path(frame)
    layers_hold = file is not None and not overwrite and holds(file, fingerprint)
    task = _Task(frame, sink.path(frame), file, before, fingerprint, layers_hold)
    if layers_hold and sink.resumable:
        return _Loaded(task)
    plate = shot.source.read(frame)
    face = shot.face_at(frame)
    if file is not None and layers_hold and face is not None:
        size_px = face_size_px(face.landmarks, pixel_aspect=plate.pixel_aspect)
        stored = read_stored(file, shot.job.adjust, size_px)
        if stored is not None:
            return _Loaded(task, plate, stored=stored)
    return _Loaded(task, plate, shot.extras(frame, plate))


def _infer(shot: Shot, loaded: _Loaded) -> tuple[FrameLayers | None, float]:
    """The layers, and for how many seconds the network ran."""
    frame = loaded.task.frame
    face = shot.face_at(frame)
    if loaded.plate is None or face is None or shot.canvas is None:
        return None, 0.0
    network = Stopwatch(shot.predictor)
    layers = reage_frame(
        loaded.plate,
        face,
        shot.canvas,
        shot.job.source_age.at(frame),
        shot.job.target_age.at(frame),
        network,
        shot.encoding,
        shot.job.mask,
        shot.job.model,
        loaded.extras,
    )
    return layers, network.seconds


def _write(
    shot: Shot, sink: Sink, task: _Task, plate: Plate | None, layers: FrameLayers | None, network_seconds: float
) -> FrameResult:
    if plate is None:
        return FrameResult(task.frame, "kept", task.path)
    try:
        _require_unchanged(shot, task)
    except MediaError as error:
        return _failed(sink, task.frame, error)
    provenance = {
        "reage/version": __version__,
        "reage/model": shot.descriptor.name,
        "reage/model_sha256": shot.descriptor.sha256,
        "reage/colorspace": shot.encoding.working_space.name,
        "reage/source_age": f"{shot.job.source_age.at(task.frame):g}",
        "reage/target_age": f"{shot.job.target_age.at(task.frame):g}",
        # The whole job's, whatever part of it is baked here: a frame's file is the same from every chunk.
        "reage/job": replace(shot.job, frames="").content_hash,
        "reage/face_size": f"{layers.face_size_px if layers else 0.0:.3f}",
        FINGERPRINT_KEY: task.fingerprint,
    }
    if shot.job.output.ladder:
        provenance["reage/ladder"] = ",".join(f"{age:g}" for age in shot.job.output.ladder)
    warnings = tuple(sink.write(MadeFrame(task.frame, plate, layers, provenance, task.layers_hold)))
    beside = task.layers_path if task.layers_path != task.path else None
    if task.layers_hold:
        return FrameResult(task.frame, "kept", task.path, warnings, layers=beside)
    if layers is None:
        return FrameResult(task.frame, "no-face", task.path, warnings, layers=beside)
    mean, peak = _strength(layers)
    return FrameResult(task.frame, "baked", task.path, warnings, mean, peak, beside, round(network_seconds, 4))


def _require_unchanged(shot: Shot, task: _Task) -> None:
    if shot.source.fingerprint(task.frame) != task.plate_fingerprint:
        # A render that writes in place pauses between its blocks: what was read in between looked whole.
        raise MediaError(
            "changed-while-reading",
            f"frame {task.frame} of {shot.source.spec} was rewritten while it was worked on",
            "Wait until the render that writes it is finished, then run again.",
        )


def _failed(sink: Sink, frame: int, error: MediaError) -> FrameResult:
    """The result of a frame whose input cannot be read.

    Raises:
        MediaError: the error, where no frame may be missing.
    """
    if not sink.may_have_holes:
        raise error
    return FrameResult(frame, "failed", sink.path(frame), (error.message,), error=error)


def _strength(layers: FrameLayers) -> tuple[float, float]:
    """Mean and peak of the absolute delta inside the mask."""
    # Three planes: numpy is slow along an axis of three.
    red, green, blue = (np.abs(layers.delta[..., channel]) for channel in range(3))
    weight = float(layers.mask.sum())
    mean = float(((red + green + blue) * layers.mask).sum() / (3 * weight)) if weight > 0 else 0.0
    return mean, float((np.maximum(np.maximum(red, green), blue) * layers.mask).max())
