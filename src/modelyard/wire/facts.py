"""Known and missing facts of a version."""

from __future__ import annotations

from modelyard.wire.base import Answer


class Fact(Answer, kw_only=True):
    """state: known, missing or not_applicable. counts: whether the fact counts towards the completeness."""

    name: str
    state: str
    counts: bool
    hint: str = ""
    """For a missing fact, how to record it with the next push; otherwise why it does not apply."""


class Facts(Answer, kw_only=True):
    reference: str
    completeness: float
    """Known / applicable, 0 to 1."""
    items: list[Fact]
