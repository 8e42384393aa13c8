"""Routes of redactions."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.redaction import usecases as redaction
from modelyard.registry.redaction import withholding
from modelyard.registry.redaction.withholding import Withholding
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


@table.route("POST", "/api/v1/withheld")
async def withhold_file(call: Call, body: wire.WithholdFile) -> Answer[wire.Withheld]:
    """Withhold the bytes of a file for good, wherever they are: no route gives them, and they are deleted."""
    done: list[Withholding] = []

    def work(tx: Transaction) -> wire.Withheld:
        found = withholding.withhold_file(tx, call.actor, body.holder, body.path, body.reason)
        done.append(found)
        return wire.Withheld(
            holder=found.place.holder,
            path=found.place.path,
            digest=found.digest,
            size_bytes=found.size_bytes,
            reason=found.reason,
            also=[str(place) for place in found.also],
        )

    answer = await call.commit(work)
    for found in done:
        await call.in_thread("exports", withholding.remove_bytes, call.services.blobs, found)
    return answer


@table.route("GET", "/api/v1/namespaces/{namespace}/withheld")
async def list_withheld(call: Call) -> wire.WithheldList:
    """Files of a namespace whose bytes were withheld, by whom and why."""
    found = await call.read(lambda tx: withholding.list_withheld(tx, call.actor, call.path["namespace"]))
    return wire.WithheldList(
        items=[
            wire.Withheld(
                holder=each.holder,
                path=each.path,
                digest=each.digest,
                size_bytes=each.size_bytes,
                reason=each.reason,
                event=each.seq,
                by=each.by,
                at=time_text(each.at),
            )
            for each in found
        ]
    )
