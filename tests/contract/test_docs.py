"""The documentation says what the code says: generated pages, links, command lines."""

import importlib.util
import re
import shlex
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import click
import pytest
from click.core import ParameterSource

from nuke_reage.cli.main import cli
from nuke_reage.core.ages import AgeCurve
from nuke_reage.core.errors import ReageError
from nuke_reage.core.frames import parse_frames
from nuke_reage.core.knobs import KNOBS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(page for page in [ROOT / "README.md"] if page.exists())])
_FENCE = re.compile(r"^(?P<fence>```+|~~~+)[^\n]*\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.M | re.S)
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?)(?: +\{#(?P<anchor>[\w-]+)\})?$", re.M)
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\((?P<target>[^)\s]+)\)")
_MEDIA = re.compile(r"<(?:img|video|source)[^>]*\ssrc=\"(?P<target>[^\"]+)\"")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def load(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def prose_of(page):
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page):
    """The ids that Python-Markdown and GitHub give to headings."""
    found = set()
    for heading in _HEADING.finditer(prose_of(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).replace("`", "")
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())
        found.add(heading["anchor"] or slug)
    return found


@pytest.mark.parametrize("page", ["cli.md", "jobs.md", "errors.md"])
def test_generated_pages_are_up_to_date(page):
    made = load("generate").PAGES[page]()
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == made, f"docs/{page} is old; run: python docs/generate.py"


def test_every_knob_is_documented():
    flags = (DOCS / "cli.md").read_text(encoding="utf-8")
    keys = (DOCS / "jobs.md").read_text(encoding="utf-8")
    run = flags.partition("## reage run")[2].partition("\n## ")[0]
    missing = [one.name for one in KNOBS if f"`{one.flag}`" not in run or one.tooltip not in run.replace("\\|", "|")]
    assert missing == []
    assert [one.setting for one in KNOBS if f"`{one.setting}`" not in keys and f"`{one.setting}." not in keys] == []


def test_a_range_is_said_of_the_flag_that_it_belongs_to():
    """``--lines`` is a gain for a shot, and the name of an exemplar for pairs."""
    page = load("generate").cli_page()
    rows = {
        words: next(line for line in page.partition(f"## reage {words}\n")[2].splitlines() if "`--lines`" in line)
        for words in ("run", "data pairs")
    }
    assert "0 to 3." in rows["run"] and "exemplar" in rows["data pairs"] and " to " not in rows["data pairs"]


def test_every_command_has_a_heading():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    commands = list(load("generate").walk_commands(cli))
    assert ("reage", "models", "fetch") in [words for words, _ in commands]
    for words, command in commands:
        assert re.search(rf"^#+ {' '.join(words)}$", text, re.M)
        for option in command.params:
            assert all(f"`{name}`" in text for name in option.opts if name.startswith("-"))


def test_help_shows_command_lines_on_lines_of_their_own():
    for words, command in [(("reage",), cli), *load("generate").walk_commands(cli)]:
        shown = command.get_help(click.Context(command, info_name=words[-1]))
        examples = [line.strip() for line in (command.help or "").splitlines() if line.strip().startswith("reage ")]
        assert r"\b" not in shown
        assert set(examples) <= {line.strip() for line in shown.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_anchors_resolve(page):
    prose = re.sub(r"`[^`\n]+`", "", prose_of(page))
    broken = []
    for link in [*_LINK.finditer(prose), *_MEDIA.finditer(prose)]:
        target, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(link["target"])
    assert broken == []


def test_the_navigation_names_all_pages_and_only_pages():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r": ([\w/.-]+\.md)$", text, re.M))
    assert named == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def command_lines(page):
    """``reage ...`` in code blocks: each a whole command line as a shell would see it."""
    for block in _FENCE.finditer(page.read_text(encoding="utf-8")):
        joined = re.sub(r"\\\n\s*", " ", block["body"])
        for line in joined.splitlines():
            text = re.sub(r"\s#\s.*$", "", line.strip().removeprefix("$ "))
            text = re.sub(r"^(?:\w+=\S* +)+", "", text)
            text = re.split(r"\s(?:\||&&|;|2?>)\s?", text)[0]
            text = re.sub(r"^(?:\.venv/bin/|\S*/bin/)(?=reage )", "", text)
            if text.startswith("reage "):
                yield text


def inline_commands(page):
    """```reage ...``` within a sentence: the name of a command, perhaps with all that it needs."""
    for span in re.finditer(r"`(reage(?: [^`\n]+)?)`", prose_of(page)):
        yield span[1]


def parse(words):
    """Let the real commands read a command line; nothing is run."""
    context, command = None, cli
    while isinstance(command, click.Group) and words:
        context = command.make_context(words[0], list(words[1:]), parent=context)
        # click 8 keeps the subcommand's name apart, click 9 does not
        words = [*getattr(context, "_protected_args", ()), *context.args]
        if not words:
            return context
        _, command, _ = command.resolve_command(context, list(words))
    return command.make_context(words[0], list(words[1:]), parent=context)


def check(text):
    words = shlex.split(text)
    try:
        context = parse(words)
    except click.exceptions.Exit:
        return
    for parameter, value in context.params.items():
        given = context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE
        if given and value and parameter in {"source_age", "target_age"}:
            AgeCurve.parse(value)
        if given and value and parameter == "frames" and value != "...":
            parse_frames(value)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_command_lines_are_real(page):
    wrong = []
    for text in command_lines(page):
        try:
            check(text)
        except (click.UsageError, ReageError) as error:
            wrong.append(f"{text}: {getattr(error, 'message', error)}")
    for text in inline_commands(page):
        words = [word for word in shlex.split(text)[1:] if re.fullmatch(r"[a-z]+", word)]
        try:
            command = cli
            for word in words:
                if not isinstance(command, click.Group):
                    break
                _, command, _ = command.resolve_command(click.Context(command), [word])
        except (click.UsageError, ReageError) as error:
            wrong.append(f"{text}: {getattr(error, 'message', error)}")
        flags = set(re.findall(r"(?<=\s)--[a-z-]+", text))
        known = {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
        if not flags <= known | {"--help", "--version"}:
            wrong.append(f"{text}: unknown {flags - known}")
    assert wrong == []


def test_the_check_of_command_lines_can_fail():
    for text in (
        "reage run a.####.exr --sorce-age 35",
        "reage models fetch",
        "reage run a.exr b.exr --source-age old --target-age 5",
        "reage bake a.exr",
        "reage run a.exr b.exr --frames 10-1",
    ):
        with pytest.raises((click.UsageError, ReageError)):
            check(text)


def test_the_figures_are_pictures_of_the_curve():
    figure = ElementTree.fromstring(load("figures").display_curve_svg())
    written = ElementTree.parse(DOCS / "images" / "display_curve.svg").getroot()

    def drawn_last(root):
        lines = [node.get("points", "") for node in root.iter() if node.tag.endswith("polyline")]
        return [tuple(float(number) for number in point.split(",")) for point in lines[-1].split()]

    now, then = drawn_last(figure), drawn_last(written)
    assert len(now) == len(then) > 100
    assert now[0][1] - now[-1][1] > 200, "it rises over most of the picture"
    for here, there in zip(now, then, strict=True):
        assert here == pytest.approx(there, abs=0.2)
