"""Subscriptions: who is told of which events, and what became of the deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid, SubscriptionNotFound, TokenScopeTooNarrow
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.usecases import find_model, find_namespace
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox import queries, rules
from modelyard.registry.outbox.lanes import queue_lanes
from modelyard.registry.outbox.nouns import Delivery, Place, Subscription
from modelyard.registry.outbox.rules import EventChoice
from modelyard.registry.outgoing.http import check_url

ROTATION_OVERLAP = 24 * 3600 * MICROSECONDS
"""How long the former secret signs along, so that a receiver can change over."""


@dataclass(frozen=True, slots=True)
class NewSubscription:
    subscription: Subscription
    secret: str | None
    """Shown once; it is stored sealed."""


@dataclass(frozen=True, slots=True)
class StreamedEvent:
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
    """Tell `target` of the events of a model, a namespace, or (for admins) the whole server.

    It is told what its maker may read, asked again at each delivery: the account that made it, or the last one to
    give it another target or secret. from_event: the first event to look at,
    also in the past; None: what happens from now on.
    """
    place = _check_place(tx, actor, namespace, model)
    if kind not in rules.KINDS:
        raise Invalid(reason=f"{kind[:40]!r} is no kind of subscription", fix=f"Use {', '.join(rules.KINDS)}")
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
    """Events tell what is read. Raises TokenScopeTooNarrow for a token that may not read."""
    held = actor.scope.permissions
    if held is not None and Permission.MODEL_READ not in held:
        raise TokenScopeTooNarrow(actor=actor.name, permission=Permission.MODEL_READ.value, where="events")


def _find(tx: Transaction, subscription_id: int) -> Subscription:
    found = queries.find_subscription(tx, subscription_id)
    if found is None:
        raise SubscriptionNotFound(subscription=subscription_id)
    return found


def find_subscription(tx: Transaction, actor: Actor, subscription_id: int) -> Subscription:
    """For those who may manage it; anybody else is told that it is not there."""
    refuse_without_reading(actor)
    found = _find(tx, subscription_id)
    if access.may(actor, Permission.SERVER_OPERATE, access.SERVER):
        return found
    if found.place.namespace is not None:
        role = queries.find_place(tx, actor, found.place)
        if role is not None and access.may(actor, Permission.SUBSCRIPTIONS_MANAGE, role):
            return found
    raise SubscriptionNotFound(subscription=subscription_id)


def list_subscriptions(
    tx: Transaction, actor: Actor, *, namespace: str | None = None, model: ModelName | None = None
) -> list[Subscription]:
    """Those of a model, of a namespace, or (for admins) all."""
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
    """None leaves as it is, an empty list means all. active True also ends a pause."""
    found = find_subscription(tx, actor, subscription_id)
    values: dict[str, object] = {}
    if target is not None:
        # Who decides where it goes lends it their own rights, and no one else's.
        values["created_by"] = actor.id
        values["target"] = rules.check_email(target) if found.kind == "email" else check_url(target).geturl()
    choice = found.choice
    if event_kinds is not None:
        choice = replace(choice, kinds=rules.check_kinds(event_kinds) or None)
    if stages is not None:
        choice = replace(choice, stages=sorted(set(stages)) or None)
    if choice != found.choice:
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
            queue_lanes(tx, found)
        tx.append(
            events.SubscriptionEdited(
                namespace=found.place.namespace,
                subscription=subscription_id,
                changed=sorted(values.keys() - {"created_by"}),
            ),
            actor,
            found.place.model_id,
        )
    return _find(tx, subscription_id)


def unsubscribe(tx: Transaction, actor: Actor, subscription_id: int) -> None:
    """Its deliveries are forgotten with it."""
    found = find_subscription(tx, actor, subscription_id)
    queries.delete_subscription(tx, subscription_id)
    tx.append(
        events.SubscriptionDeleted(namespace=found.place.namespace, subscription=subscription_id),
        actor,
        found.place.model_id,
    )


def rotate_secret(tx: Transaction, actor: Actor, keyring: Keyring, subscription_id: int) -> NewSubscription:
    """A new secret; for a day messages carry signatures of both."""
    found = find_subscription(tx, actor, subscription_id)
    if found.kind != "webhook":
        raise Invalid(
            reason=f"a subscription of kind {found.kind} signs nothing", fix="Nothing is to be rotated"
        )
    secret = rules.new_webhook_secret()
    queries.update_subscription(
        tx,
        subscription_id,
        secret=keyring.seal(secret, f"subscription {subscription_id}"),
        former_secret=found.secret,
        former_secret_until=tx.now + ROTATION_OVERLAP,
        created_by=actor.id,
    )
    tx.append(
        events.SubscriptionEdited(
            namespace=found.place.namespace, subscription=subscription_id, changed=["secret"]
        ),
        actor,
        found.place.model_id,
    )
    return NewSubscription(_find(tx, subscription_id), secret)


def list_deliveries(
    tx: Transaction, actor: Actor, subscription_id: int, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    find_subscription(tx, actor, subscription_id)
    if state not in (None, "pending", "done", "dead"):
        raise Invalid(reason=f"{state!r} is no state of a delivery", fix="Use pending, done or dead")
    return queries.list_deliveries(tx, actor, subscription_id, state, before, limit)


def replay(tx: Transaction, actor: Actor, subscription_id: int, seq: int | None) -> int:
    """Send one event again (its message keeps its id), or all dead letters. Returns how many."""
    found = find_subscription(tx, actor, subscription_id)
    count = queries.replay_deliveries(tx, actor, subscription_id, seq=seq)
    queue_lanes(tx, found)
    return count


# --- the stream ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamFilter:
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
    """(what to follow, the first event to look at). after: the last event that was seen; None: from now on.

    Raises NotFound for what the actor may not read.
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
    """(events from `start` on that the actor may read now, where to go on)."""
    size = queries.find_log_size(tx)
    if start >= size:
        return [], start
    # The model's events under all the names it had: its id is enough.
    place = replace(chosen.place, namespace=None) if chosen.place.model_id else chosen.place
    found = queries.list_visible_events(tx, actor, place, start, size, limit)
    matching = []
    for seq, _, body in found:
        event = queries.body_of(body)
        if chosen.choice.matches(event):
            matching.append(StreamedEvent(seq, event["kind"], body))
    return matching, found[-1][0] + 1 if len(found) == limit else size
