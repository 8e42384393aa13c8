"""Measures of how models get into a stage, month by month."""

from __future__ import annotations

from modelyard.wire.base import Answer, Request, Text


class MeasuresQuery(Request, kw_only=True):
    """since: the first month, for example 2026-03; null: eleven months ago. namespace: only its models."""

    since: Text | None = None
    namespace: Text | None = None
    stage: Text = "production"


class Month(Answer, kw_only=True):
    """One calendar month in UTC; null: nothing was there to measure.

    registered: versions. completeness: mean share of the six facts that are known, 0 to 1.
    facts: fact → share of the versions that need it in which it is known. lead_median, lead_slow (of the slowest
    tenth): seconds from the start of the training run, otherwise from the registration, to the first time in the
    stage. requested: versions that asked to enter the stage for the first time; first_try: those that entered with this
    request. pushed_bytes: sizes of the versions registered; reused_bytes: of these, bytes that an earlier
    version of the same namespace had.
    """

    name: str
    registered: int
    completeness: float | None
    facts: dict[str, float]
    promoted: int
    rolled_back: int
    lead_median: float | None
    lead_slow: float | None
    requested: int
    first_try: int
    pushed_bytes: int
    reused_bytes: int


class Rollback(Answer, kw_only=True):
    """seconds: from the request to the move."""

    model: str
    version: int
    at: str
    seconds: float


class Contributors(Answer, kw_only=True):
    """People who registered, promoted or voted in this month and the two before it, most active first.

    before: their number in the three months before that. most: share of the most active person, 0 to 1.
    """

    model: str
    people: list[str]
    before: int
    most: float


class Measures(Answer, kw_only=True):
    """months: oldest first; the last is the present one. rollbacks: newest first, at most 200. contributors: at most 50
    models, those with the most people first."""

    stage: str
    sentence: str
    months: list[Month]
    rollbacks: list[Rollback]
    contributors: list[Contributors]
