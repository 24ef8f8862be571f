"""Ways to find a face, all behind :class:`nuke_reage.faces.types.FaceBackend`.

A new backend is a class with ``name`` and ``detect`` and a line in :func:`create_backend`.
"""

from __future__ import annotations

from collections.abc import Mapping

from nuke_reage.core.errors import FaceError
from nuke_reage.core.strict import nearest
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.types import FaceBackend

__all__ = ["BACKEND_NAMES", "create_backend"]

BACKEND_NAMES = ("mediapipe", "face-alignment", "manual")


def create_backend(
    name: str = "mediapipe",
    *,
    device: str = "cpu",
    thorough: bool = False,
    crops: Mapping[int, ManualCrop] | None = None,
) -> FaceBackend:
    """Make a face backend by name.

    Args:
        name: one of :data:`BACKEND_NAMES`.
        device: where ``face-alignment`` runs; the others use the CPU.
        thorough: let ``mediapipe`` look for small faces beside large ones in every frame; slower.
        crops: the keys of ``manual``.

    Raises:
        FaceError: unknown name, a backend that is not installed or lacks its weights, or ``manual`` without a key.
    """
    # Each is imported when it is asked for: the optional ones bring heavy libraries.
    if name == "mediapipe":
        from nuke_reage.faces.backends.mediapipe import MediapipeBackend

        return MediapipeBackend(thorough=thorough)
    if name == "face-alignment":
        from nuke_reage.faces.backends.face_alignment import FaceAlignmentBackend

        return FaceAlignmentBackend(device=device)
    if name == "manual":
        from nuke_reage.faces.backends.manual import ManualBackend

        return ManualBackend(crops or {})
    raise FaceError("unknown-backend", f"There is no face backend {name!r}.", nearest(name, BACKEND_NAMES))
