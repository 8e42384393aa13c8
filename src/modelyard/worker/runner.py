"""Run the jobs of the queue: one thread looks for them, and each running job has its own.

Every server process does this. Each kind has its own threads, so a slow kind never delays a quick one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import (
    Ending,
    Job,
    JobCancelled,
    JobInterrupted,
    Lease,
    LeaseLost,
    RunFigures,
    Standing,
)
from modelyard.registry.jobs.usecases import Beat

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_IDLE_SECONDS = 0.25
_BEAT_SECONDS = 1.0
"""Interval at which a holder checks that the job is still its own, and reports progress."""
_STOP_SECONDS = 10.0
"""Time that running jobs get when the process must end; unfinished jobs then go back to the queue."""


@dataclass(frozen=True, slots=True)
class Work:
    """How a process runs jobs of one kind.

    run: does the work outside any transaction, and returns the ending that writes its effects. threads: concurrent jobs
    in this process. most_per_share: concurrent jobs of one share, in all processes together. failed: notes a failure where
    people look for it, with the reason.
    """

    kind: str
    run: Callable[[Job, Heartbeat], Ending]
    threads: int = 1
    lease_seconds: float = LEASE_SECONDS
    most_per_share: int | None = None
    failed: Callable[[Transaction, Job, str], object] | None = None


@dataclass(eq=False, slots=True)
class _Running:
    work: Work
    job: Job
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    thread: threading.Thread | None = None
    renewed_at: float = field(default_factory=time.monotonic)
    reported: tuple[float, str] = (0.0, "")
    """Progress stored in the database."""

    @property
    def needs_renewal(self) -> bool:
        news = (self.heartbeat.progress, self.heartbeat.note)
        return news != self.reported or time.monotonic() - self.renewed_at > self.work.lease_seconds / 3


class Runner:
    """Take jobs until stopped. A failed job is recorded, logged and tried again when due."""

    def __init__(
        self,
        db: Database,
        works: Sequence[Work],
        figures: RunFigures | None = None,
        *,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._db = db
        self._works = works
        self._figures = RunFigures() if figures is None else figures
        self._idle_seconds = idle_seconds
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._stop = threading.Event()
        self._wake = db.figures.work_left
        """Set when a job was left, when one has ended, and when all must end."""
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._beat_at = 0.0
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()
        self._wake.set()
        for each in self._list_running():
            each.heartbeat.is_interrupted = True

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """Take no more jobs, wait for running ones, and give back those not finished in time."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join()
        # Jobs that were taken in the meantime.
        self.ask_to_stop()
        self.wait(seconds)
        for each in self._list_running():
            self._settle(each, lambda tx, lease=each.job.lease: jobs.give_back(tx, lease))  # type: ignore[misc]

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the running jobs, up to this long (seconds); None: until they end."""
        end = None if seconds is None else time.monotonic() + seconds
        for each in self._list_running():
            assert each.thread is not None
            each.thread.join(None if end is None else max(0.0, end - time.monotonic()))

    def look(self) -> int:
        """Take and start due jobs, as far as threads are free. Return the number of jobs."""
        return sum(self._look_for(work) for work in self._works)

    def _run(self) -> None:
        while not self._stop.is_set():
            # Cleared before looking, so that a job that ends meanwhile is not missed.
            self._wake.clear()
            found = self.look()
            self._beat()
            if not found:
                self._wake.wait(self._idle_seconds)

    def _look_for(self, work: Work) -> int:
        free = work.threads - sum(each.work is work for each in self._list_running())
        if free <= 0:
            return 0
        try:
            # Looking costs no transaction.
            if not self._db.read(lambda tx: jobs.may_take(tx, work.kind, work.most_per_share)):
                return 0
            taken = self._db.write(
                lambda tx: jobs.take(
                    tx,
                    work.kind,
                    holder=self._holder,
                    lease_seconds=work.lease_seconds,
                    limit=free,
                    most_per_share=work.most_per_share,
                )
            )
        except ModelyardError as error:
            logger.warning("cannot take jobs of kind %s: %s", work.kind, error)
            return 0
        except Exception:
            logger.exception("taking jobs of kind %s failed", work.kind)
            return 0
        for job in taken:
            running = _Running(work, job)
            running.thread = threading.Thread(
                target=self._run_job, args=(running,), name=f"job-{job.kind}", daemon=True
            )
            with self._lock:
                self._running.append(running)
            running.thread.start()
        return len(taken)

    # --- one job -----------------------------------------------------------------------------------

    def _run_job(self, running: _Running) -> None:
        job, started = running.job, time.monotonic()
        has_failed = False
        try:
            ending = running.work.run(job, running.heartbeat)
            self._db.write(lambda tx: jobs.finish(tx, job.lease, ending))
        except LeaseLost:
            logger.warning("job %d (%s) was taken from this process; its results are dropped", job.id, job.kind)
        except JobCancelled:
            self._settle(running, lambda tx: jobs.end_cancelled(tx, job.lease))
        except JobInterrupted:
            self._settle(running, lambda tx: jobs.give_back(tx, job.lease))
        except Exception as error:
            has_failed = True
            is_ours = isinstance(error, ModelyardError)
            logger.warning(
                "job %d (%s) failed: %s", job.id, job.kind, error, exc_info=None if is_ours else error
            )
            reason = str(error) if is_ours else f"{type(error).__name__}: {error}"
            self._settle(running, lambda tx: self._fail(tx, running, reason))
        finally:
            with self._lock:
                self._figures.note(job.kind, time.monotonic() - started, failed=has_failed)
                self._running.remove(running)
            self._wake.set()

    def _fail(self, tx: Transaction, running: _Running, reason: str) -> None:
        jobs.fail(tx, running.job.lease, reason)
        if running.work.failed is not None:
            running.work.failed(tx, running.job, reason)

    def _settle(self, running: _Running, change: Callable[[Transaction], None]) -> None:
        """Write the ending of a job; if that fails, the lease expires."""
        try:
            self._db.write(change)
        except LeaseLost:
            logger.warning("job %d was taken from this process", running.job.id)
        except ModelyardError as error:
            logger.warning("job %d is left until its lease expires: %s", running.job.id, error)

    def _list_running(self) -> list[_Running]:
        with self._lock:
            return [*self._running]

    # --- heartbeat -----------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Renew the leases that need it in one write, and check the others."""
        if time.monotonic() - self._beat_at < _BEAT_SECONDS:
            return
        self._beat_at = time.monotonic()
        running = {each.job.lease: each for each in self._list_running()}
        late = {lease: each for lease, each in running.items() if each.needs_renewal}
        try:
            standings = self._renew(late) if late else {}
            others = [lease for lease in running if lease not in late]
            if others:
                standings |= self._db.read(lambda tx: jobs.find_standings(tx, others))
        except ModelyardError as error:
            logger.warning("cannot renew the leases of jobs: %s", error)
            return
        for lease, standing in standings.items():
            running[lease].heartbeat.standing = standing

    def _renew(self, late: dict[Lease, _Running]) -> dict[Lease, Standing]:
        news = {lease: (each.heartbeat.progress, each.heartbeat.note) for lease, each in late.items()}
        beats = [Beat(lease, each.work.lease_seconds, *news[lease]) for lease, each in late.items()]
        renewed_at = time.monotonic()
        standings = self._db.write(lambda tx: jobs.beat(tx, beats))
        for lease, each in late.items():
            each.renewed_at, each.reported = renewed_at, news[lease]
        return standings
