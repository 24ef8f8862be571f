"""One table of knobs: command line, job file and table say the same."""

from __future__ import annotations

import dataclasses

import click
import pytest
from click.testing import CliRunner

from nuke_reage.cli.run import command as run
from nuke_reage.core.adjust import Protection, RegionGains
from nuke_reage.core.ages import AgeCurve, RegionAges
from nuke_reage.core.errors import ReageError
from nuke_reage.core.job import JobSpec
from nuke_reage.core.knobs import KNOBS, knob, setting_of
from nuke_reage.core.settings import OutputSettings, PlateSettings

FRESH = JobSpec(PlateSettings("p.exr"), OutputSettings("o.exr"), AgeCurve.constant(30), AgeCurve.constant(60))
NOT_KNOBS = {"layers_to", "plate", "out", "frames", "overwrite", "dry_run", "job_file", "as_json", "look"}


def options() -> dict[str, click.Option]:
    return {one.name: one for one in run.params if isinstance(one, click.Option)}


def leaves(value, path: str = "") -> set[str]:
    """Dotted paths of all settings of a job."""
    found: set[str] = set()
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        place = f"{path}{field.name}"
        nested = dataclasses.is_dataclass(inner) and not isinstance(
            inner, (AgeCurve, RegionAges, RegionGains, Protection)
        )
        found |= leaves(inner, f"{place}.") if nested else {place}
    return found


def test_names_flags_and_settings_are_unique():
    for attribute in ("name", "flag", "setting"):
        values = [getattr(one, attribute) for one in KNOBS]
        assert len(set(values)) == len(values)


def test_run_has_a_flag_for_every_knob_and_no_other():
    assert {one.name for one in KNOBS} == set(options()) - NOT_KNOBS
    for one in KNOBS:
        assert one.flag in options()[one.name].opts
        assert options()[one.name].help == one.tooltip
    text = CliRunner().invoke(run, ["--help"]).output
    assert all(one.flag in text for one in KNOBS)


def test_every_setting_of_a_job_has_a_knob():
    others = {"plate.path", "output.path", "output.layers_path", "frames", "version"}
    assert leaves(FRESH) - {one.setting for one in KNOBS} == others


@pytest.mark.parametrize("one", [one for one in KNOBS if one.kind != "age"], ids=lambda one: one.name)
def test_the_default_is_that_of_a_fresh_job(one):
    fresh = setting_of(FRESH, one.setting)
    if one.kind == "region_ages":
        assert fresh.at(1001) == {}
    elif one.parts:
        assert [getattr(fresh, part) for part in one.parts] == [one.default] * len(one.parts)
    else:
        assert fresh == one.default


@pytest.mark.parametrize("one", KNOBS, ids=lambda one: one.name)
def test_the_default_of_the_flag_is_that_of_the_table(one):
    option = options()[one.name]
    if one.parts:
        assert option.default == ""
    elif isinstance(one.default, tuple):
        assert option.default == ",".join(str(item) for item in one.default)
    else:
        # click has a value of its own for "no default".
        assert option.default == one.default or (one.default is None and not isinstance(option.default, str))
    if one.kind == "choice":
        assert tuple(option.type.choices) == one.choices


@pytest.mark.parametrize("one", [one for one in KNOBS if one.minimum < one.maximum], ids=lambda one: one.name)
def test_the_range_of_the_table_is_the_one_that_is_enforced(one):
    def job(value):
        data = FRESH.to_dict()
        *parents, last = one.setting.split(".")
        place = data
        for parent in parents:
            place = place[parent]
        if one.kind == "age":
            place[last] = {"keys": [{"frame": 0, "age_years": float(value)}]}
        elif one.kind == "region_ages":
            place[last] = {part: {"keys": [{"frame": 0, "offset_years": float(value)}]} for part in one.parts}
        elif one.parts:
            place[last] = dict.fromkeys(one.parts, float(value))
        else:
            number = int(value) if one.kind == "int" else float(value)
            place[last] = [number] * 3 if one.kind == "rgb" else number
        return JobSpec.from_dict(data)

    for legal in (one.minimum, one.maximum):
        assert job(legal)
    step = 1 if one.kind in {"int", "age"} else 0.001
    for wrong in (one.minimum - step, one.maximum + step):
        with pytest.raises(ReageError) as caught:
            job(wrong)
        assert caught.value.hint


@pytest.mark.parametrize("one", [one for one in KNOBS if one.kind == "choice"], ids=lambda one: one.name)
def test_every_choice_of_the_table_is_a_legal_setting(one):
    group, _, last = one.setting.partition(".")
    for choice in one.choices:
        changed = dataclasses.replace(getattr(FRESH, group), **{last: choice})
        assert setting_of(dataclasses.replace(FRESH, **{group: changed}), one.setting) == choice


def test_a_knob_is_found_by_its_name():
    assert knob("gain").setting == "adjust.gain"
    with pytest.raises(KeyError):
        knob("gian")


def test_knobs_on_the_node_have_names_of_their_own():
    names = [name for one in KNOBS for name in one.node_knobs]
    assert len(set(names)) == len(names)
    assert knob("protect").node_knobs == ("protect_eyes", "protect_lips", "protect_teeth")
