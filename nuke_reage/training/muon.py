"""Muon: momentum whose steps are made orthogonal, so that all directions of a layer's matrix learn at one speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon"]

# Quintic of the Newton-Schulz iteration: singular values from above 0 to about 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_EPSILON = 1e-7
# Brings the size of a step to that of Adam, so that one learning rate serves both.
_ADAM_SIZE = 0.2
_LEAST_SIDE = 16


class Muon(torch.optim.Optimizer):
    """Muon for the matrices of convolutions, Adam for biases and thin layers.

    Args:
        parameters: of the network.
        learning_rate: as Adam's.
        momentum: of the matrices.
        betas: Adam's.
        weight_decay: decoupled, of the matrices.

    Source:
        K. Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; the size of the steps is that
        of J. Liu et al., *Muon is Scalable for LLM Training*, arXiv 2502.16982.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": learning_rate, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__(list(parameters), defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    is_matrix = parameter.ndim > 1 and min(parameter.flatten(1).shape) >= _LEAST_SIDE
                    (_orthogonal_step if is_matrix else _adam_step)(parameter, self.state[parameter], group)


def _orthogonal_step(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    mean = state.setdefault("mean", torch.zeros_like(parameter))
    mean.lerp_(gradient, 1 - group["momentum"])
    direction = _orthogonal(gradient.lerp(mean, group["momentum"]).flatten(1))
    size = group["lr"] * _ADAM_SIZE * max(direction.shape) ** 0.5
    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction.view(parameter.shape), alpha=-size)


def _adam_step(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    mean = state.setdefault("mean", torch.zeros_like(parameter))
    square = state.setdefault("square", torch.zeros_like(parameter))
    state["steps"] = steps = state.get("steps", 0) + 1
    first, second = group["betas"]
    mean.lerp_(gradient, 1 - first)
    square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
    spread = (square / (1 - second**steps)).sqrt_().add_(1e-8)
    parameter.addcdiv_(mean / (1 - first**steps), spread, value=-group["lr"])


def _orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with orthonormal rows or columns, roughly."""
    first, third, fifth = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).float()
    x = x / (x.norm() + _EPSILON)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = first * x + (third * square + fifth * square @ square) @ x
    result: Tensor = x.mT if tall else x
    return result
