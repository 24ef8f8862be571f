"""What surfaces are like: skin with its lines and brows, eyes, teeth, lashes and strands of hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nuke_reage.training.render.raster import Floats, Ints, Keep, Kinds, Seen, floats, sample_at, unit_vectors
from nuke_reage.training.render.scene import EYE, HAIR, LASH, SKIN, TEETH, Hair, Scene
from nuke_reage.training.render.skin import HEAD_UV

__all__ = ["Look", "surfaces_of", "what_is_there"]

_CHART_SPAN = 6.0
_NECK = 2.0
_LASHES_PER_UNIT, _BROW_HAIRS_PER_UNIT = 70.0, 45.0
_GREY = (0.24, 0.235, 0.23)


@dataclass(frozen=True, eq=False)
class Look:
    """What a person looks like at an age.

    Attributes:
        skin: (h, w, 3) linear reflectance of the head's texture.
        wrinkles: (512, 512) heights from the front.
        hair: None = bald.
        greyness: 0..1, share of grey strands.
        iris: (3,) linear colour.
        shirt: (3,) linear colour.
    """

    skin: Floats
    wrinkles: Floats
    hair: Hair | None
    greyness: float
    iris: Floats
    shirt: Floats


def what_is_there(scene: Scene, look: Look) -> Keep:
    """Where strands and lashes are, in fragments of the hair's layers."""

    def keep(face: Ints, weights: Floats) -> npt.NDArray[np.bool_]:
        kind = scene.kind[face]
        there = np.ones(len(face), bool)
        hair = np.flatnonzero((kind == HAIR) | (kind == LASH))
        if look.hair is None or not len(hair):
            return there
        place = np.asarray(np.einsum("nk,nkc->nc", weights[hair], scene.rest[scene.faces[face[hair]]]), np.float32)
        long, _ = look.hair.strand_at(place, scene.eyes, scene.unit)
        root = look.hair.root_at(place, scene.eyes, scene.unit)
        lash = (place[:, 0] - scene.eyes[0]) / scene.unit * _LASHES_PER_UNIT
        # Lower lashes are thinner.
        gap = np.where(place[:, 1] > scene.eyes[1], 0.6, 0.85)
        strand = long * np.minimum(1.0, 2.0 * root) > 0.1 + 0.8 * scene.layer[face[hair]]
        there[hair] = np.where(kind[hair] == HAIR, strand, lash % 1.0 > gap)
        return there

    return keep


def surfaces_of(
    scene: Scene, uv: Floats, look: Look, seen: Seen, kind: Kinds, position: Floats, rest: Floats, normal: Floats
) -> tuple[Floats, Floats, Floats]:
    """Reflectance, gloss and bumped normal of every pixel."""
    hit = seen.face >= 0
    face, weights = seen.face[hit], seen.weights[hit]
    albedo = np.full((len(face), 3), 0.6, np.float32)
    gloss = np.full(len(face), 0.05, np.float32)
    skin = np.flatnonzero(kind == SKIN)
    at = np.einsum("nk,nkc->nc", weights[skin], uv[scene.uv_faces[face[skin]]])
    left, top, right, bottom = HEAD_UV
    height, width = look.skin.shape[:2]
    u = (at[:, 0] - left) / (right - left) * width - 0.5
    v = (1.0 - at[:, 1] - top) / (bottom - top) * height - 0.5
    albedo[skin] = sample_at(look.skin, u, v)
    x, y, z = ((position[skin] - scene.eyes) / scene.unit).T
    pixel = look.wrinkles.shape[0] / _CHART_SPAN
    chart_x, chart_y = x * pixel + look.wrinkles.shape[1] / 2, look.wrinkles.shape[0] / 2 - y * pixel
    slope_y, slope_x = (floats(one) for one in np.gradient(look.wrinkles))
    frontal = np.clip(z + 1.2, 0.0, 1.0)
    bump = np.stack([-sample_at(slope_x, chart_x, chart_y), sample_at(slope_y, chart_x, chart_y), 0 * x], axis=1)
    normal = normal.copy()
    normal[skin] = unit_vectors(normal[skin] + 3.0 * frontal[:, None] * bump)
    furrow = np.clip(sample_at(look.wrinkles, chart_x, chart_y), -1.0, 0.0) * frontal
    albedo[skin] *= np.exp(furrow[:, None] * floats([0.5, 0.8, 0.9]))
    gloss[skin] = 0.22
    hair_colour = look.hair.colour if look.hair else floats([0.05, 0.04, 0.03])
    if look.hair is not None:
        under = 0.75 * look.hair.root_at(position[skin], scene.eyes, scene.unit)[:, None]
        albedo[skin] += under * (0.5 * albedo[skin] * hair_colour / hair_colour.mean() * 0.6 - albedo[skin])
    brow = _brow(x, y) * frontal
    # Its hairs lean outwards, each a little differently.
    comb = (np.abs(x) - 0.6 * y + 0.01 * np.sin(90.0 * y)) * _BROW_HAIRS_PER_UNIT
    brow = brow * (0.68 + 0.3 * np.sin(2 * np.pi * comb) * np.sin(31.0 * x + 47.0 * y))
    grey = floats(_GREY)
    brow_colour = hair_colour + (grey - hair_colour) * 0.6 * look.greyness
    albedo[skin] += brow[:, None] * (0.8 * brow_colour - albedo[skin])
    cloth = y < -_NECK + 0.15 * np.abs(x) - 0.8 * np.maximum(0.0, z + 1.0)
    albedo[skin[cloth]], gloss[skin[cloth]] = look.shirt, 0.01
    eye = np.flatnonzero(kind == EYE)
    albedo[eye], gloss[eye] = _eye(scene, position[eye], look.iris), 0.5
    albedo[kind == TEETH] = (0.62, 0.56, 0.46)
    albedo[kind == LASH] = 0.4 * hair_colour
    strand = np.flatnonzero(kind == HAIR)
    if look.hair is not None and len(strand):
        long, turn = look.hair.strand_at(rest[strand], scene.eyes, scene.unit)
        turned = np.clip((look.greyness * 1.4 - turn) * 2.5, 0.0, 1.0)[:, None]
        # Deep between the strands it is dark.
        depth = (0.3 + 0.9 * scene.layer[face[strand]] + 0.25 * (long - 0.5))[:, None]
        albedo[strand] = depth * (hair_colour + turned * (grey - hair_colour))
        gloss[strand] = 0.1
    return albedo, gloss, normal


def _brow(x: Floats, y: Floats) -> Floats:
    """How much of a pixel of the face is brow, from the front, in eye distances."""
    out = np.abs(x) - 0.5
    middle = 0.24 + 0.07 * np.clip(1.0 - ((out - 0.08) / 0.45) ** 2, -1.0, 1.0)
    half = 0.055 * np.clip((0.52 - out) / 0.5, 0.0, 1.0) ** 0.5
    ends = np.clip((out + 0.36) / 0.08, 0.0, 1.0)
    return np.asarray(np.clip((half - np.abs(y - middle)) / 0.025 + 0.5, 0.0, 1.0) * ends * (half > 0), np.float32)


def _eye(scene: Scene, position: Floats, iris: Floats) -> Floats:
    """White, iris and pupil by the angle from the gaze, which is to the front."""
    apart = np.linalg.norm(position[:, None] - scene.eye_centres, axis=2)
    offset = position - scene.eye_centres[apart.argmin(axis=1)]
    angle = np.degrees(np.arccos(np.clip(unit_vectors(offset)[:, 2], -1.0, 1.0)))
    around = np.arctan2(offset[:, 1], offset[:, 0])
    fibres = 1.0 + 0.18 * np.sin(around * 23.0) + 0.12 * np.sin(around * 57.0 + 1.0)
    white = floats([0.56, 0.5, 0.47])
    in_iris = np.clip((27.0 - angle) / 2.0, 0.0, 1.0)[:, None]
    rim = np.clip((angle - 20.0) / 7.0, 0.0, 1.0)[:, None]
    colour = white + in_iris * (iris * fibres[:, None] * (1.0 - 0.6 * rim) - white)
    pupil = np.clip((11.0 - angle) / 1.5, 0.0, 1.0)[:, None]
    # The lid's shade.
    shade = np.clip(1.0 - 5.0 * np.maximum(0.0, offset[:, 1] / scene.unit - 0.02), 0.3, 1.0)[:, None]
    return np.asarray((colour + pupil * (0.01 - colour)) * shade, np.float32)
