"""Manage subscriptions and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.engine import Database
from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import Invalid, SubscriptionNotFound, TokenScopeTooNarrow
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS, time_text
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.usecases import find_model, find_namespace
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox import queries, rules
from modelyard.registry.outbox.delivery import Letter, Open
from modelyard.registry.outbox.lanes import queue_lanes
from modelyard.registry.outbox.nouns import Delivery, Place, Subscription
from modelyard.registry.outbox.rules import EventChoice
from modelyard.registry.outgoing import OutgoingFailed
from modelyard.registry.outgoing.http import check_url

ROTATION_OVERLAP = 24 * 3600 * MICROSECONDS
"""How long messages are also signed with the former secret, so that a receiver can change to the new one."""


class NewSubscription(msgspec.Struct, frozen=True):
    subscription: Subscription
    secret: str | None
    """Shown once; it is stored sealed."""


class StreamedEvent(msgspec.Struct, frozen=True):
    """One event of the stream."""

    seq: int
    kind: str
    body: str
    """As it is logged, canonical JSON."""


def subscribe(
    tx: Transaction,
    actor: Actor,
    keyring: Keyring,
    *,
    kind: str,
    target: str,
    namespace: str | None = None,
    model: ModelName | None = None,
    event_kinds: Sequence[str] | None = None,
    stages: Sequence[str] | None = None,
    from_event: int | None = None,
) -> NewSubscription:
    """Send events of a model, a namespace, or (for admins) the whole server to `target`.

    It receives only events that its maker may read, checked again at each delivery. The maker is the account that
    created it, or the last one to change its target or secret. from_event: the first event to consider, also in the
    past; None: only events from now on.
    """
    place = _check_place(tx, actor, namespace, model)
    if kind not in rules.KINDS:
        raise Invalid(
            reason=f"{kind[:40]!r} is not a kind of subscription", fix=f"Use {', '.join(rules.KINDS)}"
        )
    if kind == "email":
        rules.check_email(target)
    else:
        check_url(target)
    choice = EventChoice(
        rules.check_kinds(event_kinds) if event_kinds else None, sorted(set(stages)) if stages else None
    )
    size = queries.find_log_size(tx)
    start = size if from_event is None else max(0, min(from_event, size))
    made = queries.insert_subscription(
        tx, kind=kind, target=target, place=place, choice=choice, next_seq=start, created_by=actor.id
    )
    secret = None
    if kind == "webhook":
        secret = rules.new_webhook_secret()
        queries.update_subscription(tx, made, secret=keyring.seal(secret, f"subscription {made}"))
    tx.append(
        events.SubscriptionCreated(
            namespace=place.namespace,
            model=str(model) if model else None,
            subscription=made,
            subscription_kind=kind,
        ),
        actor,
        place.model_id,
    )
    return NewSubscription(_find(tx, made), secret)


def _check_place(tx: Transaction, actor: Actor, namespace: str | None, model: ModelName | None) -> Place:
    refuse_without_reading(actor)
    if model is not None:
        found = find_model(tx, actor, model, Permission.SUBSCRIPTIONS_MANAGE)
        return Place(found.name.namespace, found.id)
    if namespace is not None:
        return Place(find_namespace(tx, actor, namespace, Permission.SUBSCRIPTIONS_MANAGE).name)
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    return Place()


def refuse_without_reading(actor: Actor) -> None:
    """Raise TokenScopeTooNarrow for a token that may not read, since events reveal what can be read."""
    held = actor.scope.permissions
    if held is not None and Permission.MODEL_READ not in held:
        raise TokenScopeTooNarrow(actor=actor.name, permission=Permission.MODEL_READ.value, where="events")


def _find(tx: Transaction, subscription_id: int) -> Subscription:
    subscription = queries.find_subscription(tx, subscription_id)
    if subscription is None:
        raise SubscriptionNotFound(subscription=subscription_id)
    return subscription


def find_subscription(tx: Transaction, actor: Actor, subscription_id: int) -> Subscription:
    """Find a subscription, for accounts that may manage it; raises SubscriptionNotFound for all others."""
    refuse_without_reading(actor)
    subscription = _find(tx, subscription_id)
    if access.may(actor, Permission.SERVER_OPERATE, access.SERVER):
        return subscription
    if subscription.place.namespace is not None:
        role = queries.find_place(tx, actor, subscription.place)
        if role is not None and access.may(actor, Permission.SUBSCRIPTIONS_MANAGE, role):
            return subscription
    raise SubscriptionNotFound(subscription=subscription_id)


def list_subscriptions(
    tx: Transaction, actor: Actor, *, namespace: str | None = None, model: ModelName | None = None
) -> list[Subscription]:
    """List the subscriptions of a model, of a namespace, or (for admins) all."""
    place = _check_place(tx, actor, namespace, model)
    if place.model_id:
        return queries.list_subscriptions(tx, model_id=place.model_id)
    return queries.list_subscriptions(tx, namespace=place.namespace, everywhere=place.namespace is None)


def edit_subscription(
    tx: Transaction,
    actor: Actor,
    subscription_id: int,
    *,
    target: str | None = None,
    event_kinds: Sequence[str] | None = None,
    stages: Sequence[str] | None = None,
    active: bool | None = None,
) -> Subscription:
    """Change a subscription. None leaves a field unchanged; an empty list means all. active True also ends a pause."""
    subscription = find_subscription(tx, actor, subscription_id)
    values: dict[str, object] = {}
    if target is not None:
        # The account that sets the receiver also becomes the one whose permissions apply.
        values["created_by"] = actor.id
        values["target"] = (
            rules.check_email(target) if subscription.kind == "email" else check_url(target).geturl()
        )
    choice = subscription.choice
    if event_kinds is not None:
        choice = replace(choice, kinds=rules.check_kinds(event_kinds) or None)
    if stages is not None:
        choice = replace(choice, stages=sorted(set(stages)) or None)
    if choice != subscription.choice:
        values |= {
            "event_kinds": dump_json(choice.kinds),
            "stages": dump_json(choice.stages),
        }
    if active is not None:
        values |= {
            "state": "active" if active else "disabled",
            "state_reason": "" if active else f"by {actor.name}",
            "failures": 0,
            "paused_until": None,
        }
    if values:
        queries.update_subscription(tx, subscription_id, **values)
        if active:
            queue_lanes(tx, subscription)
        tx.append(
            events.SubscriptionEdited(
                namespace=subscription.place.namespace,
                subscription=subscription_id,
                changed=sorted(values.keys() - {"created_by"}),
            ),
            actor,
            subscription.place.model_id,
        )
    return _find(tx, subscription_id)


def unsubscribe(tx: Transaction, actor: Actor, subscription_id: int) -> None:
    """Delete a subscription and its deliveries."""
    subscription = find_subscription(tx, actor, subscription_id)
    queries.delete_subscription(tx, subscription_id)
    tx.append(
        events.SubscriptionDeleted(namespace=subscription.place.namespace, subscription=subscription_id),
        actor,
        subscription.place.model_id,
    )


def rotate_secret(tx: Transaction, actor: Actor, keyring: Keyring, subscription_id: int) -> NewSubscription:
    """Make a new secret; for a day messages have signatures of both."""
    subscription = find_subscription(tx, actor, subscription_id)
    if subscription.kind != "webhook":
        raise Invalid(
            reason=f"a subscription of kind {subscription.kind} has no signing secret",
            fix="There is no secret to rotate",
        )
    secret = rules.new_webhook_secret()
    queries.update_subscription(
        tx,
        subscription_id,
        secret=keyring.seal(secret, f"subscription {subscription_id}"),
        former_secret=subscription.secret,
        former_secret_until=tx.now + ROTATION_OVERLAP,
        created_by=actor.id,
    )
    tx.append(
        events.SubscriptionEdited(
            namespace=subscription.place.namespace, subscription=subscription_id, changed=["secret"]
        ),
        actor,
        subscription.place.model_id,
    )
    return NewSubscription(_find(tx, subscription_id), secret)


def list_deliveries(
    tx: Transaction, actor: Actor, subscription_id: int, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    find_subscription(tx, actor, subscription_id)
    if state not in (None, "pending", "done", "dead"):
        raise Invalid(reason=f"{state!r} is not a delivery state", fix="Use pending, done or dead")
    return queries.list_deliveries(tx, actor, subscription_id, state, before, limit)


def replay(tx: Transaction, actor: Actor, subscription_id: int, seq: int | None) -> int:
    """Send one event again (its message keeps its id), or all dead letters. Returns how many."""
    subscription = find_subscription(tx, actor, subscription_id)
    count = queries.replay_deliveries(tx, actor, subscription_id, seq=seq)
    queue_lanes(tx, subscription)
    return count


class Test(msgspec.Struct, frozen=True):
    """The result of a test message."""

    accepted: bool
    status: int | None
    error: str


def send_test(db: Database, open_way: Open, actor: Actor, subscription_id: int) -> Test:
    """Send a message without an event at once; it is neither kept nor repeated, and a failure does not count.

    Raises SubscriptionNotFound.
    """

    def find(tx: Transaction) -> tuple[Subscription, int]:
        return find_subscription(tx, actor, subscription_id), tx.now

    found, now = db.read(find)
    body = {
        "seq": 0,
        "at": time_text(now),
        "kind": "subscription.tested",
        "actor": {"name": actor.name, "id": actor.id},
        "namespace": found.place.namespace,
        "model": found.model,
        "data": {"subscription": found.id},
    }
    letter = Letter(0, 0, 0, canonical_json({k: v for k, v in body.items() if v is not None}).decode())
    with open_way(found) as send:
        try:
            sent = send(letter)
        except OutgoingFailed as failure:
            return Test(False, None, str(failure))
    return Test(sent.accepted, sent.status, sent.error)


# --- the stream ----------------------------------------------------------------------------------


class StreamFilter(msgspec.Struct, frozen=True):
    place: Place
    choice: EventChoice


def open_stream(
    tx: Transaction,
    actor: Actor,
    *,
    namespace: str | None,
    model: ModelName | None,
    kinds: Sequence[str],
    after: int | None,
) -> tuple[StreamFilter, int]:
    """Return (the events to follow, the first event to look at). after: the last event seen; None: from now on.

    Raises NotFound for a place that the actor may not read.
    """
    refuse_without_reading(actor)
    place = Place()
    if model is not None:
        found = find_model(tx, actor, model)
        place = Place(found.name.namespace, found.id)
    elif namespace is not None:
        place = Place(find_namespace(tx, actor, namespace).name)
    elif actor.is_anonymous:
        access.check(actor, Permission.NAMESPACE_READ, access.SERVER)
    size = queries.find_log_size(tx)
    start = size if after is None else max(0, min(after + 1, size))
    return StreamFilter(place, EventChoice(rules.check_kinds(kinds) if kinds else None)), start


def follow(
    tx: Transaction, actor: Actor, chosen: StreamFilter, start: int, limit: int
) -> tuple[list[StreamedEvent], int]:
    """Return (events from `start` on that the actor may read now, where to continue)."""
    size = queries.find_log_size(tx)
    if start >= size:
        return [], start
    # The id finds the model's events under all its names.
    place = replace(chosen.place, namespace=None) if chosen.place.model_id else chosen.place
    found = queries.list_visible_events(tx, actor, place, start, size, limit)
    matching = []
    for seq, _, body in found:
        event = queries.body_of(body)
        if chosen.choice.matches(event):
            matching.append(StreamedEvent(seq, event["kind"], body))
    return matching, found[-1][0] + 1 if len(found) == limit else size


_RECENT = 1000


def list_recent(tx: Transaction, actor: Actor, limit: int) -> list[dict[str, Any]]:
    """List the newest events that the actor may read, newest first, among the last thousand."""
    refuse_without_reading(actor)
    access.refuse_strangers(actor)
    size = queries.find_log_size(tx)
    found = queries.list_newest_visible(tx, actor, max(0, size - _RECENT), limit)
    return [queries.body_of(body) for body in found]


def count_deliveries(tx: Transaction) -> dict[str, int]:
    """Count waiting and given-up deliveries for /metrics, whose door checks the permission."""
    return queries.count_deliveries(tx)
