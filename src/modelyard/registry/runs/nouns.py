"""Runs and their metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.db.json_columns import JsonText
from modelyard.registry.access.rules import Place


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    uid: str
    place: Place
    """Of its namespace, with what the actor is there."""
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
    """Neither is looked at where a batch of metrics comes in, which is most of the time."""
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


@dataclass(slots=True)
class Metric:
    """The newest value of a metric, and what the whole series says."""

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


@dataclass(frozen=True, slots=True)
class Experiment:
    id: int
    namespace: str
    name: str
    description: str
    run_count: int
    created_at: int
    created_by: str
    updated_at: int
