"""Models before people, photos and a clip: everything is measured on what an artist would get."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import FaceError
from nuke_reage.evaluation.clip import ClipScore, score_clip
from nuke_reage.evaluation.identity import IdentityMeasure
from nuke_reage.evaluation.measures import detail_difference, mean_difference, ratio
from nuke_reage.evaluation.pictures import SheetMaker
from nuke_reage.evaluation.samples import (
    AgeResponse,
    DataSetScore,
    IdentityScore,
    Probe,
    Robustness,
    Sample,
    age_response,
    data_set_scores,
    identity_score,
    robustness,
    skin_of,
)
from nuke_reage.evaluation.sitters import Sitter, told_apart
from nuke_reage.evaluation.sitting import ModelRunner, Sitting
from nuke_reage.evaluation.skin import SkinScore, skin_change
from nuke_reage.faces.age_estimate import AgeEstimator
from nuke_reage.models.registry import Registry
from nuke_reage.pipeline.predictors import PredictorCache

__all__ = ["PHOTO_AGES_YEARS", "Evaluation", "EvaluationReport", "Listener", "ModelReport", "Sitter", "evaluate"]

PHOTO_AGES_YEARS = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
"""Ages that photos are shown at where no others are named."""

_PROBE_SOURCE_YEARS, _ROUND_TRIP_YEARS, _PROBE_GAP_YEARS = 40.0, 20.0, 25.0
_OLDEST_YEARS = 85.0

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Listener:
    """Who is told how far it is.

    Attributes:
        progress: called with the model, what is looked at, how much is done and how much there is.
        warn: called with a sentence.
    """

    progress: Callable[[str, str, int, int], None] = lambda model, stage, done, total: None
    warn: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Evaluation:
    """What to look at, and with what.

    Attributes:
        sitters: people of data sets and photos; photos of one name are told apart by their folders.
        clip: a movie or sequence, and the age of its person (NaN = to be read); None = none.
        photo_ages_years: ages that photos are shown at.
        ages_per_person: how many of a person's ages are used, both as sources and as targets.
        clip_frames: how many frames of the clip.
        estimator: reads ages; None = nobody does.
        identity: tells persons apart.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        backend: ``auto``, ``torch``, ``openvino`` or ``onnxruntime``.
    """

    sitters: tuple[Sitter, ...]
    clip: tuple[Path, float] | None = None
    photo_ages_years: tuple[float, ...] = PHOTO_AGES_YEARS
    ages_per_person: int = 5
    clip_frames: int = 24
    estimator: AgeEstimator | None = None
    identity: IdentityMeasure | None = None
    device: str = "auto"
    backend: str = "auto"


@dataclass(frozen=True)
class ModelReport:
    """All that was measured of one model; None = was not asked for or could not be measured."""

    model: str
    sha256: str
    data_sets: tuple[DataSetScore, ...] = ()
    robustness: Robustness | None = None
    ages: AgeResponse | None = None
    identity: IdentityScore | None = None
    skin: SkinScore | None = None
    clip: ClipScore | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationReport:
    """All models, and the contact sheets: (title, (H, W, 3) uint8)."""

    models: tuple[ModelReport, ...]
    sheets: tuple[tuple[str, npt.NDArray[np.uint8]], ...] = field(default=(), repr=False)


def evaluate(models: Sequence[str], task: Evaluation, listener: Listener | None = None) -> EvaluationReport:
    """Look at models.

    Args:
        models: names in the registry, or descriptor or weights files.
        task: what to look at.
        listener: told about progress; None = nobody.

    Raises:
        FaceError: no picture has a face, or a photo's age is neither given nor can be read.
        ReageError: a model, a picture or a device is not there.
    """
    heard = listener or Listener()
    registry = Registry.from_environment()
    found = [registry.get(model) for model in models]
    for one in found:
        one.require_weights()
    sheets = SheetMaker()
    reports = []
    with TemporaryDirectory(prefix="reage-evaluate-") as scratch:
        for model, descriptor in zip(models, found, strict=True):
            runner = ModelRunner(model, Path(scratch), PredictorCache(), task.device, task.backend)
            label = descriptor.name if [one.name for one in found].count(descriptor.name) == 1 else model
            judge = _Judge(runner, label, task, heard, sheets)
            judge.look()
            clip = None
            if task.clip is not None:
                path, years = task.clip
                told = partial(heard.progress, label)
                clip = score_clip(runner, path, years, task.clip_frames, task.estimator, told, heard.warn)
            reports.append(
                ModelReport(
                    label,
                    descriptor.sha256,
                    data_set_scores(judge.samples),
                    robustness(judge.probes),
                    age_response(judge.samples, task.estimator.name if task.estimator else ""),
                    identity_score(judge.samples, task.identity.name if task.identity else ""),
                    skin_of(judge.samples),
                    clip,
                    tuple(judge.left_out),
                )
            )
    return EvaluationReport(tuple(reports), sheets.sheets())


class _Judge:
    """One model before all sitters."""

    def __init__(self, runner: ModelRunner, label: str, task: Evaluation, heard: Listener, sheets: SheetMaker) -> None:
        self._runner, self._label, self._task, self._heard, self._sheets = runner, label, task, heard, sheets
        self.samples: list[Sample] = []
        self.probes: list[Probe] = []
        self.left_out: list[str] = []

    def look(self) -> None:
        """Go through all sitters.

        Raises:
            FaceError: nobody has a face.
        """
        sitters = told_apart(self._task.sitters)
        self._heard.progress(self._label, "people", 0, len(sitters))
        for index, sitter in enumerate(sitters):
            photo = len(sitter.pictures) == 1
            pictures = sitter.pictures if photo else _spread(sitter.pictures, self._task.ages_per_person)
            nearest = min(pictures, key=lambda one: abs(one[0] - _PROBE_SOURCE_YEARS))
            for picture in pictures:
                try:
                    sitting = self._runner.sit(picture[1])
                except FaceError as error:
                    self._leave_out(f"{sitter.data_set}/{sitter.name}/{picture[1].name}: {error.message}")
                    continue
                years = self._age_of(sitting, *picture)
                truths = {} if photo else dict(pictures)
                self._measure(sitter, sitting, years, tuple(truths) or self._task.photo_ages_years, truths)
                if picture is nearest:
                    self.probes.append(_probe(sitting, years))
            self._heard.progress(self._label, "people", index + 1, len(sitters))
        if sitters and not self.samples:
            raise FaceError("no-faces", "None of the pictures shows a face.", "Give pictures with clear frontal faces.")

    def _measure(
        self,
        sitter: Sitter,
        sitting: Sitting,
        years: float,
        targets_years: Sequence[float],
        truths: dict[float, Path],
    ) -> None:
        estimator, identity = self._task.estimator, self._task.identity
        source, mask, landmarks = sitting.source, sitting.mask, sitting.landmarks
        source_read = estimator.estimate(source, landmarks) if estimator else 0.0
        results = sitting.reage(years, targets_years)
        for asked, result in zip(targets_years, results, strict=True):
            truth = None
            if asked in truths:
                truth = source if asked == years else sitting.other(truths[asked])
            against = {}
            if truth is not None:
                against = {
                    "off": mean_difference(result, truth, mask),
                    "nothing_off": mean_difference(source, truth, mask),
                    "detail_off": detail_difference(result, truth, mask),
                    "nothing_detail_off": detail_difference(source, truth, mask),
                }
            self.samples.append(
                Sample(
                    sitter.data_set,
                    sitter.name,
                    years,
                    asked,
                    mean_difference(result, source, mask),
                    **against,
                    read_years=estimator.estimate(result, landmarks) if estimator else None,
                    source_read_years=source_read,
                    identity=identity.distance(source, result, landmarks) if identity else None,
                    nothing_identity=identity.distance(source, truth, landmarks)
                    if identity and truth is not None and asked != years
                    else None,
                    skin=skin_change(source, result, sitting.skin),
                )
            )
            self._sheets.add(self._label, sitter.data_set, sitter.name, (years, asked), (source, result, truth))

    def _age_of(self, sitting: Sitting, age_years: float, path: Path) -> float:
        if not math.isnan(age_years):
            return age_years
        if self._task.estimator is None:
            raise FaceError(
                "age-unknown",
                f"How old the person in {path} is was not said, and no age estimator is installed.",
                "Write FILE:AGE, such as photo.jpg:35, or pip install 'nuke-reage[evaluate]'.",
            )
        return self._task.estimator.estimate(sitting.source, sitting.landmarks)

    def _leave_out(self, text: str) -> None:
        self.left_out.append(text)
        self._heard.warn(f"left out {text}")


def _probe(sitting: Sitting, years: float) -> Probe:
    """How steady the model is: towards old, or towards young where the person is old already."""
    gap = _PROBE_GAP_YEARS if years + _PROBE_GAP_YEARS <= _OLDEST_YEARS else -_PROBE_GAP_YEARS
    target, mask = years + gap, sitting.mask
    plain = sitting.reage(years, [target])[0]
    change = mean_difference(plain, sitting.source, mask)
    there, back = sitting.back_and_forth(years, years + math.copysign(_ROUND_TRIP_YEARS, gap))

    def drift(other: Image) -> float:
        return ratio(mean_difference(other, plain, mask), change)

    return Probe(
        ratio(mean_difference(back, sitting.source, mask), mean_difference(there, sitting.source, mask)),
        sitting.share_outside(years, target),
        drift(sitting.reage(years, [target], shift_px=0.5)[0]),
        drift(sitting.reage(years, [target], turn_degrees=1.0)[0]),
        drift(sitting.reage(years, [target], stops=2.0)[0]),
        drift(sitting.reage(years, [target], stops=-2.0)[0]),
    )


def _spread(pictures: Sequence[tuple[float, Path]], count: int) -> list[tuple[float, Path]]:
    """So many pictures, first and last among them, evenly apart."""
    chosen: Iterator[int] = iter(sorted({round(i) for i in np.linspace(0, len(pictures) - 1, count)}))
    return [pictures[index] for index in chosen]
