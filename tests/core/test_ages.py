import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.core.ages import AgeCurve, OffsetCurve, OffsetKey, RegionAges
from nuke_reage.core.errors import UsageError

ages = st.floats(0, 120)
keyframes = st.dictionaries(st.integers(-1000, 1000), ages, min_size=1, max_size=8)


def test_one_age_holds_for_every_frame():
    assert {AgeCurve.parse("62.5").at(frame) for frame in (-5, 0, 1001)} == {62.5}


def test_ages_run_linearly_between_keyframes_and_hold_outside():
    curve = AgeCurve.parse("1050:70, 1000:20")
    assert [curve.at(frame) for frame in (900, 1000, 1025, 1050, 2000)] == [20, 20, 45, 70, 70]


def test_values_evaluated_by_the_host_count_instead_of_the_keyframes():
    eased = AgeCurve.parse("1:20,3:40").sampled([1, 2, 3])
    curve = AgeCurve(eased.keys, AgeCurve.from_values({2: 23.0}).values)
    assert [curve.at(frame) for frame in (1, 2, 3)] == [20, 23, 40]


@pytest.mark.parametrize(
    "text", ["-5", "300", "nan", "inf", "", "old", "1001:", "1001:30,1001:40", "1:2:3", "1.5:30,2:40"]
)
def test_a_bad_age_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        AgeCurve.parse(text)
    assert caught.value.code == "usage.bad-age"
    assert caught.value.hint


@given(keyframes, st.integers(-1200, 1200))
def test_a_curve_passes_its_keys_and_stays_between_them(keys, frame):
    curve = AgeCurve.parse(",".join(f"{at}:{age!r}" for at, age in keys.items()))
    assert all(curve.at(at) == age for at, age in keys.items())
    assert min(keys.values()) - 1e-9 <= curve.at(frame) <= max(keys.values()) + 1e-9


@given(keyframes)
def test_sampling_changes_no_age(keys):
    curve = AgeCurve.parse(",".join(f"{at}:{age!r}" for at, age in keys.items()))
    frames = range(-1100, 1100, 37)
    sampled = curve.sampled(frames)
    assert [sampled.at(frame) for frame in frames] == [curve.at(frame) for frame in frames]


def test_offsets_by_region_are_keyframed_and_only_those_that_are_set_count():
    ages = RegionAges(eyes=OffsetCurve.parse("-5"), jaw=OffsetCurve.parse("1001:0;1011:10"))
    assert ages.at(1001) == {"eyes": -5}
    assert ages.at(1006) == {"eyes": -5, "jaw": 5}
    assert ages.sampled([1003]).jaw.values == (OffsetKey(1003, 2.0),)
    assert ages.sampled([1003]).nose == OffsetCurve()


@pytest.mark.parametrize("text", ["121", "-121", "nan", "", "older", "1:2,3:4", "1:1;1:2"])
def test_a_bad_offset_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        OffsetCurve.parse(text)
    assert caught.value.hint
