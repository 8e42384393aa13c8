"""Routes of retention: rules of namespaces, collection and scrub."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from starlette.responses import Response

from modelyard.api.conversion import fields_of, to_wire
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.streams import progress_stream
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.retention import expiry
from modelyard.registry.retention import usecases as retention
from modelyard.registry.retention.nouns import Rule
from modelyard.wire import retention as wire
from modelyard.wire.base import PageQuery

table = RouteTable(__name__)

_RETENTION = "/api/v1/namespaces/{namespace}/retention"


def _shown(namespace: str, rule: Rule | None) -> wire.RetentionRule:
    if rule is None:
        return wire.RetentionRule(namespace=namespace, action=None, keep_versions=None, keep_for=None)
    return to_wire(rule, wire.RetentionRule, namespace=namespace)


@table.route("GET", _RETENTION)
async def show_retention(call: Call) -> wire.RetentionRule:
    """Return the retention rule of a namespace."""
    name = call.path["namespace"]
    return _shown(name, await call.read(lambda tx: expiry.show_rule(tx, call.actor, name)))


@table.route("PUT", _RETENTION)
async def set_retention(call: Call, body: wire.SetRetentionRule) -> Answer[wire.RetentionRule]:
    """Set the retention rule of a namespace. The server carries it out once a day, first in an hour."""
    name = call.path["namespace"]
    return await call.commit(lambda tx: _shown(name, expiry.set_rule(tx, call.actor, name, **fields_of(body))))


@table.route("DELETE", _RETENTION, status=204)
async def remove_retention(call: Call) -> Answer[None]:
    """Remove the retention rule of a namespace."""
    return await call.commit(lambda tx: expiry.remove_rule(tx, call.actor, call.path["namespace"]))


@table.route("GET", f"{_RETENTION}/plan")
async def plan_retention(call: Call, query: PageQuery) -> wire.JudgedPage:
    """Say of each version whether the retention rule would keep it, and why; nothing is changed."""
    paging = Paging.of(query, str, int)
    judged = await call.read(
        lambda tx: expiry.plan(tx, call.actor, call.path["namespace"], paging.start, paging.count)
    )
    return paging.answer(
        wire.JudgedPage,
        judged,
        lambda row: to_wire(row, wire.JudgedVersion, version=row.number),
        key=lambda row: (row.model.name, row.number),
    )


@table.route("POST", f"{_RETENTION}/run")
async def run_retention(call: Call) -> wire.RetentionRun:
    """Archive or delete now the versions that the retention rule does not keep."""
    done = await call.in_thread(
        "exports", partial(expiry.run_rule, call.services.db, call.actor, call.path["namespace"])
    )
    return to_wire(done, wire.RetentionRun)


@table.route("GET", "/api/v1/admin/storage")
async def show_storage(call: Call) -> wire.StorageUse:
    """Return how many bytes are stored."""
    return to_wire(await call.read(lambda tx: retention.show_use(tx, call.actor)), wire.StorageUse)


@table.route("POST", "/api/v1/admin/gc")
async def collect_garbage(call: Call, body: wire.CollectGarbage) -> wire.Collection:
    """Delete unused bytes; a dry run only counts them."""
    services = call.services
    grace = retention.grace_of(body.grace_hours, services.settings.collect_grace_hours)
    done = await call.in_thread(
        "exports",
        partial(retention.collect, services.db, services.blobs, call.actor, grace=grace, dry_run=body.dry_run),
    )
    return to_wire(done, wire.Collection)


@table.route("POST", "/api/v1/admin/scrub")
async def scrub(call: Call) -> Annotated[Response, "text/event-stream"]:
    """Read all stored bytes again; stream the progress and the damaged files."""
    services = call.services
    found = retention.scrub(services.db, services.blobs, call.actor)
    return progress_stream(call, found, lambda progress: to_wire(progress, wire.ScrubProgress))
