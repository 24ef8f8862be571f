"""Light, skin, eyes and hair: from triangles to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from nuke_reage.training.render.raster import Floats, Kinds, floats, rasterise, sample_at, unit_vectors
from nuke_reage.training.render.scene import EYE, HAIR, LASH, SKIN, Scene
from nuke_reage.training.render.surface import Look, surfaces_of, what_is_there

__all__ = ["Camera", "Light", "render_scene"]

_SHADOW_PX = 512
_SHADOW_BIAS = 0.02
# How far red, green and blue light spreads in skin, in eye distances.
_SCATTER = (0.035, 0.016, 0.009)


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the picture is taken from, and which square of it is kept.

    Attributes:
        eye: (3,) position.
        axes: (3, 3): rows are right, down and forward.
        scale: pixels on a side for a slope of 1.
        offset: (2,) slope at the picture's top left corner.
    """

    eye: Floats
    axes: Floats
    scale: float
    offset: Floats

    def project(self, points: Floats, size_px: int) -> Floats:
        """(V, 3) pixel position and distance."""
        local = (points - self.eye) @ self.axes.T
        slope = local[:, :2] / local[:, 2:]
        return np.asarray(np.column_stack([(slope - self.offset) * self.scale * size_px, local[:, 2]]), np.float32)


@dataclass(frozen=True, eq=False)
class Light:
    """A distant light.

    Attributes:
        direction: (3,) towards it.
        colour: (3,) linear.
    """

    direction: Floats
    colour: Floats


def render_scene(
    scene: Scene,
    uv: Floats,
    look: Look,
    camera: Camera,
    lights: list[Light],
    ambient: tuple[Floats, Floats],
    background: Floats,
) -> Floats:
    """A picture of a person.

    Args:
        scene: triangles.
        uv: (T, 2) texture coordinates, v up.
        look: surfaces.
        camera: view.
        lights: the first one casts shadows.
        ambient: (3,) light from above and from below.
        background: (S, S, 3) linear; its size is the picture's.

    Returns:
        (S, S, 3) float32 linear, tone-mapped to 0..1.
    """
    size_px = background.shape[0]
    projected = camera.project(scene.vertices, size_px)
    solid, scene = scene, scene.facing(projected)
    seen = rasterise(projected, scene.faces, size_px, what_is_there(scene, look))
    hit = seen.face >= 0
    face = seen.face[hit]
    kind = scene.kind[face]
    position = seen.interpolate(scene.faces, scene.vertices)
    rest = seen.interpolate(scene.faces, scene.rest)
    normal = unit_vectors(seen.interpolate(scene.faces, scene.normals))
    view = unit_vectors(camera.eye - position)
    back = np.einsum("nc,nc->n", normal, view) < 0
    normal[back & (kind != SKIN)] *= -1
    albedo, gloss, normal = surfaces_of(scene, uv, look, seen, kind, position, rest, normal)
    lit, shine = _lit(solid, kind, position, normal, view, lights, ambient, gloss)
    irradiance = np.zeros((size_px, size_px, 3), np.float32)
    irradiance[hit] = lit
    skin = np.zeros((size_px, size_px), np.float32)
    skin[hit] = kind == SKIN
    irradiance = _scattered(irradiance, skin, scene.unit * camera.scale * size_px / float(np.median(seen.depth[hit])))
    picture = background.copy()
    picture[hit] = albedo * irradiance[hit] + shine
    # A shoulder, as every camera has it.
    return np.asarray(np.clip(picture / (1.0 + 0.25 * picture) * 1.1, 0.0, 1.0), np.float32)


def _lit(
    scene: Scene,
    kind: Kinds,
    position: Floats,
    normal: Floats,
    view: Floats,
    lights: list[Light],
    ambient: tuple[Floats, Floats],
    gloss: Floats,
) -> tuple[Floats, Floats]:
    """Light that falls on every pixel, and what is mirrored."""
    wrap = np.where((kind == SKIN)[:, None], floats([0.3, 0.12, 0.07]), 0.05).astype(np.float32)
    wrap[kind == HAIR] = 0.4
    up = 0.5 + 0.5 * normal[:, 1:2]
    total = ambient[1] + (ambient[0] - ambient[1]) * up
    shine = np.zeros_like(position)
    power = np.where(kind == EYE, 300.0, np.where(kind == HAIR, 18.0, 26.0))
    edge = 1.0 - np.clip(np.einsum("nc,nc->n", normal, view), 0.0, 1.0)
    for index, light in enumerate(lights):
        shadow = _shadow(scene, position, light) if index == 0 else np.ones(len(position), np.float32)
        towards = normal @ light.direction
        diffuse = np.maximum((towards[:, None] + wrap) / (1.0 + wrap), 0.0) * shadow[:, None]
        half = np.clip(np.einsum("nc,nc->n", normal, unit_vectors(view + light.direction)), 0.0, 1.0)
        mirrored = half**power * gloss * (0.5 + 0.7 * edge**3) * shadow * (towards > 0)
        total = total + light.colour * diffuse
        shine = shine + light.colour * mirrored[:, None]
    return np.asarray(total, np.float32), np.asarray(shine, np.float32)


def _shadow(scene: Scene, position: Floats, light: Light) -> Floats:
    """(N,) 1 = in the light, 0 = in the shade, soft."""
    right = unit_vectors(np.cross(floats([0.0, 1.0, 0.0]), light.direction))
    axes = np.stack([right, np.cross(right, light.direction), -light.direction])
    span = 7.0 * scene.unit

    def seen_from_light(points: Floats) -> Floats:
        local = (points - scene.eyes) @ axes.T
        flat = (local[:, :2] / span + 0.5) * _SHADOW_PX
        return np.asarray(np.column_stack([flat, local[:, 2] + 10.0 * span]), np.float32)

    # Hair casts the shade of its middle layers, as if it were solid.
    solid = (scene.kind != HAIR) | ((scene.layer > 0.3) & (scene.layer < 0.5))
    solid &= scene.kind != LASH
    depth = rasterise(seen_from_light(scene.vertices), scene.faces[solid], _SHADOW_PX).depth
    depth = np.where(np.isfinite(depth), depth, floats(1e6)).astype(np.float32)
    at = seen_from_light(position)
    total = np.zeros(len(position), np.float32)
    for dy in (-1.5, 0.0, 1.5):
        for dx in (-1.5, 0.0, 1.5):
            near = sample_at(depth, at[:, 0] + dx - 0.5, at[:, 1] + dy - 0.5, cv2.INTER_NEAREST)
            total += at[:, 2] - _SHADOW_BIAS * 3.0 < near
    return total / floats(9.0)


def _scattered(irradiance: Floats, skin: Floats, unit_px: float) -> Floats:
    """Light spreads within skin, red the farthest."""
    out = irradiance.copy()
    for channel, share in enumerate(_SCATTER):
        sigma = max(0.3, share * unit_px)
        blurred = cv2.GaussianBlur(irradiance[..., channel] * skin, (0, 0), sigma)
        weight = cv2.GaussianBlur(skin, (0, 0), sigma)
        out[..., channel] = np.where(skin > 0, blurred / np.maximum(weight, 1e-3), irradiance[..., channel])
    return out
