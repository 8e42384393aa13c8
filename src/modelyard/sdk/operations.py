"""Work of operators: collection, scrub, the whole event log, and the state of the server."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.sdk.streams import LONG_SECONDS, follow_work
from modelyard.wire import operations as wire
from modelyard.wire import retention as retention_wire
from modelyard.wire import versions as versions_wire


class Admin(Feature):
    """`client.admin`."""

    def health(self) -> wire.Health:
        """Return whether the server is running.

        Returns:
            Its status and its release.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> client.admin.health().status
            'ok'
        """
        return self._get("/health", wire.Health)

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
        return self._get("/ready", wire.Readiness)

    def storage(self) -> retention_wire.StorageUse:
        """Return how many bytes are stored, each digest counted once.

        Returns:
            The number of blobs and their size in bytes.

        Raises:
            Denied: You are not an admin.

        Example:
            >>> client.admin.storage().size_bytes
            98784247808
        """
        return self._get(at("admin", "storage"), retention_wire.StorageUse)

    def collect_garbage(
        self, *, dry_run: bool = True, grace_hours: float | None = None
    ) -> retention_wire.Collection:
        """Delete unused bytes.

        Args:
            dry_run: Only count them.
            grace_hours: Keep bytes younger than this many hours; None: the server's setting.

        Returns:
            The number of blobs and their size in bytes.

        Raises:
            Denied: You are not an admin.

        Example:
            >>> client.admin.collect_garbage(dry_run=True).size_bytes
            734003200
        """
        return self._post(
            at("admin", "gc"),
            retention_wire.Collection,
            retention_wire.CollectGarbage(dry_run=dry_run, grace_hours=grace_hours),
            timeout_seconds=LONG_SECONDS,
        )

    def scrub(self) -> Iterator[retention_wire.ScrubProgress]:
        """Have the server read all stored bytes again and compare them with their digests.

        Returns:
            The progress, item by item; the last item has `finished` set, and lists all damage.

        Raises:
            ServerUnreachable: The connection was lost before the end.
            Denied: You are not an admin.

        Example:
            >>> [*client.admin.scrub()][-1].damage
            []
        """
        return follow_work(self._transport, at("admin", "scrub"), retention_wire.ScrubProgress, "scrub")

    def events(
        self, query: versions_wire.EventQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """Return the event log of the whole registry, newest first.

        Args:
            query: Conditions, for example one account or one kind; None: all events.
            limit: Return at most this many; None: all.

        Returns:
            One event at a time.

        Raises:
            Denied: You are neither an auditor nor an admin.

        Example:
            >>> [event.kind for event in client.admin.events(limit=2)]
            ['alias.moved', 'version.registered']
        """
        return self._items(
            at("audit", "events"), query or versions_wire.EventQuery(), versions_wire.EventPage, limit
        )
