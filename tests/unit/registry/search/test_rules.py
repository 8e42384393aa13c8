"""What a search asks, parsed."""

from __future__ import annotations

import pytest

from modelyard.registry.search.rules import MAX_WORDS, parse_tag, parse_words


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
