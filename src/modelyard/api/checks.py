"""Routes of checks."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.checks import usecases as checks
from modelyard.registry.checks.nouns import Check
from modelyard.registry.idempotency import Answer
from modelyard.wire import checks as wire

table = RouteTable("reports")


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/checks", status=201)
async def report_check(call: Call, body: wire.ReportCheck) -> Answer[wire.CheckList]:
    """Report a check of a version; answers with all of its checks."""
    report = checks.CheckReport(body.name, body.state, body.url, body.summary, body.details)

    def work(tx: Transaction) -> wire.CheckList:
        checks.report_check(tx, call.actor, call.ref, report)
        return _checks(call, tx)

    return await call.commit(work)


def _checks(call: Call, tx: Transaction) -> wire.CheckList:
    found = checks.list_checks(tx, call.actor, call.ref)
    return wire.CheckList(reference=str(call.ref), items=[_check(item) for item in found])


@table.route("GET", f"{_VERSION}/checks")
async def list_checks(call: Call) -> wire.CheckList:
    """The checks of a version, newest first; the first of each name counts."""
    return await call.read(lambda tx: _checks(call, tx))


def _check(found: Check) -> wire.Check:
    return wire.Check(
        name=found.name,
        state=found.state,
        url=found.url,
        summary=found.summary,
        details=found.details.value if found.details else {},
        at=time_text(found.at),
        by=found.by,
    )
