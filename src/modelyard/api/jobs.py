"""Routes of background jobs, for who operates the server."""

from __future__ import annotations

from modelyard.api import shapes
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Job
from modelyard.wire import jobs as wire

table = RouteTable("jobs")


def _job(job: Job) -> wire.Job:
    return wire.Job(
        id=job.id,
        kind=job.kind,
        state=job.state,
        namespace=job.namespace,
        key=job.key,
        priority=job.priority,
        attempt=job.attempt,
        failures=job.failures,
        max_failures=job.max_failures,
        failure=job.failure,
        progress=job.progress,
        note=job.note,
        holder=job.holder,
        cancel_asked=bool(job.cancel_asked),
        due_at=time_text(job.due_at),
        created_at=time_text(job.created_at),
        started_at=shapes.optional_time(job.started_at),
        finished_at=shapes.optional_time(job.finished_at),
        payload=job.payload_value,
        result=job.result_value,
    )


def _id(call: Call) -> int:
    return int(call.path["job"])


@table.route("GET", "/api/v1/jobs")
async def list_jobs(call: Call, query: wire.JobQuery) -> wire.JobPage:
    """The background jobs of the server, newest first, for its admins."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    found = await call.read(
        lambda tx: jobs.list_jobs(
            tx,
            call.actor,
            before[0] if before else None,
            limit + 1,
            kind=query.kind,
            state=query.state,
            namespace=query.namespace,
        )
    )
    page, cursor = cut(found, limit, lambda job: (job.id,))
    return wire.JobPage(items=[_job(job) for job in page], next_cursor=cursor)


@table.route("GET", "/api/v1/jobs/{job:number}")
async def show_job(call: Call) -> wire.Job:
    """One background job: what it does, how far it is, and why its last attempt failed."""
    return await call.read(lambda tx: _job(jobs.find_job(tx, call.actor, _id(call))))


@table.route("POST", "/api/v1/jobs/{job:number}/retry")
async def retry_job(call: Call) -> Answer[wire.Job]:
    """Have a job tried at once that failed, was cancelled, or waits for its next attempt."""
    return await call.commit(lambda tx: _job(jobs.retry(tx, call.actor, _id(call))))


@table.route("POST", "/api/v1/jobs/{job:number}/cancel")
async def cancel_job(call: Call) -> Answer[wire.Job]:
    """End a job that waits, or ask the process that runs it to end it."""
    return await call.commit(lambda tx: _job(jobs.cancel(tx, call.actor, _id(call))))
