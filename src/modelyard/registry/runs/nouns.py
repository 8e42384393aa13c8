"""Runs and their metrics."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.registry.access.rules import Place


class Run(msgspec.Struct, frozen=True):
    id: int
    uid: str
    place: Place
    """The place of its namespace, with the actor's role there."""
    namespace_id: int
    experiment_id: int
    experiment: str
    name: str
    parent: str | None
    status: str
    exit_code: int | None
    started_at: int
    ended_at: int | None
    heard_at: int
    clock_skew: int
    facts: JsonText[dict[str, Any]]
    notes: JsonText[list[str]]
    """Neither is decoded for a batch of metrics, which is the most frequent request."""
    log_bytes: int
    created_at: int
    created_by: str

    @property
    def namespace(self) -> str:
        assert self.place.namespace is not None
        return self.place.namespace

    @property
    def experiment_ref(self) -> str:
        return f"{self.namespace}/{self.experiment}"


class Metric(msgspec.Struct):
    """The newest value of a metric, and a summary of its series."""

    id: int
    name: str
    value: float
    step: int
    at: int
    least: float | None
    most: float | None
    count: int
    special_count: int
    next_block: int


class Experiment(msgspec.Struct, frozen=True):
    id: int
    namespace: str
    name: str
    description: str
    run_count: int
    created_at: int
    created_by: str
    updated_at: int
