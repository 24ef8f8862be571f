"""One frame in front of one model, by the way that an artist's frames go: :mod:`nuke_reage.pipeline`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nuke_reage.core.adjust import AdjustSettings
from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.errors import FaceError, MediaError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.settings import MaskSettings, ModelSettings, OutputSettings, PlateSettings
from nuke_reage.evaluation.sheets import screen_rgb
from nuke_reage.faces.canonical import crop_frame
from nuke_reage.faces.types import TrackedFace
from nuke_reage.imaging.encoding import NetworkEncoding
from nuke_reage.imaging.face_mask import face_mask, mask_window
from nuke_reage.imaging.geometry import Window
from nuke_reage.imaging.skin import skin_matte
from nuke_reage.media.plate import Plate
from nuke_reage.media.sequence import open_plate
from nuke_reage.pipeline.canvas import CanvasPlan, face_window, plan_canvas
from nuke_reage.pipeline.finished import finished_picture
from nuke_reage.pipeline.frame import FrameLayers, reage_ladder
from nuke_reage.pipeline.predictors import PredictorCache
from nuke_reage.pipeline.reporting import Reporter
from nuke_reage.pipeline.shot import Shot, open_shot

__all__ = ["ModelRunner", "Sitting"]

Image = npt.NDArray[np.float32]

_WIDE = MaskSettings(expand=0.5)


@dataclass(frozen=True)
class ModelRunner:
    """Which model is looked at, and what it runs on.

    Attributes:
        model: name in the registry, or a descriptor or weights file.
        folder: scratch folder for trackfiles.
        predictors: keeps the network warm.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        backend: ``auto``, ``torch``, ``openvino`` or ``onnxruntime``.
    """

    model: str
    folder: Path
    predictors: PredictorCache
    device: str = "auto"
    backend: str = "auto"

    def open(self, plate: Path, *, name: str = "still", reporter: Reporter | None = None) -> Shot:
        """Open a picture or clip as a job with default settings; ``name`` is that of its trackfile.

        Raises:
            ReageError: see :func:`nuke_reage.pipeline.shot.open_shot`.
        """
        job = JobSpec(
            plate=PlateSettings(str(plate)),
            # Nothing is written there but the trackfile of a clip, which then serves every model.
            output=OutputSettings(str(self.folder / f"{name}.####.exr")),
            source_age=AgeCurve.constant(40),
            target_age=AgeCurve.constant(40),
            model=ModelSettings(self.model, device=self.device, backend=self.backend),
        )
        return open_shot(job, reporter, predictors=self.predictors)

    def sit(self, picture: Path) -> Sitting:
        """A still in front of the model.

        Raises:
            FaceError: it shows no face.
            ReageError: see :meth:`open`.
        """
        shot = self.open(picture)
        return Sitting(shot, shot.frames[0])


class Sitting:
    """A frame in front of a model.

    Every picture is what a screen shows (:func:`~nuke_reage.evaluation.sheets.screen_rgb`), unbounded, of the same
    window: all that the model's crop or the mask covers.

    Args:
        shot: opened.
        frame: its number.
        window: another window for the pictures; None = the usual.

    Raises:
        FaceError: ``no-face``, the face is missing in that frame.
        MediaError: the frame cannot be read.
    """

    def __init__(self, shot: Shot, frame: int, window: Window | None = None) -> None:
        face = shot.face_at(frame)
        if face is None or not face.is_present or shot.canvas is None:
            raise FaceError("no-face", f"The face is missing in frame {frame}.", "Choose a picture with a clear face.")
        self._shot, self._face, self._canvas = shot, face, shot.canvas
        self._plate = shot.source.read(frame)
        aspect = self._plate.pixel_aspect
        wanted = face_window(face, shot.canvas, aspect).union(mask_window(face.landmarks, pixel_aspect=aspect))
        self.window = (window or wanted).intersect(self._plate.data_window)
        self.mask: Image = face_mask(face.landmarks, self.window, pixel_aspect=aspect)
        """(H, W) float32: the face mask of default settings."""
        self.source: Image = self.shown(self._plate)
        """(H, W, 3) float32: the untouched frame."""

    @cached_property
    def skin(self) -> Image:
        """(H, W) float32: where the face shows bare skin inside the mask."""
        return self.mask * skin_matte(self.source, self.landmarks, features=False)

    @property
    def landmarks(self) -> npt.NDArray[np.float32]:
        """(468, 2) float32 in pixels of the pictures."""
        corner = np.array([self.window.x_min, self.window.y_min], np.float32)
        return np.asarray(self._face.landmarks[:, :2] - corner, np.float32)

    def other(self, picture: Path) -> Image:
        """Another still of the same size, aligned with this one, through the same window.

        Raises:
            MediaError: ``other-size``, or it cannot be read.
        """
        source = open_plate(str(picture))
        plate = source.read(source.frames[0])
        if plate.data_window != self._plate.data_window:
            size, own = plate.data_window.shape[::-1], self._plate.data_window.shape[::-1]
            raise MediaError(
                "other-size",
                f"{picture} has {size[0]} x {size[1]} pixels, the picture to compare it with {own[0]} x {own[1]}.",
                "Pictures of one person must match pixel by pixel; see reage data check.",
            )
        return self.shown(plate)

    def shown(self, plate: Plate) -> Image:
        """What a screen shows of a frame."""
        part = plate.rgb[self.window.slices_in(plate.data_window)]
        return screen_rgb(part, self._shot.encoding.working_space)

    def reage(
        self,
        source_years: float,
        targets_years: Sequence[float],
        *,
        shift_px: float = 0.0,
        turn_degrees: float = 0.0,
        stops: float = 0.0,
    ) -> list[Image]:
        """The finished pictures at some ages.

        Args:
            source_years: age of the person in the frame.
            targets_years: ages to show.
            shift_px: lays the model's crop so many canvas pixels beside the face, as an inexact track would.
            turn_degrees: turns the model's crop against the face.
            stops: shows the face to the network so much brighter than metered.

        Returns:
            One picture for each target.
        """
        face, mask = self._moved(shift_px, turn_degrees), self._shot.job.mask
        ladder = self._ladder(self._plate, face, self._canvas, source_years, targets_years, mask, stops)
        return [self.shown(self._finished(self._plate, layers)) for layers in ladder]

    def back_and_forth(self, source_years: float, target_years: float) -> tuple[Image, Image]:
        """The picture at another age, and that picture brought back to the first."""
        plate = self._plate
        pictures = []
        for given, asked in ((source_years, target_years), (target_years, source_years)):
            ladder = self._ladder(plate, self._face, self._canvas, given, [asked], self._shot.job.mask, 0.0)
            plate = self._finished(plate, next(ladder))
            pictures.append(self.shown(plate))
        return pictures[0], pictures[1]

    def share_outside(self, source_years: float, target_years: float) -> float:
        """Share of the model's absolute change that falls outside the face mask, up to half a face around it.

        The mask takes it away from the artist's picture, but it tells whether the model knows what a face is.
        """
        aspect = self._plate.pixel_aspect
        canvas = plan_canvas(
            [self._face], self._canvas.framing, aspect, _WIDE, self._canvas.canvas_px, self._canvas.canvas_px
        )
        layers = next(self._ladder(self._plate, self._face, canvas, source_years, [target_years], _WIDE, 0.0))
        if layers is None:
            return float("nan")
        wide = np.zeros(self.mask.shape, np.float64)
        common = layers.window.intersect(self.window)
        after = self._finished(self._plate, replace(layers, mask=(layers.mask > 0).astype(np.float32)))
        change = np.abs(self.shown(after) - self.source).mean(axis=2, dtype=np.float64)
        wide[common.slices_in(self.window)] = change[common.slices_in(self.window)]
        total = float(wide.sum())
        return float((wide * (1.0 - self.mask)).sum()) / total if total > 0 else 0.0

    def _finished(self, plate: Plate, layers: FrameLayers | None) -> Plate:
        return finished_picture(plate, layers, AdjustSettings(), self._shot.encoding.working_space)

    def _moved(self, shift_px: float, turn_degrees: float) -> TrackedFace:
        if shift_px == 0.0 and turn_degrees == 0.0:
            return self._face
        pose = self._face.pose
        aspect = self._plate.pixel_aspect
        offset = shift_px * crop_frame(pose, self._canvas.framing, aspect).side_px / self._canvas.canvas_px
        moved = replace(
            pose,
            centre_x=pose.centre_x + offset,
            centre_y=pose.centre_y + offset,
            roll_degrees=pose.roll_degrees + turn_degrees,
        )
        return replace(self._face, pose=moved)

    def _ladder(
        self,
        plate: Plate,
        face: TrackedFace,
        canvas: CanvasPlan,
        source_years: float,
        targets_years: Sequence[float],
        mask: MaskSettings,
        stops: float,
    ) -> Iterator[FrameLayers | None]:
        shot, encoding = self._shot, self._shot.encoding
        if stops:
            gain = encoding.exposure_gain * 2.0**stops
            encoding = NetworkEncoding(encoding.working_space, gain, encoding.white_gain, curve=encoding.curve)
        return reage_ladder(plate, face, canvas, source_years, targets_years, shot.predictor, encoding, mask)
