"""One frame at many ages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nuke_reage.core.errors import FaceError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.plate import Plate
from nuke_reage.pipeline.canvas import face_window
from nuke_reage.pipeline.finished import finished_picture
from nuke_reage.pipeline.frame import reage_ladder
from nuke_reage.pipeline.shot import Shot

__all__ = ["sweep_frame"]


def sweep_frame(shot: Shot, frame: int, ages_years: Sequence[float]) -> Iterator[tuple[float, Plate, Window]]:
    """Finish one frame at each of a row of target ages; the plate is read and encoded once.

    Args:
        shot: the opened shot; its target age and ladder do not count.
        frame: frame number.
        ages_years: target ages.

    Yields:
        Age, finished picture, and the window of the face in it.

    Raises:
        FaceError: the face is missing in this frame.
        MediaError: the frame cannot be read.
    """
    face = shot.face_at(frame)
    if face is None or shot.canvas is None:
        hint = "Choose another frame with --frame; reage track lists those that have the face."
        raise FaceError("no-face", f"The face is missing in frame {frame}.", hint)
    plate = shot.source.read(frame)
    window = face_window(face, shot.canvas, plate.pixel_aspect).intersect(plate.data_window)
    source_age = shot.job.source_age.at(frame)
    steps = reage_ladder(
        plate,
        face,
        shot.canvas,
        source_age,
        ages_years,
        shot.predictor,
        shot.encoding,
        shot.job.mask,
        shot.job.model,
        shot.extras(frame, plate),
    )
    for age, layers in zip(ages_years, steps, strict=True):
        yield age, finished_picture(plate, layers, shot.job.adjust, shot.encoding.working_space), window
