"""How far two pictures are apart as *persons*.

Two ways, and every report says which one it used:

``dlib-resnet``
    The 128 numbers of dlib's face network, weights in the public domain (CC0 1.0, package *face-recognition-models*;
    its author trained it on public collections of faces, some of which were for research).  The distance of one
    person's pictures is mostly below 0.6, of two persons' above.

``structure``
    A stand-in that knows nothing of persons: 1 - the correlation of the gradients of both faces, a few pixels wide,
    inside the mask.  It rises where features move or soften and ignores tone and exposure.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage.faces.age_estimate import face_box
from nuke_reage.faces.types import FloatArray, check_image

__all__ = ["DlibIdentity", "IdentityMeasure", "StructureIdentity", "create_identity_measure"]

_MODELS = "face_recognition_models"
_NETWORK, _POINTS = "dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat"
_FINE_SHARE = 1 / 40


class IdentityMeasure(Protocol):
    """A distance between faces."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def distance(self, one: FloatArray, other: FloatArray, landmarks: npt.ArrayLike) -> float:
        """How far two pictures of a face in the same place are apart.

        Args:
            one: (H, W, 3) float32, 0..1, sRGB-like, square pixels.
            other: the same size.
            landmarks: (468, 2) or (468, 3), the same for both.

        Returns:
            0 = the same.
        """


class DlibIdentity:
    """Distance of dlib's face embeddings.

    Args:
        folder: where the two weight files lie.
    """

    name = "dlib-resnet"

    def __init__(self, folder: Path) -> None:
        import dlib

        self._dlib: Any = dlib
        self._network: Any = dlib.face_recognition_model_v1(str(folder / _NETWORK))
        self._points: Any = dlib.shape_predictor(str(folder / _POINTS))

    def distance(self, one: FloatArray, other: FloatArray, landmarks: npt.ArrayLike) -> float:
        """As :class:`IdentityMeasure` says: Euclidean, 0 to about 1.4."""
        box = face_box(landmarks)
        return float(np.linalg.norm(self._embedding(one, box) - self._embedding(other, box)))

    def _embedding(self, picture: FloatArray, box: tuple[int, int, int, int]) -> npt.NDArray[np.float64]:
        pixels = np.rint(np.clip(np.nan_to_num(check_image(picture)), 0.0, 1.0) * 255.0).astype(np.uint8)
        points = self._points(pixels, self._dlib.rectangle(*box))
        return np.asarray(self._network.compute_face_descriptor(pixels, points), np.float64)


class StructureIdentity:
    """The stand-in: how little the gradients of both faces agree."""

    name = "structure"

    def distance(self, one: FloatArray, other: FloatArray, landmarks: npt.ArrayLike) -> float:
        """As :class:`IdentityMeasure` says: 1 - correlation, 0 to 2."""
        left, top, right, bottom = face_box(landmarks)
        gradients = []
        for picture in (one, other):
            grey = np.clip(np.nan_to_num(check_image(picture)), 0.0, 1.0).mean(axis=2)
            soft = cv2.GaussianBlur(grey, (0, 0), max(0.8, (right - left) * _FINE_SHARE))
            part = soft[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            gradients.append(np.stack(np.gradient(part.astype(np.float64))).ravel())
        length = float(np.linalg.norm(gradients[0]) * np.linalg.norm(gradients[1]))
        return 1.0 - float(gradients[0] @ gradients[1]) / length if length > 0 else 0.0


def create_identity_measure() -> IdentityMeasure:
    """The best measure that this machine has: dlib's embedding where dlib and the weights are installed, else the
    stand-in.
    """
    spec = importlib.util.find_spec(_MODELS) if importlib.util.find_spec("dlib") is not None else None
    # The package is only looked at, never imported: it asks for a module that setuptools has dropped.
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "models"
        if (folder / _NETWORK).is_file() and (folder / _POINTS).is_file():
            return DlibIdentity(folder)
    return StructureIdentity()
