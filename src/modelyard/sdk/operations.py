"""What operators do: collect, scrub, read the whole event log, ask how the server is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from modelyard.domain.errors import ServerUnreachable
from modelyard.sdk.http import BROKEN, Transport, at
from modelyard.sdk.paging import items
from modelyard.wire import operations as wire
from modelyard.wire import retention as retention_wire
from modelyard.wire import versions as versions_wire

_LONG_SECONDS = 3600.0
_MAX_EVENT_BYTES = 16 * 1024 * 1024


class Admin:
    """`client.admin`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def health(self) -> wire.Health:
        """Whether the server runs."""
        found: wire.Health = self._transport.call("GET", "/health", returns=wire.Health)
        return found

    def readiness(self) -> wire.Readiness:
        """Whether its database and its store of bytes answer. Raises Unavailable when one does not."""
        found: wire.Readiness = self._transport.call("GET", "/ready", returns=wire.Readiness)
        return found

    def collect_garbage(
        self, *, dry_run: bool = True, grace_hours: float | None = None
    ) -> retention_wire.Collection:
        """Delete the bytes that nothing needs; dry_run: only count them. grace_hours None: the server's."""
        found: retention_wire.Collection = self._transport.call(
            "POST",
            at("admin", "gc"),
            body=retention_wire.CollectGarbage(dry_run=dry_run, grace_hours=grace_hours),
            returns=retention_wire.Collection,
            timeout_seconds=_LONG_SECONDS,
        )
        return found

    def scrub(self) -> Iterator[retention_wire.ScrubProgress]:
        """Let the server read all stored bytes again; the last item has `finished` and all damage.

        Raises ServerUnreachable when the server goes away before it has finished.
        """
        finished = False
        try:
            with self._transport.stream("POST", at("admin", "scrub"), _LONG_SECONDS) as response:
                for data in event_data(response.stream(4096)):
                    progress = msgspec.json.decode(data, type=retention_wire.ScrubProgress)
                    finished = progress.finished
                    yield progress
        except BROKEN as exc:
            raise ServerUnreachable(url=self._transport.url, reason="the scrub broke off") from exc
        if not finished:
            raise ServerUnreachable(url=self._transport.url, reason="the scrub broke off")

    def events(
        self, query: versions_wire.EventQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """The event log of the whole registry, newest first."""
        return items(
            self._transport,
            at("audit", "events"),
            query or versions_wire.EventQuery(),
            versions_wire.EventPage,
            limit,
        )


def event_data(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The data of each server-sent event. Source: WHATWG HTML, section 9.2, as our server writes it."""
    waiting = b""
    for chunk in chunks:
        waiting += chunk
        if len(waiting) > _MAX_EVENT_BYTES:
            return
        *events, waiting = waiting.split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:]
