"""Which facts of a version are known."""

from __future__ import annotations

from modelyard.wire.base import Answer


class Fact(Answer, kw_only=True):
    """state: known, missing or not_applicable. counts: the completeness is the share of those that count."""

    name: str
    state: str
    counts: bool
    hint: str = ""
    """Of a missing one: how to make it known with the next push; else why it does not apply."""


class Facts(Answer, kw_only=True):
    reference: str
    completeness: float
    """Known / applicable, 0 to 1."""
    items: list[Fact]
