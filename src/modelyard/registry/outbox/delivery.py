"""Bring an event to a receiver: derive, send, record. Each step can be interrupted safely at any point.

Derive and record are transactions; sending is between two of them, so a process that dies while it sends
leaves deliveries that are sent again, with the same id, when the lease of its job has expired.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import Ending, Job, Outcome
from modelyard.registry.outbox import queries, rules
from modelyard.registry.outbox.lanes import DELIVER, DeliverLane, next_turn, queue_lanes
from modelyard.registry.outbox.nouns import Place, Subscription
from modelyard.registry.outgoing import OutgoingFailed

_LOOK_AT = 500
_RUN = 100
SENDING_SECONDS = 25.0
"""How long a job goes on sending, so that the lanes of a subscription take turns."""
KEEP_SECONDS = 30 * 86_400


def derive_deliveries(db: Database) -> bool:
    """Turn events into deliveries, for subscriptions that lag behind. Returns False if there was nothing to do."""

    def behind(tx: Transaction) -> list[int]:
        return queries.list_behind(tx, queries.find_log_size(tx), 50)

    found = db.read(behind)
    for subscription_id in found:
        db.write(lambda tx, each=subscription_id: _derive(tx, each))  # type: ignore[misc]
    return bool(found)


def _derive(tx: Transaction, subscription_id: int) -> None:
    subscriber = queries.find_subscriber(tx, subscription_id)
    if subscriber is None:
        return
    subscription, account = subscriber
    if account.disabled_at is not None:
        _disable(tx, subscription, f"the account {account.name} is disabled")
        return
    size = queries.find_log_size(tx)
    place = subscription.place
    if place.model_id:
        place = Place(None, place.model_id)
    found = queries.list_visible_events(tx, account.to_actor(), place, subscription.next_seq, size, _LOOK_AT)
    end = found[-1][0] + 1 if len(found) == _LOOK_AT else size
    chosen = [(seq, lane) for seq, lane, body in found if subscription.choice.matches(queries.body_of(body))]
    if queries.move_cursor(tx, subscription_id, subscription.next_seq, end) and chosen:
        queries.insert_deliveries(tx, subscription_id, chosen)
        queue_lanes(tx, subscription, sorted({lane for _, lane in chosen}))


def _disable(tx: Transaction, subscription: Subscription, reason: str) -> None:
    queries.update_subscription(tx, subscription.id, state="disabled", state_reason=reason)
    tx.append(
        events.SubscriptionDisabled(
            namespace=subscription.place.namespace, subscription=subscription.id, reason=reason
        ),
        SYSTEM,
        subscription.place.model_id,
    )


# --- sending -------------------------------------------------------------------------------------


class Letter(msgspec.Struct, frozen=True):
    delivery_id: int
    seq: int
    attempts: int
    body: str


class Sent(msgspec.Struct, frozen=True):
    """The answer of a receiver. accepted False with gone: it does not want any more messages."""

    accepted: bool
    status: int | None = None
    error: str = ""
    retry_after_seconds: float | None = None
    gone: bool = False


Send = Callable[[Letter], Sent]
"""Delivers one letter; raises OutgoingFailed when no answer came."""


Open = Callable[[Subscription], AbstractContextManager[Send]]
"""Opens the way to a receiver, for one letter after the other."""


class _Outcome(msgspec.Struct):
    hidden: list[int] = msgspec.field(default_factory=list)
    """The event is dropped, because the subscription's account may no longer read it."""
    done: list[int] = msgspec.field(default_factory=list)
    status: int | None = None
    failed: tuple[Letter, Sent] | None = None


def deliver(db: Database, open_way: Open, job: Job, heartbeat: Heartbeat) -> Ending:
    """Send one letter of a lane after another until one fails; the ending records the results."""
    work = DELIVER.read(job)

    outcome = _Outcome()

    def find(tx: Transaction) -> tuple[Subscription | None, list[Letter]]:
        subscriber = queries.find_subscriber(tx, work.subscription)
        if subscriber is None:
            return None, []
        subscription, account = subscriber
        if subscription.state != "active" or (subscription.paused_until or 0) > tx.now:
            return subscription, []
        letters = [Letter(*row) for row in queries.list_run(tx, subscription.id, work.lane, _RUN)]
        # Permissions are checked when a letter is sent, because they or the receiver may have changed since.
        hidden = queries.list_hidden(tx, account.to_actor(), [letter.seq for letter in letters])
        outcome.hidden = [letter.delivery_id for letter in letters if letter.seq in hidden]
        return subscription, [letter for letter in letters if letter.seq not in hidden]

    subscription, letters = db.read(find)
    if subscription is not None and letters:
        with open_way(subscription) as send:
            _send(letters, send, outcome, heartbeat)
    return lambda tx: _record(tx, work, outcome)


def _send(letters: Sequence[Letter], send: Send, outcome: _Outcome, heartbeat: Heartbeat) -> None:
    end = time.monotonic() + SENDING_SECONDS
    for letter in letters:
        if heartbeat.must_end or time.monotonic() > end:
            break
        try:
            sent = send(letter)
        except OutgoingFailed as exc:
            sent = Sent(False, error=str(exc))
        if not sent.accepted:
            outcome.failed = letter, sent
            break
        outcome.done.append(letter.delivery_id)
        outcome.status = sent.status


def _record(tx: Transaction, work: DeliverLane, outcome: _Outcome) -> Outcome:
    subscription = queries.find_subscription(tx, work.subscription)
    if subscription is not None:
        if outcome.hidden:
            queries.drop_deliveries(tx, outcome.hidden)
        if outcome.done:
            queries.finish_deliveries(tx, outcome.done, outcome.status)
        if outcome.failed is not None:
            _record_failure(tx, subscription, outcome)
        elif outcome.done and (subscription.failures or subscription.paused_until is not None):
            queries.update_subscription(tx, subscription.id, failures=0, paused_until=None)
            # The other models do not wait for the end of the pause.
            queue_lanes(tx, subscription)
        subscription = queries.find_subscription(tx, work.subscription)
    return next_turn(tx, subscription, work.lane)


def _record_failure(tx: Transaction, subscription: Subscription, outcome: _Outcome) -> None:
    assert outcome.failed is not None
    letter, sent = outcome.failed
    failures = 1 if outcome.done else subscription.failures + 1
    attempts = letter.attempts + 1
    due_at = None
    if not sent.gone and attempts < rules.MOST_ATTEMPTS:
        wait = rules.wait_seconds(attempts, random.random(), sent.retry_after_seconds)
        due_at = tx.now + round(wait * MICROSECONDS)
    queries.fail_delivery(tx, letter.delivery_id, status=sent.status, error=sent.error, due_at=due_at)
    pause = rules.pause_seconds(failures)
    paused_until = None if pause is None else tx.now + round(pause * MICROSECONDS)
    queries.update_subscription(tx, subscription.id, failures=failures, paused_until=paused_until)
    if sent.gone and subscription.state == "active":
        _disable(tx, subscription, "the receiver answered 410 Gone")


def forget_old_deliveries(tx: Transaction) -> None:
    queries.forget_deliveries(tx, tx.now - KEEP_SECONDS * MICROSECONDS)
