"""SQL of subscriptions and deliveries, and of the events that an actor may read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    deliveries,
    event_head,
    events,
    models,
    namespaces,
    subscriptions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.events import RowsWritten
from modelyard.registry.access import rules as access
from modelyard.registry.access.account_queries import find_actor
from modelyard.registry.access.nouns import Account, ReaderKind
from modelyard.registry.access.queries import (
    model_role,
    namespace_role,
    readable_namespaces,
    reader_kind,
    visible_models,
)
from modelyard.registry.outbox.nouns import Delivery, Place, Subscription
from modelyard.registry.outbox.rules import EventChoice

# --- events that an actor may read ---------------------------------------------------------------


def visible_events(actor: Actor) -> sa.ColumnElement[bool]:
    """Match the rows of `events` that the actor may read: those of models and namespaces that it may read.

    Other events are visible only to accounts that see everything, and never to a narrow token.
    """
    if reader_kind(actor) is ReaderKind.NOBODY:
        return sa.false()
    if actor.sees_everything and actor.scope.namespace is None:
        return sa.true()
    readable = sa.select(models.c.id).where(visible_models(actor))
    of_namespaces = sa.select(namespaces.c.name).where(readable_namespaces(actor))
    return sa.or_(
        events.c.model_id.in_(readable), sa.and_(events.c.model_id == 0, events.c.namespace.in_(of_namespaces))
    )


def list_visible_events(
    tx: Transaction, actor: Actor, place: Place, start: int, end: int, limit: int
) -> list[tuple[int, int, str]]:
    """List (seq, model id, body), oldest first, from `start` to before `end`."""
    query = (
        sa.select(events.c.seq, events.c.model_id, events.c.body)
        .where(events.c.seq >= start, events.c.seq < end, visible_events(actor))
        .order_by(events.c.seq)
        .limit(limit)
    )
    if place.namespace is not None:
        query = query.where(events.c.namespace == place.namespace)
    if place.model_id:
        query = query.where(events.c.model_id == place.model_id)
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]


def list_newest_visible(tx: Transaction, actor: Actor, start: int, limit: int) -> list[str]:
    """List the bodies of the newest events from `start` on that the actor may read, newest first.

    Without those that only name rows: they tell people nothing, and one of them may name every row of a table.
    """
    query = (
        sa.select(events.c.body)
        .where(events.c.seq >= start, events.c.kind != RowsWritten.kind, visible_events(actor))
        .order_by(events.c.seq.desc())
        .limit(limit)
    )
    return [row[0] for row in tx.rows(query)]


_SIZE = Statement(sa.select(event_head.c.size).where(event_head.c.id == 1))


def find_log_size(tx: Transaction) -> int:
    row = tx.one(_SIZE)
    return int(row[0]) if row else 0


# --- subscriptions -------------------------------------------------------------------------------


_s = subscriptions.c
_SUBSCRIPTION = (
    *_s["id", "kind", "target", "namespace", "model_id", "event_kinds", "stages"],
    *_s["secret", "former_secret", "former_secret_until", "state", "state_reason", "failures"],
    *_s["paused_until", "next_seq", "created_at"],
    actors.c.name,
    sa.case((_s.model_id != 0, namespaces.c.name + "/" + models.c.name)),
    sa.select(sa.func.max(deliveries.c.finished_at))
    .where(deliveries.c.subscription_id == _s.id, deliveries.c.state == "done")
    .scalar_subquery(),
    sa.select(deliveries.c.error)
    .where(deliveries.c.subscription_id == _s.id, deliveries.c.error.is_not(None), deliveries.c.state != "done")
    .order_by(deliveries.c.seq.desc())
    .limit(1)
    .scalar_subquery(),
    *(
        sa.select(sa.func.count())
        .where(deliveries.c.subscription_id == _s.id, deliveries.c.state == state)
        .scalar_subquery()
        for state in ("pending", "dead")
    ),
)


def _subscription(row: Sequence[Any]) -> Subscription:
    choice = EventChoice(load_json(row[5]), load_json(row[6]))
    return Subscription(row[0], row[1], row[2], Place(row[3], row[4]), choice, *row[7:])


def _subscriptions() -> sa.Select[Any]:
    return (
        sa.select(*_SUBSCRIPTION)
        .join(actors, actors.c.id == _s.created_by)
        .outerjoin(models, models.c.id == _s.model_id)
        .outerjoin(namespaces, namespaces.c.id == models.c.namespace_id)
    )


def find_subscription(tx: Transaction, subscription_id: int) -> Subscription | None:
    rows = tx.rows(_subscriptions().where(_s.id == subscription_id))
    return _subscription(rows[0]) if rows else None


def list_subscriptions(
    tx: Transaction, *, namespace: str | None = None, model_id: int | None = None, everywhere: bool = False
) -> list[Subscription]:
    """List the subscriptions on the server, on one namespace with all in it, or on one model; or (everywhere) all."""
    query = _subscriptions().order_by(_s.id)
    if model_id is not None:
        query = query.where(_s.model_id == model_id)
    elif namespace is not None:
        query = query.where(_s.namespace == namespace)
    elif not everywhere:
        query = query.where(_s.namespace.is_(None))
    return [_subscription(row) for row in tx.rows(query)]


def insert_subscription(
    tx: Transaction,
    *,
    kind: str,
    target: str,
    place: Place,
    choice: EventChoice,
    next_seq: int,
    created_by: int,
) -> int:
    insert = subscriptions.insert().values(
        kind=kind,
        target=target,
        namespace=place.namespace,
        model_id=place.model_id,
        event_kinds=dump_json(choice.kinds),
        stages=dump_json(choice.stages),
        state="active",
        next_seq=next_seq,
        created_at=tx.now,
        created_by=created_by,
    )
    return int(tx.execute(insert.returning(_s.id)).scalar_one())


def update_subscription(tx: Transaction, subscription_id: int, **values: Any) -> None:
    tx.execute(subscriptions.update().where(_s.id == subscription_id).values(**values))


def delete_subscription(tx: Transaction, subscription_id: int) -> None:
    tx.execute(deliveries.delete().where(deliveries.c.subscription_id == subscription_id))
    tx.execute(subscriptions.delete().where(_s.id == subscription_id))


def find_subscriber(tx: Transaction, subscription_id: int) -> tuple[Subscription, Account] | None:
    """Return the subscription and the account whose rights limit its events."""
    subscription = find_subscription(tx, subscription_id)
    account = find_actor(tx, subscription.created_by) if subscription is not None else None
    return (subscription, account) if subscription is not None and account is not None else None


def list_behind(tx: Transaction, size: int, limit: int) -> list[int]:
    """List the ids of active subscriptions that have not processed all events yet."""
    query = sa.select(_s.id).where(_s.state == "active", _s.next_seq < size).order_by(_s.next_seq).limit(limit)
    return [row[0] for row in tx.rows(query)]


def move_cursor(tx: Transaction, subscription_id: int, before: int, after: int) -> bool:
    """Move a cursor. Returns False if somebody else has moved it."""
    done = tx.execute(
        subscriptions.update().where(_s.id == subscription_id, _s.next_seq == before).values(next_seq=after)
    )
    return done.rowcount > 0


def find_place(tx: Transaction, actor: Actor, place: Place) -> access.Place | None:
    """Return the actor's role in the place of a subscription; None if the place is gone."""
    if place.model_id:
        query = (
            sa.select(namespaces.c.name, models.c.name, model_role(actor.id), models.c.visibility)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .where(models.c.id == place.model_id)
        )
    else:
        query = sa.select(
            namespaces.c.name,
            sa.null(),
            namespace_role(actor.id, namespaces.c.id),
            namespaces.c.visibility,
        ).where(namespaces.c.name == place.namespace)
    rows = tx.rows(query)
    if not rows:
        return None
    namespace, model, role, visibility = rows[0]
    return access.Place(namespace, model, Role(role), Visibility(visibility))


# --- deliveries ----------------------------------------------------------------------------------

_d = deliveries.c


def insert_deliveries(tx: Transaction, subscription_id: int, found: Sequence[tuple[int, int]]) -> None:
    """Store deliveries. found: (seq, model id)."""
    tx.execute(
        deliveries.insert(),
        [
            {
                "subscription_id": subscription_id,
                "seq": seq,
                "lane": lane,
                "state": "pending",
                "due_at": tx.now,
                "created_at": tx.now,
            }
            for seq, lane in found
        ],
    )


_NEXT_DUE = Statement(
    sa.select(_d.due_at)
    .where(_d.subscription_id == sa.bindparam("subscription"), _d.lane == sa.bindparam("of_lane"))
    .where(_d.state == "pending")
    .order_by(_d.seq)
    .limit(1)
)


def find_next_due(tx: Transaction, subscription_id: int, lane: int) -> int | None:
    """Return when the oldest pending delivery of a lane may be sent; None: nothing is pending."""
    row = tx.one(_NEXT_DUE, subscription=subscription_id, of_lane=lane)
    return None if row is None else int(row[0])


def list_pending_lanes(tx: Transaction, subscription_id: int) -> list[int]:
    query = sa.select(_d.lane).where(_d.subscription_id == subscription_id, _d.state == "pending").distinct()
    return sorted(row[0] for row in tx.rows(query))


def list_run(tx: Transaction, subscription_id: int, lane: int, limit: int) -> list[tuple[int, int, int, str]]:
    """List the oldest pending deliveries of a lane: (id, seq, attempts, event's body). None before the first is due."""
    query = (
        sa.select(_d.id, _d.seq, _d.attempts, events.c.body, _d.due_at)
        .join(events, events.c.seq == _d.seq)
        .where(_d.subscription_id == subscription_id, _d.lane == lane, _d.state == "pending")
        .order_by(_d.seq)
        .limit(limit)
    )
    found = tx.rows(query)
    return [(row[0], row[1], row[2], row[3]) for row in found] if found and found[0][4] <= tx.now else []


def list_hidden(tx: Transaction, account: Actor, seqs: Sequence[int]) -> set[int]:
    """Return those of these events that the account may not read."""
    seen = sa.select(events.c.seq).where(events.c.seq.in_(seqs), visible_events(account))
    return set(seqs) - {int(row[0]) for row in tx.rows(seen)}


def drop_deliveries(tx: Transaction, ids: Sequence[int]) -> None:
    tx.execute(deliveries.delete().where(_d.id.in_(ids)))


def finish_deliveries(tx: Transaction, ids: Sequence[int], status: int | None) -> None:
    tx.execute(
        deliveries.update()
        .where(_d.id.in_(ids))
        .values(
            state="done",
            attempts=_d.attempts + 1,
            status=status,
            error=None,
            finished_at=tx.now,
        )
    )


def fail_delivery(
    tx: Transaction, delivery_id: int, *, status: int | None, error: str, due_at: int | None
) -> None:
    """Record a failure. due_at: when to try again; None: never, it is a dead letter."""
    values: dict[str, Any] = {
        "attempts": _d.attempts + 1,
        "status": status,
        "error": error[:500],
    }
    if due_at is None:
        values |= {"state": "dead", "finished_at": tx.now}
    else:
        values["due_at"] = due_at
    tx.execute(deliveries.update().where(_d.id == delivery_id).values(**values))


def list_deliveries(
    tx: Transaction, actor: Actor, subscription_id: int, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    """List deliveries of events that the actor may read, newest first, below the event `before`."""
    query = (
        sa.select(
            *_d["id", "seq", "state", "attempts", "due_at", "status", "error", "created_at", "finished_at"],
            events.c.kind,
        )
        .join(events, events.c.seq == _d.seq)
        .where(_d.subscription_id == subscription_id, visible_events(actor))
        .order_by(_d.seq.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(_d.state == state)
    if before is not None:
        query = query.where(_d.seq < before)
    return [Delivery(*row) for row in tx.rows(query)]


def replay_deliveries(tx: Transaction, actor: Actor, subscription_id: int, *, seq: int | None) -> int:
    """Send one event again, whatever its state, or (None) all dead letters of events that the actor may read.

    Returns how many.
    """
    readable = (
        sa.select(events.c.seq).where(events.c.seq == _d.seq, visible_events(actor)).correlate(deliveries)
    )
    chosen = deliveries.update().where(_d.subscription_id == subscription_id, sa.exists(readable))
    chosen = chosen.where(_d.state == "dead") if seq is None else chosen.where(_d.seq == seq)
    done = tx.execute(chosen.values(state="pending", attempts=0, due_at=tx.now, finished_at=None, error=None))
    return int(done.rowcount)


def forget_deliveries(tx: Transaction, before: int) -> int:
    """Delete deliveries that arrived before this time; dead letters stay until somebody decides."""
    done = tx.execute(deliveries.delete().where(_d.state == "done", _d.finished_at < before))
    return int(done.rowcount)


def body_of(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value


def count_deliveries(tx: Transaction) -> dict[str, int]:
    """Return state → number of deliveries that wait or were given up."""
    query = sa.select(_d.state, sa.func.count()).where(_d.state.in_(["pending", "dead"])).group_by(_d.state)
    return {"pending": 0, "dead": 0} | {row[0]: row[1] for row in tx.rows(query)}
