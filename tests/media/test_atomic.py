"""A final name is a finished file: full disks, missing rights, interrupts and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.atomic import atomic_path, remove_stale_partials
from nuke_reage.media.exr import Part, read_layers, write_layers

WRITE = """
import resource, sys
import numpy as np
from nuke_reage.core.errors import MediaError
from nuke_reage.imaging.geometry import Window
from nuke_reage.media.exr import Part, write_layers
window = Window(0, 0, 256, 256)
noise = np.random.default_rng(1).random(window.shape).astype(np.float32)
parts = [Part("delta", {"d.red": noise, "d.green": noise}, window), Part("mask", {"m.alpha": noise}, window)]
"""


def small_part(value: float = 1.0) -> Part:
    window = Window(0, 0, 32, 32)
    return Part("mask", {"m.alpha": np.full(window.shape, value, np.float32)}, window)


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WRITE + code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_full_disk_leaves_nothing_at_any_point(tmp_path: Path) -> None:
    """The limit on file sizes fails writes as a full disk does; it is set to many sizes below what is needed."""
    done = run(
        "whole = write_layers(sys.argv[1] + '/whole.exr', parts, display_window=window).size_bytes\n"
        "limits = [0, 1, 400, 1000, 5000] + [whole * k // 12 for k in range(1, 12)]\n"
        "limits += [whole - k for k in (1, 2, 100, 1000, 4000)]\n"
        "for limit in limits:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try: write_layers(sys.argv[1] + '/out.exr', parts, display_window=window)\n"
        "    except MediaError as error: print(error.code, 'out.exr' in error.message, bool(error.hint))\n"
        "    else: print('no error at', limit, 'of', whole)\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["media.disk-full True True"] * 21
    assert [path.name for path in tmp_path.iterdir()] == ["whole.exr"]


def test_a_failed_write_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.exr"
    write_layers(path, [small_part(0.5)], display_window=Window(0, 0, 32, 32))
    before = path.read_bytes()
    done = run(
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try: write_layers(sys.argv[1], parts, display_window=window)\n"
        "except MediaError as error: print(error.code)\n",
        path,
    )
    assert done.stdout.strip() == "media.disk-full", done.stderr
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_no_final_file(tmp_path: Path) -> None:
    """Killed at many moments of a loop of writes: what has the final name is always whole."""
    for delay in (0.0, 0.01, 0.03, 0.08):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                WRITE + "print('ready', flush=True)\n"
                "for k in range(10**6): write_layers(f'{sys.argv[1]}/{k % 3}.exr', parts, display_window=window)\n",
                str(tmp_path),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.kill()
        process.wait()
        process.stdout.close()
        for path in tmp_path.glob("[0-9].exr"):
            assert read_layers(path).parts["delta"].channels["d.red"].std() > 0.2


def test_killed_in_the_middle_of_a_file(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom nuke_reage.media.atomic import atomic_path\n"
            "with atomic_path(sys.argv[1]) as temporary:\n"
            "    temporary.write_bytes(b'half a picture'); print('writing', flush=True); time.sleep(60)\n",
            str(tmp_path / "out.exr"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "out.exr").exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    assert str(process.pid) in left.name
    assert remove_stale_partials(tmp_path) == [left]
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "out.exr") as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    assert list(tmp_path.iterdir()) == []


def test_stale_files_of_the_living_and_of_other_machines_stay(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.exr") as mine:
        mine.write_bytes(b"x")
        elsewhere = tmp_path / ".reage.another-machine.1.abcdef.partial"
        elsewhere.write_bytes(b"x")
        notes = tmp_path / ".reage.notes"
        notes.write_bytes(b"x")
        assert remove_stale_partials(tmp_path) == []
        os.utime(elsewhere, (0, 0))
        assert remove_stale_partials(tmp_path) == [elsewhere]
        assert mine.exists()
    assert notes.exists()
    assert remove_stale_partials(tmp_path / "missing") == []


def test_folders_are_made_and_long_names_fit(tmp_path: Path) -> None:
    path = tmp_path / "new" / "é folder" / ("x" * 251 + ".exr")
    write_layers(path, [small_part(0.25)], display_window=Window(0, 0, 32, 32))
    assert read_layers(path).parts["mask"].channels["m.alpha"].min() == 0.25


def test_a_folder_that_is_a_file_and_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.exr").mkdir()
    for path in (tmp_path / "file" / "out.exr", tmp_path / "folder.exr"):
        with pytest.raises(MediaError) as caught:
            write_layers(path, [small_part()], display_window=Window(0, 0, 32, 32))
        assert caught.value.code == "media.unwritable"
        assert path.name in caught.value.message
        assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.exr"]


def test_a_folder_without_the_right_to_write(tmp_path: Path, as_nobody) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o755)
    code = (
        "import numpy as np\nfrom nuke_reage.core.errors import MediaError\n"
        "from nuke_reage.imaging.geometry import Window\nfrom nuke_reage.media.exr import Part, write_layers\n"
        "part = Part('m', {'m.a': np.ones((2, 2), np.float32)}, Window(0, 0, 2, 2))\n"
        "for name in ('out.exr', 'new/out.exr'):\n"
        "    try: write_layers(f'{sys.argv[1]}/{name}', [part], display_window=Window(0, 0, 2, 2))\n"
        "    except MediaError as error: print(error.code, name in error.message, bool(error.hint))\n"
    )
    assert as_nobody(code, folder).splitlines() == ["media.unwritable True True"] * 2
    assert list(folder.iterdir()) == []
