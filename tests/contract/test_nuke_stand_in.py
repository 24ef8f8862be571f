"""The stand-in for Nuke has the names and parameters that the published stubs of Nuke's module have."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests" / "fakes"
# Internal to the stand-in: how its nodes, knobs and the application talk to each other.
OWN = {"app", "check_attached", "knob_has_changed", "press", "restore", "is_default"}


def stub_tree():
    found = importlib.util.find_spec("nuke-stubs")
    folders = [Path(one) for one in found.submodule_search_locations] if found else []
    if not folders:
        import site

        folders = [Path(one) / "nuke-stubs" for one in site.getsitepackages()]
    return [ast.parse(file.read_text(encoding="utf-8")) for folder in folders for file in folder.glob("*.pyi")]


def functions(body):
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node.args)
    return found


STUBS = stub_tree()
STUB_FUNCTIONS: dict = {}
STUB_CLASSES: dict = {}
STUB_NAMES: set = set()
for tree in STUBS:
    for name, found in functions(tree.body).items():
        STUB_FUNCTIONS.setdefault(name, []).extend(found)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            STUB_CLASSES[node.name] = ([ast.unparse(base) for base in node.bases], functions(node.body))
        elif isinstance(node, ast.AnnAssign):
            STUB_NAMES.add(ast.unparse(node.target))


def method_of(owner, name):
    """Of a class of the stubs or of those that it is made from."""
    bases, methods = STUB_CLASSES[owner]
    if name in methods:
        return methods[name]
    return next((found for base in bases if base in STUB_CLASSES and (found := method_of(base, name))), None)


def parameters(arguments):
    return [one.arg for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs] if one.arg != "self"]


def fits(arguments, stubs):
    """Whether parameters are those of one of the stubs, or of a stub that takes anything."""
    mine = parameters(arguments)
    return any(stub.vararg is not None or parameters(stub)[: len(mine)] == mine for stub in stubs)


def test_functions_have_nukes_names_and_parameters():
    tree = ast.parse((FAKES / "nuke.py").read_text(encoding="utf-8"))
    mine = {name: found[0] for name, found in functions(tree.body).items() if not name.startswith("_")}
    assert len(mine) > 20
    assert [name for name in mine if name not in STUB_FUNCTIONS] == []
    assert [name for name in mine if not fits(mine[name], STUB_FUNCTIONS[name])] == []


def test_constants_and_callbacks_are_nukes():
    tree = ast.parse((FAKES / "nuke.py").read_text(encoding="utf-8"))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    public = {name for name in names if not name.startswith(("_", "fake_"))}
    assert public - (STUB_NAMES | set(STUB_FUNCTIONS)) == set()


@pytest.mark.parametrize("file", ["nuke.py", "nuke_knobs.py"])
def test_classes_have_nukes_names_and_parameters(file):
    tree = ast.parse((FAKES / file).read_text(encoding="utf-8"))
    wrong, checked = [], 0
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        assert node.name in STUB_CLASSES, node.name
        for name, found in functions(node.body).items():
            if name.startswith("_") or name in OWN:
                continue
            # valueAt belongs to the numbers' class in the stubs, which Knob stands for here.
            stubs = method_of(node.name, name) or method_of("Array_Knob", name) or method_of("Enumeration_Knob", name)
            checked += 1
            if stubs is None or not fits(found[0], stubs):
                wrong.append(f"{node.name}.{name}")
    assert wrong == [] and checked > 10


def test_its_reage_node_has_the_knobs_and_buttons_of_the_gizmo(monkeypatch):
    text = (ROOT / "gizmos" / "ReAge.gizmo").read_text(encoding="utf-8")
    head = text.partition("\n Input {")[0]
    knobs = {name: kind for kind, name in re.findall(r"^ addUserKnob \{(\d+) (\w+) ", head, re.M) if kind != "20"}
    scripts = dict(re.findall(r"^ addUserKnob \{22 (\w+) .*? T \"([^\"]*)\"", head, re.M))
    monkeypatch.syspath_prepend(str(FAKES))
    from nuke_graph import CLASSES

    mine = CLASSES["ReAge"]
    assert set(knobs) == set(mine)
    classes = {"1": "String_Knob", "2": "File_Knob", "3": "Int_Knob", "4": "Enumeration_Knob", "6": "Boolean_Knob",
               "7": "Double_Knob", "18": "Color_Knob", "22": "PyScript_Knob"}  # fmt: skip
    assert {name: classes[kind] for name, kind in knobs.items()} == {name: one[0] for name, one in mine.items()}
    assert len(scripts) == 9 and scripts == {name: mine[name][1] for name in scripts}


def test_the_check_can_fail():
    tree = ast.parse("def execute(node, first, last): ...")
    assert not fits(functions(tree.body)["execute"][0], STUB_FUNCTIONS["execute"])
