"""SQL of reading the event log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from modelyard.db.tables import events
from modelyard.db.transaction import Transaction


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    seq: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """All given conditions hold at once. Times are whole microseconds since 1970 UTC."""

    model_id: int | None = None
    actor: str | None = None
    kinds: Sequence[str] = ()
    since: int | None = None
    until: int | None = None
    """Exclusive."""


def list_events(
    tx: Transaction, chosen: EventFilter, *, before: int | None = None, after: int | None = None, limit: int
) -> list[LoggedEvent]:
    """Newest first below `before`; or, with `after`, oldest first above it."""
    query = sa.select(events.c.seq, events.c.body).limit(limit)
    query = query.order_by(events.c.seq if after is not None else events.c.seq.desc())
    if chosen.model_id is not None:
        query = query.where(events.c.model_id == chosen.model_id)
    if chosen.actor is not None:
        query = query.where(events.c.actor == chosen.actor)
    if chosen.kinds:
        query = query.where(events.c.kind.in_(chosen.kinds))
    if chosen.since is not None:
        query = query.where(events.c.at >= chosen.since)
    if chosen.until is not None:
        query = query.where(events.c.at < chosen.until)
    if before is not None:
        query = query.where(events.c.seq < before)
    if after is not None:
        query = query.where(events.c.seq > after)
    return [LoggedEvent(seq, json.loads(body)) for seq, body in tx.rows(query)]
