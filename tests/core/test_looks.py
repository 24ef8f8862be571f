import json
from dataclasses import replace

import pytest

from nuke_reage.core.adjust import AdjustSettings, Protection, RegionGains
from nuke_reage.core.errors import UsageError
from nuke_reage.core.looks import load_look, save_look

SOFT = AdjustSettings(detail=0.6, regions=RegionGains(forehead=0.7), protect=Protection(eyes=1.0), mask_blur=0.02)


def test_a_look_comes_back_as_it_was_saved(tmp_path):
    save_look(SOFT, tmp_path / "soft.json")
    assert load_look(tmp_path / "soft.json") == SOFT


def test_what_a_look_leaves_out_changes_nothing(tmp_path):
    (tmp_path / "a.json").write_text('{"look": 1, "tone": 0.5}')
    assert load_look(tmp_path / "a.json") == replace(AdjustSettings(), tone=0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"look": 1, "detial": 0.5}', "detail"),
        ('{"look": 1, "regions": {"forhead": 1}}', "forehead"),
        ('{"look": 1, "gain": 99}', "-5 to 5"),
        ('{"look": 2}', "begins with"),
        ('{"detail": 1}', "begins with"),
        ("[]", "begin with"),
        ("not json", "Repair"),
    ],
)
def test_a_bad_look_is_refused_with_a_hint(tmp_path, text, said):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_look(tmp_path / "bad.json")
    assert said in caught.value.hint


def test_a_missing_look_is_an_error_of_its_own(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_look(tmp_path / "none.json")
    assert caught.value.code == "usage.bad-look"


def test_a_look_is_plain_json(tmp_path):
    save_look(SOFT, tmp_path / "soft.json")
    assert json.loads((tmp_path / "soft.json").read_text())["regions"]["forehead"] == 0.7
