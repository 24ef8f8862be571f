"""Ways to find a face, all behind :class:`nuke_reage.faces.types.FaceBackend`.

A new backend is a class with ``name`` and ``detect`` that can be made without arguments, and a line in the plug-in
table (:mod:`nuke_reage.core.plugins`) or an entry point.
"""

from __future__ import annotations

from collections.abc import Mapping

from nuke_reage.core.plugins import load_plugin
from nuke_reage.faces.backends.manual import ManualBackend
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.types import FaceBackend

__all__ = ["create_backend"]


def create_backend(name: str = "mediapipe", *, crops: Mapping[int, ManualCrop] | None = None) -> FaceBackend:
    """Make a face backend by name.

    Args:
        name: ``manual``, or a name of the plug-in table; it is imported only now, for the optional ones are heavy.
        crops: the keys of ``manual``.

    Raises:
        UsageError: unknown name.
        FaceError: a backend that is not installed or lacks its weights, or ``manual`` without a key.
    """
    if name == "manual":
        return ManualBackend(crops or {})
    backend: FaceBackend = load_plugin("face_backend", name)()
    return backend
