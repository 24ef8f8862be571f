"""Pictures for people, read back by another library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.media.exr import read_plate
from nuke_reage.media.still_write import write_still


def picture() -> np.ndarray:
    y, x = np.mgrid[0:40, 0:60].astype(np.float32)
    return np.stack([x / 59, y / 39, (x + y) / 98], axis=-1)


@pytest.mark.parametrize(
    ("name", "bits", "tolerance"),
    [("a.png", 8, 0.51 / 255), ("a.png", 16, 0.51 / 65535), ("a.tif", 16, 0.51 / 65535), ("a.jpg", 8, 0.03)],
)
def test_a_picture_comes_back(tmp_path: Path, name: str, bits: int, tolerance: float) -> None:
    write_still(tmp_path / "new folder" / name, picture(), bits=bits)
    plate = read_plate(tmp_path / "new folder" / name)
    np.testing.assert_allclose(plate.rgb, picture(), atol=tolerance)
    assert plate.sample_type == f"uint{bits}"
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == [name]


def test_values_without_a_code(tmp_path: Path) -> None:
    rgb = np.array([[[np.nan, np.inf, -np.inf], [-1.0, 2.0, 0.5]]], np.float32)
    write_still(tmp_path / "a.png", rgb)
    np.testing.assert_allclose(read_plate(tmp_path / "a.png").rgb, [[[0, 1, 0], [0, 1, 128 / 255]]], atol=1e-6)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.exr") as caught:
        write_still(tmp_path / "a.exr", picture())
    assert caught.value.slug == "still-format"
    assert ".png" in caught.value.hint
    with pytest.raises(ValueError, match=r"\(40, 60\)"):
        write_still(tmp_path / "a.png", picture()[..., 0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_full_disk_leaves_no_picture(tmp_path: Path, suffix: str) -> None:
    code = (
        "import os, resource, sys\nimport numpy as np\n"
        "from nuke_reage.core.errors import MediaError\nfrom nuke_reage.media.still_write import write_still\n"
        "rgb = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)\n"
        f"write_still(sys.argv[1] + '/whole.{suffix}', rgb)\nsize = os.path.getsize(sys.argv[1] + '/whole.{suffix}')\n"
        "for limit in (0, 10, size // 2, size - 300, size - 20):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        f"    try: write_still(sys.argv[1] + '/out.{suffix}', rgb)\n"
        "    except MediaError as error: print(error.code, bool(error.hint))\n"
        "    else: print('no error at', limit, size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["media.disk-full True"] * 5
    assert [path.name for path in tmp_path.iterdir()] == [f"whole.{suffix}"]
