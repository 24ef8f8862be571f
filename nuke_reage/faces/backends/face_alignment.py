"""The library ``face-alignment`` (A. Bulat, BSD-3-Clause) as a second opinion: S3FD boxes and 68 FAN landmarks.

Its weights are not part of this package and are fetched by the user.  A render farm must not download in the middle of
a job, so this backend looks for them where the library would and stops with a hint when they are not there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.backends.mediapipe import MediapipeBackend
from nuke_reage.faces.sparse import mesh_from_68
from nuke_reage.faces.types import Detection, FloatArray, check_image

__all__ = ["WEIGHT_URLS", "FaceAlignmentBackend", "weights_folder"]

WEIGHT_URLS = {
    "landmarks": "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
    "boxes": "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
}
"""Where the library gets its two networks; the last part is the file name that it looks for."""


def weights_folder() -> Path:
    """The folder in which the library looks for its weights: ``torch.hub``'s checkpoints."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return home.expanduser() / "hub" / "checkpoints"


class FaceAlignmentBackend:
    """Finds faces with the optional library ``face-alignment``.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        boxes: ``"s3fd"`` finds the faces with the library's own detector, which is slow and strong in profile;
            ``"bundled"`` with the bundled one, which needs one download less.

    Raises:
        FaceError: the library is not installed, or its weights have not been fetched.
    """

    name = "face-alignment"

    def __init__(self, *, device: str = "cpu", boxes: str = "s3fd") -> None:
        if boxes not in {"s3fd", "bundled"}:
            raise ValueError(f"boxes must be 's3fd' or 'bundled', got {boxes!r}")
        if find_spec("face_alignment") is None:
            raise FaceError(
                "backend-not-installed",
                "The face backend face-alignment is not installed.",
                "pip install 'nuke-reage[face-alignment]', or use the backend mediapipe.",
            )
        _require_weights(["landmarks"] if boxes == "bundled" else ["landmarks", "boxes"])
        library: Any = import_module("face_alignment")
        self._finder = MediapipeBackend() if boxes == "bundled" else None
        self._library = library.FaceAlignment(
            library.LandmarksType.TWO_D,
            device=device,
            # The library's "folder" detector is the one that loads no network.
            face_detector="folder" if boxes == "bundled" else "sfd",
            compile=False,
        )

    def detect(self, image_rgb_display: FloatArray) -> list[Detection]:
        """Find faces; see :meth:`nuke_reage.faces.types.FaceBackend.detect`.

        Confidence is the mean peak of the landmarks' heat maps.
        """
        image = np.nan_to_num(check_image(image_rgb_display), nan=0.0, posinf=1.0, neginf=0.0)
        bytes_rgb = np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)
        boxes = self._boxes(image, bytes_rgb)
        if not boxes:
            return []
        marks, scores, _ = self._library.get_landmarks_from_image(
            bytes_rgb, detected_faces=boxes, return_landmark_score=True
        )
        found = []
        for points, score in zip(marks, scores, strict=True):
            try:
                mesh = mesh_from_68(np.asarray(points, np.float64)[:, :2])
            except FaceError:
                # Heat maps without a peak put all points in one place: that is no face.
                continue
            found.append(Detection.from_landmarks(mesh, float(np.clip(np.mean(score), 0.0, 1.0))))
        return sorted(found, key=lambda one: -one.size_px)

    def _boxes(self, image: FloatArray, bytes_rgb: np.ndarray) -> list[Sequence[float]]:
        if self._finder is not None:
            return [one.box for one in self._finder.detect(image)]
        return [[float(value) for value in box] for box in self._library.face_detector.detect_from_image(bytes_rgb)]


def _require_weights(names: Sequence[str]) -> None:
    folder = weights_folder()
    missing = [WEIGHT_URLS[name] for name in names if not (folder / WEIGHT_URLS[name].rsplit("/", 1)[1]).is_file()]
    if missing:
        raise FaceError(
            "weights-missing",
            f"The face backend face-alignment lacks {len(missing)} weight file(s) in {folder}.",
            f"Download {' and '.join(missing)} into that folder, or set TORCH_HOME.",
        )
