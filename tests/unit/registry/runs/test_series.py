"""Series against the plain list of their points."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.registry.runs import series
from modelyard.registry.runs.series import Points

STEPS = st.integers(-(2**63), 2**63 - 1)
POINTS = st.lists(st.tuples(STEPS, STEPS, st.floats()), min_size=1, max_size=300)


def made(rows: list[tuple[int, int, float]]) -> Points:
    return Points(
        array("q", [r[0] for r in rows]), array("q", [r[1] for r in rows]), array("d", [r[2] for r in rows])
    )


def rows_of(points: Points) -> list[tuple[int, int, float]]:
    return list(zip(points.steps, points.times, points.values, strict=True))


@settings(deadline=None)
@given(POINTS)
def test_a_block_holds_exactly_its_points(rows: list[tuple[int, int, float]]) -> None:
    block = series.pack(made(rows))
    assert len(block) == 24 * len(rows)
    # repr, because NaN is equal to nothing.
    assert repr(rows_of(series.unpack(block))) == repr(rows)


def test_a_block_is_little_endian_by_the_column() -> None:
    block = series.pack(made([(1, 2, 1.5), (3, 4, -2.0)]))
    assert block.hex(" ", 8).split() == [
        "0100000000000000",
        "0300000000000000",
        "0200000000000000",
        "0400000000000000",
        "000000000000f83f",
        "00000000000000c0",
    ]


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(ValueError, match="no block"):
        series.unpack(b"x" * 25)


@settings(deadline=None)
@given(POINTS)
def test_a_summary_is_what_a_look_at_every_point_says(rows: list[tuple[int, int, float]]) -> None:
    found = series.summarise(made(rows))
    finite = [row for row in rows if math.isfinite(row[2])]
    assert (found.count, found.special_count) == (len(rows), len(rows) - len(finite))
    assert (found.first_step, found.last_step) == (min(r[0] for r in rows), max(r[0] for r in rows))
    assert (found.first_at, found.last_at) == (min(r[1] for r in rows), max(r[1] for r in rows))
    if not finite:
        assert found.least is None
        assert found.most is None
        return
    assert found.least is not None
    assert found.most is not None
    assert found.least.value == min(r[2] for r in finite)
    assert found.most.value == max(r[2] for r in finite)
    for extreme in (found.least, found.most):
        assert (extreme.step, extreme.at, extreme.value) in finite


@settings(deadline=None)
@given(POINTS)
def test_order_by_step_and_by_time(rows: list[tuple[int, int, float]]) -> None:
    by_step = rows_of(series.ordered(made(rows), by_time=False))
    assert [r[0] for r in by_step] == sorted(r[0] for r in rows)
    by_time = rows_of(series.ordered(made(rows), by_time=True))
    assert [r[1] for r in by_time] == sorted(r[1] for r in rows)
    assert sorted(map(repr, by_step)) == sorted(map(repr, rows)) == sorted(map(repr, by_time))


@settings(deadline=None)
@given(POINTS, st.integers(2, 40))
def test_a_sample_keeps_the_ends_and_the_extremes(rows: list[tuple[int, int, float]], most: int) -> None:
    whole = made(rows)
    found = series.sample(whole, most)
    assert len(found) <= max(most, 4)
    assert repr(rows_of(found)[0]) == repr(rows[0])
    assert repr(rows_of(found)[-1]) == repr(rows[-1])
    finite = [r[2] for r in rows if math.isfinite(r[2])]
    kept = [value for value in found.values if math.isfinite(value)]
    if finite:
        assert (min(kept), max(kept)) == (min(finite), max(finite))


@settings(deadline=None)
@given(st.lists(POINTS, min_size=1, max_size=20), st.integers(2, 40))
def test_a_sample_of_summaries_keeps_the_extremes(
    blocks: list[list[tuple[int, int, float]]], most: int
) -> None:
    summaries = [series.summarise(made(rows)) for rows in blocks]
    found = series.sample_summaries(summaries, most)
    assert len(found) <= max(most, 2)
    finite = [row for rows in blocks for row in rows if math.isfinite(row[2])]
    if not finite:
        assert len(found) == 0
        return
    assert (min(found.values), max(found.values)) == (min(r[2] for r in finite), max(r[2] for r in finite))
    assert set(rows_of(found)) <= set(finite)


def test_only_the_steps_asked_for() -> None:
    whole = made([(step, 0, float(step)) for step in (5, 1, 3, 9, 3)])
    assert list(series.within(whole, 3, 5).steps) == [5, 3, 3]
    assert series.within(whole, 1, 9) is whole
    assert len(series.within(whole, 10, 20)) == 0
