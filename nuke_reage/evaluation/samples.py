"""What is measured of one picture, and how pictures become a model's score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nuke_reage.evaluation.measures import monotony, ratio, response_slope
from nuke_reage.evaluation.skin import SkinChange, SkinScore, skin_score

__all__ = [
    "AgeResponse",
    "DataSetScore",
    "IdentityScore",
    "Probe",
    "Robustness",
    "Sample",
    "TargetScore",
    "age_response",
    "data_set_scores",
    "identity_score",
    "robustness",
    "skin_of",
]

T = TypeVar("T")

_DECADE_YEARS = 10


@dataclass(frozen=True)
class Sample:
    """One picture at one target age.  Differences are means inside the face mask, in 0..1 on the screen.

    Attributes:
        data_set: where the person comes from; "photos" for single photos.
        person: who.
        source_years: age in the picture, as given or read.
        target_years: age asked for.
        change: difference of result and source.
        off: difference of result and true target; None = there is none.
        nothing_off: difference of source and true target.
        detail_off: as ``off``, of Laplacian pyramids.
        nothing_detail_off: as ``nothing_off``, likewise.
        read_years: age that the estimator reads off the result.
        source_read_years: age that it reads off the source.
        identity: distance of result and source as persons.
        nothing_identity: distance of true target and source.
        skin: what became of its colour and light; None = none is seen.
    """

    data_set: str
    person: str
    source_years: float
    target_years: float
    change: float
    off: float | None = None
    nothing_off: float = 0.0
    detail_off: float = 0.0
    nothing_detail_off: float = 0.0
    read_years: float | None = None
    source_read_years: float = 0.0
    identity: float | None = None
    nothing_identity: float | None = None
    skin: SkinChange | None = None

    @property
    def sitting(self) -> str:
        """What tells the picture, as ``people/ann/35``; photos are in ``photos``."""
        return f"{self.data_set}/{self.person}/{self.source_years:g}"


@dataclass(frozen=True)
class Probe:
    """How steady the model is on one picture; all but ``outside`` are relative to its own change there."""

    round_trip: float
    outside: float
    half_pixel: float
    one_degree: float
    brighter: float
    darker: float


@dataclass(frozen=True)
class TargetScore:
    """Against true targets, relative to changing nothing: 1 = no better, 0 = perfect; NaN = nothing to compare."""

    l1: float
    detail: float
    l1_ageing: float
    l1_deageing: float
    pairs: int


@dataclass(frozen=True)
class DataSetScore:
    """One data set: all its people, each of them, and what changes where nothing should (1/255)."""

    name: str
    score: TargetScore
    people: dict[str, TargetScore]
    null_255: float


@dataclass(frozen=True)
class Robustness:
    """Means of :class:`Probe` over the pictures."""

    pictures: int
    round_trip: float
    outside: float
    half_pixel: float
    one_degree: float
    brighter: float
    darker: float


@dataclass(frozen=True)
class AgeResponse:
    """What an age estimator reads off the results.

    Attributes:
        estimator: its name.
        slope: years read for a year asked for, mean over the pictures.
        slope_least: of the picture that responds least.
        monotony: Kendall's tau-a of asked and read, mean over the pictures.
        bias_by_source: read - asked, mean by the decade of the source age.
        pictures: how many.
        slope_by_picture: slope of each (:attr:`Sample.sitting`).
        read_by_picture: what was read of each, by the age asked for.
    """

    estimator: str
    slope: float
    slope_least: float
    monotony: float
    bias_by_source: dict[str, float]
    pictures: int
    slope_by_picture: dict[str, float]
    read_by_picture: dict[str, dict[str, float]]


@dataclass(frozen=True)
class IdentityScore:
    """What becomes of the person.

    Attributes:
        measure: which distance.
        distance: of result and source, mean where another age was asked for.
        distance_by_decade: distance for ten years of change that the estimator sees; NaN without one.
        of_targets: distance of true targets and sources, to compare with; NaN without targets.
    """

    measure: str
    distance: float
    distance_by_decade: float
    of_targets: float


def data_set_scores(samples: Sequence[Sample]) -> tuple[DataSetScore, ...]:
    """The scores of every data set, in order of appearance; photos are none."""
    scores = []
    with_targets = [one for one in samples if one.off is not None]
    for name, group in _grouped(with_targets, lambda one: one.data_set).items():
        same = [one.change for one in group if one.source_years == one.target_years]
        people = {who: _target_score(own) for who, own in _grouped(group, lambda one: one.person).items()}
        scores.append(DataSetScore(name, _target_score(group), people, 255.0 * _mean(same)))
    return tuple(scores)


def robustness(probes: Sequence[Probe]) -> Robustness | None:
    """Means over the pictures; None without any."""
    if not probes:
        return None
    names = ("round_trip", "outside", "half_pixel", "one_degree", "brighter", "darker")
    return Robustness(len(probes), **{name: _mean(getattr(one, name) for one in probes) for name in names})


def age_response(samples: Sequence[Sample], estimator: str) -> AgeResponse | None:
    """How read ages follow asked ones; None where nothing was read."""
    read = [one for one in samples if one.read_years is not None]
    slopes: dict[str, float] = {}
    readings: dict[str, dict[str, float]] = {}
    orders = []
    for picture, group in _grouped(read, lambda one: one.sitting).items():
        asked, seen = [one.target_years for one in group], [one.read_years or 0.0 for one in group]
        readings[picture] = {f"{age:g}": years for age, years in zip(asked, seen, strict=True)}
        if len(set(asked)) > 1:
            slopes[picture] = response_slope(asked, seen)
            orders.append(monotony(asked, seen))
    if not slopes:
        return None
    decades = _grouped(read, lambda one: int(one.source_years // _DECADE_YEARS) * _DECADE_YEARS)
    bias = {
        f"{decade}-{decade + _DECADE_YEARS - 1}": _mean((one.read_years or 0.0) - one.target_years for one in group)
        for decade, group in sorted(decades.items())
    }
    least = min(slopes.values())
    return AgeResponse(estimator, _mean(slopes.values()), least, _mean(orders), bias, len(slopes), slopes, readings)


def identity_score(samples: Sequence[Sample], measure: str) -> IdentityScore | None:
    """How persons fare; None where nothing was measured."""
    changed = [one for one in samples if one.identity is not None and one.source_years != one.target_years]
    if not changed:
        return None
    read = [one for one in changed if one.read_years is not None]
    achieved = sum(abs((one.read_years or 0.0) - one.source_read_years) for one in read)
    distance = sum(one.identity or 0.0 for one in read)
    return IdentityScore(
        measure,
        _mean(one.identity or 0.0 for one in changed),
        ratio(_DECADE_YEARS * distance, achieved),
        _mean(one.nothing_identity for one in changed if one.nothing_identity is not None),
    )


def skin_of(samples: Sequence[Sample]) -> SkinScore | None:
    """What becomes of the skin; None where no picture was asked to become much older or younger."""
    seen = [one for one in samples if one.skin is not None]
    return skin_score(
        {
            picture: (group[0].source_years, {one.target_years: one.skin for one in group if one.skin is not None})
            for picture, group in _grouped(seen, lambda one: one.sitting).items()
        }
    )


def _target_score(samples: Sequence[Sample]) -> TargetScore:
    pairs = [one for one in samples if one.source_years != one.target_years]
    older = [one for one in pairs if one.target_years > one.source_years]
    younger = [one for one in pairs if one.target_years < one.source_years]

    def relative(chosen: Sequence[Sample]) -> float:
        return ratio(sum(one.off or 0.0 for one in chosen), sum(one.nothing_off for one in chosen))

    detail = ratio(sum(one.detail_off for one in pairs), sum(one.nothing_detail_off for one in pairs))
    return TargetScore(relative(pairs), detail, relative(older), relative(younger), len(pairs))


def _grouped(samples: Iterable[Sample], key: Callable[[Sample], T]) -> dict[T, list[Sample]]:
    groups: dict[T, list[Sample]] = {}
    for one in samples:
        groups.setdefault(key(one), []).append(one)
    return groups


def _mean(values: Iterable[float]) -> float:
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")
