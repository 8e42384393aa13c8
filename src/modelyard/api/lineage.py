"""Routes of lineage and recalls."""

from __future__ import annotations

from modelyard.api import shapes as common
from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import InvalidRequest
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.lineage import openlineage, recalls
from modelyard.registry.lineage import usecases as lineage
from modelyard.wire import lineage as wire
from modelyard.wire import versions as versions_wire

table = RouteTable(__name__)
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("GET", "/api/v1/lineage")
async def show_lineage(call: Call, query: wire.LineageQuery) -> wire.Lineage | wire.OpenLineage:
    """Return the origins and descendants of a version, dataset or run, to any depth. With format=openlineage: one
    OpenLineage run event for each version in the graph."""
    if query.format not in ("native", "openlineage"):
        raise InvalidRequest(reason=f"format is {query.format[:40]!r}", fix="Use native or openlineage")

    def find(tx: Transaction) -> wire.Lineage | wire.OpenLineage:
        graph = lineage.trace(
            tx, call.actor, query.ref, kind=query.kind, direction=query.direction, depth=query.depth
        )
        if query.format == "openlineage":
            return wire.OpenLineage(
                events=openlineage.run_events(tx, graph, call.services.public_url, call.services.release)
            )
        return _shape(graph)

    return await call.read(find)


def _shape(graph: lineage.Graph) -> wire.Lineage:
    return to_wire(
        graph,
        wire.Lineage,
        nodes=[to_wire(node, wire.Node) for node in graph.nodes],
        hidden=sum(node.hidden for node in graph.nodes),
    )


@table.route("PUT", f"{_VERSION}/recall")
async def recall_version(call: Call, body: wire.Recall) -> Answer[versions_wire.Version]:
    """Recall a version: pulls are refused or get a warning, and everyone who depends on it is notified."""
    return await call.commit(
        lambda tx: common.version(
            recalls.recall_version(tx, call.actor, call.ref, mode=body.mode, reason=body.reason)
        ),
        etag=revision_tag,
    )


@table.route("DELETE", f"{_VERSION}/recall")
async def lift_recall(call: Call) -> Answer[versions_wire.Version]:
    """Lift a recall."""
    return await call.commit(
        lambda tx: common.version(recalls.lift_recall(tx, call.actor, call.ref)), etag=revision_tag
    )
