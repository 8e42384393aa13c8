"""Enqueue, take and end jobs; list, cancel and retry them for admins."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor, Permission
from modelyard.domain.errors import Invalid, JobNotFound, JobNotOpen, JobOpen
from modelyard.domain.times import seconds
from modelyard.registry.access import rules as access
from modelyard.registry.jobs import queries, rules
from modelyard.registry.jobs.nouns import (
    Done,
    Ending,
    Job,
    JobKind,
    JobState,
    Lease,
    LeaseLost,
    P,
    QueueFigures,
    Standing,
)
from modelyard.registry.jobs.queries import JobFilter

KEEP_DONE = seconds(86_400)
KEEP_OTHERS = seconds(30 * 86_400)
"""For jobs that failed or were cancelled."""
_FORGET_AT_ONCE = 1000


def enqueue(
    tx: Transaction,
    kind: JobKind[P],
    payload: P,
    *,
    key: str | None = None,
    namespace: str | None = None,
    share: str | None = None,
    priority: int = 0,
    at: int | None = None,
) -> int:
    """Enqueue a job, in the transaction that needs it. Returns the number of the job.

    key: while a job of the kind with this key is open, its number is returned. If it still waits, it takes over an
    earlier time, and a higher priority together with its namespace and share. If it runs, its ending has to look for
    work that arrived in the meantime. share: the share whose turn it uses; None: the namespace's. priority: higher
    comes first; below 0: when nothing else of the kind waits. at: not before this time; None: now.
    """
    due_at = tx.now if at is None else at
    tx.wakes_workers = tx.wakes_workers or due_at <= tx.now
    share = (namespace or "") if share is None else share
    present = None if key is None else queries.find_open(tx, kind.name, key)
    if present is None:
        return queries.insert_job(
            tx,
            kind=kind.name,
            payload=msgspec.json.encode(payload).decode(),
            key=key,
            namespace=namespace,
            share=share,
            priority=priority,
            max_failures=kind.max_failures,
            due_at=due_at,
        )
    if present.state == JobState.WAITING:
        if due_at < present.due_at:
            queries.update_job(tx, present.id, due_at=due_at)
        if priority > present.priority:
            queries.update_job(tx, present.id, priority=priority, namespace=namespace, share=share)
    return present.id


def list_open_keys(tx: Transaction, kinds: Sequence[JobKind[P]], keys: Sequence[str]) -> set[str]:
    """Return the keys under which a job of one of the kinds is open."""
    return queries.list_open_keys(tx, [kind.name for kind in kinds], keys) if keys else set()


def find_newest(tx: Transaction, kind: JobKind[P]) -> Job | None:
    """Return the newest job of a kind, for the feature that enqueues them and checks the permission."""
    return next(iter(queries.list_jobs(tx, JobFilter(kind.name), None, 1)), None)


# --- for the process that runs jobs ------------------------------------------------------------------


def may_take(tx: Transaction, kind: str, most_per_share: int | None = None) -> bool:
    """Return whether `take` may find a job."""
    if queries.list_expired(tx, kind):
        return True
    if not queries.is_due(tx, kind):
        return False
    return bool(rules.choose(queries.list_candidates(tx, kind), 1, most_per_share))


def take(
    tx: Transaction,
    kind: str,
    *,
    holder: str,
    lease_seconds: float,
    limit: int = 1,
    most_per_share: int | None = None,
) -> list[Job]:
    """Hold up to `limit` jobs that are due, share by share (rules.choose); each belongs to the holder alone until its
    lease ends. Jobs whose holder died go back first.

    most_per_share: skip shares that already have this many jobs running, in all processes together.
    """
    for job in queries.list_expired(tx, kind):
        _give_up_attempt(tx, job, f"its holder {job.holder} went silent", is_lost=True)
    until = tx.now + seconds(lease_seconds)
    taken: list[Job] = []
    while len(taken) < limit:
        chosen = rules.choose(queries.list_candidates(tx, kind), limit - len(taken), most_per_share)
        if not chosen:
            break
        taken += [queries.take_job(tx, each.job_id, holder, until) for each in chosen]
    tx.leaves_rights = True
    return taken


class Beat(msgspec.Struct, frozen=True):
    """A sign of life of one attempt. progress: 0 to 1; note: a line for people."""

    lease: Lease
    lease_seconds: float
    progress: float = 0.0
    note: str = ""


def beat(tx: Transaction, beats: Sequence[Beat]) -> dict[Lease, Standing]:
    """Renew leases from now on, record the progress of the work, and return the standing of each holder."""
    for each in beats:
        queries.renew_lease(
            tx,
            each.lease.job_id,
            each.lease.attempt,
            tx.now + seconds(each.lease_seconds),
            min(1.0, max(0.0, each.progress)),
            rules.clip(each.note, rules.MAX_NOTE_LENGTH),
        )
    tx.leaves_rights = True
    return find_standings(tx, [each.lease for each in beats])


def find_standings(tx: Transaction, leases: Iterable[Lease]) -> dict[Lease, Standing]:
    """Return the standing of each holder."""
    wanted = list(leases)
    known = queries.list_standings(tx, [lease.job_id for lease in wanted])
    found: dict[Lease, Standing] = {}
    for lease in wanted:
        state, attempt, cancel_asked = known.get(lease.job_id, ("", 0, False))
        if (state, attempt) != (JobState.RUNNING, lease.attempt):
            found[lease] = Standing.LOST
        else:
            found[lease] = Standing.CANCELLED if cancel_asked else Standing.HELD
    return found


def finish(tx: Transaction, lease: Lease, ending: Ending) -> None:
    """Write the effects of an attempt and its end, in one transaction. Raises LeaseLost; then nothing is written.

    An attempt whose lease has ended may still end its job if no other attempt began.
    """
    job = _find_held(tx, lease)
    outcome = ending(tx)
    if isinstance(outcome, Done):
        result = None if outcome.result is None else msgspec.json.encode(outcome.result).decode()
        _end(tx, lease.job_id, JobState.DONE, result=result, failures=0, failure=None, progress=1.0)
    elif job.cancel_asked:
        _end(tx, job.id, JobState.CANCELLED)
    else:
        _wait(tx, lease.job_id, outcome.at, failures=0, failure=None)


def fail(tx: Transaction, lease: Lease, reason: str) -> None:
    """Record a failed attempt; the job is retried later, or ends as failed. Raises LeaseLost."""
    _give_up_attempt(tx, _find_held(tx, lease), reason, is_lost=False)


def give_back(tx: Transaction, lease: Lease) -> None:
    """Return the job to the queue at once; this attempt does not count. Raises LeaseLost."""
    job = _find_held(tx, lease)
    if job.cancel_asked:
        _end(tx, job.id, JobState.CANCELLED)
    else:
        _wait(tx, job.id, tx.now)


def end_cancelled(tx: Transaction, lease: Lease) -> None:
    """End a job that somebody asked to end. Raises LeaseLost."""
    _end(tx, _find_held(tx, lease).id, JobState.CANCELLED)


def _find_held(tx: Transaction, lease: Lease) -> Job:
    job = queries.find_job(tx, lease.job_id)
    if job is None or job.state != JobState.RUNNING or job.attempt != lease.attempt:
        raise LeaseLost
    return job


def _give_up_attempt(tx: Transaction, job: Job, reason: str, *, is_lost: bool) -> None:
    failures, reason = job.failures + 1, rules.clip(reason, rules.MAX_FAILURE_LENGTH)
    wait = rules.retry_wait_seconds(failures, job.max_failures, random.random(), is_lost=is_lost)
    if job.cancel_asked:
        _end(tx, job.id, JobState.CANCELLED, failures=failures, failure=reason)
    elif wait is not None:
        _wait(tx, job.id, tx.now + seconds(wait), failures=failures, failure=reason)
    else:
        _end(tx, job.id, JobState.FAILED, failures=failures, failure=reason)
        tx.append(events.JobFailed(job=job.id, job_kind=job.kind, reason=reason), SYSTEM)


def _wait(tx: Transaction, job_id: int, due_at: int, **values: object) -> None:
    queries.update_job(
        tx, job_id, state=JobState.WAITING.value, due_at=due_at, leased_until=None, holder=None, **values
    )


def _end(tx: Transaction, job_id: int, state: JobState, **values: object) -> None:
    queries.update_job(
        tx, job_id, state=state.value, leased_until=None, holder=None, finished_at=tx.now, **values
    )


# --- for admins --------------------------------------------------------------------------------------


def list_jobs(
    tx: Transaction,
    actor: Actor,
    before: int | None,
    limit: int,
    *,
    kind: str | None = None,
    state: str | None = None,
    namespace: str | None = None,
) -> list[Job]:
    """List jobs, newest first, below the number `before`. Raises Denied; Invalid for an unknown state."""
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    states = [each.value for each in JobState]
    if state is not None and state not in states:
        raise Invalid(reason=f"{state[:40]!r} is not a state of a job", fix=f"Use {', '.join(states)}")
    chosen = JobFilter(kind, None if state is None else JobState(state), namespace)
    return queries.list_jobs(tx, chosen, before, limit)


def find_job(tx: Transaction, actor: Actor, job_id: int) -> Job:
    """Return a job. Raises Denied, JobNotFound."""
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    job = queries.find_job(tx, job_id)
    if job is None:
        raise JobNotFound(job=job_id)
    return job


def cancel(tx: Transaction, actor: Actor, job_id: int) -> Job:
    """End a waiting job, or ask the holder of a running one to end it, unless the job is done before that.

    Raises Denied, JobNotFound, JobNotOpen.
    """
    job = find_job(tx, actor, job_id)
    if job.state == JobState.WAITING:
        _end(tx, job_id, JobState.CANCELLED)
    elif job.state == JobState.RUNNING:
        queries.update_job(tx, job_id, cancel_asked=1)
    else:
        raise JobNotOpen(job=job_id, state=job.state)
    tx.append(events.JobCancelled(job=job_id, job_kind=job.kind), actor)
    return find_job(tx, actor, job_id)


def retry(tx: Transaction, actor: Actor, job_id: int) -> Job:
    """Try a job again at once: one that failed, was cancelled, or waits for its next attempt.

    Raises Denied, JobNotFound; JobOpen when it runs or is done, or when another job with its key is open.
    """
    job = find_job(tx, actor, job_id)
    if job.state in (JobState.RUNNING, JobState.DONE):
        raise JobOpen(job=job_id, why=f"it is {job.state}")
    other = None if job.key is None else queries.find_open(tx, job.kind, job.key)
    if other is not None and other.id != job.id:
        raise JobOpen(job=job_id, why=f"job {other.id} does the same work")
    _wait(tx, job_id, tx.now, failures=0, finished_at=None)
    tx.append(events.JobRetried(job=job_id, job_kind=job.kind), actor)
    return find_job(tx, actor, job_id)


def count_jobs(tx: Transaction) -> QueueFigures:
    """Count jobs for /metrics, whose door checks the permission."""
    return queries.count_jobs(tx)


def forget_finished(tx: Transaction) -> bool:
    """Delete some jobs that ended long enough ago. Returns whether there may be more."""
    tx.leaves_rights = True
    done = queries.delete_finished(tx, [JobState.DONE], tx.now - KEEP_DONE, _FORGET_AT_ONCE)
    others = [JobState.FAILED, JobState.CANCELLED]
    return done + queries.delete_finished(tx, others, tx.now - KEEP_OTHERS, _FORGET_AT_ONCE) >= _FORGET_AT_ONCE
