"""Routes of retention: collection and scrub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from starlette.responses import Response, StreamingResponse

from modelyard.doors.call import Call
from modelyard.doors.streams import from_thread
from modelyard.doors.table import RouteTable
from modelyard.registry.retention import usecases as retention
from modelyard.wire import retention as wire
from modelyard.wire.base import encode

table = RouteTable("operations")


@table.route("POST", "/api/v1/admin/gc")
async def collect_garbage(call: Call, body: wire.CollectGarbage) -> wire.Collection:
    """Delete the bytes that nothing needs; a dry run says what and how many."""
    services = call.services
    grace = retention.grace_of(body.grace_hours, services.settings.collect_grace_hours)
    done = await call.in_thread(
        "exports",
        partial(retention.collect, services.db, services.blobs, call.actor, grace=grace, dry_run=body.dry_run),
    )
    return wire.Collection(
        dry_run=done.dry_run,
        blobs=done.blobs,
        size_bytes=done.size_bytes,
        orphans=done.orphans,
        uploads=done.uploads,
        withheld=done.withheld,
    )


@table.route("POST", "/api/v1/admin/scrub")
async def scrub(call: Call) -> Annotated[Response, "text/event-stream"]:
    """Read all stored bytes again; streams how far it is and what is damaged."""
    services = call.services
    found = retention.scrub(services.db, services.blobs, call.actor)

    async def events() -> AsyncIterator[bytes]:
        async for progress in from_thread(call.runner("exports"), found):
            body = wire.ScrubProgress(
                checked=progress.checked,
                size_bytes=progress.size_bytes,
                damage=[wire.Damage(digest=d.digest, problem=d.problem) for d in progress.damage],
                finished=progress.finished,
            )
            yield b"event: progress\ndata: " + encode(body) + b"\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})
