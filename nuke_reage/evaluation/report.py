"""A report for people and for programs: rows of a table, JSON, and one HTML file without anything beside it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nuke_reage import __version__
from nuke_reage.evaluation.evaluate import EvaluationReport, ModelReport
from nuke_reage.evaluation.html import data_url, document

__all__ = ["REPORT_VERSION", "Row", "report_html", "report_json", "report_rows"]

REPORT_VERSION = 1
"""Of the JSON."""

_OF_PERSON = (("", "l1"), (" older", "l1_ageing"), (" younger", "l1_deageing"), (" detail", "detail"))


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        section: under which heading.
        label: what.
        values: one for each model; NaN = not measured.
        better: ``low``, ``high``, ``one`` (the nearer to 1 the better), ``zero`` or empty.
        digits: after the point.
    """

    section: str
    label: str
    values: tuple[float, ...]
    better: str
    digits: int

    def text(self, index: int) -> str:
        """A model's value, or a dash."""
        value = self.values[index]
        return "–" if math.isnan(value) else f"{value:.{self.digits}f}"

    @property
    def best(self) -> int | None:
        """Which model is best; None where that is not to be told."""
        badness = {
            "low": lambda value: value,
            "high": lambda value: -value,
            "one": lambda value: abs(value - 1),
            "zero": abs,
        }.get(self.better)
        known = [index for index, value in enumerate(self.values) if not math.isnan(value)]
        if badness is None or len(known) < 2:
            return None
        return min(known, key=lambda index: badness(self.values[index]))


def report_rows(report: EvaluationReport, *, people: bool = True) -> list[Row]:
    """All that was measured, models side by side.

    Args:
        report: of :func:`nuke_reage.evaluation.evaluate.evaluate`.
        people: with a line for each person.
    """
    return [row for row in _rows(report.models, people) if not all(math.isnan(value) for value in row.values)]


def report_json(report: EvaluationReport) -> dict[str, Any]:
    """The report as JSON values; what was not measured is null."""
    return {
        "version": REPORT_VERSION,
        "reage": __version__,
        "models": [_without_nan(asdict(one)) for one in report.models],
    }


def report_html(report: EvaluationReport, *, title: str = "ReAge evaluation") -> str:
    """The report as one HTML document, its pictures inside."""
    names = [html.escape(one.model) for one in report.models]
    lines = [
        "<p>L1 and detail are relative to changing nothing: 1 is no better than that, 0 is the target itself.</p>",
        "<table><thead><tr><th></th>" + "".join(f"<th>{name}</th>" for name in names) + "</tr></thead><tbody>",
    ]
    section = ""
    for row in report_rows(report):
        if row.section != section:
            section = row.section
            lines.append(f'<tr class="section"><th colspan="{len(names) + 1}">{html.escape(section)}</th></tr>')
        cells = "".join(
            f"<td{' class=best' if index == row.best else ''}>{row.text(index)}</td>" for index in range(len(names))
        )
        lines.append(f"<tr><th>{html.escape(row.label)}</th>{cells}</tr>")
    lines.append("</tbody></table>")
    for sheet_title, sheet in report.sheets:
        lines.append(f"<h2>{html.escape(sheet_title)}</h2>")
        lines.append(f'<img alt="{html.escape(sheet_title)}" src="{data_url(sheet)}">')
    left_out = sorted({text for one in report.models for text in one.left_out})
    if left_out:
        lines.append("<h2>Left out</h2><ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in left_out) + "</ul>")
    return document(title, lines)


def _rows(models: tuple[ModelReport, ...], people: bool) -> Iterator[Row]:
    def row(section: str, label: str, read: Any, better: str = "low", digits: int = 3) -> Row:
        return Row(section, label, tuple(read(one) for one in models), better, digits)

    for index, data_set in enumerate(models[0].data_sets if models else ()):
        name = data_set.name

        def of(one: ModelReport, index: int = index) -> Any:
            return one.data_sets[index]

        yield row(name, "L1 in the face", lambda one, of=of: of(one).score.l1)
        yield row(name, "  to older", lambda one, of=of: of(one).score.l1_ageing)
        yield row(name, "  to younger", lambda one, of=of: of(one).score.l1_deageing)
        yield row(name, "detail (Laplacian L1)", lambda one, of=of: of(one).score.detail)
        yield row(name, "equal ages, change in 1/255", lambda one, of=of: of(one).null_255, "low", 2)
        for person in data_set.people if people else ():
            for label, what in _OF_PERSON:
                yield row(
                    name,
                    f"  {person}{label}",
                    lambda one, of=of, person=person, what=what: _of(of(one).people.get(person), what),
                )
    for label, name in (
        ("round trip +20 years and back, left over", "round_trip"),
        ("change outside the mask, share", "outside"),
        ("crop half a pixel off", "half_pixel"),
        ("crop turned by 1°", "one_degree"),
        ("2 stops brighter than metered", "brighter"),
        ("2 stops darker than metered", "darker"),
    ):
        yield row("Steadiness, relative to the change", label, lambda one, name=name: _of(one.robustness, name))
    section = "Ages read off the results" + "".join(f" ({one.ages.estimator})" for one in models[:1] if one.ages)
    yield row(section, "slope, years for a year", lambda one: _of(one.ages, "slope"), "one")
    yield row(section, "slope of the least picture", lambda one: _of(one.ages, "slope_least"), "one")
    yield row(section, "monotony", lambda one: _of(one.ages, "monotony"), "high")
    for decade in sorted({key for one in models if one.ages for key in one.ages.bias_by_source}):
        yield row(
            section,
            f"bias for sources of {decade}",
            lambda one, decade=decade: one.ages.bias_by_source.get(decade, math.nan) if one.ages else math.nan,
            "zero",
            1,
        )
    section = "Skin in linear light, %"
    for age in ("oldest", "youngest"):
        yield row(section, f"red over green, {age}", lambda one, age=age: _skin(one, age, "redder"), "zero", 1)
        yield row(section, f"blue over green, {age}", lambda one, age=age: _skin(one, age, "bluer"), "zero", 1)
        yield row(section, f"light, {age}", lambda one, age=age: _skin(one, age, "lighter"), "zero", 1)
    cast = "red over green, farthest from 0"
    yield row(section, cast, lambda one: 100.0 * _of(one.skin, "strongest_cast"), "zero", 1)
    yield row(section, "red over green of folds", lambda one: _skin(one, "oldest", "folds_redder"), "", 1)
    yield row(section, "blue over green of folds", lambda one: _skin(one, "oldest", "folds_bluer"), "", 1)
    yield row(section, "  of the bluest", lambda one: 100.0 * _of(one.skin, "bluest_folds"), "low", 1)
    section = "Identity" + "".join(f" ({one.identity.measure})" for one in models[:1] if one.identity)
    yield row(section, "distance from the source", lambda one: _of(one.identity, "distance"), "")
    yield row(section, "  for 10 years seen", lambda one: _of(one.identity, "distance_by_decade"))
    yield row(section, "  of the true targets", lambda one: _of(one.identity, "of_targets"), "")
    yield row("Clip", "change of the delta / of the plate", lambda one: _of(one.clip, "against_plate"))
    yield row("Clip", "change of the delta / the delta", lambda one: _of(one.clip, "against_delta"))


def _of(part: Any, name: str) -> float:
    return math.nan if part is None else float(getattr(part, name))


def _skin(model: ModelReport, age: str, name: str) -> float:
    return math.nan if model.skin is None else 100.0 * _of(getattr(model.skin, age), name)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
