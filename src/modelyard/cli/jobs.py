"""Background jobs from the command line, for admins of the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Session, command, command_group

if TYPE_CHECKING:
    from modelyard.wire.jobs import Job

_STATES = ("waiting", "running", "done", "failed", "cancelled")


@command_group("jobs")
def jobs() -> None:
    """List, retry and cancel the background jobs of a server: scans and deliveries."""


def _show(session: Session, job: Job) -> None:
    if session.answered(job):
        return
    state = job.state + (", will be cancelled" if job.cancel_asked and job.state == "running" else "")
    session.out.pairs(
        [
            ("job", job.id),
            ("kind", job.kind),
            ("state", state),
            ("namespace", job.namespace or "none"),
            ("payload", json.dumps(job.payload)),
            ("progress", f"{job.progress:.0%}" + (f" ({job.note})" if job.note else "")),
            ("attempts", job.attempt),
            ("failures", job.failures if job.max_failures is None else f"{job.failures} of {job.max_failures}"),
            ("last failure", job.failure or "none"),
            ("held by", job.holder or "no process"),
            ("created", job.created_at),
            ("due", job.due_at),
            ("finished", job.finished_at or "not yet"),
        ]
    )
    if job.result is not None:
        session.out.pairs([("result", json.dumps(job.result))])


@command(
    "ls",
    group=jobs,
    example="modelyard jobs ls --state failed\nmodelyard jobs ls --kind scan --namespace fraud",
)
@click.option("--kind", help="Only jobs of this kind, for example scan or deliver.")
@click.option("--state", type=click.Choice(_STATES), help="Only jobs in this state.")
@click.option("--namespace", help="Only jobs that concern this namespace.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Show at most this many jobs, the newest first.",
)
def list_jobs(session: Session, **conditions: Any) -> None:
    """List the background jobs of the server, newest first."""
    session.out.page(
        list(session.client.jobs.list(**conditions)),
        ("id", "kind", "state", "namespace", "attempts", "due", "last failure"),
        lambda job: (
            job.id,
            job.kind,
            job.state,
            job.namespace or "",
            job.attempt,
            job.due_at,
            job.failure or "",
        ),
        empty="No jobs match.",
    )


@command("show", group=jobs, example="modelyard jobs show 42")
@click.argument("number", type=int)
def show(session: Session, number: int) -> None:
    """Show a job, its progress, and the reason its last attempt failed."""
    _show(session, session.client.jobs.show(number))


@command("retry", group=jobs, example="modelyard jobs retry 42")
@click.argument("number", type=int)
def retry(session: Session, number: int) -> None:
    """Retry a job at once that failed, was cancelled, or is waiting for its next attempt."""
    _show(session, session.client.jobs.retry(number))


@command("cancel", group=jobs, example="modelyard jobs cancel 42")
@click.argument("number", type=int)
def cancel(session: Session, number: int) -> None:
    """Cancel a waiting job, or ask the process that runs it to stop."""
    _show(session, session.client.jobs.cancel(number))
