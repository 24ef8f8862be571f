"""``python -m nuke_reage.worker``: the worker process, JSON lines on stdin and stdout, log on stderr."""

import sys

from nuke_reage.worker.stdio import Wire, claim_stdout


def main() -> None:
    """Claim stdout before anything heavy is imported, then serve."""
    wire = Wire(sys.stdin.buffer, claim_stdout())
    from nuke_reage.worker.server import Server

    Server(wire).run()


if __name__ == "__main__":
    main()
