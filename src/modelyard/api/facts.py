"""Routes of what is known of a version."""

from __future__ import annotations

from modelyard.api.routing import Call, RouteTable
from modelyard.registry.facts import usecases as facts
from modelyard.wire import facts as wire

table = RouteTable("facts")


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/facts", returns=wire.Facts)
async def show_facts(call: Call) -> wire.Facts:
    """Each fact of a version: known, missing or not applicable, and what to do about it."""
    found = await call.read(lambda tx: facts.show_facts(tx, call.actor, call.ref))
    return wire.Facts(
        reference=found.reference,
        completeness=round(found.completeness, 4),
        items=[wire.Fact(name=f.name, state=f.state, counts=f.counts, hint=f.hint) for f in found.items],
    )
