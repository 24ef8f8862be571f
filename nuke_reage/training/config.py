"""What a training run is told, read strictly from TOML."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from nuke_reage.core.errors import UsageError
from nuke_reage.core.strict import from_dict, nearest
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.training.limits import require_possible

__all__ = [
    "AugmentConfig",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimiserConfig",
    "TrainConfig",
    "ValidationConfig",
    "bundled_configs",
    "load_config",
]

_HINT = "See docs/training.md for every setting."
_OF_THE_START = ("width", "canvas_px", "max_canvas_px", "lines", "shade")


@dataclass(frozen=True)
class ModelConfig:
    """The network and what its descriptor will say.

    Attributes:
        name: in the registry.
        title: one line for people.
        width: channels at full resolution; 20 = 3.0 M, 25 = 4.7 M parameters.
        canvas_px: side of the canvas that the model asks for.
        max_canvas_px: side of the largest canvas worth using.
        lines: gain on the lines of age that are drawn beside its delta; 0 = none.
        shade: hue of what its delta darkens on skin, 0..1, as in its descriptor; 0 = the network's own.
        gain: the written network changes so much more than the one that learnt; what cannot be known of a face is
            learnt too faintly.  Scores are without it.
        licence: of the weights.
        commercial_use: whether the licence lets results be used commercially.
        training_data: what it learns from, for the card.
    """

    name: str = "fran-lite"
    title: str = "FRAN, light"
    width: int = 20
    canvas_px: int = 256
    max_canvas_px: int = 1024
    lines: float = 0.0
    shade: float = 0.0
    gain: float = 1.0
    licence: str = "Apache-2.0"
    commercial_use: bool = False
    training_data: str = ""


@dataclass(frozen=True)
class DataConfig:
    """Which pictures, and how pairs are drawn.

    Attributes:
        crop_px: side of the squares that are trained on, cut out of the canvas, mostly of the face; at most the
            canvas's side, which takes it whole.
        folder_shares: how often each data set is drawn from, in the order given; empty = equally often.
        validation_people: names kept for validation, in all data sets; empty = a share of each, chosen by name.
        validation_share: that share.
        null_share: share of pairs of one age, for which nothing may change.
        ageing_share: share of the other pairs that go from young to old.
        gap_years: pairs this far apart are drawn about twice as often as close ones.
        real_share: share of pairs, where a person has one photograph, that begin or end with it.
        threads: that prepare batches.
        on_device: "auto" holds all pictures in a GPU's memory, and changes them there, if they need no more than half
            of what is free; "always" does so on any device, "never" reads files.
    """

    crop_px: int = 256
    folder_shares: tuple[float, ...] = ()
    validation_people: tuple[str, ...] = ()
    validation_share: float = 0.05
    null_share: float = 0.06
    ageing_share: float = 0.6
    gap_years: float = 25.0
    real_share: float = 0.6
    threads: int = 1
    on_device: str = "auto"


@dataclass(frozen=True)
class AugmentConfig:
    """Changes that both pictures of a pair get alike; 0 = off.

    Attributes:
        flip: mirror every second pair.
        rotation_degrees: standard deviation.
        scale: standard deviation of the logarithm of size.
        shift: standard deviation as a share of the side.
        exposure_stops: standard deviation.
        white_balance: standard deviation of each channel's logarithmic gain.
        gamma: standard deviation of the logarithm of contrast.
        saturation: standard deviation.
        grain: largest standard deviation of noise, in 0..1.
        blur_px: largest sigma.
        jpeg_share: share of pairs whose source is compressed as JPEG; the target has what that does to it.
        crop_spread: standard deviation of the crop's middle from the face's, as a share of the canvas; 0.12 keeps to
            the face, 0.2 sees as much hair.
    """

    flip: bool = True
    rotation_degrees: float = 4.0
    scale: float = 0.08
    shift: float = 0.02
    exposure_stops: float = 0.35
    white_balance: float = 0.06
    gamma: float = 0.12
    saturation: float = 0.15
    grain: float = 0.02
    blur_px: float = 1.0
    jpeg_share: float = 0.1
    crop_spread: float = 0.12


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses.

    Attributes:
        l1: absolute difference.
        pyramid: absolute difference of Laplacian pyramids, the perceptual term that needs no weights.
        lpips: LPIPS (:mod:`nuke_reage.training.lpips`), the perceptual term for whoever has its weights.
        lpips_network: file of AlexNet or VGG 16; wanted where ``lpips`` is not 0.
        lpips_heads: file of LPIPS's own weights for that network; likewise.
        gradient: absolute difference of gradients at three scales.
        lines: squared difference of Laplacian pyramids; without it, lines whose place is uncertain are left out.
        hue: difference of red and blue against green, as shares of the light; for casts, dark skin's too.
        adversarial: of the discriminator on the target age; 0 = no discriminator.
        adversarial_from_step: when it joins.
        discriminator_width: channels of its first layer, where none is given with the model to begin from.
        face_weight: how much more the face counts than the rest.
        change_weight: how much more a pixel counts for each unit, from black to white, that it should change by; for
            what changes much but lies outside the face, as hair does.
    """

    l1: float = 1.0
    pyramid: float = 1.0
    lpips: float = 0.0
    lpips_network: str = ""
    lpips_heads: str = ""
    gradient: float = 0.5
    lines: float = 0.0
    hue: float = 0.0
    adversarial: float = 0.05
    adversarial_from_step: int = 0
    discriminator_width: int = 32
    face_weight: float = 8.0
    change_weight: float = 0.0


@dataclass(frozen=True)
class OptimiserConfig:
    """How the weights move.

    Attributes:
        method: of the generator, "adamw" or "muon", see :mod:`nuke_reage.training.muon`; the discriminator has AdamW.
        steps: in all.
        batch_size: pairs a step and device.
        accumulate: batches a step.
        learning_rate: highest.
        discriminator_learning_rate: constant.
        warmup_steps: to reach it.
        final_share: what is left of it at the end of the cosine.
        weight_decay: decoupled.
        clip_norm: largest norm of the gradient.
        ema_decay: of the averaged weights, which are the ones validated and kept.
        precision: "bf16" or "fp32".
        seed: of everything.
    """

    method: str = "adamw"
    steps: int = 20000
    batch_size: int = 8
    accumulate: int = 1
    learning_rate: float = 6e-4
    discriminator_learning_rate: float = 2e-4
    warmup_steps: int = 100
    final_share: float = 0.03
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    precision: str = "bf16"
    seed: int = 0


@dataclass(frozen=True)
class ValidationConfig:
    """When to look.

    Attributes:
        every_steps: between validations; the best is kept.
        pairs_per_person: how many pairs of each kept person.
        max_people: of each data set.
        checkpoint_every_steps: between checkpoints to go on from.
        tensorboard: write TensorBoard files too.
    """

    every_steps: int = 500
    pairs_per_person: int = 6
    max_people: int = 8
    checkpoint_every_steps: int = 100
    tensorboard: bool = False


@dataclass(frozen=True)
class TrainConfig:
    """All of it."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        require_possible(self)


def load_config(path: str | os.PathLike[str], start: ModelDescriptor | None = None) -> TrainConfig:
    """Read a configuration; what it leaves out takes its default.

    Args:
        path: a TOML file, or the name of a bundled one (:func:`bundled_configs`).
        start: the model to begin from; width, canvas and lines that the file leaves out are its.

    Raises:
        UsageError: no such file, no TOML, an unknown setting (the nearest is named) or an impossible value.
    """
    bundled = bundled_configs()
    file = Path(path)
    text = bundled.get(str(path).removesuffix(".toml"), None) if not file.exists() else None
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8") if text is None else text)
    except OSError as error:
        reason = f"Cannot read {path}: {error.strerror}."
        raise UsageError("no-config", reason, f"Bundled: {nearest(str(path), bundled)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("bad-config", f"{path} is not valid TOML: {error}.", _HINT) from None
    if start is not None and isinstance(data.setdefault("model", {}), dict):
        data["model"] = {name: getattr(start, name) for name in _OF_THE_START} | data["model"]
    return from_dict(TrainConfig, data, file.name)


def bundled_configs() -> dict[str, str]:
    """The text of the configurations that come along, by name."""
    folder = resources.files("nuke_reage.training") / "configs"
    return {
        one.name.removesuffix(".toml"): one.read_text(encoding="utf-8")
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    }
