"""Charts as SVG, rendered on the server: they need no script, and each has a table with the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup, escape

from modelyard.web.format import number

_WIDTH, _HEIGHT = 800, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 24, 28
_MOST_LABELS = 9


class Point(msgspec.Struct, frozen=True):
    version: int
    value: float
    stage: str = ""
    refused: bool = False
    """The version should not be used, so its point is drawn hollow."""


def by_version(points: Sequence[Point], direction: str | None) -> Markup | None:
    """Draw a metric over versions, with the best so far as a line. None for fewer than two points."""
    if len(points) < 2:
        return None
    values = [point.value for point in points]
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - spread * 0.08, high + spread * 0.08
    first, last = points[0].version, points[-1].version

    def x(version: int) -> float:
        return round(_LEFT + (version - first) / max(1, last - first) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = []
    for step in range(5):
        value = low + (high - low) * step / 4
        at = y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"></line>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{escape(number(value))}</text>')
    shown = sorted({point.version for point in points})
    parts += [
        f'<text x="{x(version)}" y="{_HEIGHT - 8}" text-anchor="middle">v{version}</text>'
        for version in shown[:: max(1, -(-len(shown) // _MOST_LABELS))]
    ]
    if direction is not None:
        parts.append(f'<path class="best" d="{_best(points, direction, x, y)}"></path>')
    for point in points:
        kind = "dot hollow" if point.refused else "dot stage" if point.stage else "dot"
        title = f"v{point.version}: {number(point.value)}"
        parts.append(
            f'<circle class="{kind}" cx="{x(point.version)}" cy="{y(point.value)}" r="{5 if point.stage else 3.5}">'
            f"<title>{escape(title)}</title></circle>"
        )
        if point.stage:
            words = escape(f"v{point.version} {point.stage}")
            parts.append(
                f'<text class="mark" x="{min(x(point.version), _WIDTH - 80)}" y="{y(point.value) - 10}" '
                f'text-anchor="middle">{words}</text>'
            )
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="The metric by version">'
        f"{''.join(parts)}</svg>"
    )


def _best(
    points: Sequence[Point], direction: str, x: Callable[[int], float], y: Callable[[float], float]
) -> str:
    best: float | None = None
    path = ""
    for point in points:
        if point.refused:
            continue
        is_better = best is None or (point.value > best if direction == "higher" else point.value < best)
        if best is None:
            path = f"M{x(point.version)} {y(point.value)}"
        else:
            path += f"H{x(point.version)}"
            if is_better:
                path += f"V{y(point.value)}"
        if is_better:
            best = point.value
    return path


def by_step(name: str, steps: Sequence[int], values: Sequence[float]) -> Markup | None:
    """Draw a series of a run. None for fewer than two finite points."""
    points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if len(points) < 2:
        return None
    low, high = min(value for _, value in points), max(value for _, value in points)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - spread * 0.05, high + spread * 0.05
    first, last = points[0][0], points[-1][0]
    width, height = 400, 180
    parts = []
    for value in (low, (low + high) / 2, high):
        at = round(height - 24 - (value - low) / (high - low) * (height - 44), 1)
        parts.append(f'<line class="grid" x1="56" x2="{width - 8}" y1="{at}" y2="{at}"></line>')
        parts.append(f'<text x="50" y="{at + 4}" text-anchor="end">{escape(number(value))}</text>')
    path = " ".join(
        f"{round(56 + (step - first) / max(1, last - first) * (width - 64), 1)},"
        f"{round(height - 24 - (value - low) / (high - low) * (height - 44), 1)}"
        for step, value in points
    )
    words = escape(f"{name}: {number(points[-1][1])} at step {last}")
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<figure><figcaption class="small strong">{words}</figcaption>'
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{words}">{"".join(parts)}'
        f'<text x="56" y="{height - 6}">{first}</text>'
        f'<text x="{width - 8}" y="{height - 6}" text-anchor="end">{last}</text>'
        f'<polyline class="best" points="{path}"></polyline></svg></figure>'
    )


# --- months ----------------------------------------------------------------------------------------------

_MONTH_WIDTH, _MONTH_HEIGHT = 480, 190


def lines_by_month(
    months: Sequence[str], series: Sequence[Sequence[float | None]], words: Callable[[float], str], label: str
) -> Markup | None:
    """Draw lines over months, the first one accented. words: how a value is written. None without a value."""
    x, y, parts = _month_axes(months, [value for line in series for value in line if value is not None], words)
    if x is None or y is None:
        return None
    for n, line in reversed(list(enumerate(series))):
        points = [(x(at), y(value)) for at, value in enumerate(line) if value is not None]
        kind = f"line-{n}"
        parts.append(f'<polyline class="{kind}" points="{" ".join(f"{a},{b}" for a, b in points)}"></polyline>')
        parts += [f'<circle class="{kind}" cx="{a}" cy="{b}" r="2.5"></circle>' for a, b in points]
    return _month_chart(parts, label)


def bars_by_month(months: Sequence[str], series: Sequence[Sequence[int]], label: str) -> Markup | None:
    """Draw bars side by side for each month. None where all are 0."""
    x, y, parts = _month_axes(months, [float(max(max(bars, default=0) for bars in series))], number_words)
    if x is None or y is None:
        return None
    wide = max(3.0, round((_MONTH_WIDTH - 80) / len(months) * 0.7 / len(series), 1))
    for n, bars in enumerate(series):
        for at, value in enumerate(bars):
            if value:
                left = round(x(at) + (n - len(series) / 2) * wide, 1)
                top = y(float(value))
                parts.append(
                    f'<rect class="bar-{n}" x="{left}" y="{top}" width="{wide}" height="{round(y(0.0) - top, 1)}">'
                    f"<title>{escape(months[at])}: {value}</title></rect>"
                )
    return _month_chart(parts, label)


def number_words(value: float) -> str:
    return str(number(round(value, 3)))


def _month_axes(
    months: Sequence[str], values: Sequence[float], words: Callable[[float], str]
) -> tuple[Callable[[int], float] | None, Callable[[float], float] | None, list[str]]:
    top = max(values, default=0.0)
    if top <= 0:
        return None, None, []

    def x(at: int) -> float:
        return round(64 + (at + 0.5) * (_MONTH_WIDTH - 72) / len(months), 1)

    def y(value: float) -> float:
        return round(_MONTH_HEIGHT - 24 - value / top * (_MONTH_HEIGHT - 40), 1)

    parts = []
    for step in range(3):
        at = y(top * step / 2)
        parts.append(f'<line class="grid" x1="64" x2="{_MONTH_WIDTH - 8}" y1="{at}" y2="{at}"></line>')
        parts.append(f'<text x="58" y="{at + 4}" text-anchor="end">{escape(words(top * step / 2))}</text>')
    every = -(-len(months) // 12)
    parts += [
        f'<text x="{x(at)}" y="{_MONTH_HEIGHT - 6}" text-anchor="middle">{escape(name[5:])}</text>'
        for at, name in enumerate(months)
        if at % every == 0
    ]
    return x, y, parts


def _month_chart(parts: Sequence[str], label: str) -> Markup:
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<svg class="chart" viewBox="0 0 {_MONTH_WIDTH} {_MONTH_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
