"""Shares of a column's values by bins of equal width, to draw: of one profile, or of two on the same axis."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.domain.profile import Column, Points, to_number

BINS = 20
MOST_VALUES = 8
OTHER = "other"
_TAIL = 0.005
"""Share of rows at each end that may lie outside of the axis; they count to the first and the last bin."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Shares of the rows that have a value, of one or two columns. ends: of the axis, as numbers or values."""

    shares: tuple[Sequence[float], ...]
    ends: tuple[float | str, float | str]


def bars_of(*columns: Column) -> Bars | None:
    """Return the bars of columns on one axis; None: their values are not known, or not comparable."""
    if all(column.is_numeric for column in columns):
        points = [column.points for column in columns]
        if any(each is None for each in points):
            return None
        return _numbers([each for each in points if each is not None])
    if any(column.is_numeric or not column.top for column in columns):
        return None
    return _values([dict(column.top) for column in columns])


def _numbers(points: Sequence[Points]) -> Bars | None:
    spread = [_numeric(each) for each in points]
    low = min(_quantile(values, each.weights, _TAIL) for values, each in zip(spread, points, strict=True))
    high = max(_quantile(values, each.weights, 1 - _TAIL) for values, each in zip(spread, points, strict=True))
    if high == low:
        return Bars(tuple([1.0] for _ in points), (low, high))
    shares = []
    for values, each in zip(spread, points, strict=True):
        bins = [0.0] * BINS
        for value, weight in zip(values, each.weights, strict=True):
            # In two halves, since the distance of two doubles may not be one.
            place = (value / 2 - low / 2) / (high / 2 - low / 2)
            bins[min(BINS - 1, max(0, int(place * BINS)))] += weight / each.total
        shares.append(bins)
    return Bars(tuple(shares), (low, high))


def _numeric(points: Points) -> list[float]:
    return [to_number(value, points.shift) for value in points.values]


def _quantile(values: Sequence[float], weights: Sequence[int], share: float) -> float:
    sums, total = [], 0
    for weight in weights:
        total += weight
        sums.append(total)
    return values[min(len(values) - 1, bisect_left(sums, share * total))]


def _values(tops: Sequence[dict[str, int]]) -> Bars:
    counts: dict[str, int] = {}
    for top in tops:
        for value, count in top.items():
            counts[value] = counts.get(value, 0) + count
    names = sorted(counts, key=lambda value: (-counts[value], value))
    shown, rest = names[:MOST_VALUES], names[MOST_VALUES:]
    shares = []
    for top in tops:
        total = sum(top.values()) or 1
        bins = [top.get(name, 0) / total for name in shown]
        if rest:
            bins.append(sum(top.get(name, 0) for name in rest) / total)
        shares.append(bins)
    return Bars(tuple(shares), (shown[0], OTHER if rest else shown[-1]))
