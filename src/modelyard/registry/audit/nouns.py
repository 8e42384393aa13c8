"""The contents of the event log, and filters for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class LoggedEvent(msgspec.Struct, frozen=True):
    seq: int
    body: dict[str, Any]


class Redacted(msgspec.Struct, frozen=True):
    """The places of the log and the tables that redactions changed, by the newest redaction of each place."""

    events: dict[int, tuple[str, str]] = msgspec.field(default_factory=dict)
    """Number → (leaf in hexadecimal, digest of the remaining content)."""
    rows: dict[tuple[str, str, tuple[Any, ...]], str] = msgspec.field(default_factory=dict)
    """(table, column, primary key) → digest of the remaining content."""
    seqs: dict[int, list[int]] = msgspec.field(default_factory=dict)
    """Number of a redaction → the events that it changed."""


class EventFilter(msgspec.Struct, frozen=True):
    """All given conditions hold at once. Times are whole microseconds since 1970 UTC."""

    model_id: int | None = None
    version: int | None = None
    """Number of a version of that model."""
    namespace: str | None = None
    hidden: Sequence[int] = ()
    """Models of the namespace whose events are omitted."""
    actor: str | None = None
    kinds: Sequence[str] = ()
    """Kinds, or patterns of kinds in which * stands for any text."""
    since: int | None = None
    until: int | None = None
    """Exclusive."""
    also: Sequence[int] = ()
    """Numbers of events that are included whatever the conditions."""


class FrozenFacts(msgspec.Struct, frozen=True):
    """The parts of a version that never change."""

    digest: str
    record_digest: str
    record: str
    id: int


class AliasState(msgspec.Struct, frozen=True):
    model_id: int
    alias: str
    revision: int
    version: int | None
    model: str
