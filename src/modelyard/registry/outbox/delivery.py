"""The way of an event to a receiver: derive, claim, send, record. Each step is safe to be cut off at any point.

Derive and record are transactions; sending is between two of them, so a process that dies while it sends
leaves deliveries that are sent once more, with the same id, when their lease has run out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.outbox import queries, rules
from modelyard.registry.outbox.nouns import Place, Subscription
from modelyard.registry.outgoing import OutgoingFailed

SYSTEM = Actor(id=0, name="server")
_LOOK_AT = 500
_RUN = 100
LEASE_SECONDS = 45.0
SENDING_SECONDS = 25.0
"""How long a run may go on sending; shorter than its lease by more than one time-out."""
KEEP_SECONDS = 30 * 86_400


def derive_deliveries(db: Database) -> bool:
    """Turn events into deliveries, for subscriptions that lag behind. False: there was nothing to do."""

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


@dataclass(frozen=True, slots=True)
class Letter:
    delivery_id: int
    seq: int
    attempts: int
    body: str


@dataclass(frozen=True, slots=True)
class Run:
    """Deliveries of one subscription and one model, in order, held by this process for a while."""

    subscription: Subscription
    letters: Sequence[Letter]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver said. accepted False with gone: it never wants another one."""

    accepted: bool
    status: int | None = None
    error: str = ""
    retry_after_seconds: float | None = None
    gone: bool = False


Send = Callable[[Letter], Sent]
"""Delivers one letter; raises OutgoingFailed when no answer came."""


def claim_runs(db: Database, busy: Sequence[int], limit: int) -> list[Run]:
    """busy: subscriptions that have enough of this process's attention."""

    def work(tx: Transaction) -> list[Run]:
        runs = []
        for subscription_id, lane in queries.list_due_lanes(tx, busy, limit):
            until = tx.now + round(LEASE_SECONDS * MICROSECONDS)
            letters = [Letter(*each) for each in queries.lease_run(tx, subscription_id, lane, until, _RUN)]
            subscription = queries.find_subscription(tx, subscription_id)
            if subscription is not None and letters:
                runs.append(Run(subscription, letters))
        return runs

    if not db.read(lambda tx: queries.list_due_lanes(tx, busy, 1)):
        return []
    return db.write(work)


@dataclass(slots=True)
class _Outcome:
    done: list[int] = field(default_factory=list)
    status: int | None = None
    failed: tuple[Letter, Sent] | None = None
    left: list[int] = field(default_factory=list)


def send_run(db: Database, run: Run, send: Send, stop: Callable[[], bool] = lambda: False) -> int:
    """Send letter after letter until one fails, and write down what became of them. Returns how many arrived."""
    outcome = _Outcome()
    end = time.monotonic() + SENDING_SECONDS
    for position, letter in enumerate(run.letters):
        if stop() or time.monotonic() > end:
            outcome.left = [each.delivery_id for each in run.letters[position:]]
            break
        try:
            sent = send(letter)
        except OutgoingFailed as exc:
            sent = Sent(False, error=str(exc))
        if not sent.accepted:
            outcome.failed = letter, sent
            outcome.left = [each.delivery_id for each in run.letters[position + 1 :]]
            break
        outcome.done.append(letter.delivery_id)
        outcome.status = sent.status
    db.write(lambda tx: _record(tx, run.subscription.id, outcome))
    return len(outcome.done)


def _record(tx: Transaction, subscription_id: int, outcome: _Outcome) -> None:
    subscription = queries.find_subscription(tx, subscription_id)
    if subscription is None:
        return
    if outcome.done:
        queries.finish_deliveries(tx, outcome.done, outcome.status)
    if outcome.left:
        queries.release_deliveries(tx, outcome.left)
    if outcome.failed is None:
        if subscription.failures or subscription.paused_until is not None:
            queries.update_subscription(tx, subscription_id, failures=0, paused_until=None)
        return
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
    queries.update_subscription(tx, subscription_id, failures=failures, paused_until=paused_until)
    if sent.gone and subscription.state == "active":
        _disable(tx, subscription, "the receiver answered 410 Gone")


def forget_old_deliveries(tx: Transaction) -> None:
    queries.forget_deliveries(tx, tx.now - KEEP_SECONDS * MICROSECONDS)
