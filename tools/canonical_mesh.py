"""Derive the canonical face mesh from a folder of portraits: ``python tools/canonical_mesh.py PORTRAITS OUT.npy``.

Generalised Procrustes analysis (Gower 1975) of the face meshes of all nearly frontal portraits: each is moved onto the
mean by a 3-D similarity, the mean is their median, mirrored and averaged with itself.  Only the mean is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from nuke_reage.faces.backends.mediapipe import MediapipeBackend

Mesh = npt.NDArray[np.float64]
FOREHEAD, CHIN, NOSE_TIP = 10, 152, 4
EYES = ((33, 133), (362, 263))
FACE_SIDES = (234, 454)
MAX_NOSE_OFFSET = 0.06
ROUNDS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    meshes = collect(sorted(path for path in arguments.portraits.iterdir() if path.is_file()))
    mean = average(meshes)
    np.save(arguments.output, mean.astype(np.float32))
    sys.stdout.write(f"{len(meshes)} portraits\n")
    return 0


def collect(paths: list[Path]) -> list[Mesh]:
    """Meshes of the portraits that show one face from the front."""
    backend = MediapipeBackend(min_face_px=64)
    meshes = []
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        found = backend.detect(picture[..., ::-1].astype(np.float32) / 255)
        if found and found[0].confidence > 0.99:
            mesh = found[0].landmarks.astype(np.float64)
            sides = mesh[list(FACE_SIDES)]
            middle, width = sides.mean(axis=0), np.linalg.norm(sides[1] - sides[0])
            if abs((mesh[NOSE_TIP] - middle) @ (sides[1] - sides[0])) / width**2 < MAX_NOSE_OFFSET:
                meshes.append(mesh)
    return meshes


def average(meshes: list[Mesh]) -> Mesh:
    """Symmetric median mesh: eyes' middle at the origin, eyes one unit apart, brow above chin."""
    mean = normalised(meshes[0])
    for _ in range(ROUNDS):
        mean = normalised(np.median([onto(mesh, mean) for mesh in meshes], axis=0))
        mirror = mean * [-1, 1, 1]
        partner = linear_sum_assignment(cdist(mirror, mean))[1]
        if not np.array_equal(partner[partner], np.arange(len(mean))):
            raise RuntimeError("left and right points do not pair up")
        mean = normalised((mean + mirror[partner]) / 2)
    return mean


def onto(mesh: Mesh, target: Mesh) -> Mesh:
    """The mesh moved to the target by the least-squares similarity (Umeyama 1991)."""
    one, other = mesh - mesh.mean(axis=0), target - target.mean(axis=0)
    u, values, vt = np.linalg.svd(other.T @ one)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (values * sign).sum() / (one**2).sum()
    return np.asarray(scale * one @ (u @ np.diag(sign) @ vt).T + target.mean(axis=0))


def normalised(mesh: Mesh) -> Mesh:
    left, right = (mesh[list(corners)].mean(axis=0) for corners in EYES)
    x_axis = (right - left) / np.linalg.norm(right - left)
    down = mesh[CHIN] - mesh[FOREHEAD]
    y_axis = down - (down @ x_axis) * x_axis
    y_axis /= np.linalg.norm(y_axis)
    axes = np.stack([x_axis, y_axis, np.cross(x_axis, y_axis)])
    return np.asarray((mesh - (left + right) / 2) @ axes.T / np.linalg.norm(right - left))


if __name__ == "__main__":
    raise SystemExit(main())
