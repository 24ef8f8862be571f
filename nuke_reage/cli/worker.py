"""``reage worker``: the process that a host talks to."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("worker")
def command() -> None:
    """Run the worker: JSON lines on stdin and stdout, log on stderr.

    Nuke starts it by itself.  By hand it is useful to see whether it starts at all:

    \b
    echo '{"type": "hello", "protocol": 1, "version": "test"}' | reage worker
    """  # noqa: D301
    from nuke_reage.worker.__main__ import main

    main()
