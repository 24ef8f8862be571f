"""Who is rendered: a face, an expression, and what years do to its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nuke_reage.training.render.makehuman import MakeHuman
from nuke_reage.training.render.raster import Floats

__all__ = ["Identity", "draw_identity", "shape_at"]

_PEOPLES = ("african", "asian", "caucasian")
_FEATURES = {
    "nose": 7,
    "mouth": 6,
    "eyes": 6,
    "chin": 3,
    "cheek": 3,
    "forehead": 3,
    "head": 3,
    "eyebrows": 2,
    "asym": 5,
}
_NOT_OF_A_PERSON = ("trans-", "age", "old", "baby")
_EXPRESSIONS = ("browInnerUp", "browDownLeft", "browDownRight", "eyeSquintLeft", "eyeSquintRight", "mouthPressLeft")
# What gravity and lost volume do on top of MakeHuman's own targets for age; weights at 90.
_OF_AGE = {
    "mouth/mouth-laugh-lines-in": 0.35,
    "eyes/l-eye-bag-incr": 0.4,
    "eyes/r-eye-bag-incr": 0.4,
    "ears/l-ear-scale-incr": 0.15,
    "ears/r-ear-scale-incr": 0.15,
    "mouth/mouth-upperlip-volume-decr": 0.5,
    "mouth/mouth-lowerlip-volume-decr": 0.4,
}
_GROWN_YEARS, _OLD_YEARS = 25.0, 90.0
_SHAPE_SHARE = 0.8


@dataclass(frozen=True)
class Identity:
    """One person.

    Attributes:
        female: share of the female targets, 0..1.
        peoples: shares of MakeHuman's three sets of features.
        heavy: -1 = thin, 1 = heavy.
        features: targets and weights of the face.
        expression: targets and weights.
    """

    female: float
    peoples: tuple[float, float, float]
    heavy: float
    features: tuple[tuple[str, float], ...]
    expression: tuple[tuple[str, float], ...]

    @property
    def is_dark(self) -> bool:
        """Whether African features prevail, which goes with dark skins."""
        return max(range(3), key=lambda index: self.peoples[index]) == 0


def draw_identity(makehuman: MakeHuman, rng: np.random.Generator) -> Identity:
    """A random person with a random mild expression."""
    female = float(rng.uniform(0.75, 1.0)) if rng.random() < 0.5 else float(rng.uniform(0.0, 0.25))
    african, asian, caucasian = (float(share) for share in rng.dirichlet([0.5, 0.5, 0.5]))
    features: list[tuple[str, float]] = []
    for group, count in _FEATURES.items():
        known = [name for name in makehuman.names(group) if not any(word in name for word in _NOT_OF_A_PERSON)]
        plain = sorted({name.removeprefix("l-").removeprefix("r-") for name in known})
        for chosen in rng.choice(plain, min(count, len(plain)), replace=False):
            weight = float(rng.uniform(0.0, 0.5))
            sides = [f"{side}{chosen}" for side in ("", "l-", "r-") if f"{side}{chosen}" in known]
            features += [(f"{group}/{name}", weight * float(rng.uniform(0.9, 1.1))) for name in sides]
    expression = {f"expression/{name}": float(rng.uniform(0.0, 0.3)) for name in _EXPRESSIONS if rng.random() < 0.2}
    smile = float(rng.uniform(0.1, 0.6)) if rng.random() < 0.5 else 0.0
    for side in ("Left", "Right"):
        expression[f"expression/mouthSmile{side}"] = smile * float(rng.uniform(0.85, 1.0))
        expression[f"expression/cheekSquint{side}"] = 0.5 * smile
    return Identity(
        female, (african, asian, caucasian), float(rng.uniform(-0.7, 0.7)), tuple(features), tuple(expression.items())
    )


def shape_at(makehuman: MakeHuman, identity: Identity, age_years: float) -> Floats:
    """The person's vertices, (V, 3) float32, at an age from 18 to 90."""
    vertices = makehuman.vertices.copy()
    share = float(np.clip((age_years - _GROWN_YEARS) / (_OLD_YEARS - _GROWN_YEARS), 0.0, 1.0)) * _SHAPE_SHARE
    heavy = abs(identity.heavy)
    for sex, of_sex in (("female", identity.female), ("male", 1.0 - identity.female)):
        for stage, of_stage in (("young", 1.0 - share), ("old", share)):
            weight = of_sex * of_stage
            for people, of_people in zip(_PEOPLES, identity.peoples, strict=True):
                makehuman.morph(vertices, f"macrodetails/{people}-{sex}-{stage}", weight * of_people)
            universal = f"macrodetails/universal-{sex}-{stage}-averagemuscle-"
            extreme = "maxweight" if identity.heavy > 0 else "minweight"
            makehuman.morph(vertices, f"{universal}averageweight", weight * (1.0 - heavy))
            makehuman.morph(vertices, f"{universal}{extreme}", weight * heavy)
    for target, weight in (*identity.features, *identity.expression):
        makehuman.morph(vertices, target, weight)
    for target, weight in _OF_AGE.items():
        makehuman.morph(vertices, target, weight * share)
    return vertices
