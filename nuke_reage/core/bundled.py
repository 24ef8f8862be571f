"""Files that come with the package, opened only when they are what they claim to be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from nuke_reage.core.errors import FaceError

__all__ = ["CHECKSUMS", "read_asset"]

CHECKSUMS: Mapping[str, str] = MappingProxyType(
    {
        "face_detection_short_range.tflite": "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        "canonical_mesh.npy": "8721cf6b353bb6283a9b883dbc1b2b965307e4bcbf746d73c18a97f5d8c684cb",
        "face_landmark.tflite": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        "selfie_segmentation.tflite": "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    }
)
"""sha256 of each file in ``assets/mediapipe``; its README.md tells where they come from."""


def read_asset(name: str) -> bytes:
    """Read a file of ``assets/mediapipe`` and check its sha256.

    Args:
        name: a key of :data:`CHECKSUMS`.

    Raises:
        FaceError: the file is missing or differs from what was shipped.
    """
    hint = "Install nuke-reage again: its own files are damaged."
    try:
        data = files("nuke_reage").joinpath("assets", "mediapipe", name).read_bytes()
    except OSError as error:
        raise FaceError("asset-missing", f"The bundled file {name} cannot be read: {error}.", hint) from None
    found = hashlib.sha256(data).hexdigest()
    if found != CHECKSUMS[name]:
        raise FaceError("asset-damaged", f"The bundled file {name} has sha256 {found}, not {CHECKSUMS[name]}.", hint)
    return data
