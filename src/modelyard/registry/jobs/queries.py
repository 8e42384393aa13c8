"""SQL of the queue. All changes run in the database's one writer, so a value read just before is still valid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.lists import ids_text, is_among
from modelyard.db.statement import Statement
from modelyard.db.tables import jobs
from modelyard.db.tables.jobs import IS_OPEN
from modelyard.db.transaction import Transaction
from modelyard.registry.jobs.nouns import Job, JobState, QueueFigures
from modelyard.registry.jobs.rules import Candidate

_j = jobs.c
_p = sa.bindparam
_COLUMNS = tuple(jobs.c)
"""In the order of the fields of `Job`."""

_FIND = Statement(sa.select(*_COLUMNS).where(_j.id == _p("job_id")))
_FIND_OPEN = Statement(sa.select(*_COLUMNS).where(_j.kind == _p("of_kind"), _j.key == _p("of_key"), IS_OPEN))


def find_job(tx: Transaction, job_id: int) -> Job | None:
    row = tx.one(_FIND, job_id=job_id)
    return None if row is None else Job(*row)


def find_open(tx: Transaction, kind: str, key: str) -> Job | None:
    row = tx.one(_FIND_OPEN, of_kind=kind, of_key=key)
    return None if row is None else Job(*row)


def list_open_keys(tx: Transaction, kinds: Sequence[str], keys: Sequence[str]) -> set[str]:
    """Return the keys under which a job of one of the kinds is open."""
    query = sa.select(_j.key).where(_j.kind.in_(kinds), _j.key.in_(keys), IS_OPEN)
    return {row[0] for row in tx.rows(query)}


_INSERT = Statement(
    jobs.insert()
    .values(
        {
            name: _p(name)
            for name in (
                *("kind", "payload", "key", "namespace", "share", "priority", "state", "max_failures"),
                *("due_at", "created_at"),
            )
        }
    )
    .returning(_j.id)
)


def insert_job(
    tx: Transaction,
    *,
    kind: str,
    payload: str,
    key: str | None,
    namespace: str | None,
    share: str,
    priority: int,
    max_failures: int | None,
    due_at: int,
) -> int:
    row = tx.one(
        _INSERT,
        kind=kind,
        payload=payload,
        key=key,
        namespace=namespace,
        share=share,
        priority=priority,
        state=JobState.WAITING.value,
        max_failures=max_failures,
        due_at=due_at,
        created_at=tx.now,
    )
    assert row is not None
    return int(row[0])


def update_job(tx: Transaction, job_id: int, **values: Any) -> None:
    tx.execute(jobs.update().where(_j.id == job_id).values(**values))


# --- taking ------------------------------------------------------------------------------------------

# Due jobs, and expired leases. Every process runs this several times a second.
_IS_DUE = Statement(
    sa.select(sa.literal(1))
    .where(_j.kind == _p("of_kind"), _j.state == JobState.WAITING.value, _j.due_at <= _p("now"))
    .limit(1)
)
_LIST_EXPIRED = Statement(
    sa.select(*_COLUMNS)
    .where(_j.kind == _p("of_kind"), _j.state == JobState.RUNNING.value, _j.leased_until <= _p("now"))
    .order_by(_j.id)
)


def is_due(tx: Transaction, kind: str) -> bool:
    return tx.one(_IS_DUE, of_kind=kind, now=tx.now) is not None


def list_expired(tx: Transaction, kind: str) -> list[Job]:
    """Return the running jobs whose lease has ended."""
    return [Job(*row) for row in tx.all(_LIST_EXPIRED, of_kind=kind, now=tx.now)]


# The first due job of each share and priority of waiting jobs, found step by step with one look into the index "turns"
# each. So the cost grows with the number of shares, not with that of jobs, of which there may be a hundred thousand.
# The form makes both databases use the index for each step, whatever their statistics of the table are.
_HEADS = Statement(
    sa.text(
        """
WITH RECURSIVE heads (id) AS (
    SELECT (
        SELECT id FROM jobs WHERE kind = :of_kind AND state = 'waiting'
        ORDER BY share, priority, due_at, id LIMIT 1
    )
    UNION ALL
    SELECT coalesce(
        (
            SELECT id FROM jobs
            WHERE kind = :of_kind AND state = 'waiting' AND share = head.share AND priority > head.priority
            ORDER BY priority, due_at, id LIMIT 1
        ),
        (
            SELECT id FROM jobs WHERE kind = :of_kind AND state = 'waiting' AND share > head.share
            ORDER BY share, priority, due_at, id LIMIT 1
        )
    )
    FROM heads JOIN jobs head ON head.id = heads.id
)
SELECT id FROM heads WHERE id IS NOT NULL
"""
    )
)
_other = jobs.alias("other")
_OF_SHARE = sa.and_(_other.c.kind == _j.kind, _other.c.share == _j.share)
_CANDIDATES = Statement(
    sa.select(
        _j.id,
        _j.share,
        _j.priority,
        _j.due_at,
        sa.select(sa.func.count())
        .select_from(_other)
        .where(_OF_SHARE, _other.c.state == JobState.RUNNING.value)
        .scalar_subquery(),
        sa.select(sa.func.max(_other.c.started_at))
        .where(_OF_SHARE, _other.c.started_at.is_not(None))
        .scalar_subquery(),
    ).where(is_among(_j.id, "ids"), _j.due_at <= _p("now"))
)


def list_candidates(tx: Transaction, kind: str) -> list[Candidate]:
    """Return the next job of each share at each priority, if it is due."""
    heads = [row[0] for row in tx.all(_HEADS, of_kind=kind)]
    return [Candidate(*row) for row in tx.all(_CANDIDATES, ids=ids_text(heads), now=tx.now)] if heads else []


_TAKE = Statement(
    jobs.update()
    .where(_j.id == _p("job_id"))
    .values(
        state=JobState.RUNNING.value,
        attempt=_j.attempt + 1,
        leased_until=_p("until"),
        holder=_p("by"),
        started_at=_p("now"),
        progress=0.0,
        note="",
        cancel_asked=0,
    )
    .returning(*_COLUMNS)
)


def take_job(tx: Transaction, job_id: int, holder: str, until: int) -> Job:
    row = tx.one(_TAKE, job_id=job_id, by=holder, until=until, now=tx.now)
    assert row is not None
    return Job(*row)


# --- while it runs ---------------------------------------------------------------------------------------

_RENEW = Statement(
    jobs.update()
    .where(_j.id == _p("job_id"), _j.attempt == _p("of_attempt"), _j.state == JobState.RUNNING.value)
    .values(leased_until=_p("until"), progress=_p("part"), note=_p("words"))
)


def renew_lease(tx: Transaction, job_id: int, attempt: int, until: int, progress: float, note: str) -> None:
    """Renew a lease; do nothing for a lost one."""
    tx.run(_RENEW, job_id=job_id, of_attempt=attempt, until=until, part=progress, words=note)


_STANDINGS = Statement(sa.select(_j.id, _j.state, _j.attempt, _j.cancel_asked).where(is_among(_j.id, "ids")))


def list_standings(tx: Transaction, ids: Iterable[int]) -> dict[int, tuple[str, int, bool]]:
    """Return job → (state, attempt, whether its cancellation was requested)."""
    return {row[0]: (row[1], row[2], bool(row[3])) for row in tx.all(_STANDINGS, ids=ids_text(ids))}


# --- lists --------------------------------------------------------------------------------------------


class JobFilter(msgspec.Struct, frozen=True):
    """Conditions on jobs. None: no condition."""

    kind: str | None = None
    state: JobState | None = None
    namespace: str | None = None


def list_jobs(tx: Transaction, chosen: JobFilter, before: int | None, limit: int) -> list[Job]:
    """List jobs, newest first, below the number `before`."""
    query = sa.select(*_COLUMNS).order_by(_j.id.desc()).limit(limit)
    if chosen.kind is not None:
        query = query.where(_j.kind == chosen.kind)
    if chosen.state is not None:
        query = query.where(_j.state == chosen.state.value)
    if chosen.namespace is not None:
        query = query.where(_j.namespace == chosen.namespace)
    if before is not None:
        query = query.where(_j.id < before)
    return [Job(*row) for row in tx.rows(query)]


def count_jobs(tx: Transaction) -> QueueFigures:
    shown = [JobState.WAITING.value, JobState.RUNNING.value, JobState.FAILED.value]
    counts = tx.rows(
        sa.select(_j.kind, _j.state, sa.func.count()).where(_j.state.in_(shown)).group_by(_j.kind, _j.state)
    )
    oldest = tx.rows(
        sa.select(_j.kind, sa.func.min(_j.due_at))
        .where(_j.state == JobState.WAITING.value, _j.due_at <= tx.now)
        .group_by(_j.kind)
    )
    return QueueFigures(
        {(row[0], row[1]): row[2] for row in counts}, {row[0]: row[1] for row in oldest}, tx.now
    )


def delete_finished(tx: Transaction, states: Sequence[JobState], before: int, limit: int) -> int:
    """Delete up to `limit` jobs that ended in one of the states before this time. Returns how many."""
    some = (
        sa.select(_j.id)
        .where(_j.finished_at < before, _j.state.in_([state.value for state in states]))
        .limit(limit)
    )
    return tx.execute(jobs.delete().where(_j.id.in_(some))).rowcount
