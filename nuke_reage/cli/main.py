"""``reage``: the command, its subcommands found lazily so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from nuke_reage import __version__
from nuke_reage.core.errors import ReageError, UsageError

__all__ = ["TRACEBACK_VARIABLE", "cli", "main"]

TRACEBACK_VARIABLE = "REAGE_TRACEBACK"
"""Set to anything: the traceback of a bug is shown."""

_COMMANDS = {
    "demo": "from nothing to pictures: plate, track, bake, comp",
    "run": "re-age a plate",
    "track": "follow the faces of a plate",
    "submit": "hand a shot to a render farm",
    "sweep": "one still at many ages, as a sheet or an animation",
    "report": "check a baked shot and say which frames to look at first",
    "compare": "two results beside each other, as a wipe or as their difference",
    "look": "show or write adjustments as a file",
    "models": "list, fetch, verify, import and export models",
    "doctor": "check this machine and say what is missing",
    "install-nuke": "let Nuke find ReAge, or forget it",
    "data": "make and check pictures to train on",
    "train": "train a model",
    "evaluate": "measure models on people, photos and a clip",
    "worker": "run the worker that Nuke talks to",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"nuke_reage.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from nuke_reage.core.strict import nearest

            raise UsageError("unknown-command", f"There is no command {args[0]!r}.", nearest(args[0], _COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="reage")
@click.option(
    "--path-map",
    default="",
    metavar="FILE",
    help="Rules for other systems' paths, as Open Job Description sessions write them. Default: $REAGE_PATH_MAP.",
)
def cli(path_map: str) -> None:
    """Re-age faces in scene-linear plates.

    \b
    reage demo
    reage run shot.####.exr out/shot.####.exr --source-age 35 --target-age 65
    reage run --help
    """  # noqa: D301
    if path_map:
        # As if the caller had set it: a worker that this command starts shall know the rules too.
        os.environ["REAGE_PATH_MAP"] = path_map


def main(arguments: Sequence[str] | None = None) -> None:
    r"""Run the command; exit with the error tree's code.

    Args:
        arguments: without the program's name; None = those of the process.

    An exception that nobody raised on purpose is told in one line; with ``REAGE_TRACEBACK`` set, and from the worker,
    whose stderr is a log, the traceback comes first.
    """
    # As the worker does, and for the same values to the last bit.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        cli.main(given, prog_name="reage", standalone_mode=False)
    except ReageError as error:
        _fail(error, given)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "reage"
        _fail(UsageError("bad-command-line", error.format_message(), f"See {where} --help."), given)
    except (click.Abort, KeyboardInterrupt):
        from nuke_reage.core.errors import CancelledError

        _fail(CancelledError("by-user", "Stopped.", "Run the same command again to go on."), given)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE) or given[:1] == ["worker"]:
            traceback.print_exc()
        what = " ".join(f"{type(error).__name__}: {error}".split())
        hint = f"This is a bug; please report it with what {TRACEBACK_VARIABLE}=1 shows."
        _fail(ReageError("bug", what, hint), given)


def _fail(error: ReageError, given: list[Any]) -> None:
    from nuke_reage.cli.console import show_error, show_json
    from nuke_reage.cli.farmlog import FarmLog

    as_json = "--json" in given
    if as_json:
        show_json({**error.report, "error": error.to_dict()})
    show_error(error, as_json=False)
    with contextlib.suppress(ReageError):
        FarmLog.from_environment(os.environ, stdout_is_taken=as_json).fail(error)
    sys.exit(error.exit_code)
