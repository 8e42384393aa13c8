"""Drift read from profiles, against SciPy and NumPy on the rows themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial import distance

from modelyard.domain.drift import Drift, compare, compare_columns, js_distance, psi
from modelyard.domain.profile import Profile, read_profile, value_text
from modelyard.sdk.datasets import describe

N = 50_000
RNG = np.random.default_rng(42)


def profile(data: Any, **how: Any) -> Profile:
    return read_profile(describe(data, name="it", **how).profile)


def drift(before: Any, after: Any, **how: Any) -> Drift:
    return compare(profile(before, **how), profile(after, **how))


def true_psi(before: np.ndarray, after: np.ndarray) -> float:
    """Over the tenths of the first, as every textbook has it."""
    edges = np.quantile(before, np.arange(1, 10) / 10)
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, x, side="left"), minlength=10) / len(x), 1e-4)
        for x in (before, after)
    ]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def shares_at(edges: Any, values: np.ndarray) -> np.ndarray:
    places = np.searchsorted(np.asarray(edges, float), values, side="left")
    return np.bincount(places, minlength=len(edges) + 1) / len(values)


PAIRS = {
    "same source": (RNG.normal(size=N), RNG.normal(size=N)),
    "mean moved a little": (RNG.normal(size=N), RNG.normal(0.2, 1, N)),
    "mean moved": (RNG.normal(size=N), RNG.normal(0.7, 1, N)),
    "wider": (RNG.normal(size=N), RNG.normal(0, 2, N)),
    "heavy tail": (RNG.lognormal(0, 1, N), RNG.lognormal(0.3, 1.2, N)),
    "far from zero": (1.7e9 + RNG.normal(0, 1e4, N), 1.7e9 + RNG.normal(5e3, 1e4, N)),
    "uneven sizes": (RNG.normal(size=200_000), RNG.normal(0.4, 1, 5_000)),
    "apart": (RNG.normal(size=N), RNG.normal(50, 1, N)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_numbers_shift_as_scipy_says(name: str) -> None:
    before, after = PAIRS[name]
    found = drift({"x": before}, {"x": after}).columns[0]
    assert found.psi is not None
    assert found.ks is not None
    assert found.histogram is not None
    # Tolerances: 0.003 where nothing much moved, else 8 % of the value.
    truth = true_psi(before, after)
    assert abs(found.psi - truth) <= max(0.003, 0.08 * truth)
    assert abs(found.ks - stats.ks_2samp(before, after).statistic) <= 0.01
    shares = [shares_at(found.histogram.edges, x) for x in (before, after)]
    assert np.abs(np.array(found.histogram.before) - shares[0]).max() <= 0.005
    assert np.abs(np.array(found.histogram.after) - shares[1]).max() <= 0.005
    assert found.js == pytest.approx(distance.jensenshannon(*shares, base=2), abs=0.01)


def test_words_follow_the_figures() -> None:
    words = {name: drift({"x": b}, {"x": a}).columns[0].shift for name, (b, a) in PAIRS.items()}
    assert words["same source"] == words["mean moved a little"] == "none"
    assert words["uneven sizes"] == "slight"
    assert words["mean moved"] == words["wider"] == words["apart"] == "large"


def test_small_samples_of_one_source_are_no_shift() -> None:
    rng = np.random.default_rng(1)
    for rows in (30, 100, 300, 1000):
        words = [
            drift({"x": rng.normal(size=rows)}, {"x": rng.normal(size=rows)}).columns[0].shift
            for _ in range(20)
        ]
        assert words.count("none") >= 18, rows


def test_few_whole_numbers_are_bins_of_their_own() -> None:
    before, after = RNG.integers(0, 5, N), RNG.choice(5, N, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    found = drift({"x": before}, {"x": after}).columns[0]
    assert found.histogram is not None
    assert found.histogram.edges == (0.0, 1.0, 2.0, 3.0)
    shares = [np.bincount(x, minlength=5) / N for x in (before, after)]
    assert found.histogram.before == pytest.approx(shares[0])
    assert found.histogram.after == pytest.approx(shares[1])
    assert found.psi == pytest.approx(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    assert found.ks == pytest.approx(stats.ks_2samp(before, after).statistic)
    assert found.js == pytest.approx(distance.jensenshannon(*shares, base=2))


def test_categories_shift_come_and_go() -> None:
    before = RNG.choice(["Bonn", "Köln", "Ulm"], N, p=[0.5, 0.3, 0.2])
    after = RNG.choice(["Bonn", "Köln", "Trier"], N, p=[0.3, 0.5, 0.2])
    found = drift({"town": before}, {"town": after}).columns[0]
    assert found.histogram is not None
    labels = found.histogram.labels
    shares = [np.array([(x == label).mean() for label in labels]) for x in (before, after)]
    assert found.histogram.before == pytest.approx(shares[0])
    assert found.psi == pytest.approx(psi(shares[0], shares[1]))
    assert found.js == pytest.approx(distance.jensenshannon(*shares, base=2))
    assert found.new_values == ("Trier",)
    assert found.gone_values == ("Ulm",)
    assert found.shift == "large"
    assert found.ks is None


def test_texts_without_kept_values_still_show_a_shift() -> None:
    names = np.array([f"person {i}" for i in range(5_000)])
    same = drift({"n": RNG.choice(names, N)}, {"n": RNG.choice(names, N)}).columns[0]
    other = drift({"n": RNG.choice(names, N)}, {"n": RNG.choice(names[:400], N)}).columns[0]
    assert same.shift == "none"
    assert other.shift != "none"
    assert other.new_values == ()
    silent = drift(
        {"n": RNG.choice(["a", "b"], N)}, {"n": RNG.choice(["a", "c"], N)}, keep_values=False
    ).columns[0]
    assert silent.shift == "large"
    assert silent.new_values == ()


def test_a_constant_that_moves_is_seen() -> None:
    found = drift({"x": np.zeros(N)}, {"x": np.where(RNG.random(N) < 0.3, -5.0, 0.0)}).columns[0]
    assert found.ks == pytest.approx(0.3, abs=0.01)
    assert found.shift == "large"
    many = drift({"x": np.zeros(N)}, {"x": -RNG.random(N)}).columns[0]
    assert many.shift == "large"


def test_schema_changes_are_named() -> None:
    before = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "gone": [1.0, 2.0]})
    after = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"], "new": [1, 2]})
    found = drift(before, after)
    assert found.added == ("new",)
    assert found.removed == ("gone",)
    assert found.retyped == (("a", "int", "float"),)
    assert {c.name for c in found.columns} == {"a", "b"}


def test_equal_columns_have_not_moved_at_all() -> None:
    found = drift({"x": [1.0, 2.0], "y": ["a", "b"]}, {"x": [1.0, 2.0], "y": ["a", "c"]})
    by_name = {c.name: c for c in found.columns}
    assert (by_name["x"].psi, by_name["x"].js, by_name["x"].ks, by_name["x"].shift) == (0.0, 0.0, 0.0, "none")
    assert by_name["y"].psi is not None
    assert by_name["y"].psi > 0


def test_nothing_to_compare_is_said() -> None:
    found = drift({"x": [None, None], "y": [1.0, 2.0]}, {"x": [1.0, 2.0], "y": [None, None]})
    assert [(c.shift, c.psi) for c in found.columns] == [("large", None), ("large", None)]
    empty = drift(pd.DataFrame({"x": pd.Series([], dtype=float)}), {"x": [1.0]})
    assert empty.columns[0].shift == "unknown"


def test_rows_of_one_table_are_found_in_another() -> None:
    train = pd.DataFrame({"id": range(1_000), "x": 1.0})
    test = pd.DataFrame({"id": range(900, 1_300), "x": 2.0})
    found = drift(train, test, keys=["id"]).overlap
    assert found is not None
    assert (found.shared, found.keys_before, found.keys_after, found.exact) == (100, 1_000, 400, True)


@pytest.mark.parametrize("shared", [0, 500, 20_000, 100_000])
def test_overlap_of_large_tables_is_within_its_bounds(shared: int) -> None:
    train = pd.DataFrame({"id": np.arange(400_000), "day": "a"})
    test = pd.DataFrame({"id": np.arange(400_000 - shared, 500_000 - shared), "day": "a"})
    found = drift(train, test, keys=["id", "day"]).overlap
    assert found is not None
    assert not found.exact
    assert found.least <= shared <= found.most
    assert found.keys_before == pytest.approx(400_000, rel=0.06)
    assert found.keys_after == pytest.approx(100_000, rel=0.06)
    assert (found.shared == 0) == (shared == 0)


def test_keys_are_texts_and_parts_in_order() -> None:
    one = pd.DataFrame({"a": ["x", "y"], "b": ["1", None]})
    swapped = pd.DataFrame({"a": ["1", None], "b": ["x", "y"]})
    same, other = drift(one, one, keys=["a", "b"]).overlap, drift(one, swapped, keys=["a", "b"]).overlap
    assert same is not None
    assert other is not None
    assert (same.shared, other.shared) == (2, 0)
    assert drift(one, one).overlap is None


def test_distances_of_plain_shares() -> None:
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert psi([1.0, 0.0], [0.0, 1.0]) == pytest.approx(2 * (1 - 1e-4) * np.log(1e4))
    assert js_distance([1.0, 0.0], [0.0, 1.0]) == 1
    assert js_distance([0.5, 0.5], [0.5, 0.5]) == 0


def test_missing_cells_are_part_of_the_shift_and_retyped_columns_come_first() -> None:
    """A whole number that lost cells comes back as a double: both are said, before all other columns."""
    rng = np.random.default_rng(3)
    age, amount = rng.integers(18, 90, 1_000), rng.normal(size=1_000)
    before = {"id": np.arange(1_000), "age": age, "amount": amount, "town": ["a", "b"] * 500}
    lost = [None if n % 4 == 0 else float(value) for n, value in enumerate(age)]
    towns = [None if n % 3 == 0 else value for n, value in enumerate(before["town"])]
    after = {"id": np.arange(5_000, 6_000), "age": lost, "amount": amount + 1, "town": towns}
    profiles = [read_profile(describe(data, name="d", keys=["id"]).profile) for data in (before, after)]
    found = compare(*profiles)
    assert [column.name for column in found.columns] == ["age", "town", "amount"]
    assert [(c.name, c.retyped, c.shift) for c in found.columns] == [
        ("age", True, "large"),
        ("town", False, "large"),
        ("amount", False, "large"),
    ]
    assert found.columns[0].psi is not None
    assert found.columns[0].psi < 0.1
    assert found.columns[0].missing_psi > 0.25
    gone = read_profile(describe({**before, "age": [None] * 1_000}, name="d").profile)
    assert compare_columns(profiles[0], gone, "age").shift == "large"
    few = read_profile(describe({**before, "age": [None, *map(int, age[1:])]}, name="d").profile)
    assert compare_columns(profiles[0], few, "age").shift == "none"


def test_times_are_read_as_times() -> None:
    assert value_text("timestamp", 1_772_323_200_000_000) == "2026-03-01 00:00:00"
    assert value_text("instant", 1_772_323_200_000_000.0) == "2026-03-01 00:00:00Z"
    assert value_text("date", 20_513) == "2026-03-01"
    assert value_text("time", 36_000_000_000) == "10:00:00"
    assert value_text("duration", 1_500_000) == "0:00:01.500000"
    assert value_text("timestamp", 10**30) == str(10**30)
    assert (value_text("float", 0.123456789), value_text("int", 7), value_text("int", None)) == (
        "0.123457",
        "7",
        "",
    )


def test_an_estimate_is_marked() -> None:
    exact, many = (
        read_profile(
            describe({"x": np.arange(float(n)), "s": [f"v{i}" for i in range(n)]}, name="d").profile
        ).columns
        for n in (100, 3_000)
    )
    assert [(c.distinct, c.estimated) for c in exact.values()] == [(100, False), (100, False)]
    assert all(c.estimated and abs(c.distinct - 3_000) < 300 for c in many.values())
