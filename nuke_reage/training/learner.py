"""One training step, apart from where data come from and where results go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nuke_reage.core.errors import ModelError
from nuke_reage.models.fran import FranNet, he_init
from nuke_reage.training.batches import Batch
from nuke_reage.training.config import OptimiserConfig, TrainConfig
from nuke_reage.training.losses import (
    AgeDiscriminator,
    discriminator_loss,
    generator_gan_loss,
    gradient_l1,
    hue_l1,
    pyramid_losses,
    weighted_l1,
)
from nuke_reage.training.lpips import Lpips
from nuke_reage.training.muon import Muon
from nuke_reage.training.state import Ema
from nuke_reage.training.validation import network_input

__all__ = ["Learner", "frozen", "learning_rate", "losses_of"]


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within, the module's parameters take no gradient."""
    before = [parameter.requires_grad for parameter in module.parameters()]
    module.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in zip(module.parameters(), before, strict=True):
            parameter.requires_grad_(flag)


def learning_rate(step: int, config: OptimiserConfig) -> float:
    """Linear warm-up, then a cosine down to the final share."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = min(1.0, step / config.steps)
    return (
        config.learning_rate
        * warm
        * (config.final_share + (1.0 - config.final_share) * 0.5 * (1.0 + math.cos(math.pi * progress)))
    )


def _optimiser_of(net: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    rate, decay, betas = config.learning_rate, config.weight_decay, (0.9, 0.99)
    if config.method == "muon":
        return Muon(net.parameters(), rate, betas=betas, weight_decay=decay)
    return torch.optim.AdamW(net.parameters(), rate, betas=betas, weight_decay=decay)


def losses_of(output: Tensor, batch: Batch, change_weight: float = 0.0) -> dict[str, Tensor]:
    """The losses that need no discriminator, unweighted, by name.

    Args:
        output: (N, 3, S, S).
        batch: what it should be.
        change_weight: how much more a pixel counts for each unit that it should change by.
    """
    weight = batch.weight
    if change_weight > 0:
        weight = weight * (1.0 + change_weight * (batch.target - batch.source).abs().mean(dim=1, keepdim=True))
    pyramid, lines = pyramid_losses(output, batch.target, weight)
    return {
        "l1": weighted_l1(output, batch.target, weight),
        "pyramid": pyramid,
        "gradient": gradient_l1(output, batch.target, weight),
        "lines": lines,
        "hue": hue_l1(output, batch.target, weight),
    }


class Learner:
    """The networks, their optimisers and their averages.

    Args:
        config: of the run.
        fabric: device, precision, processes.
        start: weights to begin from; None = He initialisation.
        discriminator: to go on with; None = a new one.
        lpips: the perceptual loss that has weights; None = without it.
    """

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        start: dict[str, Tensor] | None = None,
        discriminator: nn.Module | None = None,
        lpips: Lpips | None = None,
    ) -> None:
        self.config, self._fabric = config, fabric
        self._lpips = None if lpips is None else lpips.to(fabric.device)
        optimiser = config.optimiser
        torch.manual_seed(optimiser.seed)
        net = FranNet(config.model.width)
        if start is None:
            he_init(net, seed=optimiser.seed)
        else:
            net.load_state_dict(start)
        self._net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator = AgeDiscriminator(config.loss.discriminator_width) if discriminator is None else discriminator
        self._discriminator: nn.Module = discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net, self.optimiser = fabric.setup(self._net, _optimiser_of(self._net, optimiser))
        self.discriminator, self.discriminator_optimiser = fabric.setup(
            self._discriminator,
            torch.optim.AdamW(
                self._discriminator.parameters(),
                optimiser.discriminator_learning_rate,
                betas=(0.5, 0.99),
                weight_decay=0.0,
            ),
        )
        self.ema = Ema(self._net, optimiser.ema_decay)

    def step(self, number: int, batches: list[Batch]) -> dict[str, float]:
        """Learn from some batches, accumulated.

        Args:
            number: of the step, from 0.
            batches: on the learner's device.

        Returns:
            The losses by name, means over the batches, and the norm of the gradient before it was clipped.

        Raises:
            ModelError: ``diverged``, one of them is no longer a number.
        """
        config = self.config.loss
        adversarial = config.adversarial > 0 and number >= config.adversarial_from_step
        rate = learning_rate(number, self.config.optimiser)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        logged: dict[str, Tensor] = {}
        self.optimiser.zero_grad(set_to_none=True)
        outputs = []
        for batch in batches:
            with frozen(self._discriminator):
                output = self._forward(batch)
                terms = losses_of(output, batch, config.change_weight)
                if self._lpips is not None:
                    with self._fabric.autocast():
                        terms["lpips"] = self._lpips(output, batch.target, batch.weight)
                loss = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
                if adversarial:
                    terms["adversarial"] = generator_gan_loss(self._frozen_discriminator, output, batch.target_years)
                    loss = loss + config.adversarial * terms["adversarial"]
                self._fabric.backward(loss / len(batches))
            outputs.append(output.detach())
            for name, term in terms.items():
                logged[name] = logged.get(name, 0.0) + term.detach() / len(batches)
        logged["gradient_norm"] = self._clip(self._net, self.optimiser)
        self.optimiser.step()
        self.ema.update(self._net)
        if adversarial:
            logged["discriminator"] = self._discriminator_step(batches, outputs)
        # One look at the device for all of them: each would wait for it.
        numbers = torch.stack(list(logged.values())).tolist()
        if not all(map(math.isfinite, numbers)):
            raise ModelError(
                "diverged",
                f"The network diverged in step {number + 1}: its losses or gradients are no longer numbers.",
                "Begin again with a lower optimiser.learning_rate; best.ckpt and the checkpoint before hold.",
            )
        return dict(zip(logged, numbers, strict=True)) | {"learning_rate": rate}

    @property
    def discriminator_network(self) -> nn.Module:
        """The discriminator as it is now."""
        return self._discriminator

    def averaged(self) -> FranNet:
        """The network with averaged weights, which is the one to use."""
        net = FranNet(self.config.model.width).to(self._fabric.device)
        net.load_state_dict(self.ema.values)
        return net

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "net": self._net.state_dict(),
            "discriminator": self._discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "ema": self.ema.values,
            "ema_updates": self.ema.updates,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._net.load_state_dict(state["net"])
        self._discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
        self.ema.values = {key: value.to(self._fabric.device) for key, value in state["ema"].items()}
        self.ema.updates = int(state["ema_updates"])

    def _forward(self, batch: Batch) -> Tensor:
        given = network_input(batch.source, batch.source_years, batch.target_years)
        delta: Tensor = self.net(given.to(memory_format=torch.channels_last))
        return batch.source + delta.float()

    def _frozen_discriminator(self, rgb: Tensor, years: Tensor) -> Tensor:
        if self._fabric.world_size == 1:
            return cast(Tensor, self.discriminator(rgb, years))
        # The network itself, not what spreads it over processes: that would wait for its gradients.
        with self._fabric.autocast():
            return cast(Tensor, self._discriminator(rgb, years))

    def _clip(self, net: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
        """Shorten the gradient; its norm before."""
        norm = self._fabric.clip_gradients(
            net, optimiser, max_norm=self.config.optimiser.clip_norm, error_if_nonfinite=False
        )
        return cast(Tensor, norm)

    def _discriminator_step(self, batches: list[Batch], outputs: list[Tensor]) -> Tensor:
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._fabric.device)
        for batch, output in zip(batches, outputs, strict=True):
            wrong = torch.roll(batch.target_years, 1)
            loss = discriminator_loss(self.discriminator, batch.target, output, batch.target_years, wrong)
            self._fabric.backward(loss / len(batches))
            total = total + loss.detach() / len(batches)
        self._clip(self._discriminator, self.discriminator_optimiser)
        self.discriminator_optimiser.step()
        return total
