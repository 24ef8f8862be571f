"""The canonical head: one mean mesh, the pose of a face against it, and the crop that a model wants.

Canonical axes are x to the right of the screen, y down, z away from the camera.  The origin is the middle between the
two eyes, the unit is the distance between the eyes' centres (each the middle of its two corners, landmarks 33 and 133,
362 and 263), and the mesh looks straight into the camera.  ``assets/mediapipe/README.md`` tells how it was made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nuke_reage.core.errors import FaceError
from nuke_reage.core.strict import nearest
from nuke_reage.faces.types import FloatArray, Pose, check_landmarks
from nuke_reage.imaging.geometry import CropFrame
from nuke_reage.imaging.head import canonical_mesh

__all__ = [
    "FFHQ",
    "RIGID_WEIGHTS",
    "Framing",
    "canonical_mesh",
    "crop_frame",
    "fit_pose",
    "framing_from_spec",
    "head_from_square",
    "pose_of_crop",
    "project_mesh",
    "project_points",
    "rotation_matrix",
    "square_from_head",
]

Vector = npt.NDArray[np.float64]

_GROUPS: tuple[tuple[float, tuple[int, ...]], ...] = (
    # Bridge of the nose, from between the brows to above the tip.
    (1.0, (8, 168, 6, 197, 195, 5, 193, 417, 122, 351, 196, 419, 188, 412, 174, 399)),
    # Corners of the eyes.
    (1.5, (33, 133, 362, 263, 130, 359, 243, 463)),
    # Temples.
    (1.0, (127, 356, 162, 389, 34, 264, 139, 368, 143, 372, 156, 383)),
    # Cheekbones.
    (0.7, (116, 345, 111, 340, 117, 346, 227, 447, 118, 347, 123, 352)),
    # Forehead: rigid, but the network guesses it under hair.
    (0.3, (10, 151, 9, 67, 297, 103, 332, 54, 284, 21, 251, 69, 299, 108, 337, 104, 333, 68, 298)),
    (0.5, (4, 45, 275)),
)


_EYE_CORNERS = (33, 133, 362, 263)
_MOUTH_CORNERS = (61, 291)
_BROW_TOPS = (105, 334)
_CHIN = 152

FFHQ: Mapping[str, Any] = MappingProxyType({"kind": "ffhq"})
"""The framing of the FFHQ data set; crops given by hand mean this one too."""


_FRAMINGS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "ffhq": {"eye_factor": 2.0, "mouth_factor": 1.8, "centre_shift": 0.1},
        "box": {"scale": 1.85, "above": 0.63},
    }
)
_SHARES = frozenset({"centre_shift", "above"})


@dataclass(frozen=True)
class Framing:
    """How large a crop a model wants, and where on the head.

    Attributes:
        centre: (x, y, z) of the crop's middle in canonical units.
        side: length of a side in canonical units, above 0.
    """

    centre: tuple[float, float, float]
    side: float


def _rigid_weights() -> Vector:
    weights = np.zeros(468)
    for weight, indices in _GROUPS:
        weights[list(indices)] = weight
    weights /= weights.sum()
    weights.setflags(write=False)
    return weights


RIGID_WEIGHTS: Vector = _rigid_weights()
"""(468,) weights of the landmarks that speech and mimic do not move; 0 for lips, jaw, lids and brows; sum 1."""


def rotation_matrix(roll_degrees: float, yaw_degrees: float, pitch_degrees: float) -> Vector:
    """Head rotation ``Rz(roll) Rx(pitch) Ry(yaw)``, (3, 3) float64, for column vectors in canonical axes.

    >>> rotation_matrix(90, 0, 0).round(6) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    roll, yaw, pitch = (math.radians(angle) for angle in (roll_degrees, yaw_degrees, pitch_degrees))
    turn = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1.0]])
    # Positive yaw brings the nose (negative z) to the right, positive pitch brings it down.
    shake = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1.0, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    nod = np.array([[1.0, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    return np.asarray(turn @ nod @ shake)


def fit_pose(landmarks: npt.ArrayLike, *, pixel_aspect: float = 1.0) -> Pose:
    """Where the head is: the least-squares 3-D similarity of the canonical mesh onto the landmarks.

    Only rigid landmarks count (:data:`RIGID_WEIGHTS`), so the pose stays while the person speaks, and the rotation is
    three-dimensional, so the scale stays while the head turns.

    Args:
        landmarks: (468, 3) plate coordinates, z in square pixels.
        pixel_aspect: width of a plate pixel over its height.

    Raises:
        ValueError: wrong shape, values that are not finite, or all points in one place.

    Source:
        S. Umeyama, *Least-Squares Estimation of Transformation Parameters Between Two Point Patterns*, PAMI 13 (1991).
    """
    points = check_landmarks(landmarks, columns=3).astype(np.float64)
    points[:, 0] *= pixel_aspect
    mesh = canonical_mesh().astype(np.float64)
    weights = RIGID_WEIGHTS[:, None]
    mesh_middle, points_middle = (weights * mesh).sum(axis=0), (weights * points).sum(axis=0)
    mesh_part, points_part = mesh - mesh_middle, points - points_middle
    u, values, vt = np.linalg.svd((weights * points_part).T @ mesh_part)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u * signs) @ vt
    scale = float((values * signs).sum() / (weights * mesh_part**2).sum())
    if scale <= 0:
        raise ValueError("landmarks have no extent")
    centre = points_middle - scale * rotation @ mesh_middle
    return Pose(float(centre[0]), float(centre[1]), scale, *_angles(rotation))


def project_points(pose: Pose, points: npt.ArrayLike) -> Vector:
    """Canonical points seen under a pose.

    Args:
        pose: the head's.
        points: (N, 3) canonical units.

    Returns:
        (N, 3) square coordinates, z in square pixels relative to the canonical origin.
    """
    rotation = rotation_matrix(pose.roll_degrees, pose.yaw_degrees, pose.pitch_degrees)
    return np.asarray(
        pose.scale_px * np.asarray(points, dtype=np.float64) @ rotation.T + [pose.centre_x, pose.centre_y, 0.0]
    )


def project_mesh(pose: Pose, *, pixel_aspect: float = 1.0) -> FloatArray:
    """The whole canonical mesh under a pose, (468, 3) float32 plate coordinates, z in square pixels."""
    points = project_points(pose, canonical_mesh())
    points[:, 0] /= pixel_aspect
    return points.astype(np.float32)


def head_from_square(pose: Pose, points: npt.ArrayLike) -> Vector:
    """How far points lie from the canonical mesh, in the head's own in-plane axes and unit.

    Args:
        pose: the head's.
        points: (468, 2) square coordinates.

    Returns:
        (468, 2) canonical units; all 0 for a face that is the canonical mesh under ``pose``.
    """
    away = np.asarray(points, dtype=np.float64) - project_points(pose, canonical_mesh())[:, :2]
    return np.asarray(away @ rotation_matrix(pose.roll_degrees, 0, 0)[:2, :2] / pose.scale_px)


def square_from_head(pose: Pose, offsets: npt.ArrayLike) -> Vector:
    """The inverse of :func:`head_from_square`: (468, 2) square coordinates."""
    turned = np.asarray(offsets, dtype=np.float64) @ rotation_matrix(pose.roll_degrees, 0, 0)[:2, :2].T
    return np.asarray(turned * pose.scale_px + project_points(pose, canonical_mesh())[:, :2])


def framing_from_spec(spec: Mapping[str, Any]) -> Framing:
    """A model's framing, worked out on the canonical mesh.

    Args:
        spec: ``{"kind": "ffhq", "eye_factor": 2.0, "mouth_factor": 1.8, "centre_shift": 0.1}``: half a side is the
            larger of ``eye_factor`` times the distance of the eyes and ``mouth_factor`` times that from eyes to mouth,
            the middle lies the part ``centre_shift`` of the way from eyes to mouth (T. Karras et al., FFHQ data set,
            ``download_ffhq.py``).  ``{"kind": "box", "scale": 1.85, "above": 0.63}``: a square ``scale`` times as large
            as the square face box from brow to chin, with the share ``above`` (0..1) of what is added over the brow.
            Numbers left out take these values.

    Raises:
        FaceError: unknown kind or key, or a number that makes no crop.
    """
    mesh = canonical_mesh().astype(np.float64)
    kind = str(spec.get("kind"))
    if kind not in _FRAMINGS:
        raise FaceError("bad-framing", f"Unknown framing {kind!r}.", nearest(kind, _FRAMINGS))
    numbers = dict(_FRAMINGS[kind])
    for key in spec.keys() - {"kind"}:
        if key not in numbers:
            raise FaceError("bad-framing", f"Framing {kind!r} has no {key!r}.", nearest(key, numbers))
        value = spec[key]
        most = 1.0 if key in _SHARES else 100.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            hint = f"Use a number from 0 to {most:g}."
            raise FaceError("bad-framing", f"{key} of framing {kind!r} cannot be {value!r}.", hint)
        numbers[key] = float(value)
    if kind == "ffhq":
        eyes, mouth = mesh[list(_EYE_CORNERS)].mean(axis=0), mesh[list(_MOUTH_CORNERS)].mean(axis=0)
        to_mouth = float(np.linalg.norm((mouth - eyes)[:2]))
        side = 2 * max(numbers["eye_factor"], numbers["mouth_factor"] * to_mouth)
        centre = eyes + numbers["centre_shift"] * (mouth - eyes)
    else:
        brow, chin = mesh[list(_BROW_TOPS)].mean(axis=0), mesh[_CHIN]
        height = float(chin[1] - brow[1])
        centre, side = (brow + chin) / 2, numbers["scale"] * height
        centre[1] += (0.5 - numbers["above"]) * (numbers["scale"] - 1) * height
    if side <= 0:
        raise FaceError("bad-framing", f"Framing {dict(spec)} makes a crop without area.", "Use larger factors.")
    return Framing((float(centre[0]), float(centre[1]), float(centre[2])), side)


def crop_frame(pose: Pose, framing: Framing, pixel_aspect: float = 1.0) -> CropFrame:
    """Where a model's canvas lies on the plate for a head in this pose.

    Args:
        pose: the head's.
        framing: the model's.
        pixel_aspect: width of a plate pixel over its height.
    """
    centre = project_points(pose, [framing.centre])[0]
    return CropFrame(float(centre[0]), float(centre[1]), framing.side * pose.scale_px, pose.roll_degrees, pixel_aspect)


def pose_of_crop(crop: CropFrame, framing: Framing, *, yaw_degrees: float = 0.0, pitch_degrees: float = 0.0) -> Pose:
    """The head pose whose :func:`crop_frame` is ``crop``; the inverse for a head turned this much out of the plane."""
    scale = crop.side_px / framing.side
    at_origin = Pose(0.0, 0.0, scale, crop.angle_degrees, yaw_degrees, pitch_degrees)
    offset = project_points(at_origin, [framing.centre])[0]
    return Pose(
        crop.centre_x - float(offset[0]),
        crop.centre_y - float(offset[1]),
        scale,
        crop.angle_degrees,
        yaw_degrees,
        pitch_degrees,
    )


def _angles(rotation: Vector) -> tuple[float, float, float]:
    """Roll, yaw and pitch in degrees of ``Rz(roll) Rx(pitch) Ry(yaw)``."""
    pitch = math.asin(max(-1.0, min(1.0, float(rotation[2, 1]))))
    roll = math.atan2(-float(rotation[0, 1]), float(rotation[1, 1]))
    yaw = math.atan2(float(rotation[2, 0]), float(rotation[2, 2]))
    return math.degrees(roll), math.degrees(yaw), math.degrees(pitch)
