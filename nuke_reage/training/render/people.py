"""Synthetic people, each at many ages: the same face, pose, light and background, only the age differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.training.layout import EVERYBODY
from nuke_reage.training.pictures import list_pictures, write_picture
from nuke_reage.training.recipe import digest, write_manifest
from nuke_reage.training.render.makehuman import MakeHuman, open_makehuman
from nuke_reage.training.render.person import draw_identity, shape_at
from nuke_reage.training.render.raster import Floats, floats
from nuke_reage.training.render.scene import build_scene, draw_hair
from nuke_reage.training.render.shade import Camera, Light, render_scene
from nuke_reage.training.render.skin import SkinSet, wrinkle_heights
from nuke_reage.training.render.surface import Look

__all__ = ["render_people", "render_person"]

_SUPERSAMPLING = 2
_IRISES = ((0.05, 0.022, 0.01), (0.09, 0.045, 0.02), (0.1, 0.16, 0.24), (0.09, 0.12, 0.06), (0.12, 0.14, 0.16))


@dataclass(frozen=True, eq=False)
class _Set:
    """What stays the same at every age."""

    lights: list[Light]
    ambient: tuple[Floats, Floats]
    background: Floats
    yaw: float
    pitch: float
    distance: float


def render_people(
    out: Path,
    count: int,
    skins: Path,
    *,
    ages: Sequence[int] = (20, 30, 40, 50, 60, 70, 80),
    size_px: int = 512,
    seed: int = 0,
    part: slice = EVERYBODY,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write ``out/render_0000/AGE.png`` and so on, in the layout and crop that training wants.

    Person ``n`` depends on the seed and ``n`` alone; whoever is there whole is kept, in a folder that was made with the
    same seed, size and skins.

    Args:
        out: the data set's folder.
        count: how many people.
        skins: folder of MakeHuman skins.
        ages: in years, 18 to 90.
        size_px: side of the pictures.
        seed: of everything.
        part: which of the people to make; the others are left to other processes.
        progress: told how many pictures are done, of how many.

    Returns:
        How many pictures were made now.

    Raises:
        UsageError: the body or the skins are not there, or the folder was made otherwise.
        MediaError: a picture cannot be written.
    """
    makehuman, skin_set = open_makehuman(), SkinSet(skins)
    recipe = {"seed": seed, "canvas_px": size_px, "skins_sha256": digest(skins, list_pictures(skins))}
    write_manifest(out, "data render", recipe)
    made, done, now = 0, 0, range(count)[part]
    for number in now:
        folder = out / f"render_{number:04d}"
        missing = [age for age in ages if not (folder / f"{age}.png").is_file()]
        done += len(ages) - len(missing)
        progress(done, len(now) * len(ages))
        if missing:
            rng_seed = [seed, number]
            for age, picture in zip(
                missing, render_person(makehuman, skin_set, rng_seed, missing, size_px), strict=True
            ):
                folder.mkdir(parents=True, exist_ok=True)
                write_picture(folder / f"{age}.png", picture)
                made, done = made + 1, done + 1
                progress(done, len(now) * len(ages))
    return made


def render_person(
    makehuman: MakeHuman,
    skins: SkinSet,
    seed: Sequence[int],
    ages: Sequence[int],
    size_px: int,
    *,
    yaw_degrees: float | None = None,
) -> list[Floats]:
    """One person at some ages.

    Args:
        makehuman: the body.
        skins: to choose from.
        seed: who it is.
        ages: in years.
        size_px: side of the pictures.
        yaw_degrees: how far the head is turned, 90 = profile; None = by chance, mostly little.

    Returns:
        (S, S, 3) float32 pictures, sRGB-encoded, 0..1.
    """
    rng = np.random.default_rng(list(seed))
    identity = draw_identity(makehuman, rng)
    female = identity.female > 0.5
    skin = skins.choose(dark=identity.is_dark, female=female, rng=rng)
    hair = draw_hair(dark=identity.is_dark or identity.peoples[1] > 0.5, female=female, rng=rng)
    dark_eyes = identity.is_dark or identity.peoples[1] > 0.5
    iris = floats(_IRISES[0] if dark_eyes else _IRISES[int(rng.integers(len(_IRISES)))])
    shirt = floats(rng.uniform(0.02, 0.7, 3) ** 1.5)
    stage = _draw_set(rng, size_px * _SUPERSAMPLING)
    if yaw_degrees is not None:
        stage = replace(stage, yaw=float(np.radians(yaw_degrees)))
    lines_seed = int(rng.integers(2**31))
    camera = _aligned_camera(makehuman, _between_eyes(makehuman, shape_at(makehuman, identity, 30.0)), stage)
    pictures = []
    for age in ages:
        scene = build_scene(makehuman, _between_eyes(makehuman, shape_at(makehuman, identity, float(age))), hair)
        look = Look(
            skin.at(age),
            wrinkle_heights(age, np.random.default_rng(lines_seed)),
            hair,
            float(np.clip((age - hair.grey_from_years) / 25.0, 0.0, 1.0)),
            iris,
            shirt,
        )
        large = render_scene(scene, makehuman.uv, look, camera, stage.lights, stage.ambient, stage.background)
        small = cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA)
        pictures.append(np.asarray(np.where(small < 0.0031308, 12.92 * small, 1.055 * small ** (1 / 2.4) - 0.055)))
    return [np.asarray(one, np.float32) for one in pictures]


def _between_eyes(makehuman: MakeHuman, vertices: Floats) -> Floats:
    """The vertices with the middle of the eyes at 0 and the eyes 1 apart, so that the pictures of a person match."""
    centres = np.stack([makehuman.joint(vertices, name) for name in ("l-eye", "r-eye")])
    return np.asarray((vertices - centres.mean(axis=0)) / np.linalg.norm(centres[0] - centres[1]), np.float32)


def _aligned_camera(makehuman: MakeHuman, vertices: Floats, stage: _Set) -> Camera:
    """A camera whose square is the FFHQ crop of the face at 30."""
    centres = np.stack([makehuman.joint(vertices, name) for name in ("l-eye", "r-eye")])
    teeth = [np.unique(makehuman.parts[f"helper-{name}-teeth"].faces) for name in ("upper", "lower")]
    mouth = vertices[np.concatenate(teeth)].mean(axis=0)
    # The lips' plane, not the teeth's.
    mouth[2] = 0.2
    forward = -np.array(
        [np.sin(stage.yaw) * np.cos(stage.pitch), np.sin(stage.pitch), np.cos(stage.yaw) * np.cos(stage.pitch)]
    )
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    axes = floats([right, np.cross(forward, right), forward])
    eye = floats(-forward * stage.distance)
    rough = Camera(eye, axes, 1.0, np.zeros(2, np.float32))
    marks = np.concatenate([centres, mouth[None]]).astype(np.float32)
    right_eye, left_eye, lips = rough.project(marks, 1)[[1, 0, 2], :2].astype(np.float64)
    between = (right_eye + left_eye) / 2
    half = max(2.0 * float(np.linalg.norm(left_eye - right_eye)), 1.8 * float(np.linalg.norm(lips - between)))
    middle = between + 0.1 * (lips - between)
    return Camera(eye, axes, 1.0 / (2.0 * half), floats(middle - half))


def _draw_set(rng: np.random.Generator, size_px: int) -> _Set:
    def towards(azimuth_degrees: float, elevation_degrees: float) -> Floats:
        azimuth, elevation = np.radians(azimuth_degrees), np.radians(elevation_degrees)
        return floats([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    key = uniform(-60, 60)
    warm = floats([1 + uniform(-0.06, 0.12), 1.0, 1 - uniform(-0.06, 0.14)])
    lights = [
        Light(towards(key, uniform(10, 50)), warm * floats(uniform(0.45, 1.0))),
        Light(towards(-key + uniform(-25, 25), uniform(-5, 35)), floats([1, 1, 1.05]) * floats(uniform(0.12, 0.4))),
        Light(towards(180 + uniform(-50, 50), uniform(10, 50)), np.ones(3, np.float32) * floats(uniform(0, 0.8))),
    ]
    strength = uniform(0.15, 0.32)
    ambient = (floats([1, 1, 1.04]) * floats(strength), floats([0.6, 0.54, 0.5]) * floats(strength))

    def muted(highest: float) -> npt.NDArray[np.float64]:
        colour = rng.uniform(0.02, highest, 3)
        return np.asarray(0.45 * colour + 0.55 * colour.mean())

    low, high = muted(0.7), muted(0.7)
    rise = np.linspace(0.0, 1.0, size_px)[:, None, None]
    background = floats(low * (1 - rise) + high * rise) * np.ones((size_px, size_px, 1), np.float32)
    for _ in range(int(rng.integers(2, 10))):
        blob = np.zeros((size_px, size_px), np.float32)
        centre = tuple(int(value) for value in rng.integers(0, size_px, 2))
        cv2.circle(blob, centre, int(rng.integers(size_px // 40, size_px // 4)), 1.0, -1)
        soft = cv2.GaussianBlur(blob, (0, 0), uniform(0.01, 0.05) * size_px)[..., None] * floats(uniform(0.3, 1.0))
        background = background * (1 - soft) + floats(muted(0.9)) * soft
    yaw, pitch = np.radians(rng.normal(0.0, 9.0)), np.radians(rng.normal(0.0, 4.0))
    return _Set(lights, ambient, floats(background), float(yaw), float(pitch), uniform(14.0, 24.0))
