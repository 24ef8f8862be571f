"""The bundled networks, run by OpenCV: where is a face, where are its 468 points, and what is a person.

Conventions are those of MediaPipe 0.10.21 (Apache-2.0), ``modules/face_detection`` and ``modules/face_landmark``: the
detector sees -1..1 with black beyond the picture's edges, the mesh network sees 0..1 with the edge pixels repeated and
answers in its own 192 x 192 input pixels plus one logit "this is a face".  The network of
``modules/selfie_segmentation`` sees 0..1.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from nuke_reage.core.bundled import read_asset
from nuke_reage.core.errors import FaceError
from nuke_reage.faces.pyramid import ImagePyramid, SquareCrop
from nuke_reage.faces.ssd import INPUT_PX, KEY_POINT_COUNT, Candidate, decode
from nuke_reage.faces.types import LANDMARK_COUNT, FloatArray

__all__ = ["MESH_PX", "DetectorNetwork", "MeshNetwork", "PersonNetwork", "roi_of_candidate", "roi_of_landmarks"]

MESH_PX = 192
_PERSON_PX = 256
_ROI_SCALE = 1.5
_EYE_LEFT_ON_SCREEN, _EYE_RIGHT_ON_SCREEN = 33, 263


class DetectorNetwork:
    """MediaPipe's short-range face detector: faces of about a fifth to all of the square that it looks at.

    Raises:
        FaceError: the bundled file is missing or damaged, or this OpenCV cannot read it.
    """

    def __init__(self) -> None:
        self._net = _read("face_detection_short_range.tflite")

    def look(self, pyramid: ImagePyramid, square: SquareCrop, min_score: float) -> list[Candidate]:
        """Candidates inside a square of the picture, in picture pixels, not merged.

        Args:
            pyramid: the picture.
            square: where to look; may reach over the edges.
            min_score: 0..1.
        """
        pixels = pyramid.crop(square, INPUT_PX, replicate_edge=False) * 2.0 - 1.0
        answers = _forward(self._net, pixels)
        found = decode(answers["classificators"], answers["regressors"], min_score)
        return [_into_picture(one, square) for one in found]


class MeshNetwork:
    """MediaPipe's face mesh.

    Raises:
        FaceError: the bundled file is missing or damaged, or this OpenCV cannot read it.
    """

    def __init__(self) -> None:
        self._net = _read("face_landmark.tflite")

    def fit(self, pyramid: ImagePyramid, square: SquareCrop) -> tuple[FloatArray, float]:
        """The mesh of the face that fills a square.

        Returns:
            Landmarks (468, 3) in picture pixels, z with the same scale, and the network's logit for "this is a face":
            about 25 for a face seen upright, below 10 for one seen upside down, below 3 for most other things.
        """
        answers = _forward(self._net, pyramid.crop(square, MESH_PX))
        points = answers["conv2d_21"].reshape(LANDMARK_COUNT, 3) / MESH_PX
        return square.to_image(points), float(answers["conv2d_31"].ravel()[0])


class PersonNetwork:
    """MediaPipe's selfie segmentation: people against everything else.

    Raises:
        FaceError: the bundled file is missing or damaged, or this OpenCV cannot read it.
    """

    def __init__(self) -> None:
        self._net = _read("selfie_segmentation.tflite")

    def matte(self, image_rgb_display: FloatArray) -> FloatArray:
        """The matte of all people.

        Args:
            image_rgb_display: (H, W, 3) sRGB-encoded, 0..1, head and shoulders, about square.

        Returns:
            (H, W) in 0..1, no finer than 256 x 256.
        """
        height, width = image_rgb_display.shape[:2]
        pixels = cv2.resize(image_rgb_display, (_PERSON_PX, _PERSON_PX), interpolation=cv2.INTER_AREA)
        (answer,) = _forward(self._net, np.asarray(pixels, np.float32)).values()
        matte = cv2.resize(answer.reshape(_PERSON_PX, _PERSON_PX), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.clip(matte, 0.0, 1.0), np.float32)


def roi_of_candidate(candidate: Candidate) -> SquareCrop:
    """The square for the mesh network: the box, upright by the line of the eyes, 1.5 times its longer side."""
    low, high = candidate.box[:2], candidate.box[2:]
    centre = (low + high) / 2
    side = float((high - low).max()) * _ROI_SCALE
    return SquareCrop(float(centre[0]), float(centre[1]), side, _eye_angle(*candidate.key_points[:2]))


def roi_of_landmarks(landmarks: FloatArray) -> SquareCrop:
    """The square for a second look: as :func:`roi_of_candidate`, around the landmarks in the head's own axes.

    Args:
        landmarks: (468, 2) or (468, 3) picture pixels.
    """
    angle_degrees = _eye_angle(landmarks[_EYE_LEFT_ON_SCREEN], landmarks[_EYE_RIGHT_ON_SCREEN])
    angle = math.radians(angle_degrees)
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    upright = landmarks[:, :2].astype(np.float64) @ axes.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre = axes.T @ ((low + high) / 2)
    return SquareCrop(float(centre[0]), float(centre[1]), float((high - low).max()) * _ROI_SCALE, angle_degrees)


def _eye_angle(left: FloatArray, right: FloatArray) -> float:
    return math.degrees(math.atan2(float(right[1] - left[1]), float(right[0] - left[0])))


def _into_picture(candidate: Candidate, square: SquareCrop) -> Candidate:
    points = square.to_image(candidate.key_points)
    low, high = candidate.box[:2], candidate.box[2:]
    # The box stays upright on the face: only its centre turns with the square.
    centre = square.to_image((low + high) / 2)
    half = (high - low) / 2 * square.side_px
    return Candidate(np.concatenate([centre - half, centre + half]), points[:KEY_POINT_COUNT], candidate.score)


def _read(name: str) -> Any:
    data = np.frombuffer(read_asset(name), dtype=np.uint8)
    try:
        return cv2.dnn.readNetFromTFLite(data)
    except (cv2.error, AttributeError) as error:
        raise FaceError(
            "opencv-unfit",
            f"OpenCV {cv2.__version__} cannot read the bundled network {name}: {error}",
            "Install opencv-python-headless 4.9 or newer, below 5.",
        ) from None


def _forward(net: Any, pixels: FloatArray) -> dict[str, FloatArray]:
    net.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
    names = net.getUnconnectedOutLayersNames()
    return dict(zip(names, net.forward(names), strict=True))
