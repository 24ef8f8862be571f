"""The quality of a shot for people (HTML) and for programs (JSON)."""

from __future__ import annotations

import html
import json
import math
from dataclasses import asdict
from typing import Any

from nuke_reage import __version__
from nuke_reage.core.frames import format_frames
from nuke_reage.evaluation.html import data_url, document, line_plot
from nuke_reage.evaluation.quality import FrameQuality, ShotQuality

__all__ = ["is_report_text", "quality_html", "quality_json", "warnings_of"]

_VERSION = 1
_MOST_ROWS = 100


def quality_json(quality: ShotQuality) -> dict[str, Any]:
    """The report as JSON values; what is not known is null."""
    job = quality.job
    return {
        "version": _VERSION,
        "reage": __version__,
        "plate": job.plate.path,
        "output": job.output.path,
        "model": job.model.name,
        "summary": _summary(quality),
        "warnings": warnings_of(quality),
        "look_at_first": [one.frame for one in quality.attention],
        "frames": [_row(one) for one in quality.frames],
    }


def is_report_text(text: str) -> bool:
    """Whether a text is the JSON of a report, of any version."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and {"reage", "summary", "look_at_first"} <= set(data)


def warnings_of(quality: ShotQuality) -> list[str]:
    """One sentence for each kind of thing that was noticed, with its frames."""
    by_reason: dict[str, list[int]] = {}
    for one in quality.frames:
        for reason in one.reasons:
            # Numbers differ from frame to frame, the kind does not.
            kind = " ".join(word for word in reason.split() if not any(letter.isdigit() for letter in word))
            by_reason.setdefault(kind, []).append(one.frame)
    return [f"{kind}: {format_frames(frames)}" for kind, frames in by_reason.items()]


def quality_html(quality: ShotQuality) -> str:
    """The report as one HTML document with plots and thumbnails."""
    job, rows = quality.job, quality.frames
    frames = [one.frame for one in rows]
    marks = [one.frame for one in quality.attention]
    facts = "".join(f"<tr><th>{html.escape(name)}</th><td class=text>{html.escape(str(value))}</td></tr>"
                    for name, value in _facts(quality).items())  # fmt: skip
    body = [f"<table>{facts}</table>"]
    if quality.attention:
        body += ["<h2>Look at first</h2>", _attention(quality)]
    else:
        body.append("<p>Nothing was noticed.</p>")
    body += [
        "<h2>Over the shot</h2>",
        line_plot("confidence of the face", frames, [[one.confidence for one in rows]], marks, 2),
        line_plot("jump of the track, eye distances", frames, [[one.jump for one in rows]], marks),
        line_plot(
            "target age (blue), source age (orange), years", frames,
            [[one.target_age for one in rows], [one.source_age for one in rows]], marks, 0,
        ),
        line_plot("mean delta (blue), peak delta (orange), 1 = white", frames,
                  [[one.mean_delta for one in rows], [one.peak_delta for one in rows]], marks),
        line_plot("share of the delta at the mask's edge", frames, [[one.leak for one in rows]], marks),
        line_plot("change along the motion: delta (blue), plate (orange)", frames,
                  [[one.delta_change for one in rows], [one.plate_change for one in rows]], marks, 4),
        "<h2>Frames: plate and comp</h2>",
    ]  # fmt: skip
    body += [
        f'<figure><img alt="frame {frame}" src="{data_url(picture)}"><figcaption>{frame}</figcaption></figure>'
        for frame, picture in sorted(quality.thumbnails.items())
    ]
    return document(f"ReAge: {job.output.path}", body)


def _attention(quality: ShotQuality) -> str:
    rows = quality.attention
    cells = "".join(
        f"<tr><td>{one.frame}</td><td class=text>{html.escape('; '.join(one.reasons))}</td></tr>"
        for one in rows[:_MOST_ROWS]
    )
    more = f"<p>... and {len(rows) - _MOST_ROWS} more.</p>" if len(rows) > _MOST_ROWS else ""
    return f"<table><tbody>{cells}</tbody></table>{more}"


def _facts(quality: ShotQuality) -> dict[str, Any]:
    job, summary = quality.job, _summary(quality)
    return {
        "plate": job.plate.path,
        "model": job.model.name,
        "frames": format_frames([one.frame for one in quality.frames]),
        "baked": summary["baked"],
        "not baked": summary["missing"],
        "without a face": summary["no_face"],
        "face filled in": summary["interpolated"],
        "frames to look at": len(quality.attention),
    }


def _summary(quality: ShotQuality) -> dict[str, Any]:
    baked = [one for one in quality.frames if one.state == "baked"]
    return {
        "frames": len(quality.frames),
        "baked": len(baked),
        "missing": quality.count(state="missing"),
        "no_face": quality.count(state="no-face"),
        "interpolated": quality.count(face="interpolated"),
        "mean_delta": _rounded(_mean([one.mean_delta for one in baked])),
        "peak_delta": _rounded(max((one.peak_delta for one in baked), default=math.nan)),
        "delta_change": _rounded(_mean([one.delta_change for one in baked])),
        "plate_change": _rounded(_mean([one.plate_change for one in baked])),
        "look_at_first": len(quality.attention),
    }


def _row(one: FrameQuality) -> dict[str, Any]:
    values = {name: _rounded(value) if isinstance(value, float) else value for name, value in asdict(one).items()}
    return {**values, "reasons": list(one.reasons)}


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
