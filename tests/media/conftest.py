"""Files made with the libraries themselves, so that reading is checked against someone else's writing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest

MakeImage = Callable[..., Path]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def make_image(tmp_path: Path) -> MakeImage:
    """Write a picture with OpenImageIO alone: parts are dictionaries of channel name to (h, w) array."""

    def make(
        name: str,
        *parts: Mapping[str, np.ndarray],
        formats: str | Sequence[str] = "half",
        origin: tuple[int, int] = (0, 0),
        display: tuple[int, int, int, int] | None = None,
        names: Sequence[str] = (),
        views: Sequence[str] = (),
        tile: int = 0,
        attributes: Mapping[str, Any] | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        specs = []
        for index, part in enumerate(parts):
            height, width = next(iter(part.values())).shape
            spec = oiio.ImageSpec(width, height, len(part), formats if isinstance(formats, str) else "float")
            spec.channelnames = tuple(part)
            if not isinstance(formats, str):
                spec.channelformats = tuple(oiio.TypeDesc(item) for item in formats)
            spec.x, spec.y = origin
            if display:
                spec.full_x, spec.full_y, spec.full_width, spec.full_height = display
            if tile:
                spec.tile_width = spec.tile_height = tile
            if names:
                spec.attribute("oiio:subimagename", names[index])
            if views:
                spec.attribute("view", views[index])
            for key, value in (attributes or {}).items():
                if isinstance(value, tuple) and isinstance(value[0], str):
                    spec.attribute(key, oiio.TypeDesc(value[0]), value[1])
                else:
                    spec.attribute(key, value)
            specs.append(spec)
        output = oiio.ImageOutput.create(str(path))
        assert output, oiio.geterror()
        assert output.open(str(path), tuple(specs) if len(specs) > 1 else specs[0]), output.geterror()
        for index, (part, spec) in enumerate(zip(parts, specs, strict=True)):
            if index:
                assert output.open(str(path), spec, "AppendSubimage"), output.geterror()
            pixels = np.stack(list(part.values()), axis=-1)
            assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
        assert output.close()
        return path

    return make


@pytest.fixture
def rgb_channels(random: np.random.Generator) -> dict[str, np.ndarray]:
    """A small scene-linear picture with exact half values, negative and bright ones among them."""
    values = random.normal(0.5, 2.0, (3, 12, 17)).astype(np.float16).astype(np.float32)
    values[:, 3, 4] = (-0.25, 12000.0, 0.0)
    return dict(zip("RGB", values, strict=True))


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[..., str]:
    """Run Python code as a user without rights; root may write anywhere, so root steps down in the child."""

    def run(code: str, *arguments: object) -> str:
        step_down = "import os, sys\nif os.getuid() == 0:\n os.setgid(65534)\n os.setuid(65534)\n"
        # Imports before the step down: the project itself may lie in a folder that only its owner can enter.
        early = "import sys, nuke_reage.media.exr, nuke_reage.media.movie, encodings.idna\n"
        folder = tmp_path
        while folder != folder.parent and folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
            folder = folder.parent
        done = subprocess.run(
            [sys.executable, "-c", early + step_down + code, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
