"""What operators do: collect, scrub, read the whole event log, ask how the server is."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.streams import LONG_SECONDS, follow_work
from modelyard.wire import operations as wire
from modelyard.wire import retention as retention_wire
from modelyard.wire import versions as versions_wire


class Admin(Feature):
    """`client.admin`."""

    def health(self) -> wire.Health:
        """Return whether the server runs.

        Returns:
            Its status and its release.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> client.admin.health().status
            'ok'
        """
        return self._transport.call("GET", "/health", returns=wire.Health)

    def readiness(self) -> wire.Readiness:
        """Return whether the server's database and its store of bytes answer.

        Returns:
            The state of both.

        Raises:
            Unavailable: One of them does not answer.

        Example:
            >>> client.admin.readiness().status
            'ready'
        """
        return self._transport.call("GET", "/ready", returns=wire.Readiness)

    def collect_garbage(
        self, *, dry_run: bool = True, grace_hours: float | None = None
    ) -> retention_wire.Collection:
        """Delete the bytes that nothing needs any more.

        Args:
            dry_run: Only count them.
            grace_hours: Keep bytes younger than this many hours; None: as the server is set.

        Returns:
            The number of blobs and their size in bytes.

        Raises:
            Denied: You are not an admin.

        Example:
            >>> client.admin.collect_garbage(dry_run=True).size_bytes
            734003200
        """
        return self._transport.call(
            "POST",
            at("admin", "gc"),
            body=retention_wire.CollectGarbage(dry_run=dry_run, grace_hours=grace_hours),
            returns=retention_wire.Collection,
            timeout_seconds=LONG_SECONDS,
        )

    def scrub(self) -> Iterator[retention_wire.ScrubProgress]:
        """Have the server read all stored bytes again and compare them with their digests.

        Returns:
            The progress, item by item; the last one has `finished`, and all damage that was found.

        Raises:
            ServerUnreachable: The server went away before it had finished.
            Denied: You are not an admin.

        Example:
            >>> [*client.admin.scrub()][-1].damage
            []
        """
        return follow_work(self._transport, at("admin", "scrub"), retention_wire.ScrubProgress, "scrub")

    def events(
        self, query: versions_wire.EventQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """Return the event log of the whole registry, the newest first.

        Args:
            query: Which events, for example of one account or one kind; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One event at a time.

        Raises:
            Denied: You are neither an auditor nor an admin.

        Example:
            >>> [event.kind for event in client.admin.events(limit=2)]
            ['alias.moved', 'version.registered']
        """
        return items(
            self._transport,
            at("audit", "events"),
            query or versions_wire.EventQuery(),
            versions_wire.EventPage,
            limit,
        )
