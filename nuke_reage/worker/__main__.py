"""``python -m nuke_reage.worker``: the worker process, JSON lines on stdin and stdout, log on stderr."""

import os

from nuke_reage.worker.stdio import Wire, claim_stdin, claim_stdout

__all__ = ["main"]


def main() -> None:
    """Claim stdin and stdout before anything heavy is imported, then serve."""
    # numpy's matrices are small here: threads for them wait for each other, on a busy machine longer than they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    wire = Wire(claim_stdin(), claim_stdout())
    from nuke_reage.worker.server import Server

    Server(wire).run()


if __name__ == "__main__":
    main()
