"""Bars of a column: shares on a common axis."""

from __future__ import annotations

import pytest

from modelyard.domain.histograms import BINS, MOST_VALUES, OTHER, bars_of
from modelyard.domain.profile import Column, Points
from modelyard.domain.texts import MOST_LINES, diff_lines
from modelyard.registry.comparison.rules import release_kind


def ordered(value: float) -> int:
    """The ordered integer of a non-negative double."""
    import struct

    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(bits)


def numbers(*values: float, name: str = "x") -> Column:
    found = sorted(values)
    points = Points([ordered(v) for v in found], [1] * len(found), 0, True)
    return Column(name, "float", "d", 0, points=points)


def texts(**counts: int) -> Column:
    return Column("x", "text", "d", 0, top=tuple(counts.items()), complete=True)


def test_numbers_share_one_axis() -> None:
    bars = bars_of(numbers(*range(10)), numbers(*range(10, 20)))
    assert bars is not None
    assert bars.ends == (0.0, 19.0)
    one, two = bars.shares
    assert len(one) == len(two) == BINS
    assert sum(one) == pytest.approx(1)
    assert sum(two) == pytest.approx(1)
    assert sum(one[:10]) == pytest.approx(1)
    assert sum(two[10:]) == pytest.approx(1)


def test_outliers_do_not_flatten_the_rest() -> None:
    bars = bars_of(numbers(*[n / 1000 for n in range(1000)], 1e300))
    assert bars is not None
    assert float(bars.ends[1]) < 2
    assert max(bars.shares[0]) < 0.2


def test_one_value_is_one_bar() -> None:
    bars = bars_of(numbers(3, 3, 3))
    assert bars is not None
    assert bars.shares == ([1.0],)


def test_the_largest_doubles_do_not_overflow() -> None:
    bars = bars_of(numbers(0.0, 1.7e308))
    assert bars is not None
    assert sum(bars.shares[0]) == pytest.approx(1)


def test_values_are_ordered_and_the_rest_is_joined() -> None:
    many = {f"v{n}": n + 1 for n in range(20)}
    bars = bars_of(texts(**many))
    assert bars is not None
    assert bars.ends == ("v19", OTHER)
    assert len(bars.shares[0]) == MOST_VALUES + 1
    assert sum(bars.shares[0]) == pytest.approx(1)


def test_what_cannot_be_drawn_is_not() -> None:
    assert bars_of(numbers(1, 2), texts(a=1)) is None
    assert bars_of(Column("x", "text", "d", 0)) is None
    assert bars_of(Column("x", "float", "d", 0)) is None


def test_differences_of_texts() -> None:
    found = diff_lines("a\nb\n", "a\nc\n", "one", "two")
    assert found is not None
    assert found[:2] == ["--- one", "+++ two"]
    assert {"-b", "+c", " a"} <= set(found)
    assert diff_lines("same", "same", "one", "two") == []
    assert diff_lines("x\n" * (MOST_LINES + 1), "", "one", "two") is None


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("1.7.2", "2.0.0", "major"),
        ("1.7.2", "1.8.0", "minor"),
        ("2.3.4", "2.3.5", "patch"),
        ("2.3.4+cu12", "2.3.4+cu13", "patch"),
        ("abc", "1.0", "other"),
    ],
)
def test_how_far_two_releases_are_apart(before: str, after: str, kind: str) -> None:
    assert release_kind(before, after) == kind
