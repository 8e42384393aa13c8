"""Measure how far the columns of two datasets are apart, from their profiles alone.

    psi   population stability index over the bins of the histogram: sum of (a - b) * ln(a / b); a share below
          SMALLEST_SHARE, or below half a row, counts as that, so that an empty bin has an answer
    js    Jensen-Shannon distance over the same bins, base 2: 0 the same, 1 nothing in common
    ks    Kolmogorov-Smirnov: the largest difference of the two cumulative shares; None without an order

Bins are the tenths of the first dataset, or its values if there are few; for texts the values if all are known,
otherwise 64 classes of a hash. Missing values have no bin: `missing_psi` is the index over the two shares of
missing and present values, and the larger of both indices decides the shift.
Sources: Yurdakul, "Statistical Properties of Population Stability Index" (2018), for `chance`; Lin, "Divergence
Measures Based on the Shannon Entropy" (1991).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, repeat
from math import log, log2
from operator import eq, sub

from modelyard.domain.profile import Column, Keys, Points, Profile, to_number

SMALLEST_SHARE = 1e-4
TENTHS = 10
FEW_VALUES = 20
SLIGHT, LARGE = 0.1, 0.25
MAX_NAMED = 100
_GRID = 150
_Z = 2.24
"""97.5 % for each of two estimates, so at least 95 % for both."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of the values that are present. edges: inclusive upper bounds of all bins but the last; labels: of bins
    that are values or classes."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """shift: none, slight (psi or missing_psi from 0.1), large (from 0.25), or unknown where one side has no values.
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
    missing_psi: float = 0.0
    retyped: bool = False

    @property
    def moved(self) -> float:
        """Return how far the column moved, for the order of a list."""
        return max(self.psi or 0.0, self.missing_psi)


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
    """Of the columns that both have: those of another type first, then the ones that moved most. Columns that are the
    key of both are left out, unless their type changed: other rows have other keys."""
    overlap: Overlap | None = None

    @property
    def shifted(self) -> list[ColumnDrift]:
        return [column for column in self.columns if column.shift in ("slight", "large")]


def compare(before: Profile, after: Profile) -> Drift:
    both = [name for name in before.columns if name in after.columns]
    keys = _key_columns(before) & _key_columns(after)
    found = [compare_columns(before, after, name) for name in both]
    found = [column for column in found if column.retyped or column.name not in keys]
    found.sort(key=lambda column: (not column.retyped, -column.moved, column.name))
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


def _key_columns(profile: Profile) -> set[str]:
    return set(profile.keys.columns) if profile.keys is not None else set()


def compare_columns(before: Profile, after: Profile, name: str) -> ColumnDrift:
    found = _compare_values_of(before, after, name)
    one, two = found.before, found.after
    rates = [
        (1 - share, share) for share in (one.missing / max(1, before.rows), two.missing / max(1, after.rows))
    ]
    smallest = max(SMALLEST_SHARE, 0.5 / max(1, before.rows), 0.5 / max(1, after.rows))
    missing = psi(rates[0], rates[1], smallest) if before.rows and after.rows else 0.0
    by_missing = _word(missing, 1 / max(1, before.rows) + 1 / max(1, after.rows))
    shift = max(found.shift, by_missing, key=_SHIFTS.index)
    return replace(found, shift=shift, missing_psi=missing, retyped=one.type != two.type)


_SHIFTS = ("none", "unknown", "slight", "large")


def _compare_values_of(before: Profile, after: Profile, name: str) -> ColumnDrift:
    """Return the comparison of the values, without missing ones."""
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
    """Return the word for a shift. Small samples differ by chance; only a clearly larger difference is a shift."""
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
    """Cumulative shares of points that have lost some low bits."""

    def __init__(self, points: Points, shift: int) -> None:
        more = shift - points.shift
        self.values = [value >> more for value in points.values] if more else points.values
        self.shares = points.shares

    def at(self, value: int) -> float:
        """Return the share of values that are not above this one."""
        return self.shares[bisect_right(self.values, value)]

    def quantile(self, share: float) -> int:
        """Return the least value that this share of the rows does not exceed."""
        # Sums of shares are rounded, so a value that reaches the share exactly must still count.
        index = bisect_left(self.shares, share - 1e-12) - 1
        return self.values[min(max(index, 0), len(self.values) - 1)]

    def grid(self) -> tuple[Sequence[int], Sequence[float]]:
        """Return about a hundred of the values, and the share of values not above each."""
        step = max(1, len(self.values) // _GRID)
        chosen, following = self.values[step - 1 :: step], self.values[step::step]
        if any(map(eq, chosen, following)):
            return chosen, self.many(chosen)
        return chosen, self.shares[step::step]

    def many(self, values: Sequence[int]) -> Sequence[float]:
        """Return `at` for each value, without a Python statement for each one."""
        return list(map(self.shares.__getitem__, map(bisect_right, repeat(self.values), values)))


def _largest_gap(one: _Shares, two: _Shares) -> float:
    """Return the largest gap at about a hundred points of either side; this is the slowest part of a comparison."""
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
        # If one value fills most of the column, the values below it need a bin of their own.
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
    """Estimate the overlap from samples of the smallest hashes that both could have kept (Beyer et al., 2007)."""
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
    """Return Wilson's interval of a share."""
    if tries == 0:
        return 0.0, 1.0
    z, share = _Z, hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == tries else min(1.0, middle + half))
