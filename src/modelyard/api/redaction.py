"""Routes of redactions."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.redaction import usecases as redaction
from modelyard.registry.redaction import withholding
from modelyard.registry.redaction.withholding import Withholding
from modelyard.wire import redaction as wire

table = RouteTable(__name__)

_REDACTIONS = "/api/v1/namespaces/{namespace}/redactions"


def _redaction(found: redaction.Redaction) -> wire.Redaction:
    return to_wire(found, wire.Redaction, event=found.seq)


@table.route("POST", _REDACTIONS)
async def redact_text(call: Call, body: wire.RedactText) -> Answer[wire.Redaction]:
    """Remove a text from all records, logs, cards, comments and events of a namespace, for good."""
    namespace, blobs = call.path["namespace"], call.services.blobs
    return await call.commit(
        lambda tx: _redaction(redaction.redact_text(tx, blobs, call.actor, namespace, body.text, body.reason))
    )


@table.route("GET", _REDACTIONS)
async def list_redactions(call: Call) -> wire.RedactionList:
    """List the redactions in a namespace, by whom and why."""
    redactions = await call.read(lambda tx: redaction.list_redactions(tx, call.actor, call.path["namespace"]))
    return wire.RedactionList(items=[_redaction(each) for each in redactions])


@table.route("POST", "/api/v1/withheld")
async def withhold_file(call: Call, body: wire.WithholdFile) -> Answer[wire.Withheld]:
    """Withhold the bytes of a file for good, wherever they occur: no route serves them, and they are deleted."""
    done: list[Withholding] = []

    def work(tx: Transaction) -> wire.Withheld:
        withheld = withholding.withhold_file(tx, call.actor, body.holder, body.path, body.reason)
        done.append(withheld)
        return wire.Withheld(
            holder=withheld.place.holder,
            path=withheld.place.path,
            digest=withheld.digest,
            size_bytes=withheld.size_bytes,
            reason=withheld.reason,
            also=[str(place) for place in withheld.also],
        )

    answer = await call.commit(work)
    for withheld in done:
        await call.in_thread("exports", withholding.remove_bytes, call.services.blobs, withheld)
    return answer


@table.route("GET", "/api/v1/namespaces/{namespace}/withheld")
async def list_withheld(call: Call) -> wire.WithheldList:
    """List the files of a namespace whose bytes are withheld, by whom and why."""
    withheld = await call.read(lambda tx: withholding.list_withheld(tx, call.actor, call.path["namespace"]))
    return wire.WithheldList(items=[to_wire(each, wire.Withheld, event=each.seq, also=[]) for each in withheld])
