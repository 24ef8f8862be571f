import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.core.ladder import ladder_part, parse_ladder


@pytest.mark.parametrize(
    ("text", "ages"),
    [("20:80:30", (20, 50, 80)), ("20:75:30", (20, 50)), ("18, 37.5,60", (18, 37.5, 60)), ("50", (50,)), ("", ())],
)
def test_a_ladder_is_read(text, ages):
    assert parse_ladder(text) == ages


def test_a_tenth_of_a_year_reaches_the_last_age():
    assert parse_ladder("20:21:0.1")[-1] == pytest.approx(21)


@pytest.mark.parametrize(
    "text", ["20:80", "20:80:0", "80:20:10", "20:80:-10", "20,20", "50,40", "0:130:10", "a:b:c", "20:nan:5", "0:1:1e-9"]
)
def test_a_bad_ladder_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        parse_ladder(text)
    assert caught.value.code == "usage.bad-ladder"
    assert caught.value.hint


def test_parts_are_named_after_their_age():
    assert [ladder_part(age) for age in (5, 37.5, 100)] == ["ladder_005", "ladder_037_5", "ladder_100"]
