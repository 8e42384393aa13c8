"""The merge of the profiles of parts, against the profile of the whole."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelyard as my
from modelyard.domain.drift import compare
from modelyard.domain.errors import InvalidFact
from modelyard.domain.profile import Profile, read_profile
from modelyard.domain.profile_merge import MAX_POINTS, merge_profiles


def profile_of(rows: Sequence[dict[str, Any]], types: dict[str, str] | None = None) -> Profile:
    frame = pd.DataFrame(rows).astype(types or {})
    return read_profile(my.describe(frame, name="part").profile)


ROWS = st.fixed_dictionaries(
    {
        "number": st.integers(-(2**40), 2**40) | st.just(0),
        "share": st.floats(-1e9, 1e9) | st.just(math.nan),
        "word": st.sampled_from(["a", "b", "c"]) | st.none(),
    }
)
TYPES = {"number": "int64", "share": "float64", "word": "string"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(ROWS, min_size=1, max_size=20), min_size=1, max_size=4))
def test_the_merge_is_the_profile_of_all_rows(parts: list[list[dict[str, Any]]]) -> None:
    merged = merge_profiles([profile_of(rows, TYPES) for rows in parts])
    whole = profile_of([row for rows in parts for row in rows], TYPES)
    assert merged.rows == whole.rows
    assert list(merged.columns) == list(whole.columns)
    for name, expected in whole.columns.items():
        found = merged.columns[name]
        exactly = ("type", "missing", "minimum", "maximum", "top", "complete", "buckets", "distinct")
        for fact in exactly:
            assert getattr(found, fact) == getattr(expected, fact), (name, fact)
        assert found.mean == (
            None if expected.mean is None else pytest.approx(expected.mean, rel=1e-6, abs=1e-6)
        )
        assert found.std == (None if expected.std is None else pytest.approx(expected.std, rel=1e-6, abs=1e-3))
        if expected.points is not None:
            assert found.points is not None
            assert list(found.points.values) == list(expected.points.values)
            assert list(found.points.weights) == list(expected.points.weights)
    assert compare(merged, whole).shifted == []


def test_many_values_keep_their_shares() -> None:
    chosen = random.Random(7)
    rows = [{"x": chosen.gauss(0, 1), "y": chosen.expovariate(1)} for _ in range(60_000)]
    merged = merge_profiles([profile_of(rows[at : at + 5000]) for at in range(0, len(rows), 5000)])
    for name in ("x", "y"):
        found = merged.columns[name]
        assert found.points is not None
        assert len(found.points.values) <= MAX_POINTS
        assert found.points.total == 60_000
        values = sorted(row[name] for row in rows)
        assert found.minimum == values[0]
        assert found.mean == pytest.approx(sum(values) / len(values))
    drift = compare(profile_of(rows), merged)
    # A sketch errs by about one percent.
    assert max(column.ks or 0.0 for column in drift.columns) < 0.015
    assert drift.shifted == []


def test_a_shift_in_a_part_is_found_in_the_whole() -> None:
    chosen = random.Random(8)
    before = profile_of([{"x": chosen.gauss(0, 1)} for _ in range(3000)])
    parts = [profile_of([{"x": chosen.gauss(0.5, 1)} for _ in range(500)]) for _ in range(4)]
    assert [column.name for column in compare(before, merge_profiles(parts)).shifted] == ["x"]


def test_a_column_that_a_part_lacks_is_missing_there() -> None:
    merged = merge_profiles([profile_of([{"a": 1}, {"a": 2}]), profile_of([{"a": 3, "b": "x"}])])
    assert merged.columns["b"].missing == 2
    assert (merged.columns["a"].missing, merged.columns["a"].distinct) == (0, 3)


def test_a_part_without_a_value_decides_no_type() -> None:
    merged = merge_profiles([profile_of([{"a": None, "b": 1}]), profile_of([{"a": "x", "b": 2}])])
    assert (merged.columns["a"].type, merged.columns["a"].missing) == ("text", 1)


def test_types_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InvalidFact, match="it is int in one part and text in another"):
        merge_profiles([profile_of([{"a": 1}]), profile_of([{"a": "x"}])])
    assert merge_profiles([profile_of([{"a": 1}]), profile_of([{"a": 1.5}])]).columns["a"].type == "float"
    with pytest.raises(InvalidFact, match="no parts"):
        merge_profiles([])
