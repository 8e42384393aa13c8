"""Routes of lineage and recalls."""

from __future__ import annotations

from modelyard.api import shapes as common
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import InvalidRequest
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.lineage import openlineage, recalls
from modelyard.registry.lineage import usecases as lineage
from modelyard.wire import lineage as wire
from modelyard.wire import versions as versions_wire

table = RouteTable("lineage")
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("GET", "/api/v1/lineage")
async def show_lineage(call: Call, query: wire.LineageQuery) -> wire.Lineage | wire.OpenLineage:
    """What a version, dataset or run came from, and what came of it, to any depth. With format=openlineage: one run
    event of OpenLineage for each version in it."""
    if query.format not in ("native", "openlineage"):
        raise InvalidRequest(reason=f"format is {query.format[:40]!r}", fix="Use native, openlineage")

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
    return wire.Lineage(
        starts=graph.starts,
        nodes=[
            wire.Node(
                key=node.key,
                kind=node.kind,
                depth=node.depth,
                name=node.name,
                hidden=node.hidden,
                title=node.title,
                digest=node.digest,
                state=node.state,
                aliases=list(node.aliases),
                owners=list(node.owners),
                deprecated=node.deprecated,
                recalled=common.recalled(node.recalled),
                created_at=common.optional_time(node.created_at),
                created_by=node.created_by,
            )
            for node in graph.nodes
        ],
        edges=[
            wire.Edge(
                source=edge.source,
                target=edge.target,
                relation=edge.relation,
                details=edge.details,
            )
            for edge in graph.edges
        ],
        hidden=sum(node.hidden for node in graph.nodes),
        truncated=graph.truncated,
    )


@table.route("PUT", f"{_VERSION}/recall")
async def recall_version(call: Call, body: wire.Recall) -> Answer[versions_wire.Version]:
    """Recall a version: pulls are refused or warned, and who depends on it is told."""
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
