"""The route of a version in one answer."""

from __future__ import annotations

from modelyard.api import shapes
from modelyard.api.checks import check
from modelyard.api.comparison_shapes import metric
from modelyard.api.conversion import to_wire
from modelyard.api.promotion_shapes import promotion, votes
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.overview import needs
from modelyard.registry.overview import usecases as overview
from modelyard.wire import overview as wire

table = RouteTable(__name__)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/overview")
async def show_overview(call: Call) -> wire.Overview:
    """Return a version with its origin, its metrics against the champion, checks, promotions, card and scan."""
    found = await call.read(lambda tx: overview.show_overview(tx, call.actor, call.ref))
    return to_wire(
        found,
        wire.Overview,
        version=shapes.version(found.view),
        metrics=[metric(row) for row in found.metrics],
        checks=[check(one) for one in found.checks],
        promotions=[
            promotion(row, with_verdict=True, votes=votes(cast, row)) for row, cast in found.promotions
        ],
    )


@table.route("GET", "/api/v1/needs")
async def list_needs(call: Call, query: wire.NeedQuery) -> wire.NeedList:
    """List what waits for the caller: votes, unmet gates, quarantined versions, deployments that need retraining or are
    missing, paused schedules, models with gaps."""
    found = await call.read(lambda tx: needs.list_needs(tx, call.actor, query.limit))
    return wire.NeedList(items=[to_wire(row, wire.Need, model=str(row.model)) for row in found])
