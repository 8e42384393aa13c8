"""Charts that lay several things over each other: curves, parallel coordinates, scatter, pairs of histograms.

Compared things have the colours c0 to c3 in their order; all others are ghosts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from markupsafe import Markup, escape

from modelyard.web.format import number

COLOURS = 4
_MOST_BARS = 24


def colour(position: int | None) -> str:
    """Return the class of the compared thing at this position; None: it is one of the others."""
    return f"s{position}" if position is not None and position < COLOURS else "sg"


def _svg(width: int, height: int, label: str, parts: Sequence[str], kind: str = "chart") -> Markup:
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<svg class="{kind}" width="{width}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


class Line(msgspec.Struct, frozen=True):
    """A curve. position: of the compared thing."""

    position: int
    label: str
    steps: Sequence[int]
    values: Sequence[float]


def overlay(name: str, lines: Sequence[Line], width: int = 560, height: int = 220) -> Markup | None:
    """Draw curves of one metric over each other. None without two finite points."""
    drawn = [
        (line, [(s, v) for s, v in zip(line.steps, line.values, strict=True) if math.isfinite(v)])
        for line in lines
    ]
    every = [point for _, points in drawn for point in points]
    if len(every) < 2:
        return None
    low, high = min(v for _, v in every), max(v for _, v in every)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - spread * 0.05, high + spread * 0.05
    first, last = min(s for s, _ in every), max(s for s, _ in every)

    def x(step: int) -> float:
        return round(60 + (step - first) / max(1, last - first) * (width - 72), 1)

    def y(value: float) -> float:
        return round(height - 24 - (value - low) / (high - low) * (height - 36), 1)

    parts = []
    for n in range(4):
        value = low + (high - low) * n / 3
        parts.append(f'<line class="grid" x1="60" x2="{width - 12}" y1="{y(value)}" y2="{y(value)}"></line>')
        parts.append(f'<text x="54" y="{y(value) + 4}" text-anchor="end">{escape(number(value))}</text>')
    parts += [
        f'<text x="{x(step)}" y="{height - 6}" text-anchor="middle">{step}</text>'
        for step in sorted({first, (first + last) // 2, last})
    ]
    for line, points in reversed(drawn):
        if not points:
            continue
        kind = colour(line.position)
        words = escape(f"{line.label}: {number(points[-1][1])} at step {points[-1][0]}")
        path = " ".join(f"{x(s)},{y(v)}" for s, v in points)
        parts.append(f'<polyline class="{kind}" points="{path}"><title>{words}</title></polyline>')
        parts.append(f'<circle class="{kind}" cx="{x(points[-1][0])}" cy="{y(points[-1][1])}" r="3"></circle>')
    label = f"{name} by step: " + ", ".join(
        f"{line.label} ends at {number(points[-1][1])}" for line, points in drawn if points
    )
    return _svg(width, height, label, parts)


class Axis(msgspec.Struct, frozen=True):
    """One column of parallel coordinates. flipped: lower is better, so lower is drawn further up."""

    name: str
    values: Sequence[float | None]
    """One for each thing."""
    flipped: bool = False


def parallel(axes: Sequence[Axis], labels: Sequence[str], compared: int) -> Markup | None:
    """Draw a line for each thing through all axes. The first `compared` things have colours."""
    if len(axes) < 2:
        return None
    width, height = max(480, 120 * len(axes)), 250
    parts: list[str] = []
    places: list[list[float | None]] = []
    for n, axis in enumerate(axes):
        finite = [value for value in axis.values if value is not None and math.isfinite(value)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        x = round(60 + n * (width - 120) / (len(axes) - 1), 1)
        top, bottom = (low, high) if axis.flipped else (high, low)
        name = axis.name if len(axis.name) <= 16 else f"{axis.name[:15]}…"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="44" y2="{height - 28}"></line>')
        parts.append(
            f'<text class="name" x="{x}" y="16" text-anchor="middle">{escape(name)}<title>{escape(axis.name)}</title></text>'
        )
        parts.append(f'<text x="{x}" y="34" text-anchor="middle">{escape(number(top))}</text>')
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle">{escape(number(bottom))}</text>')
        shares: list[float | None] = []
        for value in axis.values:
            if value is None or not math.isfinite(value):
                shares.append(None)
                continue
            share = 0.5 if high == low else (value - low) / (high - low)
            share = 1 - share if axis.flipped else share
            shares.append(round(height - 28 - share * (height - 72), 1))
        places.append(shares)
    xs = [round(60 + n * (width - 120) / (len(axes) - 1), 1) for n in range(len(axes))]
    for thing in reversed(range(len(labels))):
        # A missing value leaves a gap.
        path, is_open = "", False
        for x, shares in zip(xs, places, strict=True):
            y = shares[thing]
            if y is not None:
                path += f"{'L' if is_open else 'M'}{x} {y}"
            is_open = y is not None
        kind = colour(thing if thing < compared else None)
        weight = "" if thing < compared else " thin"
        parts.append(f'<path class="{kind}{weight}" d="{path}"><title>{escape(labels[thing])}</title></path>')
    return _svg(width, height, f"Parallel coordinates of {len(labels)} versions or runs", parts, "chart plot")


def scatter(x_axis: Axis, y_axis: Axis, labels: Sequence[str], compared: int) -> Markup | None:
    """Draw a point for each thing. None for fewer than two points."""
    points = [
        (n, x, y)
        for n, (x, y) in enumerate(zip(x_axis.values, y_axis.values, strict=True))
        if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    if len(points) < 2:
        return None
    width, height = 560, 260
    parts = []

    def scale(values: Sequence[float], start: float, end: float) -> tuple[float, float, float, float]:
        low, high = min(values), max(values)
        spread = (high - low) or abs(high) or 1.0
        return low - spread * 0.06, high + spread * 0.06, start, end

    x_scale = scale([x for _, x, _ in points], 64, width - 16)
    y_scale = scale([y for _, _, y in points], height - 40, 12)

    def at(value: float, by: tuple[float, float, float, float]) -> float:
        low, high, start, end = by
        return round(start + (value - low) / (high - low) * (end - start), 1)

    for n in range(4):
        y_value = y_scale[0] + (y_scale[1] - y_scale[0]) * n / 3
        x_value = x_scale[0] + (x_scale[1] - x_scale[0]) * n / 3
        y, x = at(y_value, y_scale), at(x_value, x_scale)
        parts.append(f'<line class="grid" x1="64" x2="{width - 16}" y1="{y}" y2="{y}"></line>')
        parts.append(f'<text x="58" y="{y + 4}" text-anchor="end">{escape(number(y_value))}</text>')
        parts.append(f'<text x="{x}" y="{height - 22}" text-anchor="middle">{escape(number(x_value))}</text>')
    parts.append(
        f'<text class="name" x="{width / 2}" y="{height - 4}" text-anchor="middle">{escape(x_axis.name[:40])}</text>'
    )
    for n, x_value, y_value in reversed(points):
        kind = colour(n if n < compared else None)
        words = escape(f"{labels[n]}: {x_axis.name} {number(x_value)}, {y_axis.name} {number(y_value)}")
        parts.append(
            f'<circle class="{kind}" cx="{at(x_value, x_scale)}" cy="{at(y_value, y_scale)}" r="{5 if n < compared else 3.5}">'
            f"<title>{words}</title></circle>"
        )
    return _svg(width, height, f"{y_axis.name} against {x_axis.name}", parts, "chart plot")


def pair(
    before: Sequence[float], after: Sequence[float] = (), ends: tuple[str, str] = ("", ""), label: str = ""
) -> Markup:
    """Draw a histogram, filled; and the other one, if there is one, as a line in steps above it."""
    before, after = _fewer(before), _fewer(after)
    width, height = 200, 64
    high = max([*before, *after, 1e-12])
    wide = width / max(1, len(before))

    def y(share: float) -> float:
        return round(height - 16 - share / high * (height - 18), 1)

    parts = [
        f'<rect class="filled" x="{round(n * wide + 0.5, 1)}" y="{y(share)}" width="{round(max(1.0, wide - 1), 1)}" '
        f'height="{round(height - 16 - y(share), 1)}"></rect>'
        for n, share in enumerate(before)
    ]
    if after:
        path = f"M0 {height - 16}" + "".join(
            f"V{y(share)}H{round((n + 1) * wide, 1)}" for n, share in enumerate(after)
        )
        parts.append(f'<path class="stepped" d="{path}V{height - 16}"></path>')
    parts.append(f'<line class="grid" x1="0" x2="{width}" y1="{height - 16}" y2="{height - 16}"></line>')
    parts.append(f'<text x="0" y="{height - 3}">{escape(ends[0][:14])}</text>')
    parts.append(f'<text x="{width}" y="{height - 3}" text-anchor="end">{escape(ends[1][:14])}</text>')
    return _svg(width, height, label, parts, "pair")


def _fewer(shares: Sequence[float]) -> list[float]:
    """Join bins until a narrow chart can show them."""
    size = -(-len(shares) // _MOST_BARS) if shares else 1
    return [sum(shares[n : n + size]) for n in range(0, len(shares), size)]
