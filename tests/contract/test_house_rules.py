"""Rules that hold over the whole code, read from its own files."""

import ast
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import nuke_reage
from nuke_reage.core import errors

PACKAGE = Path(nuke_reage.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LIGHT_ROOMS = ("core", "client", "farm", "nuke_host")
FAKES = Path(__file__).resolve().parents[1] / "fakes"
BLOCKED = (
    "numpy",
    "torch",
    "cv2",
    "OpenImageIO",
    "PyOpenColorIO",
    "click",
    "rich",
    "scipy",
    "av",
    "fileseq",
    "openjd",
    "outline",
    "yaml",
)


def names_of(rooms):
    for room in rooms:
        yield f"nuke_reage.{room}"
        for info in pkgutil.walk_packages([str(PACKAGE / room)], f"nuke_reage.{room}."):
            if not info.name.endswith("__main__"):
                yield info.name


def pythons():
    """Every Python from 3.9 on that can be found: the running one, those on PATH and pyenv's."""
    found = {sys.executable}
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += [path / "bin" for path in (Path.home() / ".pyenv" / "versions").glob("3.*")]
    for folder in folders:
        if "shims" not in folder.parts:
            found |= {str(folder / f"python3.{minor}") for minor in range(9, 14)}
    by_version = {}
    for path in sorted(found):
        if Path(path).exists():
            asked = subprocess.run(
                [path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"],
                capture_output=True,
                text=True,
                check=False,
            )
            if asked.returncode == 0 and asked.stdout.strip() in {"3.9", "3.10", "3.11", "3.12", "3.13"}:
                by_version.setdefault(asked.stdout.strip(), path)
    return sorted(by_version.items())


@pytest.mark.parametrize(("version", "python"), pythons(), ids=lambda value: value if value[0] == "3" else "")
def test_the_light_ring_imports_without_any_third_party_package(version, python, tmp_path):
    blocker = tmp_path / "block.py"
    blocker.write_text(
        "import sys\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        # Nuke's own module is there inside Nuke; here its stand-in is.
        f"sys.path.append({str(FAKES)!r})\n"
        f"for name in {sorted(names_of(LIGHT_ROOMS))!r}: __import__(name)\n"
        "print(len([name for name in sys.modules if name.startswith('nuke_reage.')]))\n"
    )
    env = {"PYTHONPATH": str(PACKAGE.parent), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [
            python,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); exec(open({str(blocker)!r}).read())",
        ],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 0, f"{version}: {done.stderr}"
    assert int(done.stdout) >= len(list(names_of(LIGHT_ROOMS)))


def is_subcommand(node):
    """Whether click calls this function by a name of its own."""
    return any(ast.unparse(decorator).startswith("command.command(") for decorator in node.decorator_list)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_exports(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    if not text.strip() or path.name == "__main__.py" or path == PACKAGE / "__init__.py":
        return
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says in its docstring what it is for"
    if len(tree.body) == 1:
        return
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets)
    ]
    assert len(exported) == 1, "a module has one __all__"
    defined = {
        name
        for node in tree.body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [target.id for target in node.targets if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign)
            else [node.target.id]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            else [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert set(exported[0]) <= defined
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_" and not is_subcommand(node)
    }
    assert public <= set(exported[0])


def test_library_code_never_prints_configures_logging_or_exits():
    offenders = []
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in {"cli", "worker"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "print",
                "logging.basicConfig",
                "sys.exit",
                "exit",
            }:
                offenders.append(f"{path}:{node.lineno}")
    assert offenders == []


def error_codes():
    """``(class, slug, place)`` of every error that the code raises with a literal slug."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            if node.func.id.endswith("Error") and hasattr(errors, node.func.id):
                slug = node.args[0]
                yield (
                    node.func.id,
                    slug.value if isinstance(slug, ast.Constant) else None,
                    f"{path.name}:{node.lineno}",
                    node,
                )


def test_every_error_has_a_literal_slug_and_a_hint():
    wrong = [place for _, slug, place, node in error_codes() if not isinstance(slug, str) or len(node.args) < 3]
    assert wrong == []
