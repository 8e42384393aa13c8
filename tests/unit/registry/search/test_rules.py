"""What a search asks, parsed."""

from __future__ import annotations

import math

import pytest

from modelyard.domain.errors import InvalidRequest
from modelyard.registry.search.rules import MAX_WORDS, parse_metric, parse_tag, parse_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("Fraud", ("fraud",)),
        ("fraud_net-2.1", ("fraud", "net", "2", "1")),
        ('"payments" OR (x) NEAR *', ("payments", "or", "x", "near")),
        ("Ünïcode straße", ("ünïcode", "straße")),
        ("' ; -- %", ()),
        ("w " * 50, ("w",) * MAX_WORDS),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert parse_words(text) == words


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("team", ("team", None)),
        ("team=", ("team", "")),
        (" team = a=b ", ("team", "a=b")),
    ],
)
def test_tags(text: str, tag: tuple[str, str | None]) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("f1>=0.7", ("f1", ">=", 0.7)),
        ("loss < 1e-3", ("loss", "<", 0.001)),
        ("val/f1 = -2", ("val/f1", "=", -2.0)),
        ("n>1e999", ("n", ">", math.inf)),
    ],
)
def test_metrics(text: str, metric: tuple[str, str, float]) -> None:
    assert parse_metric(text) == metric


@pytest.mark.parametrize(
    "text", ["", "f1", "f1>", ">1", "f1>high", "f1>=<1", "f1>1 2", "f1>e", "f1=>1", "a<b<1"]
)
def test_conditions_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_metric(text)
