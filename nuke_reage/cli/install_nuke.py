"""``reage install-nuke``: one marked line in the user's init.py, or none."""

from __future__ import annotations

from pathlib import Path

import click

from nuke_reage.core.errors import UsageError
from nuke_reage.core.files import write_text_atomic

__all__ = ["command"]

_MARK = "# added by reage install-nuke"
_FILES = ("init.py", "menu.py")
_ROOT = Path(__file__).resolve().parents[2]


@click.command("install-nuke")
@click.option("--uninstall", is_flag=True, help="Take the line away again.")
@click.option("--folder", default="~/.nuke", show_default=True, metavar="FOLDER", help="Nuke's folder of the user.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
def command(uninstall: bool, folder: str, dry_run: bool) -> None:
    """Let Nuke find ReAge: add one marked line to init.py in the user's Nuke folder.

    The line puts this installation on Nuke's plugin path, from where Nuke runs its init.py and menu.py. Whoever sets
    NUKE_PATH to this installation's folder needs no line. A second run changes nothing; --uninstall removes what was
    added and leaves the rest of the file as it was.

    \b
    reage install-nuke
    reage install-nuke --folder /studio/nuke --dry-run
    reage install-nuke --uninstall
    """  # noqa: D301
    place = Path(folder).expanduser()
    if not uninstall and not (_ROOT / "init.py").is_file():
        raise UsageError(
            "no-nuke-files",
            f"{_ROOT} has no init.py for Nuke.",
            "Nuke needs the whole folder of ReAge: run this from a checkout, or set NUKE_PATH to one.",
        )
    for name in _FILES:
        file = place / name
        before = _read(file)
        kept = "".join(line for line in before.splitlines(keepends=True) if _MARK not in line)
        wanted = kept if uninstall or name != "init.py" else _with_line(kept)
        if wanted == before:
            if name == "init.py":
                click.echo(f"{file}: nothing to do")
            continue
        click.echo(f"{file}: {'would be changed' if dry_run else 'changed'}")
        if not dry_run:
            write_text_atomic(file, wanted)


def _with_line(text: str) -> str:
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}import nuke; nuke.pluginAddPath({_ROOT.as_posix()!r})  {_MARK}\n"


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "unreadable-init", f"Cannot read {file}: {error}.", "Add the line of docs/nuke-host.md by hand."
        ) from None
