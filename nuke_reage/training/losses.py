"""Losses of the generator and of the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn

__all__ = [
    "AgeDiscriminator",
    "discriminator_loss",
    "generator_gan_loss",
    "gradient_l1",
    "hue_l1",
    "pyramid_l1",
    "pyramid_losses",
    "weighted_l1",
]

_PYRAMID_LEVELS = 4
_GRADIENT_SCALES = 3
_HUE_SCALES = 5
_WRONG_AGE_YEARS = 12.0
_VISIBLE = 0.04
_DARK = 0.1


def weighted_l1(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of (N, 3, H, W), each pixel weighted by (N, 1, H, W)."""
    return ((output - target).abs() * weight).mean()


def pyramid_l1(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The first of :func:`pyramid_losses`."""
    return pyramid_losses(output, target, weight)[0]


def pyramid_losses(
    output: Tensor, target: Tensor, weight: Tensor, levels: int = _PYRAMID_LEVELS
) -> tuple[Tensor, Tensor]:
    """Difference of Laplacian pyramids, so that lines and tone count at their own scales: absolute, and squared.

    Needs no trained weights, hence no licence.  The finest bands hold little energy but all the wrinkles, so every
    level counts alike.  The absolute difference asks for the median: a line whose place is uncertain by its width is
    best left out.  The square asks for the mean, which keeps as much darkness as the line has; it is in units of a
    visible line, so that both are of one size.

    Source:
        P. Burt and E. Adelson, *The Laplacian Pyramid as a Compact Image Code*, 1983; as a loss in P. Bojanowski et
        al., *Optimizing the Latent Space of Generative Networks*, ICML 2018.
    """
    difference = output - target
    absolute, squared = torch.zeros((2,), device=output.device)
    for _ in range(levels):
        low = _halved(difference)
        band = difference - _doubled(low, difference.shape[-2:])
        absolute = absolute + (band.abs() * weight).mean()
        squared = squared + (band.square() / _VISIBLE * weight).mean()
        difference, weight = low, _halved(weight)
    return absolute, squared


def gradient_l1(output: Tensor, target: Tensor, weight: Tensor, scales: int = _GRADIENT_SCALES) -> Tensor:
    """Mean absolute difference of gradients at several scales: keeps edges where they belong."""
    difference = output - target
    total = torch.zeros((), device=output.device)
    for _ in range(scales):
        across = (difference[..., 1:] - difference[..., :-1]).abs() * weight[..., 1:]
        down = (difference[..., 1:, :] - difference[..., :-1, :]).abs() * weight[..., 1:, :]
        total = total + across.mean() + down.mean()
        difference, weight = _halved(difference), _halved(weight)
    return total / (2 * scales)


def hue_l1(output: Tensor, target: Tensor, weight: Tensor, scales: int = _HUE_SCALES) -> Tensor:
    """Mean absolute difference of red and of blue against green, at several scales; light alone costs nothing.

    In shares of the target's own light, so that a cast counts as much on dark skin as on light skin, where the other
    losses hardly see it.  Noise of colour cancels at the coarse scales; a cast stays.
    """
    share = (output - target) / (target + _DARK)
    difference = share[:, ::2] - share[:, 1:2]
    total = torch.zeros((), device=output.device)
    for _ in range(scales):
        total = total + (difference.abs() * weight).mean()
        difference, weight = _halved(difference), _halved(weight)
    return total / scales


class _BlurHalve(nn.Module):
    """Every second pixel of a blurred map, so that a shift by a pixel does not change the verdict (Zhang 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        return _halved(x)


class AgeDiscriminator(nn.Module):
    """PatchGAN that looks at a picture and the age that it should show; no batch normalisation, no aliasing.

    Args:
        width: channels of the first layer.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(4, width, 3, padding=1), nn.LeakyReLU(0.2)]
        channels = width
        for _ in range(3):
            wider = min(2 * channels, 8 * width)
            layers += [_BlurHalve(), nn.Conv2d(channels, wider, 3, padding=1), nn.LeakyReLU(0.2)]
            channels = wider
        layers += [_BlurHalve(), nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                nn.init.zeros_(cast(Tensor, layer.bias))
        with torch.no_grad():
            cast(nn.Conv2d, self.layers[-1]).weight.mul_(0.1)

    def forward(self, rgb: Tensor, years: Tensor) -> Tensor:
        """Logits (N, 1, h, w): above 0 = a photograph of somebody of that age.

        Args:
            rgb: (N, 3, H, W) encoded, 0..1.
            years: (N,).
        """
        age = (years / 100.0).view(-1, 1, 1, 1).to(rgb.dtype).expand(-1, 1, *rgb.shape[-2:])
        return cast(Tensor, self.layers(torch.cat([rgb * 2.0 - 1.0, age * 2.0 - 1.0], dim=1)))


def generator_gan_loss(
    discriminator: Callable[[Tensor, Tensor], Tensor], output: Tensor, target_years: Tensor
) -> Tensor:
    """How far the discriminator is from taking the output for a photograph of the target age."""
    logits = discriminator(output, target_years).float()
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, fake: Tensor, real_years: Tensor, wrong_years: Tensor
) -> Tensor:
    """Real with the right age is 1, fake is 0, real with a wrong age is 0.

    Args:
        discriminator: says what is a photograph.
        real: (N, 3, H, W) target pictures.
        fake: (N, 3, H, W) output, detached.
        real_years: (N,) of the target pictures.
        wrong_years: (N,) other ages; those close to the right one are left out.

    Source:
        Zoss et al., *Production-Ready Face Re-Aging for Visual Effects*, section 4.2.
    """
    right = discriminator(real, real_years).float()
    made = discriminator(fake, real_years).float()
    wrong = discriminator(real, wrong_years).float()
    is_wrong = ((wrong_years - real_years).abs() >= _WRONG_AGE_YEARS).float().view(-1, 1, 1, 1)
    on_wrong = F.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong), reduction="none") * is_wrong
    return (
        F.binary_cross_entropy_with_logits(right, torch.ones_like(right))
        + F.binary_cross_entropy_with_logits(made, torch.zeros_like(made))
        + on_wrong.mean()
    ) / 3.0


def _halved(x: Tensor) -> Tensor:
    """Every second pixel, the first included, of a blurred (N, C, H, W); Burt and Adelson's REDUCE."""
    # Replicated, not reflected: a picture of two pixels can still be halved.
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), _kernel(x), stride=2, groups=x.shape[1])


def _doubled(x: Tensor, size: Sequence[int]) -> Tensor:
    """Their EXPAND: (N, C, h, w) back to the ``(H, W)`` that it was halved from, its pixels where they were taken."""
    missing = [size[0] - 2 * x.shape[-2] + 1, size[1] - 2 * x.shape[-1] + 1]
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv_transpose2d(wide, 4.0 * _kernel(x), stride=2, padding=4, output_padding=missing, groups=x.shape[1])


def _kernel(x: Tensor) -> Tensor:
    """Binomial, for each of the channels: (C, 1, 5, 5)."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x.device, dtype=x.dtype) / 16.0
    return torch.outer(taps, taps).expand(x.shape[1], 1, 5, 5)
