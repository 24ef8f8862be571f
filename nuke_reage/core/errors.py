"""The errors that ReAge raises on purpose.

::

    ReageError
    ├── UsageError      exit   2   a flag, job file, age, frame range or path is wrong
    ├── MediaError      exit   3   a plate or layer file cannot be read or written
    ├── FaceError       exit   4   no face, or no usable track
    ├── ModelError      exit   5   a model is unknown, damaged, unsafe or missing
    ├── DeviceError     exit   6   the device or the backend cannot do what was asked
    ├── WorkerError     exit   7   the worker process died or speaks another protocol
    ├── FarmError       exit   8   a farm job cannot be written or submitted
    ├── HostError       exit   9   something is wrong inside Nuke
    └── CancelledError  exit 130   the artist stopped it

Every error carries a stable code such as ``media.truncated``, one sentence on what happened and a hint on
what the artist can do.  Errors cross the worker's wire as JSON and come out as the same class.  Bugs stay
ordinary exceptions; a command ends with ``reage.bug`` and exit status 1 after one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "CancelledError",
    "DeviceError",
    "FaceError",
    "FarmError",
    "HostError",
    "MediaError",
    "ModelError",
    "ReageError",
    "UsageError",
    "WorkerError",
    "error_from_dict",
]

_SLUG = re.compile(r"[a-z][a-z0-9-]*\Z")


class ReageError(Exception):
    """Base of all errors that ReAge raises on purpose.

    Args:
        slug: what went wrong, in kebab case and unique within the class, for example ``"truncated"``.
        message: one sentence that names the file, frame, flag or value.
        hint: what the user can do about it.

    Attributes:
        code: ``"<area>.<slug>"``, stable over releases.
        report: what a command has to report all the same, beside the error in ``--json``; it does not travel with it.
        exit_code: the exit status of a command that ends with this error.
    """

    area: ClassVar[str] = "reage"
    exit_code: ClassVar[int] = 1

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        if not _SLUG.match(slug):
            raise ValueError(f"error slug {slug!r} is not kebab case")
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.hint = hint
        self.report: dict[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.slug, self.message, self.hint)

    @property
    def code(self) -> str:
        return f"{self.area}.{self.slug}"

    def to_dict(self) -> dict[str, Any]:
        """The error as a JSON object, for the wire and for ``--json``."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}


class UsageError(ReageError):
    area = "usage"
    exit_code = 2


class MediaError(ReageError):
    area = "media"
    exit_code = 3


class FaceError(ReageError):
    area = "face"
    exit_code = 4


class ModelError(ReageError):
    area = "model"
    exit_code = 5


class DeviceError(ReageError):
    area = "device"
    exit_code = 6


class WorkerError(ReageError):
    area = "worker"
    exit_code = 7


class FarmError(ReageError):
    area = "farm"
    exit_code = 8


class HostError(ReageError):
    area = "host"
    exit_code = 9


class CancelledError(ReageError):
    area = "cancelled"
    exit_code = 130


def error_from_dict(data: Mapping[str, Any]) -> ReageError:
    """Rebuild the error that :meth:`ReageError.to_dict` described, as the same class.

    Raises:
        ValueError: the object does not describe an error.
    """
    area, _, slug = str(data.get("code", "")).partition(".")
    kinds: list[type[ReageError]] = [ReageError, *ReageError.__subclasses__()]
    classes = {kind.area: kind for kind in kinds}
    if area not in classes or not _SLUG.match(slug):
        raise ValueError(f"not an error of this protocol: {dict(data)!r}")
    return classes[area](slug, str(data.get("message", "")), str(data.get("hint", "")))
