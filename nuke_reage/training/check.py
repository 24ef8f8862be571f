"""What is wrong with a set of training pictures, all of it at once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from nuke_reage.core.errors import MediaError, UsageError
from nuke_reage.imaging.arrays import FloatArray
from nuke_reage.imaging.mesh import blur
from nuke_reage.training.layout import MANIFEST, Person, age_of_name
from nuke_reage.training.pictures import PICTURE_SUFFIXES, read_picture
from nuke_reage.training.statistics import luminance

__all__ = ["Problem", "check_people", "require_sound"]

_MIN_SIDE_PX = 64
_THUMBNAIL_PX = 64
_MAX_SHIFT_SHARE = 0.03
_MIN_GAIN = 0.1
_REACH_PX = 8
# Mean difference of red and blue.  Faces have more, and JPEG of a grey picture less.
_GREY_LEVEL = 2.0 / 255.0
_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: the file or folder.
        text: what, in a few words.
        fatal: whether training cannot go ahead with it.
    """

    path: Path
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        # Data sets often name their people alike, so the set's own name is said too.
        return f"{'/'.join(self.path.parts[-3:])}: {self.text}"


def check_people(people: Sequence[Person], folders: Sequence[Path], *, alignment: bool = False) -> list[Problem]:
    """Look at every picture of some data sets.

    Args:
        people: see :func:`nuke_reage.training.layout.list_people`.
        folders: where they were found; files that do not belong there are reported too.
        alignment: compare the pictures of each person with each other, which takes longer.

    Returns:
        The problems, by place; empty = all is well.
    """
    problems = [problem for folder in folders for problem in _strangers(folder)]
    seen: dict[str, Path] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = [path for person in people for _, path in person.pictures]
        pictures = pool.map(partial(_look, alignment=alignment), files)
        for person in people:
            if len(person.ages) < 2:
                only = person.pictures[0][1]
                problems.append(Problem(only.parent, f"only one age ({person.ages[0]}); a person needs at least two"))
            problems += _check_person(list(islice(pictures, len(person.pictures))), seen)
    return sorted(problems, key=lambda one: (not one.fatal, str(one.path)))


def require_sound(problems: Iterable[Problem]) -> None:
    """Refuse data with fatal problems.

    Raises:
        UsageError: ``bad-data``; the message lists what is wrong where.
    """
    fatal = [one for one in problems if one.fatal]
    if not fatal:
        return
    lines = [str(one) for one in fatal[:_SHOWN]]
    if len(fatal) > _SHOWN:
        lines.append(f"and {len(fatal) - _SHOWN} more")
    raise UsageError(
        "bad-data",
        f"{len(fatal)} things are wrong with the training pictures:\n  " + "\n  ".join(lines),
        "Repair or remove them; reage data check FOLDER lists everything.",
    )


def _strangers(folder: Path) -> list[Problem]:
    problems = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
            problems.append(
                Problem(path, "a picture that belongs to nobody; put it into a person's folder", fatal=False)
            )
        if not path.is_dir() or path.name.startswith("."):
            continue
        files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        if not files:
            problems.append(Problem(path, "an empty folder", fatal=False))
        for file in files:
            if file.name == MANIFEST:
                continue
            if file.suffix.lower() not in PICTURE_SUFFIXES:
                problems.append(Problem(file, "neither jpg nor png", fatal=False))
            elif age_of_name(file) is None:
                problems.append(Problem(file, f"{file.stem!r} is no age; name it AGE.jpg, as 38.jpg"))
        ages = Counter(age_of_name(file) for file in files if file.suffix.lower() in PICTURE_SUFFIXES)
        problems += [
            Problem(path, f"two pictures of age {age}") for age, n in ages.items() if age is not None and n > 1
        ]
    return problems


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is kept of a picture that could be read: width and height, its bytes' SHA-256, a small one if asked for.

    ``oddities`` are what can be trained on but is hardly meant.
    """

    path: Path
    size: tuple[int, int]
    digest: str
    thumbnail: FloatArray | None
    oddities: tuple[str, ...]


def _look(path: Path, *, alignment: bool) -> _Picture | Problem:
    try:
        rgb = read_picture(path)
    except MediaError as error:
        return Problem(path, "damaged or no picture" if error.slug == "not-a-picture" else error.message)
    thumbnail = None
    if alignment:
        small = cv2.resize(luminance(rgb), (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        thumbnail = np.asarray(small, np.float32)
    height, width = rgb.shape[:2]
    data = path.read_bytes()
    oddities = []
    if float(np.abs(rgb[..., 0] - rgb[..., 2]).mean()) < _GREY_LEVEL:
        oddities.append("black and white")
    if _lets_through(data):
        oddities.append("transparent in places, which training does not see")
    return _Picture(path, (width, height), hashlib.sha256(data).hexdigest(), thumbnail, tuple(oddities))


def _lets_through(data: bytes) -> bool:
    """Whether a PNG's pixels are transparent anywhere."""
    # The kind of colour is the 26th byte of a PNG: 4 and 6 have alpha; a tRNS chunk gives it to the others.
    if data[:4] != b"\x89PNG" or not (data[25] in {4, 6} or b"tRNS" in data[: data.find(b"IDAT")]):
        return False
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        return False
    return bool(image[..., 3].min() < (255 if image.dtype == np.uint8 else 65535))


def _check_person(looked_at: Sequence[_Picture | Problem], seen: dict[str, Path]) -> list[Problem]:
    problems = [one for one in looked_at if isinstance(one, Problem)]
    pictures = [one for one in looked_at if isinstance(one, _Picture)]
    usual = Counter(one.size for one in pictures).most_common(1)
    for picture in pictures:
        path, (width, height) = picture.path, picture.size
        if picture.digest in seen:
            twin = seen[picture.digest]
            same_set = twin.parent.parent == path.parent.parent
            shown = f"{twin.parent.name}/{twin.name}" if same_set else str(twin)
            problems.append(Problem(path, f"the same picture as {shown}"))
        seen.setdefault(picture.digest, path)
        problems += [Problem(path, text, fatal=False) for text in picture.oddities]
        if height != width:
            problems.append(Problem(path, f"{width} × {height} pixels; pictures must be square"))
        elif width < _MIN_SIDE_PX:
            problems.append(Problem(path, f"{width} pixels a side; at least {_MIN_SIDE_PX} are needed"))
        usual_width, usual_height = usual[0][0]
        if picture.size != usual[0][0]:
            text = f"{width} × {height} pixels, the person's others {usual_width} × {usual_height}"
            problems.append(Problem(path, text))
    return problems + _misaligned({one.path: one.thumbnail for one in pictures if one.thumbnail is not None})


def _misaligned(thumbnails: dict[Path, FloatArray]) -> list[Problem]:
    """Pictures that are shifted against the median of all of the person's."""
    if len(thumbnails) < 3:
        return []
    edges = {path: _edges(one) for path, one in thumbnails.items()}
    usual = np.asarray(np.median(list(edges.values()), axis=0), np.float32)
    problems = []
    for path, own in edges.items():
        inner = own[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]
        likeness = cv2.matchTemplate(usual, inner, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
        share = float(np.hypot(x - _REACH_PX, y - _REACH_PX)) / _THUMBNAIL_PX
        gain = float(likeness[y, x] - likeness[_REACH_PX, _REACH_PX])
        if share > _MAX_SHIFT_SHARE and gain > _MIN_GAIN:
            problems.append(Problem(path, f"shifted by {share:.0%} of a side against the others", fatal=False))
    return problems


def _edges(thumbnail: FloatArray) -> FloatArray:
    return np.asarray(blur(thumbnail, 0.7) - blur(thumbnail, 4.0), np.float32)
