"""Everything of a person that a camera sees, as triangles: skin, eyes, teeth, lashes and a fur of hair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from nuke_reage.training.render.makehuman import MakeHuman
from nuke_reage.training.render.raster import Floats, Ints, Kinds, floats, sample_at

__all__ = ["EYE", "HAIR", "LASH", "SKIN", "TEETH", "Hair", "Scene", "build_scene", "draw_hair", "vertex_normals"]

SKIN = 0
EYE = 1
TEETH = 2
LASH = 3
HAIR = 4
_PARTS = {
    "helper-l-eye": EYE,
    "helper-r-eye": EYE,
    "helper-upper-teeth": TEETH,
    "helper-lower-teeth": TEETH,
    "helper-l-eyelashes-1": LASH,
    "helper-l-eyelashes-2": LASH,
    "helper-r-eyelashes-1": LASH,
    "helper-r-eyelashes-2": LASH,
}
_LAYERS = 10
_STRANDS, _ALONG = 6144, 64
_BELOW_EYES = 3.4


@dataclass(frozen=True, eq=False)
class Hair:
    """A short haircut.

    Attributes:
        colour: (3,) linear reflectance of a strand that is not grey.
        thickness: at the crown, in eye distances.
        line: how high the hairline is on the forehead, in eye distances above the eyes.
        grey_from_years: when the first strands turn.
        strands: (64, 6144) float32, 0..1: how long each is, by elevation and azimuth.
    """

    colour: Floats
    thickness: float
    line: float
    grey_from_years: float
    strands: Floats

    def root_at(self, position: Floats, eyes: Floats, unit: float) -> Floats:
        """(N,) whether hair grows at a place of the head: 1 = fully, 0 = not at all."""
        x, y, z = ((position - eyes) / unit).T
        # A plane from the hairline over the temples and behind the ears to the nape.
        edge = y - self.line + np.maximum(0.0, 0.15 - z) * 0.62 - 0.12 * np.cos(np.clip(2.2 * x, -np.pi, np.pi))
        on_the_ear = np.clip((np.abs(x) - 1.1) / 0.08, 0.0, 1.0) * np.clip((0.5 - y) / 0.1, 0.0, 1.0)
        return np.asarray(np.clip(edge / 0.3, 0.0, 1.0) * (1.0 - on_the_ear), np.float32)

    def length_at(self, position: Floats, eyes: Floats, unit: float) -> Floats:
        """(N,) length in eye distances: full at the crown, short at the sides, none in the face."""
        height = (position[:, 1] - eyes[1]) / unit
        sides = 1.0 - 0.55 * np.clip((1.0 - height) / 1.2, 0.0, 1.0)
        return np.asarray(self.thickness * self.root_at(position, eyes, unit) * sides, np.float32)

    def strand_at(self, position: Floats, eyes: Floats, unit: float) -> tuple[Floats, Floats]:
        """Which strand grows at a place, and how grey it turns early or late: two (N,) values of 0..1."""
        x, y, z = ((position - eyes - floats([0.0, 0.0, -2.2 * unit])) / unit).T
        azimuth = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * _STRANDS
        along = (np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5) * (_ALONG - 1)
        wrapped = np.pad(self.strands, ((0, 0), (0, 2)), mode="wrap")
        long = sample_at(wrapped, azimuth, along)
        turn = np.sin(np.floor(azimuth) * 12.9898) * 43758.5453
        return long, np.asarray(turn - np.floor(turn), np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """Triangles of all parts.

    Attributes:
        vertices: (V, 3) float32.
        rest: (V, 3) float32: where hair grows out; elsewhere the vertex itself.
        normals: (V, 3) float32.
        faces: (F, 3) int32.
        uv_faces: (F, 3) int32; -1 where there is no texture.
        kind: (F,) int8, one of SKIN, EYE, TEETH, LASH, HAIR.
        layer: (F,) float32, 0..1 through the hair; 0 elsewhere.
        eyes: (3,) middle of the eyes.
        eye_centres: (2, 3).
        unit: distance of the eyes.
    """

    vertices: Floats
    rest: Floats
    normals: Floats
    faces: Ints
    uv_faces: Ints
    kind: Kinds
    layer: Floats
    eyes: Floats
    eye_centres: Floats
    unit: float

    def facing(self, projected: Floats) -> Scene:
        """Without skin and hair that look away from the camera.

        Args:
            projected: (V, 3) the vertices on the screen, y down.
        """
        corners = projected[self.faces][..., :2]
        one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        towards = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0
        kept = towards | ((self.kind != SKIN) & (self.kind != HAIR))
        return replace(
            self, faces=self.faces[kept], uv_faces=self.uv_faces[kept], kind=self.kind[kept], layer=self.layer[kept]
        )


def draw_hair(*, dark: bool, female: bool, rng: np.random.Generator) -> Hair:
    """A random haircut."""
    black, brown, fair, red = (0.018, 0.014, 0.012), (0.07, 0.04, 0.022), (0.26, 0.17, 0.085), (0.16, 0.06, 0.025)
    colours = [black] if dark else [black, brown, brown, fair, red]
    colour = floats(colours[int(rng.integers(len(colours)))]) * floats(rng.uniform(0.7, 1.3))
    thickness = float(rng.uniform(0.18, 0.32) if female else rng.uniform(0.1, 0.26))
    strands = cv2.GaussianBlur(rng.random((_ALONG, _STRANDS + 64), np.float32), (0, 0), sigmaX=1.6, sigmaY=5.0)
    low, high = np.percentile(strands, (2, 98))
    even = np.clip((strands[:, :_STRANDS] - low) / (high - low), 0.0, 1.0)
    return Hair(colour, thickness, float(rng.uniform(1.05, 1.3)), float(rng.uniform(38.0, 60.0)), floats(even))


def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """(V, 3) normals, weighted by area; zero for vertices that no face has."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    return np.asarray(normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12), np.float32)


def build_scene(makehuman: MakeHuman, vertices: Floats, hair: Hair | None) -> Scene:
    """All triangles of a head and shoulders.

    Args:
        makehuman: the body.
        vertices: (V, 3) the person at an age.
        hair: None = bald.
    """
    centres = np.stack([makehuman.joint(vertices, name) for name in ("l-eye", "r-eye")])
    eyes, unit = centres.mean(axis=0), float(np.linalg.norm(centres[0] - centres[1]))
    body = makehuman.parts["body"]
    upper = (vertices[body.faces][..., 1] > eyes[1] - _BELOW_EYES * unit).all(axis=1)
    faces, uv_faces = [body.faces[upper]], [body.uv_faces[upper]]
    kinds = [np.full(int(upper.sum()), SKIN, np.int8)]
    for name, kind in _PARTS.items():
        part = makehuman.parts[name]
        faces.append(part.faces)
        uv_faces.append(part.uv_faces)
        kinds.append(np.full(len(part.faces), kind, np.int8))
    normals = vertex_normals(vertices, np.concatenate(faces))
    layers = [np.zeros(sum(map(len, faces)), np.float32)]
    all_vertices, rest, all_normals = [vertices], [vertices], [normals]
    if hair is not None:
        length = hair.length_at(vertices, eyes, unit)
        scalp = body.faces[upper][(length[body.faces[upper]] > 0).any(axis=1)]
        for index in range(1, _LAYERS + 1):
            through = floats(index / _LAYERS)
            # Combed down and back a little, the more the longer.
            fall = floats([0.0, -0.35, -0.25]) * through
            grown = vertices + (through * length * unit)[:, None] * (normals + fall)
            faces.append(scalp + np.int32(len(vertices) * index))
            uv_faces.append(np.full_like(scalp, -1))
            kinds.append(np.full(len(scalp), HAIR, np.int8))
            layers.append(np.full(len(scalp), through, np.float32))
            all_vertices.append(np.asarray(grown, np.float32))
            rest.append(vertices)
            all_normals.append(normals)
    return Scene(
        np.concatenate(all_vertices),
        np.concatenate(rest),
        np.concatenate(all_normals),
        np.concatenate(faces),
        np.concatenate(uv_faces),
        np.concatenate(kinds),
        np.concatenate(layers),
        eyes=eyes,
        eye_centres=centres,
        unit=unit,
    )
