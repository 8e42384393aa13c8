"""The route that finds objects of every kind."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.search.jumping import jump
from modelyard.wire import search as wire

table = RouteTable(__name__)


@table.route("GET", "/api/v1/search")
async def find(call: Call, query: wire.FindQuery) -> wire.FoundList:
    """Find models, versions, runs, datasets and accounts by name, reference, digest or Git commit."""
    found = await call.read(lambda tx: jump(tx, call.actor, query.q, query.limit))
    return wire.FoundList(items=[to_wire(row, wire.Found) for row in found])
