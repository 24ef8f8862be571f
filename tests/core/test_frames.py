import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.core.errors import UsageError
from nuke_reage.core.frames import MAX_FRAMES, chunk_frames, format_frames, parse_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1001", (1001,)),
        ("1001-1004", (1001, 1002, 1003, 1004)),
        ("1001-1010x4", (1001, 1005, 1009)),
        ("1001-1010:4", (1001, 1005, 1009)),
        ("10, 1-3", (1, 2, 3, 10)),
        ("3 1 2 2", (1, 2, 3)),
        ("-3--1", (-3, -2, -1)),
        ("-1-1", (-1, 0, 1)),
    ],
)
def test_ranges_as_compositors_write_them(text, frames):
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "  ", "10-1", "a", "1-", "1-2x0", "1.5", "1-2-3", "1;2", "0-99999999", "9" * 400])
def test_a_bad_range_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        parse_frames(text)
    assert caught.value.code == "usage.bad-frames"
    assert caught.value.hint


@given(st.sets(st.integers(-10_000, 10_000), min_size=1, max_size=60))
def test_format_is_the_inverse_of_parse(frames):
    assert parse_frames(format_frames(frames)) == tuple(sorted(frames))


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=50), st.integers(1, 20))
def test_chunks_hold_every_frame_once_in_order(frames, size):
    chunks = chunk_frames(frames, size)
    assert [frame for chunk in chunks for frame in chunk] == frames
    assert all(1 <= len(chunk) <= size for chunk in chunks)


def test_a_range_too_long_for_any_shot_is_refused_at_once():
    assert len(parse_frames(f"1-{MAX_FRAMES}")) == MAX_FRAMES
    with pytest.raises(UsageError):
        parse_frames(f"1-{MAX_FRAMES + 1}")
    with pytest.raises(UsageError):
        chunk_frames([1], 0)
