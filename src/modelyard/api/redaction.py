"""Routes of redactions."""

from __future__ import annotations

from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.redaction import usecases as redaction
from modelyard.wire import redaction as wire

table = RouteTable("redaction")

_REDACTIONS = "/api/v1/namespaces/{namespace}/redactions"


def _redaction(found: redaction.Redaction) -> wire.Redaction:
    return wire.Redaction(
        id=found.id,
        reason=found.reason,
        places=found.places,
        events=list(found.events),
        event=found.seq,
        by=found.by,
        at=found.at,
    )


@table.route("POST", _REDACTIONS)
async def redact_text(call: Call, body: wire.RedactText) -> Answer[wire.Redaction]:
    """Take a text out of all records, logs, cards, comments and events of a namespace, for good."""
    namespace = call.path["namespace"]
    return await call.commit(
        lambda tx: _redaction(redaction.redact_text(tx, call.actor, namespace, body.text, body.reason))
    )


@table.route("GET", _REDACTIONS)
async def list_redactions(call: Call) -> wire.RedactionList:
    """What was redacted in a namespace, by whom and why."""
    found = await call.read(lambda tx: redaction.list_redactions(tx, call.actor, call.path["namespace"]))
    return wire.RedactionList(items=[_redaction(each) for each in found])
