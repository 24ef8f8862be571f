"""What a worker remembers of the shot it worked on last, so that its next frame need not find it out again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from nuke_reage.faces.trackfile import Track
from nuke_reage.imaging.gamut import WorkingSpace
from nuke_reage.media.fingerprint import file_fingerprint

__all__ = ["ShotMemory"]

T = TypeVar("T")


class ShotMemory:
    """The last trackfile, what followed from it, and the last colour space.

    Nothing here changes a result: a trackfile or a config that was written again is read again.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[tuple[Hashable, ...], Any]] = {}
        self._track: Track | None = None
        self._follows: dict[str, tuple[tuple[Hashable, ...], Any]] = {}

    def load_track(self, path: Path) -> Track:
        """A trackfile; the same object as before while the file is the same.

        Raises:
            FaceError: see :meth:`~nuke_reage.faces.trackfile.Track.load`.
        """
        if not path.is_file():
            return Track.load(path)
        return self._recall(self._held, "track", (str(path), file_fingerprint(path)), lambda: Track.load(path))

    def space(self, name: str, config: str) -> WorkingSpace:
        """A colour space.

        Args:
            name: of the space.
            config: path of an OCIO config, or ``ocio://...``; a config of its own or of several files is known by the
                file that is named.

        Raises:
            UsageError: see :meth:`~nuke_reage.imaging.gamut.WorkingSpace.from_name`.
        """
        stamp = file_fingerprint(config) if Path(config).is_file() else ""
        return self._recall(
            self._held, "space", (name, config, stamp), lambda: WorkingSpace.from_name(name, config or None)
        )

    def about(self, track: Track, what: str, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """Something that follows from a track.

        Args:
            track: the track; one that was not seen last makes all be forgotten.
            what: name of the thing.
            key: all else that it follows from.
            make: finds it out.
        """
        if track is not self._track:
            self._track = track
            self._follows = {}
        return self._recall(self._follows, what, key, make)

    @staticmethod
    def _recall(
        held: dict[str, tuple[tuple[Hashable, ...], Any]], what: str, key: tuple[Hashable, ...], make: Callable[[], T]
    ) -> T:
        if what not in held or held[what][0] != key:
            held[what] = (key, make())
        value: T = held[what][1]
        return value
