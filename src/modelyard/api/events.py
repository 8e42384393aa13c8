"""The stream of events: server-sent, resumable by the last event's number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from starlette.responses import Response

from modelyard.domain.errors import InvalidRequest, Unauthenticated
from modelyard.domain.names import ModelName
from modelyard.doors.authentication import authenticate
from modelyard.doors.call import Call
from modelyard.doors.parsing import digits
from modelyard.doors.streams import HeldStream
from modelyard.doors.table import RouteTable
from modelyard.registry.outbox import usecases as outbox
from modelyard.wire import outbox as wire

table = RouteTable(__name__)

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""After this time the stream ends; the client reconnects, authenticates again and sends the last event's number."""
RECHECK_SECONDS = 2.0
"""Interval of the check of the caller: a revoked token or a disabled account ends the stream."""
_PAGE = 200


@table.route("GET", "/api/v1/events")
async def follow_events(call: Call, query: wire.StreamQuery) -> Annotated[Response, "text/event-stream"]:
    """Stream events as they happen, as far as the caller may read them; resume after Last-Event-ID."""
    after = query.after
    last = call.request.headers.get("last-event-id")
    if last is not None:
        after = digits(last)
        if after is None:
            raise InvalidRequest(reason=f"Last-Event-ID is {last[:40]!r}", fix="Send the last event's number")
    model = None if query.model is None else ModelName.parse(query.model)
    call.services.streams.check(call.client)
    chosen, start = await call.read(
        lambda tx: outbox.open_stream(
            tx, call.actor, namespace=query.namespace, model=model, kinds=query.kind, after=after
        )
    )

    async def stream() -> AsyncIterator[bytes]:
        place = start
        ends_at = time.monotonic() + LONGEST_SECONDS
        silent_since = checked_at = time.monotonic()
        actor = call.actor
        # Tells the client when to reconnect, and proxies that the answer has begun.
        yield b"retry: 1000\n\n"
        while True:
            if time.monotonic() - checked_at > RECHECK_SECONDS:
                checked_at = time.monotonic()
                try:
                    again = await authenticate(call.request, call.services)
                except Unauthenticated:
                    return
                if again.id != actor.id:
                    return
                actor = again
            found, place = await call.read(
                lambda tx, place=place, actor=actor: outbox.follow(tx, actor, chosen, place, _PAGE)  # type: ignore[misc]
            )
            if found:
                silent_since = time.monotonic()
                yield b"".join(
                    f"id: {each.seq}\nevent: {each.kind}\ndata: {each.body}\n\n".encode() for each in found
                )
            if time.monotonic() > ends_at or call.services.stopping.is_set():
                return
            if found:
                continue
            if time.monotonic() - silent_since > HEARTBEAT_SECONDS:
                silent_since = time.monotonic()
                yield b": still here\n\n"
            await asyncio.sleep(POLL_SECONDS)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return HeldStream(call, stream(), "text/event-stream", headers)
