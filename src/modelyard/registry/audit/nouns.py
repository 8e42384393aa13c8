"""What the event log holds, and how it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    seq: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Redacted:
    """What of the log and the tables was changed by a redaction, as the newest one of each place tells."""

    events: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Number → (leaf in hexadecimal, digest of what is left)."""
    rows: dict[tuple[str, str, tuple[Any, ...]], str] = field(default_factory=dict)
    """(table, column, primary key) → digest of what is left."""
    seqs: dict[int, list[int]] = field(default_factory=dict)
    """Number of a redaction → the events that it changed."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """All given conditions hold at once. Times are whole microseconds since 1970 UTC."""

    model_id: int | None = None
    namespace: str | None = None
    hidden: Sequence[int] = ()
    """Models of the namespace whose events are left out."""
    actor: str | None = None
    kinds: Sequence[str] = ()
    """Kinds, or patterns of kinds in which * stands for any text."""
    since: int | None = None
    until: int | None = None
    """Exclusive."""
    also: Sequence[int] = ()
    """Numbers of events that are taken whatever the conditions say."""


@dataclass(frozen=True, slots=True)
class FrozenFacts:
    """What of a version never changes."""

    digest: str
    record_digest: str
    record: str
    id: int


@dataclass(frozen=True, slots=True)
class AliasState:
    model_id: int
    alias: str
    revision: int
    version: int | None
    model: str
