"""Deliveries as jobs of the queue: one job for each subscription and model that has something to deliver.

While that job is open no other one is created, so only one process at a time delivers the lane, in order.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Again, Done, JobKind, Outcome
from modelyard.registry.outbox import queries
from modelyard.registry.outbox.nouns import Subscription


class DeliverLane(msgspec.Struct):
    subscription: int
    lane: int
    """Id of the model; 0: events that concern none."""


DELIVER = JobKind("deliver", DeliverLane)


def queue_lanes(tx: Transaction, subscription: Subscription, lanes: Iterable[int] | None = None) -> None:
    """Queue jobs that send the oldest pending deliveries when they are due. lanes None: all with pending ones."""
    for lane in queries.list_pending_lanes(tx, subscription.id) if lanes is None else lanes:
        due_at = queries.find_next_due(tx, subscription.id, lane)
        if due_at is not None:
            jobs.enqueue(
                tx,
                DELIVER,
                DeliverLane(subscription.id, lane),
                key=f"{subscription.id}/{lane}",
                namespace=subscription.place.namespace,
                share=f"subscription {subscription.id}",
                at=due_at,
            )


def next_turn(tx: Transaction, subscription: Subscription | None, lane: int) -> Outcome:
    """Decide whether the job of a lane continues, in the transaction that ends its attempt, so that no event that came
    in the meantime is left behind."""
    if subscription is None or subscription.state != "active":
        return Done()
    due_at = queries.find_next_due(tx, subscription.id, lane)
    return Done() if due_at is None else Again(max(due_at, subscription.paused_until or 0))
