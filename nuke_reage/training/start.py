"""What a run may begin from: a generator, and the discriminator that was trained with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from nuke_reage.core.errors import ModelError
from nuke_reage.models.architectures import architecture
from nuke_reage.models.registry import Registry
from nuke_reage.models.torch_state import to_arrays, to_tensors
from nuke_reage.models.weights import check_layout, read_checkpoint, save_weights
from nuke_reage.training.config import TrainConfig
from nuke_reage.training.losses import AgeDiscriminator

__all__ = ["PublishedDiscriminator", "Start", "discriminator_beside", "read_discriminator", "read_start", "save_judge"]

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
        judge: the discriminator; None = it begins from nothing.
        judge_name: of its file; empty without one.
    """

    name: str
    generator: dict[str, Tensor]
    judge: nn.Module | None = None
    judge_name: str = ""


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
        ModelError: ``other-width``, ``wrong-discriminator``, or a file is missing, damaged, unsafe or no such network.
    """
    path = _weights_of(Path(model))
    state = read_checkpoint(path)
    family = architecture("fran")
    width = check_layout(state, family, None, path)
    if width != config.model.width:
        raise ModelError(
            "other-width",
            f"{path} holds a network of width {width}; the configuration says {config.model.width}.",
            f"Write width = {width} under [model] in the configuration.",
        )
    beside = discriminator_beside(path) if config.loss.adversarial > 0 else None
    chosen = Path(discriminator) if discriminator is not None else beside
    judge = None if chosen is None else read_discriminator(chosen)
    return Start(path.name, to_tensors(state), judge, "" if chosen is None else chosen.name)


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


def save_judge(judge: nn.Module, model: Path) -> Path:
    """Write the discriminator beside a model, where :func:`read_start` finds it.

    Args:
        judge: the discriminator.
        model: descriptor or weights file.

    Raises:
        ModelError: it cannot be written.
    """
    path = model.with_name(f"{model.stem}{_SUFFIX}.safetensors")
    save_weights(to_arrays(_parameters(judge)), path, dtype="float32", metadata={"kind": "discriminator"})
    return path


def _parameters(net: nn.Module) -> Mapping[str, Tensor]:
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}


def _weights_of(model: Path) -> Path:
    if model.suffix and model.suffix != ".json":
        return model
    return Registry.from_environment().get(str(model)).require_weights()
