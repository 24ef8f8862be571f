"""What a run may begin from: a generator, and the discriminator that was trained with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from nuke_reage.core.errors import ModelError
from nuke_reage.models.architectures import architecture
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.registry import Registry
from nuke_reage.models.torch_state import to_arrays, to_tensors
from nuke_reage.models.weights import check_layout, load_weights, read_checkpoint, save_weights
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.losses import AgeDiscriminator

__all__ = [
    "PublishedDiscriminator",
    "Start",
    "discriminator_beside",
    "discriminator_path",
    "read_discriminator",
    "read_start",
    "save_discriminator",
    "start_descriptor",
]

_SUFFIX = ".discriminator"


class PublishedDiscriminator(nn.Module):
    """The PatchGAN of the layout in which discriminators have been published: strided 4 x 4 convolutions and batch
    normalisation, whose statistics stay as they were learnt, for the few pictures of a fine-tuning would spoil them.

    Args:
        width: channels of the first layer; 64 as published.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(4, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 4, stride=1, padding=1),
        )
        self.train()

    def train(self, mode: bool = True) -> PublishedDiscriminator:
        """As any module's, but the statistics never learn."""
        super().train(mode)
        for layer in self.model:
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    def forward(self, rgb: Tensor, years: Tensor) -> Tensor:
        """Logits, as :meth:`nuke_reage.training.losses.AgeDiscriminator.forward`."""
        age = (years / 100.0).view(-1, 1, 1, 1).to(rgb.dtype).expand(-1, 1, *rgb.shape[-2:])
        return cast(Tensor, self.model(torch.cat([rgb, age], dim=1)))


@dataclass(frozen=True, eq=False)
class Start:
    """What was read.

    Attributes:
        name: of the generator's file.
        generator: its weights, float32.
        sha256: of that file.
        discriminator: None = it begins from nothing.
        discriminator_name: of its file; empty without one.
        discriminator_sha256: of that file; empty without one.
        age_range: years that the generator has seen, where its descriptor tells.
    """

    name: str
    generator: dict[str, Tensor]
    sha256: str
    discriminator: nn.Module | None = None
    discriminator_name: str = ""
    discriminator_sha256: str = ""
    age_range: tuple[float, float] | None = None


def read_start(
    model: str | os.PathLike[str], config: TrainConfig, discriminator: str | os.PathLike[str] | None = None
) -> Start:
    """Read the weights to begin from.

    Args:
        model: a model's name, its descriptor, or a weights file.
        config: its width must be that of the weights.
        discriminator: a weights file; None = the one that lies beside the model, if there is one and the
            configuration has an adversarial loss.

    Raises:
        ModelError: ``other-width``, ``wrong-discriminator``, or a file is missing, damaged, not what its descriptor
            says, unsafe or no such network.
    """
    family = architecture("fran")
    descriptor = start_descriptor(model)
    if descriptor is None:
        path = Path(model)
        state = read_checkpoint(path)
    else:
        path = descriptor.require_weights()
        state = load_weights(descriptor, family)
    width = check_layout(state, family, None, path)
    if width != config.model.width:
        raise ModelError(
            "other-width",
            f"{path} holds a network of width {width}; the configuration says {config.model.width}.",
            f"Write width = {width} under [model] in the configuration.",
        )
    beside = discriminator_beside(path) if config.loss.adversarial > 0 else None
    chosen = Path(discriminator) if discriminator is not None else beside
    start = Start(
        path.name, to_tensors(state), sha256_of(path), age_range=None if descriptor is None else descriptor.age_range
    )
    if chosen is None:
        return start
    return replace(
        start,
        discriminator=read_discriminator(chosen),
        discriminator_name=chosen.name,
        discriminator_sha256=sha256_of(chosen),
    )


def start_descriptor(model: str | os.PathLike[str]) -> ModelDescriptor | None:
    """What is known of the weights to begin from: None for a file without a descriptor.

    Raises:
        ModelError: there is no such model, or its descriptor is damaged.
    """
    try:
        return Registry.from_environment().get(os.fspath(model))
    except ModelError as error:
        if error.slug != "no-descriptor":
            raise
        return None


def discriminator_beside(weights: Path) -> Path | None:
    """The discriminator that belongs to a generator's file: ``fran-lite.discriminator.safetensors`` beside
    ``fran-lite.safetensors``, ``best_discriminator_model.pth`` beside ``best_unet_model.pth``.
    """
    names = [f"{weights.stem}{_SUFFIX}{suffix}" for suffix in (weights.suffix, ".safetensors", ".pth")]
    if "unet" in weights.name:
        names.append(weights.name.replace("unet", "discriminator"))
    return next((weights.with_name(name) for name in names if weights.with_name(name).is_file()), None)


def read_discriminator(path: Path) -> nn.Module:
    """Build the discriminator that a file holds, of this project's layout or of the published one; any width.

    Raises:
        ModelError: ``wrong-discriminator``, or as :func:`nuke_reage.models.weights.read_checkpoint`.
    """
    state = to_tensors(read_checkpoint(path))
    for first, kind in (("layers.0.weight", AgeDiscriminator), ("model.0.weight", PublishedDiscriminator)):
        if first in state:
            net = kind(state[first].shape[0])
            expected = {key: value.shape for key, value in _parameters(net).items()}
            if expected == {key: value.shape for key, value in state.items()}:
                net.load_state_dict(state, strict=False)
                return net
    raise ModelError(
        "wrong-discriminator",
        f"{path} holds no discriminator that is known here.",
        "Leave it out (it is then learnt from nothing), or give the one that was trained with the model.",
    )


def save_discriminator(discriminator: nn.Module, model: Path) -> Path:
    """Write the discriminator beside a model, where :func:`read_start` finds it.

    Args:
        discriminator: as it is now.
        model: descriptor or weights file.

    Raises:
        ModelError: it cannot be written.
    """
    path = discriminator_path(model)
    save_weights(to_arrays(_parameters(discriminator)), path, dtype="float32", metadata={"kind": "discriminator"})
    return path


def discriminator_path(model: Path) -> Path:
    """Where :func:`save_discriminator` writes."""
    return model.with_name(f"{model.stem}{_SUFFIX}.safetensors")


def _parameters(net: nn.Module) -> Mapping[str, Tensor]:
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}
