"""Ages, and offsets to ages, that change over a shot."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from nuke_reage.core.errors import UsageError

__all__ = ["MAX_AGE_YEARS", "MIN_AGE_YEARS", "AgeCurve", "Keyframe", "OffsetCurve", "OffsetKey", "RegionAges"]

MIN_AGE_YEARS = 0.0
MAX_AGE_YEARS = 120.0
_OFFSET_HINT = "Write years to add, such as +10, or keyframes, such as 1001:0;1050:-5. At most 120 years either way."
_HINT = "Write one age, such as 65, or keyframes, such as 1001:35,1050:70. Ages are years from 0 to 120."


@dataclass(frozen=True)
class Keyframe:
    """An age at a frame.  Between keyframes ages run linearly; before the first and after the last they hold."""

    frame: int
    age_years: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.age_years) or not MIN_AGE_YEARS <= self.age_years <= MAX_AGE_YEARS:
            raise UsageError("bad-age", f"An age of {self.age_years:g} years is out of range.", _HINT)


@dataclass(frozen=True)
class OffsetKey:
    """Years to add to an age at a frame, negative for younger."""

    frame: int
    offset_years: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.offset_years) or not abs(self.offset_years) <= MAX_AGE_YEARS:
            raise UsageError("bad-age", f"An offset of {self.offset_years:g} years is out of range.", _OFFSET_HINT)


@dataclass(frozen=True)
class AgeCurve:
    """An age in years for every frame of a shot.

    Args:
        keys: keyframes with strictly rising frames, at least one unless ``values`` is given.
        values: ages already evaluated per frame, for example by Nuke's own animation curve, as
            ``(frame, age)`` pairs; at these frames they count instead of the keyframes.
    """

    keys: tuple[Keyframe, ...] = ()
    values: tuple[Keyframe, ...] = ()

    def __post_init__(self) -> None:
        if not self.keys and not self.values:
            raise UsageError("bad-age", "No age is given.", _HINT)
        _require_rising(self.keys, _HINT)
        _require_rising(self.values, _HINT)

    @classmethod
    def constant(cls, age_years: float) -> AgeCurve:
        return cls((Keyframe(0, float(age_years)),))

    @classmethod
    def from_values(cls, values: Mapping[int, float]) -> AgeCurve:
        return cls(values=tuple(Keyframe(frame, float(values[frame])) for frame in sorted(values)))

    @classmethod
    def parse(cls, text: str) -> AgeCurve:
        """Read ``"65"`` or ``"1001:35,1050:70"``.

        Raises:
            UsageError: not a number, not finite, below 0 or above 120 years, or frames that do not rise.

        >>> AgeCurve.parse("1001:30,1011:40").at(1006)
        35.0
        """
        return cls(tuple(Keyframe(frame, age) for frame, age in _parse(text, ",", "an age", _HINT)))

    def at(self, frame: int) -> float:
        """The age in years at a frame."""
        keys = [(key.frame, key.age_years) for key in self.keys]
        return _at(keys, {key.frame: key.age_years for key in self.values}, frame)

    def sampled(self, frames: Iterable[int]) -> AgeCurve:
        """The same curve with its value at each of these frames written down beside the keyframes."""
        return AgeCurve(self.keys, tuple(Keyframe(frame, self.at(frame)) for frame in sorted(set(frames))))

    def __str__(self) -> str:
        keys = self.keys or self.values
        if len(keys) == 1:
            return f"{keys[0].age_years:g}"
        return ",".join(f"{key.frame}:{key.age_years:g}" for key in keys)


@dataclass(frozen=True)
class OffsetCurve:
    """Years to add to an age, for every frame of a shot; nothing where there is no key.

    Args:
        keys: as those of :class:`AgeCurve`, each -120 to 120 years.
        values: likewise.
    """

    keys: tuple[OffsetKey, ...] = ()
    values: tuple[OffsetKey, ...] = ()

    def __post_init__(self) -> None:
        _require_rising(self.keys, _OFFSET_HINT)
        _require_rising(self.values, _OFFSET_HINT)

    @classmethod
    def from_values(cls, values: Mapping[int, float]) -> OffsetCurve:
        return cls(values=tuple(OffsetKey(frame, float(values[frame])) for frame in sorted(values)))

    @classmethod
    def parse(cls, text: str) -> OffsetCurve:
        """Read ``"+10"`` or ``"1001:0;1050:-5"``.

        Raises:
            UsageError: not a number, not finite, beyond 120 years either way, or frames that do not rise.

        >>> OffsetCurve.parse("1001:0;1011:-10").at(1006)
        -5.0
        """
        return cls(tuple(OffsetKey(frame, years) for frame, years in _parse(text, ";", "an offset", _OFFSET_HINT)))

    def at(self, frame: int) -> float:
        """The years to add at a frame."""
        if not self.keys and not self.values:
            return 0.0
        keys = [(key.frame, key.offset_years) for key in self.keys]
        return _at(keys, {key.frame: key.offset_years for key in self.values}, frame)

    def sampled(self, frames: Iterable[int]) -> OffsetCurve:
        """The same curve with its value at each of these frames written down; without keys it stays empty."""
        if not self.keys and not self.values:
            return self
        return OffsetCurve(self.keys, tuple(OffsetKey(frame, self.at(frame)) for frame in sorted(set(frames))))


@dataclass(frozen=True)
class RegionAges:
    """Years that the target age differs by in each region of the face."""

    forehead: OffsetCurve = field(default_factory=OffsetCurve)
    eyes: OffsetCurve = field(default_factory=OffsetCurve)
    undereye: OffsetCurve = field(default_factory=OffsetCurve)
    nose: OffsetCurve = field(default_factory=OffsetCurve)
    cheeks: OffsetCurve = field(default_factory=OffsetCurve)
    mouth: OffsetCurve = field(default_factory=OffsetCurve)
    jaw: OffsetCurve = field(default_factory=OffsetCurve)
    neck: OffsetCurve = field(default_factory=OffsetCurve)

    def at(self, frame: int) -> dict[str, float]:
        """Years by region at a frame; regions without an offset are left out."""
        offsets = {one.name: getattr(self, one.name).at(frame) for one in fields(self)}
        return {name: years for name, years in offsets.items() if years != 0.0}

    def sampled(self, frames: Iterable[int]) -> RegionAges:
        """As :meth:`OffsetCurve.sampled`, for each region."""
        wanted = sorted(set(frames))
        return RegionAges(**{one.name: getattr(self, one.name).sampled(wanted) for one in fields(self)})


def _require_rising(keys: Sequence[Keyframe | OffsetKey], hint: str) -> None:
    if any(later.frame <= earlier.frame for earlier, later in zip(keys, keys[1:])):
        raise UsageError("bad-age", "The frames of age keyframes must rise, each only once.", hint)


def _parse(text: str, separator: str, what: str, hint: str) -> list[tuple[int, float]]:
    pieces = [piece.strip() for piece in text.split(separator)]
    try:
        if len(pieces) == 1 and ":" not in pieces[0]:
            return [(0, float(pieces[0]))]
        pairs = [piece.split(":") for piece in pieces]
        return sorted((int(frame), float(years)) for frame, years in pairs)
    except ValueError:
        raise UsageError("bad-age", f"{text!r:.120} is neither {what} nor keyframes of it.", hint) from None


def _at(keys: Sequence[tuple[int, float]], values: Mapping[int, float], frame: int) -> float:
    if frame in values:
        return values[frame]
    steps = keys or sorted(values.items())
    after = bisect_right([key[0] for key in steps], frame)
    if after == 0:
        return steps[0][1]
    if after == len(steps):
        return steps[-1][1]
    (left, low), (right, high) = steps[after - 1], steps[after]
    return low + (frame - left) / (right - left) * (high - low)
