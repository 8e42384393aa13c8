"""Measures, and the rows that they are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Month(msgspec.Struct, frozen=True):
    """One calendar month in UTC. name: for example 2026-11. None: nothing was there to measure."""

    name: str
    registered: int
    """Versions registered."""
    completeness: float | None
    """Mean share of the six facts that are known, 0 to 1."""
    facts: Mapping[str, float]
    """Fact → share of the versions in which it is known, of those that need it."""
    promoted: int
    """Versions promoted into the stage."""
    rolled_back: int
    lead_median: float | None
    """Seconds from the start of the training run, otherwise from the registration, to the first time in the stage."""
    lead_slow: float | None
    """The same for the slowest tenth."""
    requested: int
    """Versions that asked to enter the stage for the first time."""
    first_try: int
    """Of these, versions that entered with this request."""
    pushed_bytes: int
    """Sizes of the versions registered."""
    reused_bytes: int
    """Of these, bytes that an earlier version of the same namespace had."""


class MonthCounts(msgspec.Struct, frozen=True):
    """The same in short. registered: versions; promoted, rolled_back: moves of the stage."""

    name: str
    registered: int
    promoted: int
    rolled_back: int


class Rollback(msgspec.Struct, frozen=True):
    """A rollback of the stage. seconds: from the request to the move."""

    model: str
    version: int
    at: int
    seconds: float


class Contributors(msgspec.Struct, frozen=True):
    """People who registered, promoted or voted in this month and the two before it, most active first. before: their
    number in the three months before that. most: share of the most active person, 0 to 1."""

    model: str
    people: Sequence[str]
    before: int
    most: float


class Measures(msgspec.Struct, frozen=True):
    stage: str
    sentence: str
    months: Sequence[Month]
    """Oldest first; the last is the present one."""
    rollbacks: Sequence[Rollback]
    """Newest first."""
    contributors: Sequence[Contributors]


class Move(msgspec.Struct, frozen=True):
    """A version on its way into a stage. trained: moment at which its training began, or of its registration."""

    at: int
    trained: int


class Registered(msgspec.Struct, frozen=True):
    """Versions of a month in which the same facts are known, as `known_facts` of `domain.record` writes them."""

    facts: str
    count: int
    size_bytes: int
    new_bytes: int


class Request(msgspec.Struct, frozen=True):
    """The first request of a version to enter the stage."""

    at: int
    is_done: bool
