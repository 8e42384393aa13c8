"""What a repetition of a training is compared by."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.reproduction import (
    CONFIRMED,
    DIFFERENT,
    EQUAL,
    IDENTICAL,
    Result,
    TensorGap,
    are_alike,
    compare,
    is_near,
    named_metrics,
    words_for,
)

FILES = {"model.safetensors": "sha256:aa", "config.json": "sha256:bb"}
CHANGED = {**FILES, "model.safetensors": "sha256:cc"}
WEIGHTS = "model.safetensors"


def result(files: dict[str, str] | None = None, **more: Any) -> Result:
    return Result(FILES if files is None else files, **more)


@pytest.mark.parametrize(
    ("recorded", "repeated", "verdict", "named"),
    [
        (result(), result(), IDENTICAL, []),
        (result(metrics={"f1": 0.5}), result(metrics={"f1": 0.5}), IDENTICAL, []),
        (result(metrics={"f1": "NaN"}), result(metrics={"f1": "NaN"}), IDENTICAL, []),
        (result(metrics={"f1": "Infinity"}), result(metrics={"f1": "Infinity"}), IDENTICAL, []),
        (result(metrics={"f1": 0.5}), result(metrics={"f1": 0.5 + 1e-8}), EQUAL, []),
        (result(metrics={"f1": 0.0}), result(metrics={"f1": -0.0}), IDENTICAL, []),
        # The version does not have it, so there is nothing to compare.
        (result(), result(metrics={"f1": 0.5}), IDENTICAL, []),
        (result(metrics={"f1": 0.5}), result(metrics={"f1": 0.6}), DIFFERENT, ["metric f1 was 0.5, it is 0.6"]),
        (result(metrics={"f1": 0.5}), result(), DIFFERENT, ["metric f1 is missing, it was 0.5"]),
        (
            result(metrics={"f1": 0.5}),
            result(metrics={"f1": "NaN"}),
            DIFFERENT,
            ["metric f1 was 0.5, it is nan"],
        ),
        (
            result(metrics={"f1": "Infinity"}),
            result(metrics={"f1": "-Infinity"}),
            DIFFERENT,
            ["metric f1 was inf, it is -inf"],
        ),
        (
            result(),
            result(CHANGED),
            DIFFERENT,
            ["file model.safetensors was sha256:aa, it is sha256:cc"],
        ),
        (
            result(),
            result({"config.json": "sha256:bb"}),
            DIFFERENT,
            ["file model.safetensors is missing, it was sha256:aa"],
        ),
        (
            result(),
            result({**FILES, "more.bin": "sha256:dd"}),
            DIFFERENT,
            ["file more.bin is new, it is sha256:dd"],
        ),
        (result(), result(CHANGED, gaps={WEIGHTS: []}), EQUAL, []),
        (result(), result(CHANGED, gaps={WEIGHTS: [TensorGap("w", 9e-6)]}), EQUAL, []),
        (
            result(),
            result(CHANGED, gaps={WEIGHTS: [TensorGap("w", 1e-3), TensorGap("b", 1e-9)]}),
            DIFFERENT,
            ["tensor model.safetensors: w is different by 0.001 of its largest value"],
        ),
        (
            result(),
            result(CHANGED, gaps={WEIGHTS: [TensorGap("w", why="missing"), TensorGap("v", why="new")]}),
            DIFFERENT,
            [
                "tensor model.safetensors: w is missing",
                "tensor model.safetensors: v is new",
            ],
        ),
        (
            result(),
            result(CHANGED, gaps={WEIGHTS: [TensorGap("w", math.nan)]}),
            DIFFERENT,
            ["tensor model.safetensors: w is different by nan of its largest value"],
        ),
        # Gaps of a file with the same digest, or of one that is new, decide nothing.
        (result(), result(gaps={WEIGHTS: [TensorGap("w", 1.0)]}), IDENTICAL, []),
        (
            result({}),
            result({"new.npz": "sha256:ee"}, gaps={"new.npz": []}),
            DIFFERENT,
            ["file new.npz is new, it is sha256:ee"],
        ),
    ],
)
def test_the_verdict_and_its_reasons(
    recorded: Result, repeated: Result, verdict: str, named: list[str]
) -> None:
    found = compare(recorded, repeated)
    assert (found.verdict, [str(each) for each in found.differences]) == (verdict, named)


def test_params_and_packages_explain_and_do_not_decide() -> None:
    before = result(params={"depth": 6}, packages={"numpy": "1.26", "old": "1"}, metrics={"f1": 0.5})
    after = result(params={"depth": 7}, packages={"numpy": "2.0", "new": "3"}, metrics={"f1": 0.5})
    found = compare(before, after)
    assert found.verdict == IDENTICAL
    assert [str(each) for each in found.causes] == [
        "param depth was 6, it is 7",
        "package new is new, it is 3",
        "package numpy was 1.26, it is 2.0",
        "package old is missing, it was 1",
    ]
    assert "Perhaps" not in words_for(found.verdict, ["1 file compared"], found.causes)
    words = words_for(DIFFERENT, [f"metric m{n}" for n in range(8)], found.causes)
    assert words.startswith(
        "different: metric m0; metric m1; metric m2; metric m3; metric m4, and 3 more. Perhaps"
    )


def test_the_tolerance_is_that_of_the_caller() -> None:
    before, after = result(metrics={"f1": 0.5}), result(metrics={"f1": 0.51})
    assert compare(before, after, 0.1).verdict == EQUAL
    assert compare(before, after, 0.0).verdict == DIFFERENT


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (result(CHANGED), result(CHANGED), True),
        (result(CHANGED), result(), False),
        # Other bytes around the same tensors.
        (
            result(CHANGED, contents={WEIGHTS: "sha256:t"}),
            result({**FILES, WEIGHTS: "sha256:dd"}, contents={WEIGHTS: "sha256:t"}),
            True,
        ),
        (result(metrics={"f1": 0.5}), result(metrics={"f1": 0.5 + 1e-9}), True),
        (result(metrics={"f1": 0.5}), result(metrics={"f1": 0.6}), False),
        (result(metrics={"f1": "NaN"}), result(metrics={"f1": "NaN"}), True),
        (result(metrics={"f1": 0.5}), result(), False),
        (result({**FILES, "more": "sha256:1"}), result(), False),
    ],
)
def test_two_repetitions_are_alike(first: Result, second: Result, alike: bool) -> None:
    assert are_alike(first, second) is alike
    assert are_alike(second, first) is alike


numbers = st.floats() | st.sampled_from(["NaN", "Infinity", "-Infinity"])
results = st.builds(
    Result,
    files=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["sha256:1", "sha256:2"])),
    metrics=st.dictionaries(st.sampled_from("mn"), numbers),
)


@given(results)
def test_everything_is_identical_to_itself(one: Result) -> None:
    assert compare(one, one).verdict == IDENTICAL
    assert are_alike(one, one)


@given(results, results)
def test_a_difference_is_always_named(one: Result, other: Result) -> None:
    found = compare(one, other)
    assert (found.verdict in CONFIRMED) == (not found.differences)
    if one.files != other.files:
        assert found.verdict == DIFFERENT


@given(st.floats(), st.floats(), st.floats(0, 1))
def test_nearness_has_no_direction(one: float, other: float, tolerance: float) -> None:
    assert is_near(one, other, tolerance) == is_near(other, one, tolerance)


def test_metrics_are_named_with_their_split() -> None:
    entries = [{"name": "f1", "value": 1.0, "split": "test"}, {"name": "f1", "value": 0.5}]
    assert named_metrics(entries) == {"test:f1": 1.0, "f1": 0.5}
