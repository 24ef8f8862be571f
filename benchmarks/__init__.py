"""Measurements, not tests: ``python -m benchmarks NAME``."""

from __future__ import annotations

__all__: list[str] = []
