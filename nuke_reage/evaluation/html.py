"""One HTML file with everything inside: style, pictures, plots."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from nuke_reage import __version__

__all__ = ["data_url", "document", "line_plot"]

_JPEG_QUALITY = 88
_PLOT_WIDTH, _PLOT_HEIGHT, _MARGIN, _AXIS = 960, 136, 4, 18

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 100rem; padding: 0 1rem;
  background: #181818; color: #ddd }
table { border-collapse: collapse } th { text-align: left; font-weight: 400; white-space: pre }
th, td { padding: .15rem .8rem } td { text-align: right; font-variant-numeric: tabular-nums }
td.text { text-align: left }
thead th { text-align: right; font-weight: 600 } .section th { padding-top: 1rem; font-weight: 600; color: #fff }
.best { color: #8fd18f } img, svg { max-width: 100% } footer { margin-top: 2rem; color: #888 }
figure { margin: 0 1rem 1rem 0; display: inline-block } figcaption { color: #aaa }
svg { background: #202020; display: block } polyline { fill: none; stroke: #7fb4e8; stroke-width: 1.5 }
polyline.second { stroke: #d9a05b } line { stroke: #e06c6c; stroke-opacity: .55 }
svg text { fill: #888; font: 11px sans-serif }
"""


def document(title: str, body: Sequence[str]) -> str:
    """A whole document.

    Args:
        title: plain text.
        body: HTML, line by line, below the title.
    """
    name = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    start = f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>\n<h1>{name}</h1>'
    return "\n".join([start, *body, f"<footer>ReAge {__version__}</footer></body></html>"]) + "\n"


def data_url(picture: npt.NDArray[np.uint8]) -> str:
    """An (H, W, 3) uint8 sRGB picture as the source of an ``img``."""
    flipped = np.ascontiguousarray(picture[:, :, ::-1])
    _, data = cv2.imencode(".jpg", flipped, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def line_plot(
    title: str, frames: Sequence[int], series: Sequence[Sequence[float]], marks: Sequence[int] = (), digits: int = 3
) -> str:
    """One or two curves over the frames of a shot, as SVG; values that are not finite leave a gap.

    Args:
        title: plain text.
        frames: frame numbers, rising, at least one.
        series: one or two rows of values, each as long as ``frames``.
        marks: frames to mark with a line.
        digits: of the numbers at the axis.
    """
    known = [value for row in series for value in row if math.isfinite(value)]
    low, high = min([0.0, *known]), max([1e-9, *known])
    first, span = frames[0], max(frames[-1] - frames[0], 1)
    inner_width, inner_height = _PLOT_WIDTH - 2 * _MARGIN, _PLOT_HEIGHT - 2 * _AXIS

    def x(frame: int) -> float:
        return _MARGIN + inner_width * (frame - first) / span

    def y(value: float) -> float:
        return _AXIS + inner_height * (1.0 - (value - low) / (high - low))

    shapes = [f'<line x1="{x(frame):.1f}" x2="{x(frame):.1f}" y1="0" y2="{_PLOT_HEIGHT}"/>' for frame in marks]
    for number, row in enumerate(series):
        kind = ' class="second"' if number else ""
        for run in _runs(frames, row):
            points = " ".join(f"{x(frame):.1f},{y(value):.1f}" for frame, value in run)
            shapes.append(f'<polyline{kind} points="{points}"/>')
    shapes.append(f'<text x="{_MARGIN + 2}" y="14">{high:.{digits}f}</text>')
    shapes.append(f'<text x="{_PLOT_WIDTH - 60}" y="{_PLOT_HEIGHT - 5}">{frames[-1]}</text>')
    shapes.append(f'<text x="{_MARGIN + 2}" y="{_PLOT_HEIGHT - 5}">{first}</text>')
    picture = (
        f'<svg viewBox="0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}" width="{_PLOT_WIDTH}" role="img">{"".join(shapes)}</svg>'
    )
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{picture}</figure>"


def _runs(frames: Sequence[int], values: Sequence[float]) -> list[list[tuple[int, float]]]:
    runs: list[list[tuple[int, float]]] = [[]]
    for frame, value in zip(frames, values, strict=True):
        if math.isfinite(value):
            runs[-1].append((frame, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
