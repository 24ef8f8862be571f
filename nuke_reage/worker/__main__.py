"""``python -m nuke_reage.worker``: the worker process, JSON lines on stdin and stdout, log on stderr."""

from nuke_reage.worker.stdio import Wire, claim_stdin, claim_stdout

__all__ = ["main"]


def main() -> None:
    """Claim stdin and stdout before anything heavy is imported, then serve."""
    wire = Wire(claim_stdin(), claim_stdout())
    from nuke_reage.worker.server import Server

    Server(wire).run()


if __name__ == "__main__":
    main()
