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


@pytest.mark.parametrize(
    ("relations", "missing"),
    [
        ([], ["code", "data", "environment", "image", "metrics", "params"]),
        (["conversion"], ["code", "environment", "image"]),
        (["quantized"], ["code", "environment", "image", "metrics"]),
        (["finetune"], ["code", "data", "environment", "image", "metrics", "params"]),
        (["merge", "merge"], ["code", "environment", "image", "metrics"]),
        (["merge", "finetune"], ["code", "data", "environment", "image", "metrics", "params"]),
        ([None], ["code", "data", "environment", "image", "metrics", "params"]),
    ],
)
def test_what_the_parent_has_is_not_asked_for_again(relations: list[str | None], missing: list[str]) -> None:
    facts = {"parents": [{"ref": "fraud/base:1", "relation": relation} for relation in relations]}
    assert missing_facts(facts) == missing


def test_what_is_known_counts_though_it_need_not_be() -> None:
    facts = {
        "parents": [{"relation": "conversion"}],
        "metrics": [{"name": "f1", "value": 1}],
        "code": {"commit": "a"},
    }
    assert missing_facts(facts) == ["environment", "image"]
    assert completeness(facts) == 0.5


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
