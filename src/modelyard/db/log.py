"""Stores the events of a batch of changes, in the order of commit and without gaps.

Each event is a leaf of a Merkle tree whose nodes are stored with it. The head row keeps the tree's size and
peaks, so appending reads that one row and costs two or three inserts of many rows, whatever the batch.
Reasons and figures: decision record 0011.
"""

from __future__ import annotations

import random
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
_HEAD = event_head.update().where(event_head.c.id == 1)
_MOVED: dict[str, Any] = {"size": _p("new_size"), "peaks": _p("new_peaks")}
_COUNTED: dict[str, Any] = {
    "revision": event_head.c.revision + _p("step", type_=sa.BigInteger),
    "rights_revision": event_head.c.rights_revision + _p("rights_step", type_=sa.BigInteger),
}
_MOVE_HEAD = Statement(_HEAD.values(_MOVED))
_MOVE_HEAD_AND_COUNT = Statement(_HEAD.values({**_MOVED, **_COUNTED}))
_COUNT = Statement(_HEAD.values(_COUNTED))
_LARGEST_STEP = 1 << 20
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


def store_events(
    connection: sa.Connection, end: LogEnd, pending: Sequence[PendingEvent], *, may_change_rights: bool
) -> None:
    """Append `pending`, which may be empty, to the tree that `lock_head` returned, and update that tree.

    No event is dated before its predecessor: if the clock went back, it gets the predecessor's time. On PostgreSQL the
    revisions of the database move, also without events.
    """
    tx = Transaction(connection, 0)
    if tx.is_sqlite:
        if pending:
            tx.run(_MOVE_HEAD, **_append(tx, end, pending))
        return
    steps = _steps(may_change_rights=may_change_rights)
    if pending:
        tx.run(_MOVE_HEAD_AND_COUNT, **_append(tx, end, pending), **steps)
    else:
        tx.run(_COUNT, **steps)


def count_migration(connection: sa.Connection) -> None:
    """Move the revisions: other processes may still run, and remember what a migration changed."""
    Transaction(connection, 0).run(_COUNT, **_steps(may_change_rights=True))


def _steps(*, may_change_rights: bool) -> dict[str, int]:
    # At random, so that a history that lost commits (a failover, a restored copy) does not come to the same revisions.
    step = random.randint(1, _LARGEST_STEP)
    return {"step": step, "rights_step": step if may_change_rights else 0}


def _append(tx: Transaction, end: LogEnd, pending: Sequence[PendingEvent]) -> dict[str, Any]:
    """Store events and their nodes, and return what the head becomes."""
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
    tx.run_many(_INSERT_EVENT, rows)
    tx.run_many(
        _INSERT_NODE, [{"place": place, "hash": found} for place, found in enumerate(hashes, first_place)]
    )
    return {"new_size": head.size, "new_peaks": head.to_text()}
