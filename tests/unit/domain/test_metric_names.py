"""One way to name a metric, and one to write a condition on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidFact, InvalidRequest
from modelyard.domain.metric_names import MetricName, is_training, parse_condition, rank, ranked
from modelyard.domain.record import parse_metrics


@pytest.mark.parametrize(
    ("text", "name", "split", "dataset"),
    [
        ("f1", "f1", "", ""),
        ("test:f1", "f1", "test", ""),
        ("test@holdout:f1", "f1", "test", "holdout"),
        ("@fraud/holdout:f1", "f1", "", "fraud/holdout"),
        ("test/fold-3:f1", "f1", "test/fold-3", ""),
        ("Validation:loss", "loss", "Validation", ""),
        ("mAP@0.5:0.95", "mAP@0.5:0.95", "", ""),
        ("test:mAP@0.5:0.95", "mAP@0.5:0.95", "test", ""),
        ("gpu:util", "gpu:util", "", ""),
        ("testify:f1", "testify:f1", "", ""),
        ("value:f1", "value:f1", "", ""),
        ('"test:f1"', "test:f1", "", ""),
        ('test:"a:b"', "a:b", "test", ""),
        ('"2026-Q1":f1', "f1", "2026-Q1", ""),
        ('"odd', '"odd', "", ""),
        ('"a" b', '"a" b', "", ""),
        (":f1", ":f1", "", ""),
        ("test:", "test:", "", ""),
        ("huber_loss[delta=1.3]", "huber_loss[delta=1.3]", "", ""),
    ],
)
def test_names_are_read(text: str, name: str, split: str, dataset: str) -> None:
    assert MetricName.parse(text) == MetricName(name, split, dataset)


SPLITS = st.sampled_from(["", "test", "train", "test/fold-3", "2026-Q1", "eu", "a:b"])


@given(name=st.text(min_size=1, max_size=20), split=SPLITS)
def test_what_is_printed_is_read_as_the_same(name: str, split: str) -> None:
    assert MetricName.parse(str(MetricName(name, split))) == MetricName(name, split)


def test_a_dataset_is_printed_with_its_split() -> None:
    assert str(MetricName("f1", "test", "holdout")) == "test@holdout:f1"
    assert str(MetricName("test:f1")) == '"test:f1"'
    assert str(MetricName("f1", "eu")) == '"eu":f1'


def test_training_splits_are_known() -> None:
    assert [is_training(split) for split in ("train", "Training", "train/fold-1", "trainer", "test", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "metric", "comparison", "bound"),
    [
        ("f1>=0.7", MetricName("f1"), ">=", 0.7),
        ("loss < 1e-3", MetricName("loss"), "<", 0.001),
        ("val/f1 = -2", MetricName("val/f1"), "=", -2.0),
        ("test:f1>=0.9", MetricName("f1", "test"), ">=", 0.9),
        ("huber_loss[delta=1.3]<=0.2", MetricName("huber_loss[delta=1.3]"), "<=", 0.2),
        ("mAP@0.5:0.95>0.4", MetricName("mAP@0.5:0.95"), ">", 0.4),
        ("n>1e999", MetricName("n"), ">", float("inf")),
    ],
)
def test_conditions(text: str, metric: MetricName, comparison: str, bound: float) -> None:
    assert parse_condition(text) == (metric, comparison, bound)


@pytest.mark.parametrize(
    "text",
    ["", "f1", "f1>", ">1", "f1>high", "f1>=<1", "f1>1 2", "f1>e", "f1=>1", "test@holdout:f1>0", "a" * 600],
)
def test_conditions_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_condition(text)


def test_the_primary_metric_of_the_task_leads() -> None:
    entries = [
        {"name": n, "split": s} for n, s in (("zeta", ""), ("r2", "test"), ("accuracy", "train"), ("f1", ""))
    ]
    assert [e["name"] for e in ranked(entries, "tabular-classification")] == ["f1", "accuracy", "r2", "zeta"]
    assert [e["name"] for e in ranked(entries, "regression")] == ["r2", "f1", "accuracy", "zeta"]
    f1 = [MetricName("f1", split) for split in ("train", "", "validation", "test", "eu")]
    assert [m.split for m in sorted(f1, key=rank)] == ["test", "validation", "", "eu", "train"]


@pytest.mark.parametrize(("name", "value"), [("f1", 7), ("accuracy", 93.5), ("rmse", -1), ("test:auc", 1.01)])
def test_values_that_a_known_metric_cannot_have_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidFact, match="outside of what it can be"):
        parse_metrics({name: value})
    assert parse_metrics({f"{name}_pct": value})


def test_a_key_names_its_split_and_an_entry_does_not() -> None:
    assert parse_metrics({"test:f1": 0.9})[0].split == "test"
    assert parse_metrics([{"name": "test:f1", "value": 0.9}])[0].name == "test:f1"
