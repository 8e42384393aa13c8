"""Stores the events of a batch of changes, in the order of commit and without gaps.

Each event is a leaf of a Merkle tree whose nodes are stored with it. The head row keeps the tree's size and
peaks, so appending reads that one row and costs two or three inserts of many rows, whatever the batch.
Reasons and figures: decision record 0011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import event_head, event_nodes, events
from modelyard.db.transaction import PendingEvent, Transaction
from modelyard.domain.errors import LogDamaged
from modelyard.domain.merkle import Frontier, leaf_hash, node_count

_p = sa.bindparam

_LAST_AT = sa.select(events.c.at).where(events.c.seq == event_head.c.size - 1).scalar_subquery()
_LOCK_HEAD = Statement(
    sa.select(event_head.c.size, event_head.c.peaks, _LAST_AT)
    .where(event_head.c.id == 1)
    .with_for_update(of=event_head)
)
_MOVE_HEAD = Statement(
    event_head.update().where(event_head.c.id == 1).values(size=_p("new_size"), peaks=_p("new_peaks"))
)
_INSERT_EVENT = Statement(events.insert().values({column.name: _p(column.name) for column in events.columns}))
_INSERT_NODE = Statement(
    event_nodes.insert().values({column.name: _p(column.name) for column in event_nodes.columns})
)


class LogEnd(msgspec.Struct):
    """The tree of the events stored so far, and the time of the last one."""

    tree: Frontier
    at: int


def lock_head(connection: sa.Connection) -> LogEnd:
    """Return the end of the log. On PostgreSQL the row stays locked until the commit, so that the
    writers of all processes take turns, as the only writer thread does on SQLite."""
    row = Transaction(connection, 0).one(_LOCK_HEAD)
    try:
        size, peaks, at = row or (0, "missing", None)
        return LogEnd(Frontier.from_text(size, peaks), at or 0)
    except ValueError as exc:
        raise LogDamaged(reason=f"its head cannot be right: {exc}") from exc


def store_events(connection: sa.Connection, end: LogEnd, pending: Sequence[PendingEvent]) -> None:
    """Append `pending` to the tree that `lock_head` returned, and update that tree.

    No event is dated before its predecessor: if the clock went back, it gets the predecessor's time.
    """
    head = end.tree
    rows: list[dict[str, Any]] = []
    first_place = node_count(head.size)
    hashes: list[bytes] = []
    for item in pending:
        seq = head.size
        end.at = max(end.at, item.at)
        body = item.body(seq, end.at)
        rows.append(
            {
                "seq": seq,
                "at": end.at,
                "kind": item.event.kind,
                "actor_id": item.actor_id,
                "actor": item.actor,
                "namespace": item.event.namespace,
                "model_id": item.model_id,
                "version": item.event.version,
                "body": body,
            }
        )
        hashes.extend(node.hash for node in head.append(leaf_hash(body.encode())))
    tx = Transaction(connection, 0)
    tx.run_many(_INSERT_EVENT, rows)
    tx.run_many(
        _INSERT_NODE, [{"place": place, "hash": found} for place, found in enumerate(hashes, first_place)]
    )
    tx.run(_MOVE_HEAD, new_size=head.size, new_peaks=head.to_text())
