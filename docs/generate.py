"""Write the pages that repeat what the code says: ``python docs/generate.py`` makes cli.md, jobs.md and errors.md.

A test fails when a page and the code disagree.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click

import nuke_reage
from nuke_reage.cli.main import cli
from nuke_reage.core import errors, settings
from nuke_reage.core.ages import AgeCurve, Keyframe, OffsetCurve
from nuke_reage.core.job import JobSpec
from nuke_reage.core.knobs import KNOBS, Knob
from nuke_reage.core.settings import OutputSettings, PlateSettings
from nuke_reage.core.strict import to_dict

__all__ = ["PAGES", "cli_page", "errors_page", "jobs_page", "main", "walk_commands"]

DOCS = Path(__file__).resolve().parent
PACKAGE = Path(nuke_reage.__file__).parent
_MADE = "<!-- Made by docs/generate.py from the code. Change the code, then run: python docs/generate.py -->\n"
_AREAS = {
    "UsageError": "A flag, job file, age, frame range or path is wrong.",
    "MediaError": "A plate or layer file cannot be read or written.",
    "FaceError": "No face, or no usable track.",
    "ModelError": "A model is unknown, damaged, unsafe or missing.",
    "DeviceError": "The device or the backend cannot do what was asked.",
    "WorkerError": "The worker process died or speaks another protocol.",
    "FarmError": "A farm job cannot be written or submitted.",
    "HostError": "Something is wrong inside Nuke.",
    "CancelledError": "The artist stopped it.",
}
_JOB_SECTIONS = {
    "plate": "The picture to work on.",
    "output": "The files to write.",
    "source_age": "Age of the actor in the plate.",
    "target_age": "Age to show.",
    "face": "Which face, and how it is followed.",
    "colour": "How the plate's light is shown to the network.",
    "model": "Which network, and where it runs.",
    "mask": "The soft face mask, in units of the face's size.",
    "region_age": "Years that the target age differs by in each region of the face.",
    "age_map": "Target ages painted by hand.",
    "adjust": "How delta and mask are laid onto the plate, in the comp.",
}


def main() -> None:
    """Write all generated pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8", newline="\n")


# cli.md


def walk_commands(group: click.Group, path: tuple[str, ...] = ("reage",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command below a group with the words that call it, groups before their commands."""
    context = click.Context(group, info_name=path[-1])
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        words = (*path, name)
        yield words, command
        if isinstance(command, click.Group):
            yield from walk_commands(command, words)


def cli_page() -> str:
    """Every command and every flag."""
    text = [
        "# Command line\n",
        _MADE,
        "`reage COMMAND --help` prints the same in a terminal. Results go to stdout, bars and warnings to stderr. With "
        '`--json` stdout holds one JSON document, for an error `{"error": {...}}`. The exit status is that of the '
        "[error](errors.md), 0 without one.\n",
        "Frame ranges: `1001-1050`, `1001-1050x2` (every second one), `1001,1004,1010-1020`, negative ones too: "
        "`-5--1`. Ages: years, `65`, or keyframes, `1001:35,1050:70`; between keyframes ages run linearly, before the "
        "first and after the last they hold.\n",
    ]
    for words, command in walk_commands(cli):
        level = "#" * len(words)
        text.append(f"{level} {' '.join(words)}\n")
        text.extend(_help_blocks(command))
        if not isinstance(command, click.Group):
            text.append(f"```text\n{_usage(words, command)}\n```\n")
        options = [one for one in command.params if isinstance(one, click.Option)]
        if options:
            text.append("| flag | default | |\n|---|---|---|")
            text.extend(_option_row(one) for one in options)
            text.append("")
    return "\n".join(text).rstrip() + "\n"


def _help_blocks(command: click.Command) -> Iterator[str]:
    """Help as Markdown: paragraphs that click must not wrap hold command lines."""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        lines = block.strip().splitlines()
        if lines and lines[0].strip() in {"\b", r"\b"}:
            yield "```bash\n" + "\n".join(lines[1:]) + "\n```\n"
        elif block.strip():
            yield " ".join(line.strip() for line in lines) + "\n"


def _usage(words: Sequence[str], command: click.Command) -> str:
    pieces = ["Usage:", *words]
    for one in command.params:
        if isinstance(one, click.Option) and one.required:
            pieces.append(f"{one.opts[-1]} {_value_name(one)}".replace("\\|", "|"))
    if any(isinstance(one, click.Option) and not one.required for one in command.params):
        pieces.append("[FLAGS]")
    for one in command.params:
        if isinstance(one, click.Argument):
            name = (one.name or "").upper() + ("..." if one.nargs == -1 else "")
            pieces.append(name if one.required else f"[{name}]")
    return " ".join(pieces)


def _option_row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag:
        names += f" {_value_name(option)}"
    default: Any = option.default
    if option.required:
        shown = "required"
    elif option.is_flag and option.secondary_opts:
        shown = "on" if default else "off"
    elif isinstance(default, str | int | float | tuple) and default not in {"", ()} and not option.is_flag:
        shown = f"`{default}`"
    else:
        shown = ""
    help_text = (option.help or "") + _range_of(option)
    return f"| {names} | {shown} | {_cell(help_text)} |"


def _value_name(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "\\|".join(str(one) for one in option.type.choices)
    if option.metavar:
        return option.metavar
    names = {"integer range": "INTEGER", "float range": "NUMBER", "float": "NUMBER", "path": "PATH", "filename": "FILE"}
    return names.get(option.type.name, option.type.name.upper())


def _range_of(option: click.Option) -> str:
    one = next((knob for knob in KNOBS if knob.flag in option.opts), None)
    # Another command may have a flag of that name, as --lines, which takes no number and so has no range.
    return f" {one.minimum:g} to {one.maximum:g}." if one and option.type in {click.FLOAT, click.INT} else ""


# jobs.md


def jobs_page() -> str:
    """The job file, key by key."""
    example = JobSpec(
        PlateSettings("plates/shot.####.exr"),
        OutputSettings("out/shot.####.exr"),
        AgeCurve.constant(35.0),
        AgeCurve((Keyframe(1001, 35.0), Keyframe(1050, 70.0))),
        frames="1001-1050",
    )
    text = [
        "# Job files\n",
        _MADE,
        "A job file holds all that decides the pixels of a shot, as JSON. The command line, the worker and (planned) "
        "the gizmo and the farm use the same one. Write one with `--save-job`, run it, or a part of it:\n",
        "```bash\n"
        "reage run plates/shot.####.exr out/shot.####.exr --source-age 35 --target-age 1001:35,1050:70 "
        "--save-job job.json\n"
        "reage run job.json --frames 1001-1010\n"
        "```\n",
        "Flags given beside a job file count instead of its values. Only `plate.path`, `output.path`, `source_age` and "
        "`target_age` must be there; what is left out takes its default. An age that stays the same may be a number: "
        '`"source_age": 68`. '
        "An unknown key is an error that names the "
        "nearest known one. Relative paths are relative to the folder in which `reage` runs; "
        "`~` is the home of who runs it.\n",
        "Equal jobs have equal hashes: SHA-256 of the JSON with sorted keys and no blanks. It is written into the "
        "files as `reage/job`.\n",
        "```json\n" + json.dumps(example.to_dict(), indent=2) + "\n```\n",
        "An age has `keys` (linear between them, held at both ends) and `values`: ages already evaluated frame by "
        "frame, as an animation curve of Nuke would give them. At a frame that has a value the value counts. The "
        "offsets of `region_age` have the same two, with `offset_years`; without keys a region has none.\n",
        "## Keys\n",
    ]
    top, sections = _job_tree()
    text.append("| key | type | default | |\n|---|---|---|---|")
    text.extend(_key_row(*row) for row in top)
    text.append("")
    for name, rows in sections.items():
        text.append(f"### {name}\n\n{_JOB_SECTIONS.get(name, '')}\n")
        text.append("| key | type | default | flag | |\n|---|---|---|---|---|")
        text.extend(_key_row(*row, flag=True) for row in rows)
        text.append("")
    return "\n".join(text).rstrip() + "\n"


def _job_tree() -> tuple[list[tuple[str, Any, Any, str]], dict[str, list[tuple[str, Any, Any, str]]]]:
    """Rows (dotted key, type, default, meaning) of the job itself and of each of its objects."""
    top, sections = [], {}
    for name, kind, default, meaning in _fields_of(JobSpec):
        if _is_section(kind):
            sections[name] = list(_rows_below(name, kind))
        else:
            top.append((name, kind, default, meaning))
    return top, sections


def _is_section(kind: Any) -> bool:
    """Whether a type is an object whose keys have rows of their own; the curves of regions are described once."""
    return dataclasses.is_dataclass(kind) and kind is not OffsetCurve


def _rows_below(place: str, kind: Any) -> Iterator[tuple[str, Any, Any, str]]:
    """Rows of an object's keys, and of the keys of objects in it."""
    for name, inner, default, meaning in _fields_of(kind):
        if _is_section(inner):
            yield from _rows_below(f"{place}.{name}", inner)
        else:
            yield f"{place}.{name}", inner, default, meaning


def _fields_of(kind: Any) -> list[tuple[str, Any, Any, str]]:
    hints, meanings = get_type_hints(kind), _meanings(kind)
    # Where all fields are of one kind the docstring says what that is, once.
    shared = "" if meanings else (inspect.getdoc(kind) or "").splitlines()[0]
    rows = []
    for field in dataclasses.fields(kind):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        rows.append((field.name, hints[field.name], default, meanings.get(field.name, shared)))
    return rows


def _meanings(kind: Any) -> dict[str, str]:
    """The Args section of a Google-style docstring."""
    section = re.search(r"(?:Args|Attributes):\n(.*?)(?:\n\S|\n\n|\Z)", inspect.getdoc(kind) or "", re.S)
    found: dict[str, str] = {}
    name = ""
    for line in section[1].splitlines() if section else ():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name:
            found[name] += " " + line.strip()
    return {name: re.sub(r":\w+:`([^`]*)`", _reference, text.replace("``", "`")) for name, text in found.items()}


def _reference(match: re.Match[str]) -> str:
    """A name in a docstring: the values of a constant, else the name."""
    value = getattr(settings, match[1], None)
    return ", ".join(f"`{one}`" for one in value) if isinstance(value, tuple) else f"`{match[1]}`"


def _key_row(key: str, kind: Any, default: Any, meaning: str, *, flag: bool = False) -> str:
    if default is dataclasses.MISSING:
        shown = "required"
    elif isinstance(default, bool):
        shown = f"`{str(default).lower()}`"
    else:
        shown = f"`{json.dumps(to_dict(default))}`"
    one = next((knob for knob in KNOBS if knob.setting in {key, key.rpartition(".")[0]}), None)
    flag_cell = f" {_flags_of(one) if one else ''} |" if flag else ""
    choices = f" One of {', '.join(f'`{choice}`' for choice in one.choices)}." if one and one.choices else ""
    text = meaning if meaning.endswith(".") or not meaning else meaning + "."
    for choice in one.choices if one else ():
        if f"`{choice}`" in text:
            choices = ""
    return f"| `{key}` | {_type_name(kind)} | {shown} |{flag_cell} {_cell(text[:1].upper() + text[1:] + choices)} |"


def _flags_of(one: Knob) -> str:
    negative = f", `--no-{one.flag[2:]}`" if one.kind == "bool" else ""
    return f"`{one.flag}`{negative}"


def _type_name(kind: Any) -> str:
    if get_origin(kind) is tuple:
        items = get_args(kind)
        inner = items[0]
        if dataclasses.is_dataclass(inner):
            names = ", ".join(f"`{field.name}`" for field in dataclasses.fields(inner))
            return f"list of objects with {names}"
        return f"list of {'' if items[-1] is Ellipsis else f'{len(items)} '}{_type_name(inner)}s"
    if kind is OffsetCurve:
        return "object with `keys`, `values`"
    return {str: "text", float: "number", int: "whole number", bool: "true / false"}.get(kind, "object")


# errors.md


@dataclasses.dataclass(frozen=True, order=True)
class _Raised:
    kind: str
    slug: str
    message: str
    hint: str


def errors_page() -> str:
    """Every error code that the code raises."""
    text = [
        "# Errors\n",
        _MADE,
        "An error has a stable code, one sentence on what happened and a hint on what you can do. The code's first "
        "word decides the exit status. Words in {braces} stand for the name, number or reason of the case.\n",
        "```text\n"
        "$ reage run demo/job.json --frames 1001,1024-1026\n"
        "media.missing-frame demo/plate/plate.####.exr has no frame 1025-1026.\n"
        "  → The plate has 1001-1024; leave the missing ones out with --frames.\n"
        "$ echo $?\n"
        "3\n"
        "```\n",
        "`reage.bug` (exit status 1) is none of this list but a bug; please report it, with the traceback that "
        "`REAGE_TRACEBACK=1` shows.\n",
        "| exit | codes | |\n|---|---|---|",
    ]
    raised = sorted(set(_raised_errors()))
    kinds = {name: getattr(errors, name) for name in _AREAS}
    for name, kind in kinds.items():
        used = any(one.kind == name for one in raised)
        area = f"[`{kind.area}.*`](#{kind.area})" if used else f"`{kind.area}.*`"
        text.append(f"| {kind.exit_code} | {area} | {_AREAS[name]}{'' if used else ' Nothing raises it yet.'} |")
    text.append("")
    for name, kind in kinds.items():
        mine = [one for one in raised if one.kind == name]
        if not mine:
            continue
        text.append(f"## {kind.area}\n\nExit status {kind.exit_code}. {_AREAS[name]}\n")
        for slug in sorted({one.slug for one in mine}):
            text.append(f"### `{kind.area}.{slug}` {{#{kind.area}-{slug}}}\n")
            text.extend(_said(one) for one in mine if one.slug == slug)
    return "\n".join(text).rstrip() + "\n"


def _said(one: _Raised) -> str:
    return _escape(one.message) + (f"<br>→ {_escape(one.hint)}" if one.hint else "") + "\n"


def _raised_errors() -> Iterator[_Raised]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
    shared: dict[str, ast.expr] = {}
    for tree in trees:
        shared |= {name: value for name, value in _constants(tree).items() if not name.startswith("_")}
    for tree in trees:
        for scope, node in _calls(tree):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in _AREAS or len(node.args) < 2 or not isinstance(node.args[0], ast.Constant):
                continue
            names = shared | _constants(tree) | _assigned(scope.body if scope else [], node)
            texts = [_template(argument, names) for argument in node.args[1:3]]
            yield _Raised(name, str(node.args[0].value), texts[0], texts[1] if len(texts) > 1 else "")


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Texts and numbers that a module names."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _calls(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Calls with the innermost function around them."""
    stack: list[tuple[ast.FunctionDef | None, ast.AST]] = [(None, tree)]
    while stack:
        scope, node = stack.pop()
        if isinstance(node, ast.Call):
            yield scope, node
        inner = node if isinstance(node, ast.FunctionDef) else scope
        stack.extend((inner, child) for child in ast.iter_child_nodes(node))


def _assigned(body: Sequence[ast.AST], before: ast.Call) -> dict[str, ast.expr]:
    """What names were last given in these statements above a call."""
    found: dict[str, tuple[int, ast.expr]] = {}
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and node.lineno <= before.lineno:
                for target in node.targets:
                    if isinstance(target, ast.Name) and node.lineno >= found.get(target.id, (0, None))[0]:
                        found[target.id] = (node.lineno, node.value)
    return {name: value for name, (_, value) in found.items()}


def _template(node: ast.expr, names: dict[str, ast.expr]) -> str:
    """A message with the parts that vary in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(value, names) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return _placeholder(node.value, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left, names) + _template(node.right, names)
    if isinstance(node, ast.IfExp):
        return f"{_template(node.body, names)} / {_template(node.orelse, names)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "nearest":
        return "Did you mean {the nearest names}?"
    if isinstance(node, ast.Name) and isinstance(names.get(node.id), ast.Constant | ast.JoinedStr | ast.IfExp):
        return _template(names[node.id], names)
    return _placeholder(node, names)


def _placeholder(node: ast.expr, names: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return _template(node, names)
    if isinstance(node, ast.Name):
        known = names.get(node.id)
        if isinstance(known, ast.Constant) and not isinstance(known.value, bool):
            return str(known.value)
        return "{name}" if node.id == "self" else f"{{{node.id.strip('_').lower().replace('_', ' ')}}}"
    if isinstance(node, ast.Attribute):
        return f"{{{node.attr.strip('_').replace('_', ' ')}}}"
    if isinstance(node, ast.IfExp):
        sides = [_placeholder(side, names).strip() for side in (node.body, node.orelse)]
        return "/".join(side for side in sides if side)
    if isinstance(node, ast.Subscript | ast.Starred):
        return _placeholder(node.value, names)
    if isinstance(node, ast.BoolOp):
        return _placeholder(node.values[0], names)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return _placeholder(node.generators[0].iter, names)
    if isinstance(node, ast.BinOp):
        return _placeholder(node.left, names)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "nearest":
            return _template(node, names)
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self":
            return f"{{{node.func.attr.strip('_').replace('_', ' ')}}}"
        is_text = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Constant)
        if (is_text or isinstance(node.func, ast.Name)) and node.args:
            return _placeholder(node.args[0], names)
        return _placeholder(node.func.value if isinstance(node.func, ast.Attribute) else node.func, names)
    return "{...}"


def _escape(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"([*_<>`#|])", r"\\\1", text)).strip()


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


PAGES = {"cli.md": cli_page, "jobs.md": jobs_page, "errors.md": errors_page}
"""File name → function that makes its text."""

if __name__ == "__main__":
    sys.exit(main())
