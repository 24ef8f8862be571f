"""LPIPS, a perceptual loss of learnt features, for whoever has its weights: none are bundled, and none are needed.

Source:
    R. Zhang et al., *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*, CVPR 2018; version 0.1 of
    its weights.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn

from nuke_reage.core.errors import ModelError
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.torch_state import to_tensors
from nuke_reage.models.weights import read_checkpoint

__all__ = ["Lpips", "read_lpips"]

_CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
_VGG_CONVOLUTIONS = (2, 2, 3, 3, 3)
# Means and standard deviations of the pictures that the networks learnt from, in -1..1.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_TINY = 1e-10


class Lpips(nn.Module):
    """How different two pictures look: squared differences of the unit-length features of five layers, weighted by the
    heads.  It never learns.

    Args:
        network: "alex" or "vgg".
    """

    def __init__(self, network: str) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_alex() if network == "alex" else _vgg())
        self.heads = nn.ParameterList(torch.zeros(1, channels, 1, 1) for channels in _CHANNELS[network])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.names: tuple[str, ...] = ()
        self.sha256: tuple[str, ...] = ()
        self.requires_grad_(False)

    def forward(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The mean over the pictures; with a weight of 1 everywhere, LPIPS as published.

        Args:
            output: (N, 3, H, W) encoded, 0..1 or a little outside.
            target: the same shape.
            weight: (N, 1, H, W), of pixels; a feature counts by the mean of those that it stands for.
        """
        total = torch.zeros((), device=output.device)
        made, wanted = self._scaled(output), self._scaled(target)
        for stage, head in zip(self.stages, self.heads, strict=True):
            made, wanted = stage(made), stage(wanted)
            apart = (_unit_length(made) - _unit_length(wanted)).square()
            shown = (apart * head).sum(dim=1, keepdim=True)
            total = total + (shown * F.adaptive_avg_pool2d(weight, shown.shape[-2:])).mean()
        return total

    def _scaled(self, rgb: Tensor) -> Tensor:
        return (rgb * 2.0 - 1.0 - cast(Tensor, self.shift)) / cast(Tensor, self.scale)


def read_lpips(network: str | os.PathLike[str], heads: str | os.PathLike[str]) -> Lpips:
    """Read the two files that LPIPS is made of; nothing in them is executed.

    Args:
        network: AlexNet or VGG 16 that learnt ImageNet, in torchvision's layout (``alexnet-owt-7be5be79.pth``,
            ``vgg16-397923af.pth``).
        heads: the layers' weights in the layout of the package ``lpips`` (``weights/v0.1/alex.pth``, ``vgg.pth``).

    Raises:
        ModelError: ``wrong-lpips``, a file holds something else or the two do not belong together; or as
            :func:`nuke_reage.models.weights.read_checkpoint`.
    """
    network, heads = Path(network).expanduser(), Path(heads).expanduser()
    features = to_tensors(read_checkpoint(network))
    first = features.get("features.0.weight", torch.empty(0))
    kind = {torch.Size((64, 3, 11, 11)): "alex", torch.Size((64, 3, 3, 3)): "vgg"}.get(first.shape)
    if kind is None:
        _refuse(f"{network} is neither AlexNet nor VGG 16 as torchvision names them.")
    lpips = Lpips(kind)
    with torch.no_grad():
        for stage in lpips.stages:
            for name, layer in cast(nn.Sequential, stage).named_children():
                for part, values in layer.named_parameters():
                    _take(values, features, f"features.{name}.{part}", network)
        weights = to_tensors(read_checkpoint(heads))
        for number, values in enumerate(lpips.heads):
            _take(values, weights, f"lin{number}.model.1.weight", heads)
    lpips.names = (network.name, heads.name)
    lpips.sha256 = (sha256_of(network), sha256_of(heads))
    return lpips.eval()


def _take(values: Tensor, found: dict[str, Tensor], name: str, path: Path) -> None:
    if name not in found or found[name].shape != values.shape:
        shape = tuple(found[name].shape) if name in found else "missing"
        _refuse(f"{name} in {path} is {shape}; {tuple(values.shape)} is needed.")
    values.copy_(found[name])


def _refuse(message: str) -> NoReturn:
    raise ModelError(
        "wrong-lpips",
        message,
        "loss.lpips_network is torchvision's AlexNet or VGG 16, loss.lpips_heads the file of that network in the"
        " package lpips, weights/v0.1. Or leave loss.lpips at 0.",
    )


def _alex() -> list[nn.Sequential]:
    """Stages up to each layer that is looked at; layers are named by their place in torchvision's network."""
    return [
        _named(0, nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU()),
        _named(2, nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        _named(5, nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        _named(8, nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        _named(10, nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg() -> list[nn.Sequential]:
    stages, place, channels = [], 0, 3
    for wider, count in zip(_CHANNELS["vgg"], _VGG_CONVOLUTIONS, strict=True):
        layers: list[nn.Module] = [nn.MaxPool2d(2, 2)] if place else []
        for _ in range(count):
            layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.ReLU()]
            channels = wider
        stages.append(_named(place, *layers))
        place += len(layers)
    return stages


def _named(start: int, *layers: nn.Module) -> nn.Sequential:
    stage = nn.Sequential()
    for number, layer in enumerate(layers, start):
        stage.add_module(str(number), layer)
    return stage


def _unit_length(features: Tensor) -> Tensor:
    wide = features.float()
    # Within the root, whose slope at 0 would be infinite: after a ReLU whole pixels are 0.
    return wide / (wide.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
