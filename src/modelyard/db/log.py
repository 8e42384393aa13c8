"""Stores the events of a batch of changes, in the order of commit and without gaps."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from modelyard.db.tables import event_head, events
from modelyard.db.transaction import PendingEvent

_LOCK_HEAD = sa.select(event_head.c.size).where(event_head.c.id == 1).with_for_update()
_MOVE_HEAD = event_head.update().where(event_head.c.id == 1)


def lock_head(connection: sa.Connection) -> int:
    """The number of events stored so far. On PostgreSQL the row stays locked until the commit, so that
    writers of all processes come one after another, as the one writer thread does on SQLite."""
    return int(connection.execute(_LOCK_HEAD).scalar_one())


def store_events(connection: sa.Connection, size: int, pending: Sequence[PendingEvent]) -> None:
    """Append `pending` behind the `size` events that `lock_head` counted."""
    rows = [
        {
            "seq": seq,
            "at": item.at,
            "kind": item.event.kind,
            "actor_id": item.actor_id,
            "actor": item.actor,
            "namespace": item.event.namespace,
            "model_id": item.model_id,
            "version": item.event.version,
            "body": item.body(seq),
        }
        for seq, item in enumerate(pending, start=size)
    ]
    connection.execute(events.insert(), rows)
    connection.execute(_MOVE_HEAD.values(size=size + len(rows)))
