"""Routes of subscriptions and their deliveries."""

from __future__ import annotations

from modelyard.api.conversion import fields_of, optional_time, to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.names import ModelName
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.outbox import rules
from modelyard.registry.outbox import usecases as outbox
from modelyard.registry.outbox.nouns import Delivery, Subscription
from modelyard.registry.outbox.usecases import NewSubscription
from modelyard.wire import outbox as wire

table = RouteTable(__name__)


def _subscription(row: Subscription, now: int, secret: str | None = None) -> wire.Subscription:
    is_paused = row.state == "active" and row.paused_until is not None and row.paused_until > now
    return to_wire(
        row,
        wire.Subscription,
        namespace=row.place.namespace,
        event_kinds=None if row.choice.kinds is None else list(row.choice.kinds),
        stages=None if row.choice.stages is None else list(row.choice.stages),
        state="paused" if is_paused else row.state,
        state_reason="the receiver keeps failing" if is_paused else row.state_reason,
        paused_until=optional_time(row.paused_until) if is_paused else None,
        next_event=row.next_seq,
        secret=secret,
    )


def _delivery(subscription_id: int, row: Delivery) -> wire.Delivery:
    message_id = rules.message_id(subscription_id, row.seq)
    return to_wire(row, wire.Delivery, event=row.seq, event_kind=row.kind, message_id=message_id)


def _model(text: str | None) -> ModelName | None:
    return None if text is None else ModelName.parse(text)


@table.route("GET", "/api/v1/subscriptions")
async def list_subscriptions(call: Call, query: wire.SubscriptionQuery) -> wire.SubscriptionList:
    """List the subscriptions of a model, of a namespace, or (for admins) of the whole server."""

    def read(tx: Transaction) -> list[wire.Subscription]:
        subscriptions = outbox.list_subscriptions(
            tx, call.actor, namespace=query.namespace, model=_model(query.model)
        )
        return [_subscription(row, tx.now) for row in subscriptions]

    return wire.SubscriptionList(items=await call.read(read))


@table.route("POST", "/api/v1/subscriptions", status=201, tells_secret=True)
async def create_subscription(call: Call, body: wire.CreateSubscription) -> wire.Subscription:
    """Create a subscription, which sends events to an address. A webhook's secret is shown only once."""

    def work(tx: Transaction) -> tuple[NewSubscription, int]:
        made = outbox.subscribe(
            tx,
            call.actor,
            call.services.keyring,
            model=_model(body.model),
            **fields_of(body, "model"),
        )
        return made, tx.now

    # No idempotency key: the answer holds a secret.
    made, now = await call.write(work)
    return _subscription(made.subscription, now, made.secret)


@table.route("GET", "/api/v1/subscriptions/{subscription:number}")
async def show_subscription(call: Call) -> wire.Subscription:
    """Return a subscription and the state of its deliveries."""
    return await call.read(
        lambda tx: _subscription(outbox.find_subscription(tx, call.actor, call.number("subscription")), tx.now)
    )


@table.route("PATCH", "/api/v1/subscriptions/{subscription:number}")
async def edit_subscription(call: Call, body: wire.EditSubscription) -> Answer[wire.Subscription]:
    """Change the address or the events of a subscription, disable it, or enable it again."""

    def work(tx: Transaction) -> wire.Subscription:
        subscription = outbox.edit_subscription(tx, call.actor, call.number("subscription"), **fields_of(body))
        return _subscription(subscription, tx.now)

    return await call.commit(work)


@table.route("DELETE", "/api/v1/subscriptions/{subscription:number}", status=204)
async def delete_subscription(call: Call) -> Answer[None]:
    """Remove a subscription and its deliveries."""
    return await call.commit(lambda tx: outbox.unsubscribe(tx, call.actor, call.number("subscription")))


@table.route("POST", "/api/v1/subscriptions/{subscription:number}/test")
async def test_subscription(call: Call) -> wire.SubscriptionTest:
    """Send a test message at once, and return the receiver's answer."""
    services, number = call.services, call.number("subscription")
    found = await call.in_thread(
        "providers", outbox.send_test, services.db, services.sender().open, call.actor, number
    )
    return to_wire(found, wire.SubscriptionTest)


@table.route("POST", "/api/v1/subscriptions/{subscription:number}/rotate", tells_secret=True)
async def rotate_secret(call: Call) -> wire.Subscription:
    """Create a new webhook secret; for one day, messages are signed with both."""

    def work(tx: Transaction) -> tuple[NewSubscription, int]:
        return outbox.rotate_secret(tx, call.actor, call.services.keyring, call.number("subscription")), tx.now

    made, now = await call.write(work)
    return _subscription(made.subscription, now, made.secret)


@table.route("GET", "/api/v1/subscriptions/{subscription:number}/deliveries")
async def list_deliveries(call: Call, query: wire.DeliveryQuery) -> wire.DeliveryPage:
    """List the deliveries and their results, newest first."""
    paging = Paging.of(query, int)
    deliveries = await call.read(
        lambda tx: outbox.list_deliveries(
            tx, call.actor, call.number("subscription"), query.state, paging.start, paging.count
        )
    )
    return paging.answer(
        wire.DeliveryPage,
        deliveries,
        lambda row: _delivery(call.number("subscription"), row),
        key=lambda row: (row.seq,),
    )


@table.route("POST", "/api/v1/subscriptions/{subscription:number}/replay")
async def replay_deliveries(call: Call, body: wire.Replay) -> Answer[wire.Replayed]:
    """Send one event again, or all dead letters."""
    event = body.event
    return await call.commit(
        lambda tx: wire.Replayed(count=outbox.replay(tx, call.actor, call.number("subscription"), event))
    )
