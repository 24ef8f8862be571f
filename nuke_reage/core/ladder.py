"""The age ladder: target ages baked as parts of their own, between which the age stays live."""

from __future__ import annotations

import math

from nuke_reage.core.ages import MAX_AGE_YEARS, MIN_AGE_YEARS
from nuke_reage.core.errors import UsageError

__all__ = ["ladder_part", "parse_ladder"]

_HINT = "Write first:last:step, such as 20:80:10, or rising ages, such as 20,35,50. Ages are years from 0 to 120."
_MAX_STEPS = 121


def parse_ladder(text: str) -> tuple[float, ...]:
    """Read ``"20:80:10"`` or ``"20,35,50"``.

    Returns:
        The ages in years, rising; empty for an empty text.

    Raises:
        UsageError: no ages, ages that do not rise or are out of range, or more than 121 of them.

    >>> parse_ladder("20:80:20")
    (20.0, 40.0, 60.0, 80.0)
    """
    if not text.strip():
        return ()
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            if not step > 0 or not math.isfinite(first + last + step) or not (last - first) / step < _MAX_STEPS:
                raise ValueError(text)
            # A hair more than whole steps, so that 20:80:0.1 ends at 80.
            ages = tuple(first + step * index for index in range(math.floor((last - first) / step + 1e-9) + 1))
        else:
            ages = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError("bad-ladder", f"{text!r:.120} is no ladder of ages.", _HINT) from None
    rising = all(earlier < later for earlier, later in zip(ages, ages[1:]))
    if rising and not all(MIN_AGE_YEARS <= age <= MAX_AGE_YEARS for age in ages):
        limits = f"{MIN_AGE_YEARS:g} to {MAX_AGE_YEARS:g}"
        raise UsageError("bad-ladder", f"{text!r:.120} has ages that are not from {limits} years.", _HINT)
    if not ages or not rising:
        raise UsageError("bad-ladder", f"{text!r:.120} is no ladder of rising ages.", _HINT)
    return ages


def ladder_part(age_years: float) -> str:
    """The name of an age's part, ``ladder_020`` or ``ladder_037_5``; its channels begin with ``reage_delta_020``.

    >>> ladder_part(20.0), ladder_part(37.5)
    ('ladder_020', 'ladder_037_5')
    """
    whole, _, rest = f"{age_years:.3f}".rstrip("0").rstrip(".").partition(".")
    return f"ladder_{int(whole):03d}" + (f"_{rest}" if rest else "")
