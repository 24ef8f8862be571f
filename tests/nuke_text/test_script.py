"""The reader of scripts keeps Nuke's rules: stack order, escapes, user knobs, and what breaks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nuke_text.expressions import ExpressionError, evaluate, names_in
from nuke_text.script import Curve, Expression, parse
from nuke_text.words import ScriptError, words

HEAD = "version 14.0 v1\nGizmo {\n}\n"


def test_the_top_of_the_stack_is_input_0_and_the_next_is_input_1():
    script = parse(
        HEAD + " Input {\n  inputs 0\n  name plate\n }\nset N_plate [stack 0]\n Input {\n  inputs 0\n  name roto\n }\n"
        " Read {\n  inputs 0\n  name light\n }\npush $N_plate\n Merge2 {\n  inputs 2+1\n  name comp\n }\n"
        "push 0\npush $N_plate\n Copy {\n  inputs 2\n  name half\n }\nend_group\n"
    )
    comp = script.nodes["comp"]
    assert [one.name for one in comp.inputs] == ["plate", "light", "roto"], "B, A, mask"
    assert [one and one.name for one in script.nodes["half"].inputs] == ["plate", None]
    assert "inputs" not in comp.knobs and script.ended


def test_values_are_texts_lists_expressions_and_curves():
    script = parse(
        HEAD + ' Read {\n  inputs 0\n  file "\\[value parent.layers_file]"\n  label "a \\"b\\"\\nc \\$d \\{e\\}"\n'
        '  size {{"max(a, 1)*2"} {b}}\n  box {0 1 -2.5}\n  which {{curve x1 40 x50 60}}\n  on_error error\n'
        "  name r\n }\n"
        "end_group\n"
    )
    knobs = script.nodes["r"].knobs
    assert knobs["file"] == "[value parent.layers_file]" and knobs["label"] == 'a "b"\nc $d {e}'
    assert knobs["size"] == (Expression("max(a, 1)*2"), Expression("b"))
    assert knobs["box"] == ("0", "1", "-2.5") and knobs["on_error"] == "error"
    assert isinstance(knobs["which"][0], Curve) and script.nodes["r"].live == []


def test_user_knobs_are_read_with_all_they_have():
    script = parse(
        'version 14.0 v1\nGizmo {\n addUserKnob {20 tab l "A b"}\n addUserKnob {4 output l out t "what it \\"gives\\"" '
        'M {comp "plate + layers" ""}}\n output "plate + layers"\n addUserKnob {7 gain R -5 5 +INVISIBLE}\n gain -1\n'
        ' addUserKnob {26 ""}\n addUserKnob {22 go l Go T "x.go(nuke.thisNode())" -STARTLINE}\n}\nend_group\n'
    )
    tab, output, gain, line, go = script.gizmo.user_knobs
    assert (tab.type_number, tab.name, tab.options) == (20, "tab", {"l": "A b"})
    assert output.options == {"l": "out", "t": 'what it "gives"', "M": ("comp", "plate + layers", "")}
    assert gain.options == {"R": ("-5", "5")} and gain.flags == ("+INVISIBLE",)
    assert (line.type_number, line.name) == (26, "")
    assert go.options["T"] == "x.go(nuke.thisNode())" and go.flags == ("-STARTLINE",)
    assert script.gizmo.knobs == {"output": "plate + layers", "gain": "-1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" Merge2 {\n  inputs 2\n  name m\n }\n", "wants 2 inputs, the stack has 0"),
        (" Input {\n  inputs 0\n  name a\n", "a brace is never closed"),
        (' Input {\n  inputs 0\n  label "x\n  name a\n }\n', "a quote is never closed"),
        (" Input {\n  inputs 0\n }\n", "needs a name of its own"),
        (" Input {\n  inputs 0\n  name a\n }\n Input {\n  inputs 0\n  name a\n }\n", "needs a name of its own"),
        ("push $Nowhere\n", "nothing is called"),
        (" Input {\n  inputs 0\n  name a b\n }\n", "wants one value, not 2"),
        (" Input {\n  inputs 0\n  name a\n  name b\n }\n", "is set twice"),
        (' Input {\n  inputs 0\n  label "a"b\n  name a\n }\n', "follows a closed word"),
        ("end_group\npush 0\n", "after the end"),
        ("nonsense\n", "cannot read 'nonsense'"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused(text, said):
    with pytest.raises(ScriptError, match=said):
        parse(HEAD + text)


def test_tcl_that_would_run_while_loading_is_seen():
    (bare, quoted, escaped, braced) = words('[a] "x [b]" "x \\[b]" {[c]}')
    assert (bare.live, quoted.live, escaped.live, braced.live) == (True, True, False, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3 - 4/8", 6.5),
        ("-2*-(3 - 1)", 4.0),
        ("2 > 1 && 3 <= 3 || 0", 1.0),
        ("!(1 == 2) ? 5 : 6", 5.0),
        ("0 ? 1 : 0 ? 2 : 3", 3.0),
        ("max(1, min(x, 3)) + floor(2.7) + ceil(2.1) + fabs(-1)", 9.0),
        ("pow(2, 0.5)", math.sqrt(2)),
        ("[exists parent.input1] ? 0 : 1", 0.0),
        ("[string length [value parent.file]] > 4 && 1", 1.0),
    ],
)
def test_expressions_are_computed(text, value):
    def tcl(command, arguments):
        return {"exists": "1", "value": "five!"}[command] if arguments else ""

    assert evaluate(text, {"x": 7.0}.__getitem__, tcl) == pytest.approx(value)


def test_expressions_work_on_pictures():
    red = np.array([[-1.0, 2.0]], np.float32)
    out = evaluate("r < 0 ? 10*r : k*r", {"r": red, "k": 0.5}.__getitem__)
    assert out.tolist() == [[-10.0, 1.0]] and out.dtype == np.float32
    assert names_in("[value parent.a] + max(b.red, parent.c) - [exists parent.input1]") == {
        "parent.a", "b.red", "parent.c", "parent.input1",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["1 +", "(1", "1 2", "sinh(1)", "max(1)", "a ? b", "1 @ 2", "[broken"])
def test_broken_expressions_are_refused(text):
    with pytest.raises(ExpressionError):
        evaluate(text, lambda _: 1.0, lambda *_: "0")
