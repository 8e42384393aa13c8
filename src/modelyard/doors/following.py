"""Server-sent events that go on for long: the caller is checked again and again, and silence is broken by heartbeats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from starlette.responses import Response

from modelyard.db.engine import Database
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Unauthenticated
from modelyard.doors.authentication import authenticate
from modelyard.doors.call import Call
from modelyard.doors.streams import HeldStream

P = TypeVar("P")

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""After this time the stream ends; the client reconnects, authenticates again and sends the last event's id."""
_LOOK_SECONDS = 0.02
"""Shortest time between two looks, so that followers cost little while much is written."""
RECHECK_SECONDS = 2.0
"""Interval of the check of the caller: a revoked token or a disabled account ends the stream."""


async def until_changed(db: Database, generation: int, seconds: float) -> None:
    """Wait until this process has written since a generation of its figures, at most this long: others may have written."""
    ends_at = time.monotonic() + seconds
    while True:
        await asyncio.sleep(min(_LOOK_SECONDS, seconds))
        if db.figures.generation != generation or time.monotonic() >= ends_at:
            return


def follow(
    call: Call,
    look: Callable[[Actor, P], Awaitable[tuple[bytes, P | None]]],
    start: P,
    poll_seconds: float,
) -> Response:
    """Stream what `look` finds, from a place on.

    look: returns the events after a place, as they are sent, and the next place; None: nothing more will come.
    """

    async def stream() -> AsyncIterator[bytes]:
        place, actor = start, call.actor
        ends_at = time.monotonic() + LONGEST_SECONDS
        silent_since = checked_at = time.monotonic()
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
            generation = call.services.db.figures.generation
            data, following = await look(actor, place)
            if data:
                silent_since = time.monotonic()
                yield data
            if following is None or time.monotonic() > ends_at or call.services.stopping.is_set():
                return
            place = following
            if data:
                continue
            if time.monotonic() - silent_since > HEARTBEAT_SECONDS:
                silent_since = time.monotonic()
                yield b": still here\n\n"
            await until_changed(call.services.db, generation, poll_seconds)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return HeldStream(call, stream(), "text/event-stream", headers)
