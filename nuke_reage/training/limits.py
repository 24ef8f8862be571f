"""Which values the settings of a training run can have."""

from __future__ import annotations

from typing import Any

from nuke_reage.core.errors import UsageError
from nuke_reage.models.fran_plan import MULTIPLE

__all__ = ["require_possible"]

_INFINITE = float("inf")
_RANGES = (
    (1, 128, "model.width loss.discriminator_width"),
    (64, 16384, "model.canvas_px model.max_canvas_px data.crop_px"),
    (0, 3, "model.lines"),
    (0, 1, "model.shade"),
    (0.1, 3, "model.gain"),
    (0, 1, "data.null_share data.ageing_share data.validation_share data.real_share"),
    (0, 1, "augment.jpeg_share optimiser.final_share"),
    (0, 0.99999, "optimiser.ema_decay"),
    (1e-6, _INFINITE, "data.gap_years optimiser.clip_norm"),
    (1, _INFINITE, "data.threads optimiser.steps optimiser.batch_size optimiser.accumulate"),
    (1, _INFINITE, "validation.every_steps validation.pairs_per_person validation.max_people"),
    (1, _INFINITE, "validation.checkpoint_every_steps"),
    (0, _INFINITE, "augment.rotation_degrees augment.scale augment.shift augment.exposure_stops augment.white_balance"),
    (0, _INFINITE, "augment.gamma augment.saturation augment.grain augment.blur_px augment.crop_spread"),
    (0, _INFINITE, "loss.l1 loss.pyramid loss.lpips loss.gradient loss.lines loss.hue loss.adversarial"),
    (0, _INFINITE, "loss.adversarial_from_step loss.face_weight loss.change_weight"),
    (0, _INFINITE, "optimiser.learning_rate optimiser.discriminator_learning_rate optimiser.warmup_steps"),
    (0, _INFINITE, "optimiser.weight_decay optimiser.seed"),
)
_CHOICES = (
    ("data.on_device", ("auto", "always", "never")),
    ("optimiser.method", ("adamw", "muon")),
    ("optimiser.precision", ("bf16", "fp32")),
)


def require_possible(config: Any) -> None:
    """Refuse a configuration that no run can follow.

    Args:
        config: a :class:`nuke_reage.training.config.TrainConfig`.

    Raises:
        UsageError: ``bad-setting``, with the setting and what it may be.
    """
    for low, high, names in _RANGES:
        expected = f"at least {low:g}" if high == _INFINITE else f"{low:g} to {high:g}"
        for name in names.split():
            _require(low <= _value(config, name) <= high, config, name, expected)
    for name, choices in _CHOICES:
        _require(_value(config, name) in choices, config, name, f"one of {', '.join(choices)}")
    for name in ("model.canvas_px", "model.max_canvas_px", "data.crop_px"):
        _require(_value(config, name) % MULTIPLE == 0, config, name, f"a multiple of {MULTIPLE}")
    for name in ("loss.lpips_network", "loss.lpips_heads"):
        _require(bool(_value(config, name)) or config.loss.lpips == 0, config, name, "a file where loss.lpips is not 0")
    _require(config.data.crop_px <= config.model.canvas_px, config, "data.crop_px", "at most model.canvas_px")


def _value(config: Any, name: str) -> Any:
    section, setting = name.split(".")
    return getattr(getattr(config, section), setting)


def _require(holds: bool, config: Any, name: str, expected: str) -> None:
    if not holds:
        raise UsageError(
            "bad-setting",
            f"{name} must be {expected}, not {_value(config, name)!r}.",
            "See docs/training.md for every setting.",
        )
