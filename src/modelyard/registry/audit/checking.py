"""The check of the event log as a job: people ask for it, look how far it is, and read its result later."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.registry.access import rules as access
from modelyard.registry.audit import queries
from modelyard.registry.audit.proofs import CheckProgress, Damage, check_whole_log
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import Done, Ending, JobKind, JobState


class CheckLog(msgspec.Struct, frozen=True):
    by: str


CHECK_LOG = JobKind("check-log", CheckLog, max_failures=3)
_KEY = "log"
"""One check at a time: asking again while one is open returns that one."""


class LogCheck(msgspec.Struct, frozen=True):
    """A check of the log. checked, size: numbers of events; approximate while it runs."""

    job: int
    state: str
    by: str
    asked_at: int
    finished_at: int | None
    checked: int
    size: int
    damage: Sequence[Damage]
    failure: str | None
    """Why the check itself failed."""

    @property
    def is_open(self) -> bool:
        return self.state in (JobState.WAITING, JobState.RUNNING)


def start_check(tx: Transaction, actor: Actor) -> LogCheck:
    """Ask for a check; while one is open, that one is returned. Raises Denied."""
    access.check(actor, Permission.LOG_READ, access.SERVER)
    jobs.enqueue(tx, CHECK_LOG, CheckLog(actor.name), key=_KEY)
    found = find_check(tx, actor)
    assert found is not None
    return found


def find_check(tx: Transaction, actor: Actor) -> LogCheck | None:
    """Return the newest check and how far it is; None: none was asked for lately. Raises Denied."""
    access.check(actor, Permission.LOG_READ, access.SERVER)
    job = jobs.find_newest(tx, CHECK_LOG)
    if job is None:
        return None
    size, _ = queries.find_head(tx)
    if job.result is not None:
        told = msgspec.convert(job.result_value, CheckProgress)
    else:
        told = CheckProgress(int(job.progress * size), size)
    return LogCheck(
        job.id,
        job.state,
        CHECK_LOG.read(job).by,
        job.created_at,
        job.finished_at,
        told.checked,
        told.size,
        told.damage,
        job.failure,
    )


def run_check(db: Database, heartbeat: Heartbeat) -> Ending:
    """Check the whole log, and report after each part how far it is."""
    last = CheckProgress(0, 0)
    for last in check_whole_log(db):
        heartbeat(last.checked / max(1, last.size), f"{last.checked} of {last.size} events")
    return lambda _: Done(last)
