"""Ages that change over a shot."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nuke_reage.core.errors import UsageError

__all__ = ["MAX_AGE_YEARS", "MIN_AGE_YEARS", "AgeCurve", "Keyframe"]

MIN_AGE_YEARS = 0.0
MAX_AGE_YEARS = 120.0
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
        for pairs in (self.keys, self.values):
            frames = [key.frame for key in pairs]
            if any(later <= earlier for earlier, later in zip(frames, frames[1:])):
                raise UsageError("bad-age", "The frames of age keyframes must rise, each only once.", _HINT)

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
        pieces = [piece.strip() for piece in text.split(",")]
        try:
            if len(pieces) == 1 and ":" not in pieces[0]:
                return cls.constant(float(pieces[0]))
            pairs = [piece.split(":") for piece in pieces]
            keys = sorted((int(frame), float(age)) for frame, age in pairs)
        except ValueError:
            raise UsageError("bad-age", f"{text!r} is neither an age nor age keyframes.", _HINT) from None
        return cls(tuple(Keyframe(frame, age) for frame, age in keys))

    def at(self, frame: int) -> float:
        """The age in years at a frame."""
        if self.values:
            frames = [key.frame for key in self.values]
            found = bisect_right(frames, frame) - 1
            if found >= 0 and frames[found] == frame:
                return self.values[found].age_years
        return _interpolate(self.keys or self.values, frame)

    def sampled(self, frames: Iterable[int]) -> AgeCurve:
        """The same curve with its value at each of these frames written down beside the keyframes."""
        return AgeCurve(self.keys, tuple(Keyframe(frame, self.at(frame)) for frame in sorted(set(frames))))

    def __str__(self) -> str:
        keys = self.keys or self.values
        if len(keys) == 1:
            return f"{keys[0].age_years:g}"
        return ",".join(f"{key.frame}:{key.age_years:g}" for key in keys)


def _interpolate(keys: tuple[Keyframe, ...], frame: int) -> float:
    after = bisect_right([key.frame for key in keys], frame)
    if after == 0:
        return keys[0].age_years
    if after == len(keys):
        return keys[-1].age_years
    left, right = keys[after - 1], keys[after]
    share = (frame - left.frame) / (right.frame - left.frame)
    return left.age_years + share * (right.age_years - left.age_years)
