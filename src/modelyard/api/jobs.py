"""Routes of background jobs, for operators of the server."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Job
from modelyard.wire import jobs as wire

table = RouteTable(__name__)


def _job(job: Job) -> wire.Job:
    return to_wire(job, wire.Job, payload=job.payload_value, result=job.result_value)


@table.route("GET", "/api/v1/jobs")
async def list_jobs(call: Call, query: wire.JobQuery) -> wire.JobPage:
    """List the background jobs of the server, newest first, for its admins."""
    paging = Paging.of(query, int)
    listed = await call.read(
        lambda tx: jobs.list_jobs(
            tx,
            call.actor,
            paging.start,
            paging.count,
            kind=query.kind,
            state=query.state,
            namespace=query.namespace,
        )
    )
    return paging.answer(wire.JobPage, listed, _job, key=lambda job: (job.id,))


@table.route("GET", "/api/v1/jobs/{job:number}")
async def show_job(call: Call) -> wire.Job:
    """Return a background job, its progress, and the reason its last attempt failed."""
    return await call.read(lambda tx: _job(jobs.find_job(tx, call.actor, call.number("job"))))


@table.route("POST", "/api/v1/jobs/{job:number}/retry")
async def retry_job(call: Call) -> Answer[wire.Job]:
    """Retry a job at once that failed, was cancelled, or is waiting for its next attempt."""
    return await call.commit(lambda tx: _job(jobs.retry(tx, call.actor, call.number("job"))))


@table.route("POST", "/api/v1/jobs/{job:number}/cancel")
async def cancel_job(call: Call) -> Answer[wire.Job]:
    """Cancel a waiting job, or ask the process that runs it to stop."""
    return await call.commit(lambda tx: _job(jobs.cancel(tx, call.actor, call.number("job"))))
