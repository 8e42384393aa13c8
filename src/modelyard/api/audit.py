"""Routes of the event log: checkpoints, exports with proofs, the server's own check."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from starlette.responses import Response, StreamingResponse

from modelyard.api import shapes
from modelyard.api.versions import event_filter, log_scope
from modelyard.doors.call import Call
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.streams import HeldStream, from_thread
from modelyard.doors.table import RouteTable
from modelyard.registry.audit import proofs
from modelyard.registry.audit import usecases as audit
from modelyard.wire import audit as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import encode

table = RouteTable("audit")
# Its route stands among those for operators.
log_table = RouteTable("operations")

_BUNDLE = "application/jsonl"
Bundle = Annotated[Response, _BUNDLE]


@table.route("GET", "/api/v1/audit/checkpoint")
async def show_checkpoint(call: Call) -> wire.Checkpoint:
    """The log's size and root, signed now. Keep it: later exports can be held against it."""
    keyring = call.services.keyring
    state = await call.point(lambda tx: proofs.show_checkpoint(tx, call.actor, keyring))
    return wire.Checkpoint(
        origin=keyring.origin,
        size=state.size,
        root=state.root.hex(),
        note=state.note,
        key=keyring.log_key.text(),
    )


@table.route("GET", "/api/v1/audit/consistency")
async def prove_consistency(call: Call, query: wire.ConsistencyQuery) -> wire.Consistency:
    """Proof that the log of some earlier size is the beginning of a later one."""
    new, proof = await call.read(lambda tx: proofs.prove_consistency(tx, call.actor, query.old, query.new))
    return wire.Consistency(old=query.old, new=new, proof=[step.hex() for step in proof])


@table.route("GET", "/api/v1/audit/export")
async def export_log(call: Call, query: wire.ExportQuery) -> Bundle:
    """The log, or chosen events of it, with signed checkpoint and proofs, as JSON lines."""
    services = call.services
    export = partial(
        proofs.export_log,
        services.db,
        call.actor,
        services.keyring,
        event_filter(query),
        log_scope(query),
        since_size=query.since_size,
    )
    call.services.streams.check(call.client)
    lines = await call.in_thread("exports", export)
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="event-log.jsonl"'}
    return HeldStream(call, from_thread(call.runner("exports"), lines), _BUNDLE, headers)


@table.route("GET", "/api/v1/audit/events/{seq:number}/proof")
async def prove_event(call: Call) -> Bundle:
    """One event with the proof that the log holds it, in the form of an export."""
    seq = int(call.request.path_params["seq"])
    body = await call.read(lambda tx: proofs.prove_event(tx, call.actor, call.services.keyring, seq))
    return Response(body, media_type=_BUNDLE)


@table.route("POST", "/api/v1/audit/check")
async def check_log(call: Call) -> Annotated[Response, "text/event-stream"]:
    """Compare events with the tree, and versions and aliases with the events; streams what was changed."""
    services = call.services
    check = partial(proofs.check_log, services.db, call.actor)
    found = await call.in_thread("exports", check)

    async def events() -> AsyncIterator[bytes]:
        async for progress in from_thread(call.runner("exports"), found):
            body = wire.LogCheckProgress(
                checked=progress.checked,
                size=progress.size,
                damage=[wire.LogDamage(seq=d.seq, problem=d.problem) for d in progress.damage],
                finished=progress.finished,
            )
            yield b"event: progress\ndata: " + encode(body) + b"\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@log_table.route("GET", "/api/v1/audit/events")
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
