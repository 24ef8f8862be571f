import pickle

import pytest

from nuke_reage.core import errors
from nuke_reage.core.errors import MediaError, ReageError, error_from_dict

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error") and name != "ReageError"]


def test_exit_codes_are_those_that_farms_rely_on():
    assert {cls.__name__: cls.exit_code for cls in CLASSES} == {
        "UsageError": 2,
        "MediaError": 3,
        "FaceError": 4,
        "ModelError": 5,
        "DeviceError": 6,
        "WorkerError": 7,
        "FarmError": 8,
        "HostError": 9,
        "CancelledError": 130,
    }


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_crosses_the_wire_as_the_same_class(cls):
    error = cls("some-thing", "This happened.", "Do that.")
    for copy in (error_from_dict(error.to_dict()), pickle.loads(pickle.dumps(error))):
        assert type(copy) is cls
        assert (copy.code, copy.message, copy.hint, str(copy)) == (
            error.code,
            "This happened.",
            "Do that.",
            "This happened.",
        )


def test_what_is_no_error_is_not_turned_into_one():
    for data in ({}, {"code": "nothing.here"}, {"code": "media."}, {"code": "media.Bad Slug"}):
        with pytest.raises(ValueError, match="not an error"):
            error_from_dict(data)
    with pytest.raises(ValueError, match="kebab"):
        MediaError("Not Kebab", "x")
    assert issubclass(MediaError, ReageError)
