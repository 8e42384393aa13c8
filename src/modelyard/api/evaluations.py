"""Routes of evaluations."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.evaluations import usecases as evaluations
from modelyard.registry.idempotency import Answer
from modelyard.wire import evaluations as wire

table = RouteTable(__name__)


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/evaluations", status=201)
async def report_evaluation(call: Call, body: wire.ReportEvaluation) -> Answer[wire.Evaluation]:
    """Report metrics of a version, measured on a dataset split."""
    return await call.commit(
        lambda tx: to_wire(
            evaluations.report_evaluation(
                tx, call.actor, call.ref, body.metrics, split=body.split, dataset=body.dataset
            ),
            wire.Evaluation,
        )
    )


@table.route("GET", f"{_VERSION}/evaluations")
async def list_evaluations(call: Call) -> wire.EvaluationList:
    """List the evaluations of a version, newest first. Metrics frozen at registration are in its record."""
    listed = await call.read(lambda tx: evaluations.list_evaluations(tx, call.actor, call.ref))
    return wire.EvaluationList(
        reference=str(call.ref), items=[to_wire(item, wire.Evaluation) for item in listed]
    )
