"""Merge the profiles of parts into the profile of the whole, with the standard library alone.

Counts, extremes and moments of the whole are exact. Its points are those of all parts; more than MAX_POINTS are
replaced by as many quantiles of equal weight, which moves a share by at most half of 1 / MAX_POINTS. The number of
different values is exact where all values are known; otherwise it is an estimate between the largest part and the sum.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidFact
from modelyard.domain.profile import Column, Points, Profile

MAX_POINTS = 8192
MAX_TOP = 200


def merge_profiles(parts: Sequence[Profile]) -> Profile:
    """Return the profile of all rows together, without keys. A column that a part does not have is missing in all rows of it.

    Raises InvalidFact for no parts, and for a column whose parts have types that do not go together.
    """
    if not parts:
        raise InvalidFact(what="the profile", reason="there are no parts to merge")
    if len(parts) == 1:
        return replace(parts[0], keys=None)
    names = dict.fromkeys(name for part in parts for name in part.columns)
    return Profile(
        rows=sum(part.rows for part in parts),
        columns={name: _merged(name, parts) for name in names},
    )


def _merged(name: str, parts: Sequence[Profile]) -> Column:
    there = [part.columns[name] for part in parts if name in part.columns]
    lacking = sum(part.rows for part in parts if name not in part.columns)
    missing = lacking + sum(column.missing for column in there)
    # A part without a single value has no type to speak of.
    known = [column for column in there if column.distinct or column.points is not None] or there[:1]
    points = _merge_points([column.points for column in known if column.points is not None])
    top, complete = _merge_top(known)
    buckets = [column.buckets for column in known if column.buckets]
    mean, std = _moments(known)
    distinct, is_exact = _distinct(known, points, dict(top) if complete else None)
    return Column(
        name=name,
        type=_common_type(name, known),
        digest=str(Digest.of("".join(f"{column.digest}\n" for column in there).encode())),
        missing=missing,
        infinite=sum(column.infinite for column in known),
        distinct=distinct,
        estimated=not is_exact,
        minimum=_extreme(min, [column.minimum for column in known]),
        maximum=_extreme(max, [column.maximum for column in known]),
        mean=mean,
        std=std,
        points=points,
        top=top,
        complete=complete,
        buckets=tuple(map(sum, zip(*buckets, strict=True))) if len(buckets) == len(known) else (),
    )


_WIDENS = {
    frozenset(("int", "float")): "float",
    frozenset(("uint", "float")): "float",
    frozenset(("int", "uint")): "int",
}


def _common_type(name: str, columns: Sequence[Column]) -> str:
    found = columns[0].type
    for column in columns[1:]:
        if column.type != found:
            wider = _WIDENS.get(frozenset((found, column.type)))
            if wider is None:
                raise InvalidFact(
                    what=f"column {name[:100]!r}",
                    reason=f"it is {found} in one part and {column.type} in another",
                )
            found = wider
    return found


def _extreme(choose: Any, values: Sequence[Any]) -> Any:
    there = [value for value in values if isinstance(value, int | float)]
    return choose(there) if there else None


def _moments(columns: Sequence[Column]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation from those of the parts. Source: Chan, Golub, LeVeque."""
    count, mean, m2 = 0, 0.0, 0.0
    for column in columns:
        more = column.points.total if column.points is not None else 0
        if not more:
            continue
        if column.mean is None:
            return None, None
        delta = column.mean - mean
        # None of one value is none; of more it is a sum that left the range of doubles, or lengths, which have none.
        inner = column.std**2 * (more - 1) if column.std is not None else math.inf if more > 1 else 0.0
        m2 += inner + delta * delta * count * more / (count + more)
        mean += delta * more / (count + more)
        count += more
    if not count or not math.isfinite(mean):
        return None, None
    has_std = count > 1 and math.isfinite(m2) and columns[0].is_numeric
    return mean, math.sqrt(m2 / (count - 1)) if has_std else None


def _merge_points(parts: Sequence[Points]) -> Points | None:
    if not parts:
        return None
    shift = max(part.shift for part in parts)
    counted: Counter[int] = Counter()
    for part in parts:
        fewer = shift - part.shift
        for value, weight in zip(part.values, part.weights, strict=True):
            counted[value >> fewer] += weight
    values = sorted(counted)
    exact = all(part.exact for part in parts)
    if len(values) <= MAX_POINTS:
        return Points(values, [counted[value] for value in values], shift, exact)
    return _thinned(values, counted, shift)


def _thinned(values: Sequence[int], counted: Counter[int], shift: int) -> Points:
    """Keep MAX_POINTS quantiles of equal weight, as far as the number of rows can be divided."""
    total = counted.total()
    chosen: Counter[int] = Counter()
    at, seen = 0, counted[values[0]]
    for number in range(MAX_POINTS):
        first, after = total * number // MAX_POINTS, total * (number + 1) // MAX_POINTS
        middle = (first + after) // 2
        while seen <= middle:
            at += 1
            seen += counted[values[at]]
        chosen[values[at]] += after - first
    found = sorted(chosen)
    return Points(found, [chosen[value] for value in found], shift, False)


def _merge_top(columns: Sequence[Column]) -> tuple[tuple[tuple[str, int], ...], bool]:
    """Return the counts of all values, if each part knows all of its own; otherwise nothing."""
    if not columns or not all(column.top and column.complete for column in columns):
        return (), False
    counted: Counter[str] = Counter()
    for column in columns:
        counted.update(dict(column.top))
    commonest = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(commonest[:MAX_TOP]), len(commonest) <= MAX_TOP


def _distinct(columns: Sequence[Column], points: Points | None, top: dict[str, int] | None) -> tuple[int, bool]:
    if top is not None:
        return len(top), True
    is_counted = points is not None and points.exact and not points.shift
    if points is not None and is_counted and not any(c.infinite or not c.is_numeric for c in columns):
        return len(points.values), True
    least, most = max(column.distinct for column in columns), sum(column.distinct for column in columns)
    if len(columns) == 1:
        return least, not columns[0].estimated
    if points is not None and columns[0].is_numeric:
        least = max(least, min(len(points.values), most))
    return least, False
