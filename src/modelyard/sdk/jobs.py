"""Background jobs of the server, for its admins."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.sdk.http import Transport, at
from modelyard.sdk.paging import items
from modelyard.wire import jobs as wire


class Jobs:
    """`client.jobs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        namespace: str | None = None,
        limit: int | None = None,
    ) -> Iterator[wire.Job]:
        """List background jobs, newest first; for admins of the server.

        Args:
            kind: Only jobs of this kind, for example "scan".
            state: Only jobs in this state: waiting, running, done, failed or cancelled.
            namespace: Only jobs that concern this namespace.
            limit: At most this many; None: all.

        Returns:
            The jobs, fetched page by page.

        Raises:
            Denied: The account does not operate the server.

        Example:
            for job in my.Client().jobs.list(state="failed"):
                print(job.id, job.kind, job.failure)
        """
        query = wire.JobQuery(kind=kind, state=state, namespace=namespace)
        return items(self._transport, at("jobs"), query, wire.JobPage, limit)

    def show(self, job: int) -> wire.Job:
        """Return one job. Raises JobNotFound."""
        found: wire.Job = self._transport.call("GET", at("jobs", str(job)), returns=wire.Job)
        return found

    def retry(self, job: int) -> wire.Job:
        """Have a job tried at once that failed, was cancelled, or waits for its next attempt. Raises JobOpen."""
        found: wire.Job = self._transport.call("POST", at("jobs", str(job), "retry"), returns=wire.Job)
        return found

    def cancel(self, job: int) -> wire.Job:
        """End a job that waits, or ask the process that runs it to end it. Raises JobNotOpen."""
        found: wire.Job = self._transport.call("POST", at("jobs", str(job), "cancel"), returns=wire.Job)
        return found
