"""``python -m tools.gizmos [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.gizmos.build import files

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Write the files, or name those that are old."""
    old = [name for name, content in files().items() if _read(ROOT / name) != content]
    if "--check" in sys.argv[1:]:
        sys.stdout.writelines(f"{name} is old; run: python -m tools.gizmos\n" for name in old)
        return 1 if old else 0
    for name, content in files().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_bytes(content)
    sys.stdout.writelines(f"{name}\n" for name in old)
    return 0


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


sys.exit(main())
