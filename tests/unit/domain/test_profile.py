"""Points of a profile, written by hand from the layout that the module draws."""

from __future__ import annotations

import struct
from collections import Counter
from itertools import pairwise

import pytest

from modelyard.domain.drift import compare_columns
from modelyard.domain.profile import LARGE_STEP, Column, Points, Profile, read_points


def written(values: list[int]) -> bytes:
    """One list of sorted values."""
    steps = [after - before for before, after in pairwise(values)]
    large = [step for step in steps if step >= LARGE_STEP]
    head = struct.pack("<IqI", len(values), values[0] if values else 0, len(large))
    small = b"".join(struct.pack("<H", min(step, LARGE_STEP)) for step in steps)
    return head + small + b"".join(struct.pack("<Q", step) for step in large)


def sketch(*lists: list[int], weight_bits: int = 0) -> Points:
    return read_points(bytes([1, 0, weight_bits, len(lists)]) + b"".join(map(written, lists)))


STEPS = [-(2**60), -5, -5, 0, LARGE_STEP, 2 * LARGE_STEP - 1, 3 * LARGE_STEP, 2**60]


@pytest.mark.parametrize("weight_bits", [0, 5])
def test_one_list_of_a_sketch_is_read_as_it_is(weight_bits: int) -> None:
    found = sketch([], STEPS, weight_bits=weight_bits)
    weight = 2 ** (1 + weight_bits)
    assert list(found.values) == STEPS
    assert list(found.weights) == [weight] * len(STEPS)
    assert found.total == weight * len(STEPS)
    assert list(found.shares) == [number / len(STEPS) for number in range(len(STEPS) + 1)]


def test_lists_of_a_sketch_are_read_in_one_order_each_value_with_its_weight() -> None:
    found = sketch(STEPS, [-5, 1, 1], [], [2**59], weight_bits=2)
    expected = sorted([(v, 4) for v in STEPS] + [(v, 8) for v in (-5, 1, 1)] + [(2**59, 32)])
    assert list(zip(found.values, found.weights, strict=True)) == expected
    assert found.total == sum(weight for _, weight in expected)
    assert list(found.shares)[-1] == 1.0
    assert list(found.shares)[1] == 4 / found.total


def test_values_that_are_counted_are_read_with_their_counts() -> None:
    counts = struct.pack("<QQQ", 3, 1, 6)
    found = read_points(bytes([0, 0, 0, 1]) + written([-7, 0, 200_000]) + counts)
    assert (list(found.values), list(found.weights), found.exact) == ([-7, 0, 200_000], [3, 1, 6], True)
    assert list(found.shares) == [0.0, 0.3, 0.4, 1.0]


def test_points_whose_large_steps_are_more_than_said_are_refused() -> None:
    data = bytearray(written([0, 1, LARGE_STEP + 1]))
    data[12:16] = struct.pack("<I", 2)
    with pytest.raises(ValueError, match="not in list"):
        read_points(bytes([1, 0, 0, 1]) + bytes(data) + struct.pack("<Q", LARGE_STEP))


def share_below(values: list[int], value: int) -> float:
    return sum(count for each, count in Counter(values).items() if each <= value) / len(values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (list(range(400)), list(range(100, 500))),
        (sorted([5] * 90 + list(range(300))), list(range(300))),
        ([0] * 200 + [1] * 200, [0] * 100 + [1] * 300),
    ],
)
def test_the_largest_gap_is_that_of_the_shares_also_where_values_repeat(
    before: list[int], after: list[int]
) -> None:
    one, two = (
        Profile(len(values), {"x": Column("x", "float", digest=name, missing=0, points=sketch(values))})
        for name, values in (("before", before), ("after", after))
    )
    steps = [max(1, len(values) // 150) for values in (before, after)]
    grid = [*before[steps[0] - 1 :: steps[0]], *after[steps[1] - 1 :: steps[1]]]
    expected = max(abs(share_below(before, value) - share_below(after, value)) for value in grid)
    assert expected > 0
    assert compare_columns(one, two, "x").ks == expected
