import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuke_reage.core.errors import ReageError, WorkerError
from nuke_reage.core.protocol import MAX_LINE_BYTES, SCHEMA, decode, encode, message

SAMPLE = {int: 3, str: "x", dict: {"a": [1]}, list: [1001], bool: True}


@pytest.mark.parametrize("kind", sorted(SCHEMA))
def test_every_message_survives_the_wire(kind):
    built = message(kind, **{name: SAMPLE[json_type] for name, json_type in SCHEMA[kind].items()})
    line = encode(built)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == built


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Loading model...\n",
        b"[]",
        b"{}",
        b'{"type": 3}',
        b'{"type": "sumbit"}',
        b'{"type": "cancel"}',
        b'{"type": "cancel", "id": 3}',
        b'{"type": "cancel", "id": "a", "more": 1}',
        b'{"type": "ready", "protocol": true, "version": "", "pid": 1}',
        b"\xff" * 10,
        b"[" * 200_000,
        b" " * (MAX_LINE_BYTES + 1),
    ],
)
def test_what_is_not_of_the_protocol_is_refused(line):
    with pytest.raises(WorkerError) as caught:
        decode(line)
    assert caught.value.code == "worker.protocol"


@given(st.binary(max_size=200))
def test_garbage_never_gives_anything_but_a_clear_error(line):
    try:
        decode(line)
    except ReageError as error:
        assert error.hint
