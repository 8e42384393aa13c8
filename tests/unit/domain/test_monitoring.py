"""Windows that decide, and columns that moved, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import modelyard as my
from modelyard.domain.monitoring import (
    FIRST,
    MANY,
    NOTHING,
    OUTPUT,
    STABLE,
    TRAINING,
    UNKNOWN,
    JudgedWindow,
    drift_reasons,
    grace_seconds,
    judge_columns,
    may_enter,
    over_in,
    quantile_ms,
)
from modelyard.domain.profile import Profile, read_profile


def profile_of(frame: pd.DataFrame, **options: object) -> Profile:
    return read_profile(my.describe(frame, name="rows", **options).profile)  # type: ignore[arg-type]


def normal(count: int, columns: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        rng.normal(shift, 1.0, (count, columns)), columns=[f"c{number}" for number in range(columns)]
    )


def window(*names: str) -> JudgedWindow:
    return JudgedWindow(dict.fromkeys(names, 0.5))


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([], []),
        ([window("a")] * 2, []),
        ([window("a")] * 3, [("inputs", "3 of 3")]),
        ([window(), window("a"), window("a"), window(), window("a")], [("inputs", "3 of 5")]),
        ([window(), window(), window(), *[window("a")] * 9], []),
        ([window("a"), window("b"), window("a"), window("b")], []),
        ([window("a", f"{OUTPUT}score")] * 3, [("inputs", "3 of 3"), ("outputs", "3 of 3")]),
    ],
)
def test_m_of_n_windows_decide(windows: list[JudgedWindow], found: list[tuple[str, str]]) -> None:
    reasons = drift_reasons(windows, 3, 5, 0.25, "modelyard retrain x/y:1")
    assert [(each.reason, each.windows) for each in reasons] == found


def test_a_reason_names_the_worst_columns_and_their_values() -> None:
    windows = [JudgedWindow({"a": 0.3, "b": 0.9, "c": 0.4, "d": 0.5}), *[window("a", "b", "c", "d")] * 2]
    (reason,) = drift_reasons(windows, 3, 5, 0.25, "")
    assert (reason.words, reason.value) == ("inputs drift: a, b, c and 1 more", "PSI 0.50, 0.90, 0.50")
    assert over_in(windows, 2) == {"a": 2, "b": 2, "c": 2, "d": 2}


def test_no_column_of_400_without_a_shift_is_over() -> None:
    training = profile_of(normal(20_000, 400, 1))
    for seed in (2, 3):
        found = judge_columns(profile_of(normal(500, 400, seed)), training, None, None)
        assert [each.name for each in found if each.is_over] == []
        assert len(found) == 400
    shifted = judge_columns(profile_of(normal(500, 400, 4, shift=1.0)), training, None, None)
    assert sum(each.is_over for each in shifted) == 400
    assert sum(bool(each.before) for each in shifted) == 50, "only the worst have bins"


def test_each_column_has_the_reference_that_knows_it() -> None:
    training = profile_of(normal(2000, 1, 1))
    served = normal(600, 1, 2)
    served[f"{OUTPUT}score"] = normal(600, 1, 3)["c0"]
    first = profile_of(served)
    alone = {each.name: each for each in judge_columns(first, training, None, None)}
    assert (alone["c0"].reference, alone[f"{OUTPUT}score"].reference) == (TRAINING, NOTHING)
    assert alone[f"{OUTPUT}score"].verdict == UNKNOWN
    served[f"{OUTPUT}score"] += 3.0
    later = {each.name: each for each in judge_columns(profile_of(served), training, first, first)}
    assert (later[f"{OUTPUT}score"].reference, later[f"{OUTPUT}score"].verdict) == (FIRST, MANY)
    assert later["c0"].verdict == STABLE
    assert (later["c0"].previous or 0.0) < 0.01
    assert judge_columns(first, training, None, None, limits={"c0": 1e-9})[0].limit in (1e-9, 0.25)


def test_texts_are_compared_without_their_values() -> None:
    def texts(shares: list[float], seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        return pd.DataFrame({"plan": rng.choice(["basic", "plus", "family"], 1000, p=shares)})

    training = profile_of(texts([0.6, 0.3, 0.1], 1))
    same = judge_columns(profile_of(texts([0.6, 0.3, 0.1], 2), keep_values=False), training, None, None)
    other = judge_columns(profile_of(texts([0.1, 0.3, 0.6], 3), keep_values=False), training, None, None)
    assert (same[0].verdict, other[0].verdict) == (STABLE, MANY)
    assert not any("basic" in label for label in other[0].labels)


def test_times() -> None:
    assert [grace_seconds(length) for length in (5, 60, 600, 3600, 86_400)] == [5, 6, 60, 300, 300]
    assert may_enter(100, None, 50)
    assert not may_enter(100, 60, 50)
    assert may_enter(110, 60, 50)
    assert quantile_ms([], 0.5) is None
    assert quantile_ms([0] * 15, 0.5) is None
    assert quantile_ms([90, 10], 0.9) == 5.0
    assert quantile_ms([90, 10], 0.91) == 10.0
    assert quantile_ms([0] * 14 + [1], 0.5) == 10_000.0
