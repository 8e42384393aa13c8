"""How far the sketches are from the truth, alone and merged, next to a library that many trust."""

from __future__ import annotations

import datasketches
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.drift import compare
from modelyard.domain.errors import InvalidFact
from modelyard.domain.profile import (
    KEY_HASHES,
    join_profile,
    read_points,
    read_profile,
    split_profile,
    to_number,
)
from modelyard.sdk.datasets import describe
from modelyard.sdk.datasets.sketches import Distinct, KeyHashes, Quantiles, hash_texts, mix, ordered

RNG = np.random.default_rng(20261122)
SHAPES = {
    "normal": RNG.normal(size=300_000),
    "lognormal": RNG.lognormal(0, 3, 300_000),
    "far from zero": 1.7e15 + RNG.normal(size=300_000) * 1e9,
    "two heaps": np.concatenate([RNG.normal(size=150_000), 1e9 + RNG.normal(size=150_000)]),
    "whole numbers": RNG.integers(0, 5_000, 300_000).astype(float),
    "sorted": np.sort(RNG.normal(size=300_000)),
    "many zeros": np.where(RNG.random(300_000) < 0.8, 0.0, RNG.exponential(size=300_000)),
    "tiny and huge": RNG.choice([1e-300, -1e-300, 1e300, -1e300, 0.0], 300_000) * RNG.random(300_000),
}


def rank_error(sketch: Quantiles, values: np.ndarray) -> float:
    """The largest difference between a value's true share of what is not above it, and what is read back."""
    points = read_points(sketch.to_bytes())
    at = np.array([to_number(value, points.shift) for value in points.values])
    # A stored value has lost low bits, so it is asked where its whole cell ends.
    upper = np.array([to_number(value + 1, points.shift) for value in points.values])
    told = np.cumsum(points.weights) / points.total
    every = np.sort(values)
    low = np.searchsorted(every, at, side="left") / len(every)
    high = np.searchsorted(every, upper, side="left") / len(every)
    return float(np.maximum(np.maximum(low - told, told - high), 0).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_are_within_half_a_percent(shape: str) -> None:
    sketch = Quantiles()
    for block in np.array_split(SHAPES[shape], 5):
        sketch.add(block)
    assert sketch.count == len(SHAPES[shape])
    assert rank_error(sketch, SHAPES[shape]) < 0.005


@pytest.mark.parametrize("shape", SHAPES)
def test_twenty_stored_sketches_merge_to_one(shape: str) -> None:
    whole = Quantiles()
    for part in np.array_split(SHAPES[shape], 20):
        one = Quantiles()
        one.add(part)
        whole.merge(Quantiles.from_bytes(one.to_bytes()))
    assert whole.count == len(SHAPES[shape])
    assert rank_error(whole, SHAPES[shape]) < 0.01


def test_a_chain_of_stored_merges_stays_within_the_bound() -> None:
    """Stored and read again after each of fifty merges, which is the worst way to do it."""
    values = RNG.normal(size=200_000)
    stored = Quantiles()
    for part in np.array_split(values, 50):
        stored.add(part)
        stored = Quantiles.from_bytes(stored.to_bytes())
    assert rank_error(stored, values) < 0.015


def test_no_worse_than_the_sketch_of_datasketches() -> None:
    values = SHAPES["normal"]
    theirs = datasketches.kll_doubles_sketch(400)
    theirs.update(values.copy())
    every = np.sort(values)
    at = np.quantile(values, np.linspace(0.01, 0.99, 99))
    truth = np.searchsorted(every, at, side="right") / len(every)
    their_error = max(abs(theirs.get_rank(float(x), True) - t) for x, t in zip(at, truth, strict=True))
    ours = Quantiles()
    ours.add(values)
    assert rank_error(ours, values) < max(their_error, 0.0067), "0.67 % is the bound of KLL with k = 400"


def test_few_different_values_are_counted_exactly() -> None:
    values = RNG.integers(-200, 200, 500_000).astype(float)
    sketch = Quantiles()
    for block in np.array_split(values, 9):
        sketch.add(block)
    points = read_points(sketch.to_bytes())
    unique, counts = np.unique(values, return_counts=True)
    assert points.exact
    assert [to_number(v, points.shift) for v in points.values] == unique.tolist()
    assert list(points.weights) == counts.tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_points_come_back_as_they_went(values: list[float]) -> None:
    sketch = Quantiles()
    sketch.add(np.array(values))
    points = read_points(sketch.to_bytes())
    assert points.total == len(values)
    again = Quantiles.from_bytes(sketch.to_bytes())
    assert again.to_bytes() == sketch.to_bytes()
    if points.shift == 0:
        want = sorted({v + 0.0 for v in values})
        assert [to_number(v) for v in points.values] == want


def test_order_of_doubles_is_order_of_integers() -> None:
    values = np.array([-np.inf, -1e300, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, np.inf])
    found = ordered(values)
    assert (np.diff(found) >= 0).all()
    assert found[4] == found[5] == 0
    assert [to_number(int(v)) for v in found] == [v + 0.0 for v in values.tolist()]


@pytest.mark.parametrize("many", [0, 1, 10, 300, 5_000, 100_000, 1_000_000])
@pytest.mark.parametrize("lg", [10, 12])
def test_different_values_are_estimated(many: int, lg: int) -> None:
    sketch = Distinct(lg)
    for block in np.array_split(np.arange(many, dtype=np.uint64), 3):
        sketch.add(mix(block))
        sketch.add(mix(block))
    # Four standard errors of 1.04 / sqrt(2 ** lg), and nothing to spare for none.
    assert abs(sketch.estimate() - many) <= 4 * 1.04 / 2 ** (lg / 2) * many
    again = Distinct.from_bytes(sketch.to_bytes())
    assert (again.registers == sketch.registers).all()
    assert len(sketch.to_bytes()) < 2 ** (lg - 1) + 200


def test_estimates_of_merged_parts_are_those_of_the_whole() -> None:
    hashes = mix(np.arange(50_000, dtype=np.uint64))
    whole, left, right = Distinct(12), Distinct(12), Distinct(12)
    whole.add(hashes)
    left.add(hashes[:30_000])
    right.add(hashes[20_000:])
    left.merge(right)
    assert (left.registers == whole.registers).all()
    theirs = datasketches.hll_sketch(12)
    for value in range(50_000):
        theirs.update(value)
    assert abs(whole.estimate() - 50_000) <= max(abs(theirs.get_estimate() - 50_000), 0.03 * 50_000)


def test_texts_have_hashes_of_their_own() -> None:
    texts = [
        b"",
        b"a",
        b"b",
        b"ab",
        b"ba",
        b"x" * 64,
        b"x" * 65,
        b"y" * 1000,
        *(str(i).encode() for i in range(50_000)),
    ]
    offsets = np.cumsum([0, *map(len, texts)])
    found = hash_texts(np.frombuffer(b"".join(texts), np.uint8), offsets)
    assert len(np.unique(found)) == len(texts)
    alone = hash_texts(np.frombuffer(b"ab", np.uint8), np.array([0, 2]))
    assert alone[0] == found[3]


def test_key_hashes_merge_and_know_when_they_are_all() -> None:
    few, many = KeyHashes(), KeyHashes()
    few.add(mix(np.arange(100, dtype=np.uint64)))
    many.add(mix(np.arange(100_000, dtype=np.uint64)))
    assert few.complete
    assert not many.complete
    assert len(many.hashes) == KEY_HASHES
    parts = KeyHashes()
    for block in np.array_split(np.arange(100_000, dtype=np.uint64), 7):
        one = KeyHashes()
        one.add(mix(block))
        parts.merge(one)
    assert (parts.hashes == many.hashes).all()
    assert parts.count == many.count


def test_a_profile_of_fifty_columns_is_small_and_names_no_row() -> None:
    data: dict[str, object] = {f"f{i}": RNG.normal(size=20_000) * 10**i for i in range(25)}
    data |= {f"i{i}": RNG.integers(0, 10 ** (i % 12 + 1), 20_000) for i in range(15)}
    data |= {f"s{i}": [f"secret person {i} {n}" for n in range(20_000)] for i in range(10)}
    found = describe(data, name="it")
    assert len(found.profile) <= 200_000
    assert b"secret" not in found.profile


def test_values_are_named_of_categories_only_and_can_be_left_out() -> None:
    data = {"town": ["Ulm", "Bonn", "Ulm"] * 200, "name": [f"person {n}" for n in range(600)]}
    columns = read_profile(describe(data, name="it").profile).columns
    assert columns["town"].top == (("Ulm", 400), ("Bonn", 200))
    assert columns["town"].complete
    assert columns["name"].top == ()
    assert sum(columns["name"].buckets) == 600
    silent = describe(data, name="it", keep_values=False)
    assert b"Ulm" not in silent.profile
    assert silent.digest == describe(data, name="it").digest


def test_a_profile_says_what_pandas_says() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"x": rng.normal(10, 2, 5_000), "n": rng.integers(0, 50, 5_000), "s": rng.choice(["a", "bcd"], 5_000)}
    )
    frame.loc[::10, "x"] = np.nan
    frame.loc[3, "x"] = np.inf
    profile = read_profile(describe(frame, name="it").profile)
    x, n, s = (profile.columns[name] for name in "xns")
    finite = frame["x"][np.isfinite(frame["x"])]
    assert (x.missing, x.infinite) == (500, 1)
    assert (x.minimum, x.maximum) == (finite.min(), finite.max())
    assert x.mean == pytest.approx(finite.mean(), rel=1e-11)
    assert x.std == pytest.approx(finite.std(), rel=1e-9)
    assert n.distinct == frame["n"].nunique()
    assert s.distinct == 2
    assert (s.minimum, s.maximum) == (1.0, 3.0), "of the lengths"


def test_numbers_whose_squares_are_too_large_have_a_profile() -> None:
    column = read_profile(describe({"x": [1e308, -1e308, 1e308, 5.0]}, name="it").profile).columns["x"]
    assert (column.minimum, column.maximum) == (-1e308, 1e308)
    assert column.std is None


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b"",
        lambda d: d[:20],
        lambda d: d[:-10],
        lambda d: b"X" + d[1:],
        lambda d: d.replace(b'"rows":', b'"sows":'),
        lambda d: d.replace(b'"points":[', b'"points":[9'),
        lambda d: join_profile(b"[]", b""),
        lambda d: join_profile(split_header(d).replace(b'"missing":0', b'"missing":9999'), split_profile(d)[1]),
        lambda d: join_profile(split_header(d), bytes(len(split_profile(d)[1]))),
        lambda d: join_profile(
            b'{"rows":1,"columns":[],"keys":{"columns":["a"],"count":1,"complete":false,"hashes":[0,0]}}', b""
        ),
        lambda d: join_profile(b'{"rows":1,"columns":[{}]}', b""),
        lambda d: join_profile(split_header(d).replace(b'"missing":0', b'"missing":"x"'), split_profile(d)[1]),
    ],
)
def test_damaged_profiles_are_refused(change: object) -> None:
    data = describe({"x": list(range(1000))}, name="it").profile
    with pytest.raises(InvalidFact, match="profile"):
        read_profile(change(data))  # type: ignore[operator]


def split_header(data: bytes) -> bytes:
    start = data.index(b"{")
    return data[start : start + int.from_bytes(data[start - 4 : start], "little")]


FUZZED = describe(
    {"x": RNG.normal(size=3_000), "n": RNG.integers(0, 9, 3_000), "s": RNG.choice(["a", "b"], 3_000)},
    name="it",
    keys=["n"],
).profile


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(FUZZED) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_whatever_bytes_are_changed_a_profile_is_refused_or_compared(changes: list[tuple[int, int]]) -> None:
    """Bytes come from clients: nothing in them may stop a server with anything but a refusal."""
    data = bytearray(FUZZED)
    for place, value in changes:
        data[place] = value
    try:
        found = read_profile(bytes(data))
    except InvalidFact:
        return
    for pair in ((read_profile(FUZZED), found), (found, read_profile(FUZZED))):
        assert compare(*pair).rows_before >= 0
