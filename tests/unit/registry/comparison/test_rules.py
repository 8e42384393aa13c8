"""What differs between sides, as tables."""

from __future__ import annotations

import math
from typing import Any

import pytest

from modelyard.domain.errors import Invalid
from modelyard.registry.comparison import rules
from modelyard.registry.comparison.rules import Side


def side(ref: str = "a/b:1", **known: Any) -> Side:
    metrics = known.pop("metrics", ())
    made = Side(ref, "version", 0, "ann", "ready", **known)
    rules.add_metrics(made, metrics)
    rules.finish_metrics(made)
    return made


def direction(name: str) -> str | None:
    return {"f1": "higher", "rmse": "lower"}.get(name)


def metric(name: str, value: float, **where: str) -> dict[str, Any]:
    return {"name": name, "value": value, **where}


@pytest.mark.parametrize(
    ("said", "key", "fold"),
    [
        (metric("f1", 1.0, split="fold-3"), ("f1", "", ""), "3"),
        (metric("f1", 1.0, split="val fold 03"), ("f1", "val", ""), "3"),
        (metric("f1", 1.0, dataset="holdout/fold_0"), ("f1", "", "holdout"), "0"),
        (metric("f1_fold2", 1.0), ("f1", "", ""), "2"),
        (metric("f1", 1.0, split="seed7"), ("f1", "", ""), "7"),
        (metric("fold2", 1.0), ("fold2", "", ""), "#1"),
        (metric("precision_at_10", 1.0), ("precision_at_10", "", ""), "#1"),
        (metric("manifold", 1.0), ("manifold", "", ""), "#1"),
    ],
)
def test_folds_are_known_by_name(said: dict[str, Any], key: rules.MetricKey, fold: str) -> None:
    assert side(metrics=[said]).measured == {key: {fold: 1.0}}


def test_metrics_have_deltas_directions_and_a_best() -> None:
    sides = [
        side(metrics=[metric("f1", 0.8, split="test"), metric("rmse", 2.0), metric("x", 1.0)]),
        side(metrics=[metric("f1", 0.9, split="test"), metric("rmse", 1.5)]),
        side(metrics=[metric("f1", 0.9, split="test"), metric("rmse", math.nan)]),
    ]
    rows = {row.key[0]: row for row in rules.compare_metrics(sides, {("f1", "test", ""): 0.85}, direction)}
    f1 = rows["f1"]
    assert f1.direction == "higher"
    assert f1.values == [0.8, 0.9, 0.9]
    assert f1.deltas == pytest.approx([0.0, 0.1, 0.1])
    assert f1.champion_deltas == pytest.approx([-0.05, 0.05, 0.05])
    assert f1.best == [1, 2]
    assert rows["rmse"].best == [1]
    assert rows["x"].best == []
    assert rows["x"].deltas == [0.0, None, None]


def test_folds_give_significance_and_words() -> None:
    before = [0.80, 0.82, 0.79, 0.81, 0.80]
    better = [value + 0.03 + 0.001 * i for i, value in enumerate(before)]
    sides = [
        side(metrics=[metric("f1", value, split=f"fold-{i}") for i, value in enumerate(values)])
        for values in (before, better, [*before[::-1]])
    ]
    row = rules.compare_metrics(sides, {}, direction)[0]
    assert row.values[0] == pytest.approx(sum(before) / 5)
    none, gain, even = row.significance
    assert none is None
    assert gain is not None
    assert even is not None
    assert gain.test == "paired t-test"
    assert rules.words_of(gain, "higher").startswith("better (paired t-test over 5")
    assert rules.words_of(gain, "lower").startswith("worse")
    assert rules.words_of(gain, None).startswith("differs")
    assert rules.words_of(even, "higher").startswith("no difference beyond chance")


def test_repeated_evaluations_are_bootstrapped() -> None:
    sides = []
    for start in (0.7, 0.9):
        made = side(metrics=[metric("f1", start)])
        for i in range(5):
            rules.add_metrics(made, [metric("f1", start + 0.001 * i)], again=True)
        sides.append(made)
    row = rules.compare_metrics(sides, {}, direction)[0]
    assert row.values == pytest.approx([0.704, 0.904]), "the newest counts"
    assert row.significance[1] is not None
    assert row.significance[1].test == "bootstrap"
    assert row.significance[1].is_significant


def test_params_that_differ_come_first() -> None:
    sides = [side(params={"a": 1, "b": 2}), side(params={"a": 1, "b": 3, "c": None})]
    assert rules.compare_params(sides) == [
        ("b", [2, 3], False),
        ("c", [None, None], False),
        ("a", [1, 1], True),
    ]


def test_code() -> None:
    one = side(
        code={"repository": "r", "commit": "1", "dirty": True, "diff": {"text": "-a\n+b", "digest": "x"}}
    )
    two = side(code={"repository": "r", "commit": "2", "dirty": False})
    other = side(code={"repository": "q", "commit": "2"})
    found = rules.compare_code(one, two)
    assert found.commits == "1..2"
    assert found.changed == {"commit": ["1", "2"], "dirty": [True, False]}
    assert found.diffs == ["-a\n+b", None]
    assert rules.compare_code(one, other).commits is None
    assert rules.compare_code(one, one).same
    assert not rules.compare_code(one, side()).same


def test_environment() -> None:
    one = side(environment={"python": "3.11", "packages": {"numpy": "1", "old": "1", "same": "1"}})
    two = side(environment={"python": "3.12", "packages": ["numpy==2", "same==1", "new==3"]})
    found = rules.compare_environment(one, two)
    assert (found.added, found.removed, found.changed) == ({"new": "3"}, {"old": "1"}, {"numpy": ["1", "2"]})
    assert found.system == {"python": ["3.11", "3.12"]}


def test_files_and_tensors() -> None:
    one = side(
        files={"a": ("d1", 1), "b": ("d2", 2), "gone": ("d3", 3)},
        tensors={"w": ("float32", (2, 3)), "same": ("float32", ())},
        format={"parameters": 6, "problems": []},
        size_bytes=6,
    )
    two = side(
        files={"a": ("d1", 1), "b": ("d9", 5), "new": ("d4", 4)},
        tensors={"w": ("float16", (2, 3)), "same": ("float32", ()), "v": ("int8", (1,))},
        format={"parameters": 7},
        size_bytes=10,
    )
    found = rules.compare_files(one, two)
    assert (found.added, found.removed, found.changed, found.same) == (
        {"new": 4},
        {"gone": 3},
        {"b": [2, 5]},
        1,
    )
    assert found.tensors == {"w": ["float32[2, 3]", "float16[2, 3]"], "v": [None, "int8[1]"]}
    assert (found.tensors_same, found.format, found.size_delta) == (1, {"parameters": [6, 7]}, 4)


@pytest.mark.parametrize("refs", [[], ["a"], [str(i) for i in range(9)], ["a", "a"]])
def test_two_to_eight_different_ones(refs: list[str]) -> None:
    with pytest.raises(Invalid):
        rules.check_count(refs)


@pytest.mark.parametrize(
    ("metrics", "sentence", "leader"),
    [
        ([[("f1", 0.8)], [("f1", 0.9)]], "a/b:2 is best in 1 of 1 metric.", 1),
        ([[("f1", 0.9), ("rmse", 1.0)], [("f1", 0.8), ("rmse", 2.0)]], "a/b:1 is best in 2 of 2 metrics.", 0),
        (
            [[("f1", 0.9), ("rmse", 2.0)], [("f1", 0.8), ("rmse", 1.0)]],
            "a/b:1 and a/b:2 are each best in 1 of 2 metrics.",
            None,
        ),
        ([[("f1", 0.9)], [("f1", 0.9)]], "No metric with a known better direction differs.", None),
        ([[("mystery", 0.1)], [("mystery", 0.9)]], "No metric with a known better direction differs.", None),
        (
            [[("train:f1", 0.1)], [("train:f1", 0.9)]],
            "Only metrics of training data differ, which do not count.",
            None,
        ),
        (
            [[("train:f1", 0.9), ("f1", 0.1)], [("train:f1", 0.1), ("f1", 0.9)]],
            "a/b:2 is best in 1 of 1 metric.",
            1,
        ),
        ([[], []], "No metric with a known better direction differs.", None),
    ],
)
def test_the_lead_is_said_in_a_sentence(
    metrics: list[list[tuple[str, float]]], sentence: str, leader: int | None
) -> None:
    sides = [
        side(
            f"a/b:{n}",
            metrics=[metric(name.rpartition(":")[2], v, split=name.rpartition(":")[0]) for name, v in each],
        )
        for n, each in enumerate(metrics, start=1)
    ]
    lead = rules.find_lead(sides, rules.compare_metrics(sides, {}, direction))
    assert (lead.sentence, lead.side) == (sentence, leader)
