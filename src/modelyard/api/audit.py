"""Routes of the event log: checkpoints, exports with proofs, the server's own check."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from starlette.responses import Response

from modelyard.api import shapes
from modelyard.api.conversion import to_wire
from modelyard.api.versions import event_filter, log_scope
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.streams import HeldStream, from_thread, progress_stream
from modelyard.doors.table import RouteTable
from modelyard.registry.audit import checking, proofs
from modelyard.registry.audit import usecases as audit
from modelyard.registry.idempotency import Answer
from modelyard.wire import audit as wire
from modelyard.wire import versions as versions_wire

table = RouteTable(__name__)

_BUNDLE = "application/jsonl"
Bundle = Annotated[Response, _BUNDLE]


@table.route("GET", "/api/v1/audit/checkpoint")
async def show_checkpoint(call: Call) -> wire.Checkpoint:
    """Return the log's size and root, signed now. Keep it to check later exports against it."""
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
    """Return the proof that the log of an earlier size is the beginning of a later one."""
    new, proof = await call.read(lambda tx: proofs.prove_consistency(tx, call.actor, query.old, query.new))
    return wire.Consistency(old=query.old, new=new, proof=[step.hex() for step in proof])


@table.route("GET", "/api/v1/audit/export")
async def export_log(call: Call, query: wire.ExportQuery) -> Bundle:
    """Export the log, or selected events, with signed checkpoint and proofs, as JSON lines."""
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
    """Return one event with the proof that the log holds it, in the form of an export."""
    seq = call.number("seq")
    body = await call.read(lambda tx: proofs.prove_event(tx, call.actor, call.services.keyring, seq))
    return Response(body, media_type=_BUNDLE)


@table.route("POST", "/api/v1/audit/check")
async def check_log(call: Call) -> Annotated[Response, "text/event-stream"]:
    """Compare events with the hash tree, and versions and aliases with the events; stream every difference."""
    services = call.services
    check = partial(proofs.check_log, services.db, call.actor)
    found = await call.in_thread("exports", check)
    return progress_stream(call, found, lambda progress: to_wire(progress, wire.LogCheckProgress))


@table.route("POST", "/api/v1/audit/checks", status=202)
async def start_check(call: Call) -> Answer[wire.LogCheck]:
    """Have the server check the log by itself; while a check is open, that one is returned."""
    return await call.commit(lambda tx: to_wire(checking.start_check(tx, call.actor), wire.LogCheck))


@table.route("GET", "/api/v1/audit/checks/last")
async def show_last_check(call: Call) -> wire.LastLogCheck:
    """Return the newest check that the server carries out by itself: how far it is, or what it found."""
    found = await call.read(lambda tx: checking.find_check(tx, call.actor))
    return wire.LastLogCheck(check=None if found is None else to_wire(found, wire.LogCheck))


@table.route("GET", "/api/v1/audit/events")
async def list_audit_events(call: Call, query: versions_wire.LogQuery) -> versions_wire.EventPage:
    """List events, newest first: of the whole registry for its admins and auditors, of a namespace for its
    auditors, of a model for its readers."""
    paging = Paging.of(query, int)
    chosen, scope = event_filter(query), log_scope(query)
    log = await call.read(
        lambda tx: audit.list_log(tx, call.actor, chosen, scope, before=paging.start, limit=paging.count)
    )
    return paging.answer(
        versions_wire.EventPage,
        log.items,
        shapes.event,
        key=lambda event: (event.seq,),
        looked_at=log.looked_at,
    )
