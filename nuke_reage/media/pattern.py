"""File names with a frame number in them: ``shot.####.exr``, ``shot.%04d.exr``, ``shot.@@@@.exr``, ``shot.$F4.exr``.

One ``#`` or ``@`` stands for one digit, as in Nuke.  Frames that need more digits get them; negative frames count the
sign as a digit (``-005``), as C's ``printf`` and therefore Nuke does.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import fileseq
from fileseq.constants import PAD_STYLE_HASH1
from fileseq.exceptions import FileSeqException
from fileseq.filesequence import FileSequence
from fileseq.utils import pad

from nuke_reage.core.errors import MediaError

__all__ = ["FramePattern", "describe_sequences", "output_path", "overwritten", "same_file"]

_TOKEN = re.compile(r"#+|@+|%0?\d*d|\$F\d*")
_NUMBER = re.compile(r"-?\d+")
_LISTED = 3


@dataclass(frozen=True)
class FramePattern:
    """A sequence's file name, taken apart.

    Attributes:
        folder: where the files are.
        prefix: text before the frame number.
        suffix: text after it.
        padding: least number of digits, the sign included.
    """

    folder: Path
    prefix: str
    suffix: str
    padding: int

    @classmethod
    def parse(cls, spec: str | os.PathLike[str]) -> FramePattern | None:
        """Take a name apart at its last frame token; None when it has none or is the name of an existing file."""
        path = Path(spec).expanduser()
        tokens = list(_TOKEN.finditer(path.name))
        if not tokens or path.exists():
            return None
        token = tokens[-1]
        padding = int(FileSequence.getPaddingNum(token.group(), pad_style=PAD_STYLE_HASH1))
        return cls(path.parent, path.name[: token.start()], path.name[token.end() :], max(padding, 1))

    def path(self, frame: int) -> Path:
        """The file of one frame, whether it exists or not."""
        return self.folder / f"{self.prefix}{pad(frame, self.padding)}{self.suffix}"

    def find(self) -> Mapping[int, Path]:
        """The frames on disk, in rising order, with the files that hold them.

        Raises:
            MediaError: the folder is missing or cannot be read, or no frame is there.
        """
        found: dict[int, Path] = {}
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        except OSError as error:
            raise MediaError(
                "no-frames", f"cannot look into {self.folder}: {error.strerror}", "Check the folder of the plate."
            ) from error
        # A Mac stores accents as separate characters, the artist types composed ones.
        prefix, suffix = unicodedata.normalize("NFC", self.prefix), unicodedata.normalize("NFC", self.suffix)
        for name in names:
            composed = unicodedata.normalize("NFC", name)
            middle = composed[len(prefix) : len(composed) - len(suffix)]
            if composed != f"{prefix}{middle}{suffix}" or not _NUMBER.fullmatch(middle):
                continue
            if middle == pad(int(middle), self.padding):
                found[int(middle)] = self.folder / name
        if not found:
            raise MediaError("no-frames", f"no frame of {self} is on disk", self._suggestion())
        return dict(sorted(found.items()))

    def __str__(self) -> str:
        return str(self.folder / f"{self.prefix}{'#' * self.padding}{self.suffix}")

    def _suggestion(self) -> str:
        others = describe_sequences(self.folder)
        return f"That folder holds {', '.join(others)}." if others else "Check the path and the number of digits."


def describe_sequences(folder: Path) -> list[str]:
    """A few of the sequences in a folder, in words an artist can type."""
    try:
        sequences = fileseq.findSequencesOnDisk(str(folder), pad_style=PAD_STYLE_HASH1)
    except (OSError, ValueError, FileSeqException):
        return []
    texts = []
    for sequence in sequences:
        digits = "#" * sequence.zfill() if sequence.frameSet() else ""
        frames = f" {sequence.frameSet()}" if digits else ""
        texts.append(f"{sequence.basename()}{digits}{sequence.extension()}{frames}")
    more = [f"{len(texts) - _LISTED} more"] if len(texts) > _LISTED else []
    return texts[:_LISTED] + more


def output_path(spec: str | os.PathLike[str], frame: int) -> Path:
    """The file to write for a frame.

    Args:
        spec: a pattern such as ``out/shot.####.exr``; a name without frame token stands for itself.
        frame: frame number, may be negative.

    Returns:
        The path.

    >>> output_path("out/shot.%04d.exr", 7).name
    'shot.0007.exr'
    """
    pattern = FramePattern.parse(spec)
    return pattern.path(frame) if pattern else Path(spec).expanduser()


def same_file(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Whether two paths are one file, through links too; neither needs to exist.

    Args:
        first: a path.
        second: a path.
    """
    try:
        return Path(first).samefile(second)
    except OSError:
        return os.path.normcase(Path(first).resolve()) == os.path.normcase(Path(second).resolve())


def overwritten(targets: Iterable[Path], inputs: Iterable[Path]) -> Path | None:
    """The first target that is one of the inputs, through links too; None where all of them stay.

    Args:
        targets: files to be written.
        inputs: files that are read.
    """
    kept = {_identity(path) for path in inputs} - {None}
    return next((target for target in targets if _identity(target) in kept), None)


def _identity(path: Path) -> tuple[int, int] | None:
    """What stays the same for one file under all its names; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
