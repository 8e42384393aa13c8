"""What the queue talks about."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from modelyard.db.json_columns import load_json
from modelyard.db.transaction import Transaction

P = TypeVar("P", bound=msgspec.Struct)


class JobState(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobKind(Generic[P]):
    """A kind of work, and the form of its payload.

    max_failures: so many failures in a row end a job as failed; None: it is tried until it is done.
    """

    name: str
    payload: type[P]
    max_failures: int | None = None

    def read(self, job: Job) -> P:
        return msgspec.json.decode(job.payload, type=self.payload)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to end one attempt of a job."""

    job_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: str
    """JSON"""
    key: str | None
    namespace: str | None
    share: str
    priority: int
    state: str
    attempt: int
    failures: int
    max_failures: int | None
    due_at: int
    leased_until: int | None
    holder: str | None
    progress: float
    note: str
    cancel_asked: int
    failure: str | None
    result: str | None
    """JSON"""
    created_at: int
    started_at: int | None
    finished_at: int | None

    @property
    def payload_value(self) -> Any:
        return load_json(self.payload)

    @property
    def result_value(self) -> Any:
        return load_json(self.result)

    @property
    def lease(self) -> Lease:
        return Lease(self.id, self.attempt)


class Standing(enum.Enum):
    """Whether an attempt still holds its job."""

    HELD = enum.auto()
    CANCELLED = enum.auto()
    """Held, and somebody asked that it ends."""
    LOST = enum.auto()
    """Another attempt began, or the job ended."""


class LeaseLost(Exception):
    """This attempt no longer holds its job, so it changes nothing."""


class JobCancelled(Exception):
    """Somebody asked that the job ends."""


class JobInterrupted(Exception):
    """The process is about to end; the job goes back."""


@dataclass(frozen=True, slots=True)
class Done:
    """The job is over. result: kept as JSON for who looks at it."""

    result: msgspec.Struct | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt went well, and there is more to do. at: not before this time."""

    at: int


Outcome = Done | Again
Ending = Callable[[Transaction], Outcome]
"""Writes the effects of an attempt, in the transaction that ends it, and says how it ended."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """For /metrics: (kind, state) → jobs that are waiting, running or failed; kind → since when its oldest job is due."""

    counts: dict[tuple[str, str], int]
    oldest_due_at: dict[str, int]
    now: int


@dataclass(slots=True)
class RunFigures:
    """What this process ran, by kind, for /metrics."""

    runs: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str, elapsed: float, *, failed: bool) -> None:
        self.runs[kind] = self.runs.get(kind, 0) + 1
        self.seconds[kind] = self.seconds.get(kind, 0.0) + elapsed
        self.failures[kind] = self.failures.get(kind, 0) + failed
