"""How far the columns of two datasets are apart, from their profiles alone.

    psi   population stability index over the bins of the histogram: sum of (a - b) * ln(a / b); a share below
          SMALLEST_SHARE, or below half a row, counts as that, so that an empty bin has an answer
    js    Jensen-Shannon distance over the same bins, base 2: 0 the same, 1 nothing in common
    ks    Kolmogorov-Smirnov: the largest difference of the two cumulative shares; None without an order

Bins are the tenths of the first dataset, or its values where there are few; for texts the values where all are
known, else 64 classes of a hash. Missing values are no bin: their shares stand next to it.
Sources: Yurdakul, "Statistical Properties of Population Stability Index" (2018), for `chance`; Lin, "Divergence
Measures Based on the Shannon Entropy" (1991).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from math import log, log2
from operator import eq, sub
from typing import Any

from modelyard.domain.profile import Column, Keys, Points, Profile, to_number

SMALLEST_SHARE = 1e-4
TENTHS = 10
FEW_VALUES = 20
SLIGHT, LARGE = 0.1, 0.25
MAX_NAMED = 100
_GRID = 150
_Z = 2.24
"""97.5 % on each of two doubts, so at least 95 % on both."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of what is not missing. edges: upper bounds, inclusive, of all bins but the last; labels: of bins
    that are values or classes."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """shift: none, slight (psi from 0.1), large (from 0.25), or unknown where one side has no values.
    chance: the psi that two samples of this size from the same source have on average."""

    name: str
    before: Column
    after: Column
    shift: str
    psi: float | None = None
    js: float | None = None
    ks: float | None = None
    chance: float | None = None
    histogram: Histogram | None = None
    new_values: tuple[str, ...] = ()
    gone_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many different keys of `after` are in `before` too; least and most: with 95 % certainty."""

    columns: tuple[str, ...]
    keys_before: int
    keys_after: int
    shared: int
    least: int
    most: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Drift:
    rows_before: int
    rows_after: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    """(column, type before, type after)."""
    columns: tuple[ColumnDrift, ...] = field(default=())
    """Of the columns that both have, the ones that moved most first."""
    overlap: Overlap | None = None

    @property
    def shifted(self) -> list[ColumnDrift]:
        return [column for column in self.columns if column.shift in ("slight", "large")]


def compare(before: Profile, after: Profile) -> Drift:
    both = [name for name in before.columns if name in after.columns]
    found = [compare_columns(before, after, name) for name in both]
    found.sort(key=lambda column: (-(column.psi or 0.0), column.name))
    return Drift(
        before.rows,
        after.rows,
        added=tuple(name for name in after.columns if name not in before.columns),
        removed=tuple(name for name in before.columns if name not in after.columns),
        retyped=tuple(
            (name, before.columns[name].type, after.columns[name].type)
            for name in both
            if before.columns[name].type != after.columns[name].type
        ),
        columns=tuple(found),
        overlap=_overlap(before.keys, after.keys),
    )


def compare_columns(before: Profile, after: Profile, name: str) -> ColumnDrift:
    one, two = before.columns[name], after.columns[name]
    count_one, count_two = before.rows - one.missing, after.rows - two.missing
    histogram, ks = None, None
    if one.digest == two.digest:
        return ColumnDrift(name, one, two, "none", 0.0, 0.0, 0.0 if one.is_numeric else None, 0.0)
    if not (count_one and count_two):
        return ColumnDrift(name, one, two, "unknown")
    if one.points is not None and two.points is not None and one.is_numeric and two.is_numeric:
        histogram, ks = _compare_points(one.points, two.points)
    elif one.top and two.top and one.complete and two.complete:
        histogram = _compare_values(dict(one.top), dict(two.top))
    elif one.buckets and len(one.buckets) == len(two.buckets):
        labels = tuple(f"class {index}" for index in range(len(one.buckets)))
        histogram = Histogram(_shares(one.buckets), _shares(two.buckets), labels=labels)
    if histogram is None:
        return ColumnDrift(name, one, two, "unknown")
    found = psi(histogram.before, histogram.after, max(SMALLEST_SHARE, 0.5 / count_one, 0.5 / count_two))
    chance = (len(histogram.before) - 1) * (1 / count_one + 1 / count_two)
    new, gone = _changed_values(one, two)
    return ColumnDrift(
        name,
        one,
        two,
        _word(found, chance),
        found,
        js_distance(histogram.before, histogram.after),
        ks,
        chance,
        histogram,
        new,
        gone,
    )


def _word(found: float, chance: float) -> str:
    """Small samples differ by chance alone: what is not well beyond that is no shift."""
    if found < SLIGHT or found < 2 * chance:
        return "none"
    return "slight" if found < LARGE else "large"


def _changed_values(one: Column, two: Column) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not (one.top and two.top and one.complete and two.complete):
        return (), ()
    before, after = {value for value, _ in one.top}, {value for value, _ in two.top}
    return tuple(sorted(after - before)[:MAX_NAMED]), tuple(sorted(before - after)[:MAX_NAMED])


# --- numbers -------------------------------------------------------------------------------------------


class _Shares:
    """Cumulative shares of points that have lost so many low bits."""

    def __init__(self, points: Points, shift: int) -> None:
        more = shift - points.shift
        self.values = [value >> more for value in points.values] if more else points.values
        self.shares = points.shares

    def at(self, value: int) -> float:
        """The share of what is not above the value."""
        return self.shares[bisect_right(self.values, value)]

    def quantile(self, share: float) -> int:
        """The least value that this share of the rows does not exceed."""
        # Sums of shares are rounded: a value that holds the share exactly is to count.
        index = bisect_left(self.shares, share - 1e-12) - 1
        return self.values[min(max(index, 0), len(self.values) - 1)]

    def grid(self) -> tuple[Sequence[int], Sequence[float]]:
        """Some hundred of the values, and the share of what is not above each."""
        step = max(1, len(self.values) // _GRID)
        chosen, following = self.values[step - 1 :: step], self.values[step::step]
        if any(map(eq, chosen, following)):
            return chosen, self.many(chosen)
        return chosen, self.shares[step::step]

    def many(self, values: Sequence[int]) -> Sequence[float]:
        """As `at`, of each; no line of ours runs for each."""
        return list(map(self.shares.__getitem__, map(bisect_right, repeat(self.values), values)))


def _largest_gap(one: _Shares, two: _Shares) -> float:
    """At some hundred points of either; this is the longest part of comparing."""
    (values_one, shares_one), (values_two, shares_two) = one.grid(), two.grid()
    here, there = (*shares_one, *one.many(values_two)), (*two.many(values_one), *shares_two)
    gaps: Iterable[float] = map(sub, here, there)
    return max(map(abs, gaps))


def _compare_points(one: Points, two: Points) -> tuple[Histogram, float]:
    shift = max(one.shift, two.shift)
    before, after = _Shares(one, shift), _Shares(two, shift)
    few = one.exact and two.exact and len(set(before.values) | set(after.values)) <= FEW_VALUES
    if few:
        bounds = sorted({*before.values, *after.values})[:-1]
    else:
        bounds = sorted({before.quantile(tenth / TENTHS) for tenth in range(1, TENTHS)})
        # Where one value is most of the column, what lies below it needs a bin of its own.
        if len(bounds) < TENTHS - 1 and bounds[0] == before.values[0]:
            bounds.insert(0, bounds[0] - 1)
        if bounds[-1] == before.values[-1] and len(bounds) > 1 and after.values[-1] <= bounds[-1]:
            bounds.pop()
    shares = [_bins([shares.at(bound) for bound in bounds]) for shares in (before, after)]
    ks = _largest_gap(before, after)
    edges = tuple(to_number(bound, shift) for bound in bounds)
    return Histogram(shares[0], shares[1], edges), ks


def _bins(cumulative: Sequence[float]) -> tuple[float, ...]:
    every = [0.0, *cumulative, 1.0]
    return tuple(high - low for low, high in pairwise(every))


# --- values and classes ----------------------------------------------------------------------------------


def _compare_values(before: dict[str, int], after: dict[str, int]) -> Histogram:
    labels = tuple(sorted({*before, *after}, key=lambda value: (-before.get(value, 0), value)))
    return Histogram(
        _shares([before.get(value, 0) for value in labels]),
        _shares([after.get(value, 0) for value in labels]),
        labels=labels,
    )


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts) or 1
    return tuple(count / total for count in counts)


def psi(before: Sequence[float], after: Sequence[float], smallest: float = SMALLEST_SHARE) -> float:
    found = 0.0
    for b, a in zip(before, after, strict=True):
        b, a = b if b > smallest else smallest, a if a > smallest else smallest
        found += (a - b) * log(a / b)
    return found


def js_distance(before: Sequence[float], after: Sequence[float]) -> float:
    found = 0.0
    for b, a in zip(before, after, strict=True):
        middle = (a + b) / 2
        if b > 0:
            found += b * log2(b / middle) / 2
        if a > 0:
            found += a * log2(a / middle) / 2
    return math.sqrt(max(0.0, found))


# --- keys ------------------------------------------------------------------------------------------------


def _overlap(before: Keys | None, after: Keys | None) -> Overlap | None:
    """Of two samples of the smallest hashes: what both could have kept is compared (Beyer et al., 2007)."""
    if before is None or after is None or len(before.columns) != len(after.columns):
        return None
    exact = before.complete and after.complete
    theta = min(before.theta, after.theta)
    limit = theta * 2**64
    one = {value for value in before.hashes if exact or value < limit}
    two = {value for value in after.hashes if exact or value < limit}
    shared, seen = len(one & two), len(two)
    if exact:
        return Overlap(after.columns, len(one), len(two), shared, shared, shared, True)
    least, most = _between(shared, seen)
    every = min(after.distinct, after.count)
    # The number of keys is an estimate itself, unless all are known.
    doubt = 0.0 if after.complete else _Z / math.sqrt(len(after.hashes))
    known = len(set(before.hashes) & set(after.hashes))
    return Overlap(
        after.columns,
        before.distinct,
        every,
        max(known, round(every * (shared / seen if seen else 0.0))),
        max(known, math.floor(every * (1 - doubt) * least)),
        min(after.count, math.ceil(every * (1 + doubt) * most)),
        False,
    )


def _between(hits: int, tries: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    if tries == 0:
        return 0.0, 1.0
    z, share = _Z, hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == tries else min(1.0, middle + half))


def summary(value: float | None) -> Any:
    """A figure for people: four digits."""
    return None if value is None else float(f"{value:.4g}")
