"""Weights made by a formula, so that networks and backends can be checked and timed without any download.

Parameter number k (in the order of the state dict, blur kernels left out), element i:

    value = gain · (2 · frac(sin(12.9898 i + 78.233 k + 0.5) · 43758.5453) − 1)

with gain = √(6 / fan-in) for weights and 0.05 for biases, in float64, rounded to float32 at the end.
"""

from __future__ import annotations

import math

import numpy as np

from nuke_reage.models.architectures import StateDict
from nuke_reage.models.fran_plan import layout

__all__ = ["formula_state_dict"]


def formula_state_dict(width: int) -> StateDict:
    """A complete state dict of the FRAN network of that width, float32."""
    row = np.array([1.0, 3.0, 3.0, 1.0], np.float32)
    blur = np.outer(row, row) / np.float32(64.0)
    state: StateDict = {}
    number = 0
    for key, shape in layout(width).items():
        if key.endswith(".filt"):
            state[key] = np.tile(blur, (shape[0], 1, 1, 1))
            continue
        if key.endswith(".bias"):
            gain = 0.05
        elif key.endswith("blur_upsample.0.weight"):
            gain = math.sqrt(6.0 / shape[0])
        else:
            gain = math.sqrt(6.0 / math.prod(shape[1:]))
        noise = np.sin(12.9898 * np.arange(math.prod(shape), dtype=np.float64) + 78.233 * number + 0.5) * 43758.5453
        values = gain * (2.0 * (noise - np.floor(noise)) - 1.0)
        state[key] = values.astype(np.float32).reshape(shape)
        number += 1
    return state
