"""Routes of subscriptions and their deliveries."""

from __future__ import annotations

from modelyard.api import shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.outbox import rules
from modelyard.registry.outbox import usecases as outbox
from modelyard.registry.outbox.nouns import Delivery, Subscription
from modelyard.registry.outbox.usecases import NewSubscription
from modelyard.wire import outbox as wire

table = RouteTable("subscriptions")


def _subscription(row: Subscription, now: int, secret: str | None = None) -> wire.Subscription:
    is_paused = row.state == "active" and row.paused_until is not None and row.paused_until > now
    return wire.Subscription(
        id=row.id,
        kind=row.kind,
        target=row.target,
        namespace=row.place.namespace,
        for_one_model=row.place.model_id != 0,
        event_kinds=None if row.choice.kinds is None else list(row.choice.kinds),
        stages=None if row.choice.stages is None else list(row.choice.stages),
        state="paused" if is_paused else row.state,
        state_reason="the receiver keeps failing" if is_paused else row.state_reason,
        failures=row.failures,
        paused_until=shapes.optional_time(row.paused_until) if is_paused else None,
        next_event=row.next_seq,
        created_at=time_text(row.created_at),
        created_by=row.created_by,
        secret=secret,
    )


def _delivery(subscription_id: int, row: Delivery) -> wire.Delivery:
    return wire.Delivery(
        event=row.seq,
        event_kind=row.kind,
        message_id=rules.message_id(subscription_id, row.seq),
        state=row.state,
        attempts=row.attempts,
        due_at=time_text(row.due_at),
        status=row.status,
        error=row.error,
        finished_at=shapes.optional_time(row.finished_at),
    )


def _id(call: Call) -> int:
    return int(call.path["subscription"])


def _model(text: str | None) -> ModelName | None:
    return None if text is None else ModelName.parse(text)


@table.route("GET", "/api/v1/subscriptions")
async def list_subscriptions(call: Call, query: wire.SubscriptionQuery) -> wire.SubscriptionList:
    """The subscriptions of a model, of a namespace, or (for admins) all."""

    def read(tx: Transaction) -> list[wire.Subscription]:
        found = outbox.list_subscriptions(tx, call.actor, namespace=query.namespace, model=_model(query.model))
        return [_subscription(row, tx.now) for row in found]

    return wire.SubscriptionList(items=await call.read(read))


@table.route("POST", "/api/v1/subscriptions", status=201, tells_secret=True)
async def create_subscription(call: Call, body: wire.CreateSubscription) -> wire.Subscription:
    """Tell an address of events; a webhook's secret is shown this once."""

    def work(tx: Transaction) -> tuple[NewSubscription, int]:
        made = outbox.subscribe(
            tx,
            call.actor,
            call.services.keyring,
            kind=body.kind,
            target=body.target,
            namespace=body.namespace,
            model=_model(body.model),
            event_kinds=body.event_kinds,
            stages=body.stages,
            from_event=body.from_event,
        )
        return made, tx.now

    # Not kept under an idempotency key: the answer holds a secret.
    made, now = await call.write(work)
    return _subscription(made.subscription, now, made.secret)


@table.route("GET", "/api/v1/subscriptions/{subscription:number}")
async def show_subscription(call: Call) -> wire.Subscription:
    """One subscription, and how it fares."""
    return await call.read(
        lambda tx: _subscription(outbox.find_subscription(tx, call.actor, _id(call)), tx.now)
    )


@table.route("PATCH", "/api/v1/subscriptions/{subscription:number}")
async def edit_subscription(call: Call, body: wire.EditSubscription) -> Answer[wire.Subscription]:
    """Change where it goes and what it tells, disable it, or enable it again."""

    def work(tx: Transaction) -> wire.Subscription:
        found = outbox.edit_subscription(
            tx,
            call.actor,
            _id(call),
            target=body.target,
            event_kinds=body.event_kinds,
            stages=body.stages,
            active=body.active,
        )
        return _subscription(found, tx.now)

    return await call.commit(work)


@table.route("DELETE", "/api/v1/subscriptions/{subscription:number}", status=204)
async def delete_subscription(call: Call) -> Answer[None]:
    """End a subscription; its deliveries are forgotten."""
    return await call.commit(lambda tx: outbox.unsubscribe(tx, call.actor, _id(call)))


@table.route("POST", "/api/v1/subscriptions/{subscription:number}/rotate", tells_secret=True)
async def rotate_secret(call: Call) -> wire.Subscription:
    """Make a new webhook secret; for a day messages are signed with both."""

    def work(tx: Transaction) -> tuple[NewSubscription, int]:
        return outbox.rotate_secret(tx, call.actor, call.services.keyring, _id(call)), tx.now

    made, now = await call.write(work)
    return _subscription(made.subscription, now, made.secret)


@table.route("GET", "/api/v1/subscriptions/{subscription:number}/deliveries")
async def list_deliveries(call: Call, query: wire.DeliveryQuery) -> wire.DeliveryPage:
    """What was sent and what became of it, newest first."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    found = await call.read(
        lambda tx: outbox.list_deliveries(
            tx, call.actor, _id(call), query.state, before[0] if before else None, limit + 1
        )
    )
    page, cursor = cut(found, limit, lambda row: (row.seq,))
    return wire.DeliveryPage(items=[_delivery(_id(call), row) for row in page], next_cursor=cursor)


@table.route("POST", "/api/v1/subscriptions/{subscription:number}/replay")
async def replay_deliveries(call: Call, body: wire.Replay) -> Answer[wire.Replayed]:
    """Send one event again, or all dead letters."""
    event = body.event
    return await call.commit(lambda tx: wire.Replayed(count=outbox.replay(tx, call.actor, _id(call), event)))
