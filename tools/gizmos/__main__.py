"""``python -m tools.gizmos [--check]``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from tools.gizmos.build import files

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Write the files, or name those that are old."""
    old = [name for name, content in files().items() if not _is_same(ROOT / name, content)]
    if "--check" in sys.argv[1:]:
        sys.stdout.writelines(f"{name} is old; run: python -m tools.gizmos\n" for name in old)
        return 1 if old else 0
    for name, content in files().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_bytes(content)
    sys.stdout.writelines(f"{name}\n" for name in old)
    return 0


def _is_same(path: Path, content: bytes) -> bool:
    """Whether a file has this content; pictures may differ as drawn by another version of the library."""
    if not path.exists():
        return False
    if path.suffix == ".png":
        with Image.open(path) as old, Image.open(io.BytesIO(content)) as new:
            return old.size == new.size and max(ImageStat.Stat(ImageChops.difference(old, new)).rms) < 8
    return path.read_bytes() == content


sys.exit(main())
