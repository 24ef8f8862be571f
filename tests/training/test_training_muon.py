"""Muon: steps that are orthogonal, of the learning rate's size, whatever the gradient's."""

import pytest
import torch
from torch import nn

from nuke_reage.training.muon import Muon


@pytest.mark.parametrize("shape", [(24, 20, 3, 3), (64, 24, 1, 1)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_a_step_is_orthogonal_and_of_one_size(shape, scale):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape) * scale
    Muon([weight], 0.01).step()
    step = -weight.detach().flatten(1)
    strengths = torch.linalg.svdvals(step) / (0.01 * 0.2 * max(step.shape) ** 0.5)
    assert strengths.min() > 0.5 and strengths.max() < 1.3
    assert (step * weight.grad.flatten(1)).sum() > 0, "downhill"


def test_biases_and_thin_layers_move_as_with_adam():
    torch.manual_seed(0)
    gradients = [torch.randn(8) for _ in range(5)]
    mine, theirs = nn.Parameter(torch.ones(8)), nn.Parameter(torch.ones(8))
    muon, adam = Muon([mine], 0.01, betas=(0.9, 0.99)), torch.optim.Adam([theirs], 0.01, betas=(0.9, 0.99))
    for gradient in gradients:
        mine.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    assert torch.allclose(mine, theirs, atol=1e-6)
