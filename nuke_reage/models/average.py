"""One network from several that began from the same weights: the mean of their weights.

Runs that part from a common start stay close enough for the mean to be a network too, often a steadier one than each
(Wortsman et al., *Model soups*, ICML 2022).  Of networks that began apart it is noise.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nuke_reage.core.errors import ModelError, UsageError
from nuke_reage.models.architectures import StateDict, architecture
from nuke_reage.models.descriptor import ModelDescriptor
from nuke_reage.models.weights import load_weights

__all__ = ["average"]

_ALIKE = ("architecture", "width", "canvas_px", "framing", "encoding")


def average(models: Sequence[ModelDescriptor], shares: Sequence[float], name: str) -> tuple[ModelDescriptor, StateDict]:
    """Mix installed models.

    Args:
        models: at least two, alike in architecture, width, canvas, framing and encoding.
        shares: of each, above 0; only their proportions count.
        name: of the result.

    Returns:
        Its descriptor, without weights: the first model's, with the licences and training data of all, for commercial
        use only if all are, the ages and sizes that all can do, and the mean of lines and shade.  And its weights,
        float32.

    Raises:
        UsageError: ``bad-share``.
        ModelError: ``unlike-models``, and those of :func:`nuke_reage.models.weights.load_weights`.
    """
    if len(models) < 2 or not all(math.isfinite(share) and share > 0 for share in shares):
        raise UsageError("bad-share", "A mean needs two models or more, and shares above 0.", "Write a=0.5 b=0.5.")
    first = models[0]
    for other in models[1:]:
        unlike = [key for key in _ALIKE if getattr(other, key) != getattr(first, key)]
        if unlike:
            message = f"{other.name} and {first.name} differ in {', '.join(unlike)}."
            raise ModelError("unlike-models", message, "Average runs that began from the same weights.")
    youngest, oldest = max(one.age_range[0] for one in models), min(one.age_range[1] for one in models)
    if youngest >= oldest:
        ages = ", ".join(f"{one.name} {one.age_range[0]:g}-{one.age_range[1]:g}" for one in models)
        message = f"The models have no ages in common: {ages}."
        raise ModelError("unlike-models", message, "Average models that have learnt the same ages.")
    proportions = np.asarray(shares, np.float64) / sum(shares)
    states = [load_weights(one, architecture(one.architecture)) for one in models]
    mean = {
        key: np.asarray(
            sum(share * state[key].astype(np.float64) for share, state in zip(proportions, states, strict=True)),
            np.float32,
        )
        for key in states[0]
    }
    parts = ", ".join(f"{share:.2f} {one.name}" for share, one in zip(proportions, models, strict=True))
    descriptor = dataclasses.replace(
        first,
        name=name,
        title=f"mean of {parts}",
        age_range=(youngest, oldest),
        tile_px=min(one.tile_px for one in models),
        max_canvas_px=min(one.max_canvas_px for one in models),
        lines=float(proportions @ [one.lines for one in models]),
        shade=float(proportions @ [one.shade for one in models]),
        licence="; ".join(dict.fromkeys(one.licence for one in models)),
        commercial_use=all(one.commercial_use for one in models),
        training_data="; ".join(dict.fromkeys(one.training_data for one in models)),
        url="",
        hub=None,
    )
    return descriptor, mean
