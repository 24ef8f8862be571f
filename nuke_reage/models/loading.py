"""From a descriptor to a network with its weights, in PyTorch."""

from __future__ import annotations

from nuke_reage.models.architectures import architecture
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.fran import FranNet
from nuke_reage.models.torch_state import to_tensors
from nuke_reage.models.weights import load_weights

__all__ = ["load_network"]


def load_network(descriptor: ModelDescriptor) -> FranNet:
    """Build the network of an installed model, float32, on the CPU, ready for inference.

    Raises:
        ModelError: see :func:`nuke_reage.models.weights.load_weights`; ``unknown-architecture``.
    """
    family = architecture(descriptor.architecture)
    state = load_weights(descriptor, family)
    net = family.build(descriptor.width)
    net.load_state_dict(to_tensors(state), assign=True)
    return net.eval().requires_grad_(False)
