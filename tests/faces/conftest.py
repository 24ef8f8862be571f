"""Pictures and detectors for the faces room."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.types import Detection


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    from skimage import data

    return np.ascontiguousarray(data.astronaut().astype(np.float32) / 255)


@pytest.fixture(scope="session")
def backend() -> MediapipeBackend:
    return MediapipeBackend()


@pytest.fixture(scope="session")
def astronaut_face(backend: MediapipeBackend, astronaut: np.ndarray) -> Detection:
    return backend.detect(astronaut)[0]
