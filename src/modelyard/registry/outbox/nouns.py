"""Subscriptions and their deliveries."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.registry.outbox.rules import EventChoice


@dataclass(frozen=True, slots=True)
class Place:
    """Where events happen: None and 0 mean everywhere."""

    namespace: str | None = None
    model_id: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
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


@dataclass(frozen=True, slots=True)
class Delivery:
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
    """Of the event."""
