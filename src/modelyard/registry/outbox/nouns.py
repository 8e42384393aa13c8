"""Subscriptions and their deliveries."""

from __future__ import annotations

import msgspec

from modelyard.registry.outbox.rules import EventChoice


class Place(msgspec.Struct, frozen=True):
    """The place of events: None and 0 mean everywhere."""

    namespace: str | None = None
    model_id: int = 0


class Subscription(msgspec.Struct, frozen=True):
    id: int
    kind: str
    target: str
    place: Place
    choice: EventChoice
    secret: str | None
    former_secret: str | None
    former_secret_until: int | None
    state: str
    state_reason: str
    failures: int
    paused_until: int | None
    next_seq: int
    created_at: int
    created_by: str
    model: str | None = None
    """Name of the one model that it covers; None: all models in its place."""
    last_sent_at: int | None = None
    """When the receiver last accepted a message; None: never, or longer ago than deliveries are kept."""
    last_error: str | None = None
    """Why the newest undelivered message did not arrive; None: all arrived."""
    pending: int = 0
    """Messages that wait, and messages that were given up."""
    dead: int = 0


class Delivery(msgspec.Struct, frozen=True):
    id: int
    seq: int
    state: str
    attempts: int
    due_at: int
    status: int | None
    error: str | None
    created_at: int
    finished_at: int | None
    kind: str
    """Kind of the event."""
