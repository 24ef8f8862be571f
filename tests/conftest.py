"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real photos, a clip and reference numbers that lie beside the project, not in it."""
    if not (SHARED / "plates").is_dir():
        pytest.skip("the folder of real photos and reference numbers is not here")
    return SHARED
