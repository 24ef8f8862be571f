"""The device and the processes that a run learns on."""

from __future__ import annotations

import os
from typing import Literal

import torch
from lightning_fabric import Fabric

from nuke_reage.core.errors import DeviceError
from nuke_reage.training.config import TrainConfig

__all__ = ["open_fabric"]


def open_fabric(device: str, config: TrainConfig) -> Fabric:
    """Join the processes that torchrun has started, or be alone.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        config: of the run; its precision.

    Raises:
        DeviceError: ``no-device``.
    """
    if (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    ):
        raise DeviceError("no-device", f"This machine has no {device} device.", "Give --device auto.")
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if config.optimiser.precision == "bf16" else "32-true"
    # torchrun tells how many processes there are, on this machine and on all.
    here, everywhere = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    fabric = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=max(1, everywhere // here),
        strategy="ddp" if everywhere > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric
