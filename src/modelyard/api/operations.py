"""Routes for operators and machines: health, readiness, collection, scrub, the whole event log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from starlette.responses import Response, StreamingResponse

from modelyard.api import shapes
from modelyard.api.versions import event_filter, log_scope
from modelyard.db.engine import seconds
from modelyard.domain.errors import InvalidRequest, ModelyardError
from modelyard.doors.answers import Json, json_response
from modelyard.doors.call import Call
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.streams import from_thread
from modelyard.doors.table import RouteTable
from modelyard.registry.audit import usecases as audit
from modelyard.registry.retention import usecases as retention
from modelyard.wire import operations as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import encode

table = RouteTable("operations")

_LONGEST_GRACE_HOURS = 100 * 366 * 24


@table.route("GET", "/health", public=True)
async def health(call: Call) -> wire.Health:
    """Whether the process runs."""
    return wire.Health(status="ok", release=call.services.release)


@table.route("GET", "/ready", public=True, also={503: "Something below does not answer"})
async def ready(call: Call) -> Json[wire.Readiness]:
    """Whether the database and the store of bytes answer; 503 when one does not."""
    services = call.services
    found: dict[str, str] = {}
    for name, check in (("database", services.db.check), ("blobs", services.blobs.check)):
        try:
            await call.in_thread("views", check)
            found[name] = "ok"
        except ModelyardError as error:
            found[name] = error.message
    is_ready = set(found.values()) == {"ok"}
    body = wire.Readiness(status="ready" if is_ready else "unavailable", **found)
    return json_response(body, 200 if is_ready else 503, None if is_ready else {"retry-after": "1"})


@table.route("POST", "/api/v1/admin/gc")
async def collect_garbage(call: Call, body: wire.CollectGarbage) -> wire.Collection:
    """Delete the bytes that nothing needs; a dry run says what and how many."""
    services = call.services
    hours = body.grace_hours
    if hours is not None and hours > _LONGEST_GRACE_HOURS:
        raise InvalidRequest(reason=f"the grace is longer than {_LONGEST_GRACE_HOURS} hours", fix="Give fewer")
    grace = seconds(3600 * (services.settings.collect_grace_hours if hours is None else max(0.0, hours)))
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


@table.route("GET", "/api/v1/audit/events")
async def list_audit_events(call: Call, query: versions_wire.LogQuery) -> versions_wire.EventPage:
    """The event log, newest first: of the whole registry for its admins and auditors, of a namespace for its
    auditors, of a model for its readers."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    chosen, scope = event_filter(query), log_scope(query)
    found = await call.read(
        lambda tx: audit.list_log(
            tx, call.actor, chosen, scope, before=before[0] if before else None, limit=limit + 1
        )
    )
    page, cursor = cut(found.items, limit, lambda event: (event.seq,))
    return versions_wire.EventPage(
        items=[shapes.event(event) for event in page], next_cursor=cursor, looked_at=found.looked_at
    )
