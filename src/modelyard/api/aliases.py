"""Routes of aliases."""

from __future__ import annotations

from modelyard.api import shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.names import Alias
from modelyard.doors.answers import Tagged, tagged
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import parse_target, parse_time
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.versions import aliases as version_aliases
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason

table = RouteTable(__name__)


def _alias(call: Call) -> Alias:
    return Alias.parse(call.path["alias"])


@table.route("GET", "/api/v1/models/{namespace}/{name}/aliases")
async def list_aliases(call: Call) -> wire.AliasList:
    """List the aliases of a model."""
    model, found = await call.point(lambda tx: version_aliases.list_aliases(tx, call.actor, call.model))
    return wire.AliasList(items=[shapes.alias(model.name, row) for row in found])


@table.route("GET", "/api/v1/models/{namespace}/{name}/aliases/{alias}")
async def show_alias(call: Call) -> Tagged[wire.Alias]:
    """Return an alias; the ETag is its revision."""
    model, row = await call.point(
        lambda tx: version_aliases.find_alias(tx, call.actor, call.model, _alias(call))
    )
    return tagged(shapes.alias(model.name, row), row.revision)


@table.route("PUT", "/api/v1/models/{namespace}/{name}/aliases/{alias}")
async def set_alias(call: Call, body: wire.SetAlias) -> Answer[wire.Alias]:
    """Point an alias at a version. If-Match: "revision" moves it only if it is at that revision; If-None-Match: *
    sets it only if it is not set."""
    target = parse_target(call.model, body.version, body.target)

    def work(tx: Transaction) -> wire.Alias:
        row = version_aliases.set_alias(
            tx, call.actor, target, _alias(call), seen=call.seen_state, reason=body.reason
        )
        return shapes.alias(call.model, row)

    return await call.commit(work, etag=revision_tag)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/aliases/{alias}", status=204)
async def remove_alias(call: Call, query: Reason) -> Answer[None]:
    """Remove an alias; its history stays. If-Match guards against a concurrent move."""
    return await call.commit(
        lambda tx: version_aliases.remove_alias(
            tx, call.actor, call.model, _alias(call), seen=call.seen_revision, reason=query.reason
        )
    )


@table.route("GET", "/api/v1/models/{namespace}/{name}/aliases/{alias}/history")
async def list_alias_moves(call: Call, query: wire.MoveQuery) -> wire.AliasMovePage:
    """List the moves of an alias, newest first."""
    paging = Paging.of(query, int)
    at = parse_time(query.at) if query.at else None
    moves = await call.read(
        lambda tx: version_aliases.list_moves(
            tx,
            call.actor,
            call.model,
            _alias(call),
            before=paging.start,
            limit=paging.count,
            at=at,
        )
    )
    return paging.answer(wire.AliasMovePage, moves, shapes.alias_move, key=lambda move: (move.revision,))
