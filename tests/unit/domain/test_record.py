from __future__ import annotations

import math

import pytest

from modelyard.domain.errors import InvalidFact
from modelyard.domain.record import MAX_DEPTH, Record, completeness, missing_facts


def test_the_record_is_canonical() -> None:
    one = Record.of({"metrics": {"f1": 0.9, "auc": 1}, "params": {"b": 1, "a": 2}, "code": {}})
    two = Record.of(
        {"params": {"a": 2, "b": 1}, "metrics": [{"name": "auc", "value": 1.0}, {"name": "f1", "value": 0.9}]}
    )
    assert one.canonical_bytes == two.canonical_bytes
    assert one.digest == two.digest
    assert b"code" not in one.canonical_bytes


def test_what_is_missing_is_named() -> None:
    facts = Record.of({"metrics": {"f1": 1}, "params": {"x": 1}, "environment": {"python": "3.11"}}).facts
    assert missing_facts(facts) == ["code", "data", "image"]
    assert completeness(facts) == 0.5
    assert completeness({}) == 0.0


def test_non_finite_metrics_are_kept_as_words() -> None:
    record = Record.of({"metrics": {"loss": "NaN", "up": "Infinity", "down": "-Infinity"}})
    values = {m.name: m.value for m in record.metrics}
    assert math.isnan(values["loss"])
    assert values["up"] == math.inf
    assert values["down"] == -math.inf
    assert b'"NaN"' in record.canonical_bytes


def test_metrics_of_several_splits() -> None:
    record = Record.of(
        {
            "metrics": [
                {"name": "f1", "value": 1, "split": "test"},
                {"name": "f1", "value": 0.5, "split": "train"},
            ]
        }
    )
    assert [(m.split, m.value) for m in record.metrics] == [("test", 1.0), ("train", 0.5)]


def deep(levels: int) -> dict[str, object]:
    value: dict[str, object] = {"x": 1}
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    "facts",
    [
        {"colour": {}},
        {"code": "text"},
        {"params": [1]},
        {"params": {"": 1}},
        {"metrics": {"f1": "high"}},
        {"metrics": {"f1": True}},
        {"metrics": {"f1": 10**400}},
        {"metrics": [{"name": "f1"}]},
        {"metrics": [{"name": "f1", "value": 1, "colour": 2}]},
        {"metrics": [{"name": "f1", "value": 1}, {"name": "f1", "value": 2}]},
        {"metrics": 5},
        {"data": {"name": "x"}},
        {"data": [1]},
        {"code": deep(MAX_DEPTH)},
        {"code": {"x": "a\0b"}},
        {"code": {"a\0": 1}},
        {"code": {"x": math.nan}},
        {"code": {"x": "y" * (5 << 20)}},
        {"code": {"x": "\ud800"}},
        {"params": {str(n): n for n in range(10_001)}},
    ],
)
def test_facts_that_cannot_be_kept_are_refused(facts: dict[str, object]) -> None:
    with pytest.raises(InvalidFact):
        _ = Record.of(facts).digest
