"""A metric's points: the layout of blocks, their summaries, and the sampling for charts. Pure.

A block of n points, all numbers little-endian:

    n × int64    step
    n × int64    time, microseconds since 1970 UTC, by the clock of the training machine
    n × float64  value

Points are in the order of arrival, which is the order in which a writer logged them. Steps may repeat and go
back; readers sort them.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from modelyard.domain.errors import InvalidRequest

BLOCK_POINTS = 512
"""Points of a full block; small blocks are merged into full ones (series_queries.py)."""
MOST_POINTS = 5000
"""Most points in one answer."""
BY_STEP, BY_TIME = "step", "time"
"""Orders of points."""
_EXACT_POINTS = 131_072
"""Up to this many points the blocks themselves are read; above, their summaries are fine enough."""
_NUMBER_BYTES = 8


def check_selection(most_points: int, by: str, *steps: int | None) -> None:
    """Check a request for points. steps: the first and the last one; None: no bound. Raises InvalidRequest."""
    if not 2 <= most_points <= MOST_POINTS:
        raise InvalidRequest(reason=f"points is {most_points}; it must be 2 to {MOST_POINTS}")
    if by not in (BY_STEP, BY_TIME):
        raise InvalidRequest(reason=f"{by[:40]!r} is not an order of points", fix="Use step or time")
    for step in steps:
        if step is not None and not -(2**63) <= step < 2**63:
            raise InvalidRequest(reason="a step has 64 bits", fix="Give a smaller number")


class Points(msgspec.Struct):
    """Three columns of equal length."""

    steps: array[int] = msgspec.field(default_factory=lambda: array("q"))
    times: array[int] = msgspec.field(default_factory=lambda: array("q"))
    values: array[float] = msgspec.field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.values)

    def extend(self, other: Points) -> None:
        self.steps.extend(other.steps)
        self.times.extend(other.times)
        self.values.extend(other.values)

    def part(self, start: int, end: int) -> Points:
        return Points(self.steps[start:end], self.times[start:end], self.values[start:end])

    def chosen(self, positions: Sequence[int]) -> Points:
        return Points(
            array("q", [self.steps[i] for i in positions]),
            array("q", [self.times[i] for i in positions]),
            array("d", [self.values[i] for i in positions]),
        )

    def blocks(self) -> Iterator[Points]:
        for start in range(0, len(self), BLOCK_POINTS):
            yield self.part(start, start + BLOCK_POINTS)


def _little(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def pack(points: Points) -> bytes:
    return _little(points.steps) + _little(points.times) + _little(points.values)


def unpack(block: bytes | memoryview) -> Points:
    """Read a block. Raises ValueError for anything else."""
    found = Points()
    unpack_to(found, block)
    return found


def unpack_to(found: Points, block: bytes | memoryview) -> None:
    """Append the points of a block to those found so far. Raises ValueError for anything but a block."""
    size, rest = divmod(len(block), 3 * _NUMBER_BYTES)
    if rest:
        raise ValueError(f"{len(block)} bytes are no block of points")
    width = size * _NUMBER_BYTES
    columns: tuple[array[Any], ...] = (found.steps, found.times, found.values)
    for number, column in enumerate(columns):
        part = block[number * width : (number + 1) * width]
        if sys.byteorder == "big":
            swapped = array(column.typecode, bytes(part))
            swapped.byteswap()
            column.extend(swapped)
        else:
            column.frombytes(part)


class Extreme(NamedTuple):
    value: float
    step: int
    at: int


class Summary(msgspec.Struct):
    """A summary of points. least, most: of the finite values; None: there are none."""

    count: int
    special_count: int
    """NaN and infinite values."""
    first_step: int
    last_step: int
    """The lowest and the highest, not those of the first and the last point."""
    first_at: int
    last_at: int
    least: Extreme | None
    most: Extreme | None


def summarise(points: Points) -> Summary:
    """Summarise at least one point."""
    # Lists, because an array creates a new number object at each access.
    steps, times, values = points.steps.tolist(), points.times.tolist(), points.values.tolist()
    special, least, most = _extremes(values)
    return Summary(
        len(values),
        special,
        min(steps),
        max(steps),
        min(times),
        max(times),
        None if least is None else Extreme(values[least], steps[least], times[least]),
        None if most is None else Extreme(values[most], steps[most], times[most]),
    )


def _extremes(values: list[float]) -> tuple[int, int | None, int | None]:
    """Return (number of values that are not finite, position of the least finite one, position of the greatest)."""
    # A sum is finite only if every term is. The converse fails for huge terms, which costs a second pass.
    if math.isfinite(sum(values)):
        return 0, values.index(min(values)), values.index(max(values))
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    if not finite:
        return len(values), None, None
    least, most = min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)
    return len(values) - len(finite), least, most


# --- reading for a chart ---------------------------------------------------------------------------------


def reads_blocks(summaries: Sequence[Summary]) -> bool:
    """Return whether a chart of these blocks needs their points, and not only their summaries."""
    return sum(s.count for s in summaries) <= _EXACT_POINTS


def ordered(points: Points, *, by_time: bool) -> Points:
    """Return points ordered by step (then time), or by time (then step); equal ones in order of arrival."""
    first, second = (points.times, points.steps) if by_time else (points.steps, points.times)
    told = first.tolist()
    if told == sorted(told):
        return points
    return points.chosen(sorted(range(len(points)), key=lambda i: (first[i], second[i])))


def within(points: Points, from_step: int, to_step: int) -> Points:
    """Return the points of the steps from_step to to_step, both included."""
    steps = points.steps.tolist()
    if not steps or (from_step <= min(steps) and max(steps) <= to_step):
        return points
    return points.chosen([i for i, step in enumerate(steps) if from_step <= step <= to_step])


def sample(points: Points, most_points: int) -> Points:
    """Return at most this many points with the same chart: each bucket's least and greatest, and both ends.

    Of the values in a bucket that are not finite, one is kept, which shows as a gap.
    """
    if len(points) <= most_points:
        return points
    buckets = max(1, (most_points - 2) // 2)
    kept = {0, len(points) - 1}
    values = points.values.tolist()
    all_finite = math.isfinite(sum(values))
    for number in range(buckets):
        start = len(points) * number // buckets
        end = len(points) * (number + 1) // buckets
        if start == end:
            continue
        bucket = values[start:end]
        if all_finite:
            kept |= {start + bucket.index(min(bucket)), start + bucket.index(max(bucket))}
        else:
            _, least, most = _extremes(bucket)
            kept |= {start + (least or 0), start + (most or 0)}
    return points.chosen(sorted(kept))


def sample_summaries(summaries: Sequence[Summary], most_points: int) -> Points:
    """Sample like `sample`, but from the summaries of blocks, without reading their points."""
    known = sorted((s for s in summaries if s.least and s.most), key=lambda s: s.first_step)
    buckets = max(1, min(len(known), most_points // 2))
    chosen: list[Extreme] = []
    for number in range(buckets):
        group = known[len(known) * number // buckets : len(known) * (number + 1) // buckets]
        if not group:
            continue
        least = min((s.least for s in group if s.least), key=lambda e: e.value)
        most = max((s.most for s in group if s.most), key=lambda e: e.value)
        chosen += [least] if least == most else sorted((least, most), key=lambda e: e.step)
    return Points(
        array("q", [e.step for e in chosen]),
        array("q", [e.at for e in chosen]),
        array("d", [e.value for e in chosen]),
    )
