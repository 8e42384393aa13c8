"""Background jobs of the server, for its admins."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import jobs as wire


class Jobs(Feature):
    """`client.jobs`: scans, deliveries and other work in the background."""

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        namespace: str | None = None,
        limit: int | None = None,
    ) -> Iterator[wire.Job]:
        """List background jobs, newest first.

        Args:
            kind: Only jobs of this kind, for example `scan`; None: all kinds.
            state: `waiting`, `running`, `done`, `failed` or `cancelled`; None: all states.
            namespace: Only jobs of this namespace; None: of all.
            limit: At most this many; None: all.

        Returns:
            The jobs, fetched page by page.

        Raises:
            Denied: The account does not operate the server.

        Example:
            >>> [job.id for job in client.jobs.list(state="failed")]
            [17]
        """
        query = wire.JobQuery(kind=kind, state=state, namespace=namespace)
        return self._items(at("jobs"), query, wire.JobPage, limit)

    def show(self, job: int) -> wire.Job:
        """Return one job.

        Args:
            job: Its number.

        Returns:
            The job with its attempts, progress and the reason for its last failure.

        Raises:
            JobNotFound: There is no such job.
            Denied: The account does not operate the server.

        Example:
            >>> client.jobs.show(17).state
            'failed'
        """
        return self._get(at("jobs", str(job)), wire.Job)

    def retry(self, job: int) -> wire.Job:
        """Retry a job at once that failed, was cancelled, or is waiting for its next attempt.

        Args:
            job: Its number.

        Returns:
            The job, waiting.

        Raises:
            JobNotFound: There is no such job.
            JobOpen: The job runs, or another one with its key waits.
            Denied: The account does not operate the server.

        Example:
            >>> client.jobs.retry(17).state
            'waiting'
        """
        return self._post(at("jobs", str(job), "retry"), wire.Job)

    def cancel(self, job: int) -> wire.Job:
        """Cancel a waiting job, or ask the process that runs it to stop.

        Args:
            job: Its number.

        Returns:
            The job as it is now.

        Raises:
            JobNotFound: There is no such job.
            JobNotOpen: The job has ended.
            Denied: The account does not operate the server.

        Example:
            >>> client.jobs.cancel(18).state
            'cancelled'
        """
        return self._post(at("jobs", str(job), "cancel"), wire.Job)
