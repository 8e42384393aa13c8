"""The route of the measures."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.measures import usecases as measures
from modelyard.wire import measures as wire

table = RouteTable(__name__)


@table.route("GET", "/api/v1/measures")
async def show_measures(call: Call, query: wire.MeasuresQuery) -> wire.Measures:
    """Return lead times, promotions, rollbacks, completeness and reuse by month, of the models you may read."""
    services = call.services
    found = await call.in_thread(
        "views",
        lambda: services.db.read(
            lambda tx: measures.show_measures(
                tx, call.actor, since=query.since, namespace=query.namespace, stage=query.stage
            )
        ),
    )
    return to_wire(found, wire.Measures)
