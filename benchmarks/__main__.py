"""``python -m benchmarks NAME [options]``: run one of the modules of this package."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> int:
    names = sorted(
        one.name
        for one in pkgutil.iter_modules([str(Path(__file__).parent)])
        if one.name not in {"__main__", "attack", "mutate", "plates", "soak_bench", "soak_worker"}
    )
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m benchmarks {{{','.join(names)}}} [--help]", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
