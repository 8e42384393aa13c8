"""Schedules, and what became of their times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place

CRON, INTERVAL, DATASET, VERSION, RETRAINING = "cron", "interval", "dataset", "version", "retraining"
TRIGGERS = (DATASET, VERSION, RETRAINING)
LATEST, SKIP, QUEUE, REPLACE = "latest", "skip", "queue", "replace"
MISSED, OVERLAPS = (LATEST, SKIP), (SKIP, QUEUE, REPLACE)
ACTIVE, PAUSED = "active", "paused"
STARTED, SKIPPED = "started", "skipped"


class Schedule(msgspec.Struct, frozen=True):
    """place: of its model, with the actor's role there. See the columns of `schedules`. recipe: "" in lists."""

    id: int
    place: Place
    model_id: int
    owner_id: int
    owner: str
    kind: str
    expression: str
    zone: str
    parent_id: int | None
    missed: str
    overlap: str
    jitter_seconds: int
    debounce_seconds: int
    pause_after: int
    bundle: str | None
    source: JsonText[dict[str, Any]]
    params: JsonText[dict[str, Any]]
    pool: str | None
    state: str
    state_reason: str
    paused_at: int | None
    failures: int
    due_at: int | None
    next_at: int | None
    waits_for: str | None
    cause: str
    depth: int
    created_at: int
    recipe: str = ""

    @property
    def model(self) -> ModelName:
        assert self.place.namespace is not None
        assert self.place.model is not None
        return ModelName(self.place.namespace, self.place.model)

    @property
    def is_trigger(self) -> bool:
        return self.kind in TRIGGERS


class Firing(msgspec.Struct, frozen=True):
    """What became of a time; of several, if they were skipped in a row for the same reason. build: uid; None: skipped."""

    id: int
    due_at: int
    last_due_at: int
    count: int
    outcome: str
    reason: str
    cause: str
    build: str | None
    depth: int
    decided_at: int


class Upcoming(msgspec.Struct, frozen=True):
    """words: when it starts builds. next_words: what is next, in words."""

    words: str
    next_words: str
    times: Sequence[int]


class ScheduleView(msgspec.Struct, frozen=True):
    """last: what became of its newest time; None: none has come."""

    schedule: Schedule
    upcoming: Upcoming
    last: Firing | None
    may_change: bool
