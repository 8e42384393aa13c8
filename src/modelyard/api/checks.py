"""Routes of checks."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.checks import usecases as checks
from modelyard.registry.checks.nouns import Check
from modelyard.registry.idempotency import Answer
from modelyard.wire import checks as wire

table = RouteTable(__name__)


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/checks", status=201)
async def report_check(call: Call, body: wire.ReportCheck) -> Answer[wire.CheckList]:
    """Report a check of a version; return all of its checks."""
    report = checks.CheckReport(body.name, body.state, body.url, body.summary, body.details)

    def work(tx: Transaction) -> wire.CheckList:
        checks.report_check(tx, call.actor, call.ref, report)
        return _checks(call, tx)

    return await call.commit(work)


def _checks(call: Call, tx: Transaction) -> wire.CheckList:
    found = checks.list_checks(tx, call.actor, call.ref)
    return wire.CheckList(reference=str(call.ref), items=[check(item) for item in found])


@table.route("GET", f"{_VERSION}/checks")
async def list_checks(call: Call) -> wire.CheckList:
    """List the checks of a version, newest first; the first of each name counts."""
    return await call.read(lambda tx: _checks(call, tx))


def check(found: Check) -> wire.Check:
    return to_wire(found, wire.Check, details=found.details.value if found.details else {})
