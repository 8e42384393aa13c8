"""Job kinds, leases and the endings of attempts."""

from __future__ import annotations

import enum
from collections.abc import Callable
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


class JobKind(msgspec.Struct, Generic[P], frozen=True):
    """A kind of work, and the form of its payload.

    max_failures: this many failures in a row end a job as failed; None: it is tried until it is done.
    """

    name: str
    payload: type[P]
    max_failures: int | None = None

    def read(self, job: Job) -> P:
        return msgspec.json.decode(job.payload, type=self.payload)


class Lease(msgspec.Struct, frozen=True):
    """The right to end one attempt of a job."""

    job_id: int
    attempt: int


class Job(msgspec.Struct, frozen=True):
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
    """The state of an attempt: whether it still holds its job."""

    HELD = enum.auto()
    CANCELLED = enum.auto()
    """Held, but its cancellation was requested."""
    LOST = enum.auto()
    """Another attempt began, or the job ended."""


class LeaseLost(Exception):
    """This attempt no longer holds its job, so it changes nothing."""


class JobCancelled(Exception):
    """Somebody asked to end the job."""


class JobInterrupted(Exception):
    """The process is about to end; the job returns to the queue."""


class Done(msgspec.Struct, frozen=True):
    """The job is over. result: kept as JSON for people who look at the job."""

    result: msgspec.Struct | None = None


class Again(msgspec.Struct, frozen=True):
    """The attempt went well, and there is more to do. at: not before this time."""

    at: int


Outcome = Done | Again
Ending = Callable[[Transaction], Outcome]
"""Writes the effects of an attempt, in the transaction that ends it, and returns how it ended."""


class QueueFigures(msgspec.Struct, frozen=True):
    """Figures for /metrics: (kind, state) → number of waiting, running or failed jobs.

    For each kind also the time since which its oldest job is due.
    """

    counts: dict[tuple[str, str], int]
    oldest_due_at: dict[str, int]
    now: int


class RunFigures(msgspec.Struct):
    """The jobs that this process ran, by kind, for /metrics."""

    runs: dict[str, int] = msgspec.field(default_factory=dict)
    seconds: dict[str, float] = msgspec.field(default_factory=dict)
    failures: dict[str, int] = msgspec.field(default_factory=dict)

    def note(self, kind: str, elapsed: float, *, failed: bool) -> None:
        self.runs[kind] = self.runs.get(kind, 0) + 1
        self.seconds[kind] = self.seconds.get(kind, 0.0) + elapsed
        self.failures[kind] = self.failures.get(kind, 0) + failed
