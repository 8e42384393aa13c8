"""Routes of what is known of a version."""

from __future__ import annotations

from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.facts import usecases as facts
from modelyard.wire import facts as wire
from modelyard.wire import signature as signature_wire

table = RouteTable("facts")
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("GET", f"{_VERSION}/facts")
async def show_facts(call: Call) -> wire.Facts:
    """Each fact of a version: known, missing or not applicable, and what to do about it."""
    found = await call.read(lambda tx: facts.show_facts(tx, call.actor, call.ref))
    return wire.Facts(
        reference=found.reference,
        completeness=round(found.completeness, 4),
        items=[wire.Fact(name=f.name, state=f.state, counts=f.counts, hint=f.hint) for f in found.items],
    )


@table.route("GET", f"{_VERSION}/signature")
async def show_signature(call: Call) -> signature_wire.Signature:
    """What goes into the model and comes out of it: names, types, shapes."""
    found = await call.read(lambda tx: facts.show_signature(tx, call.actor, call.ref))
    return signature_wire.Signature(
        reference=found.reference, inputs=found.inputs, outputs=found.outputs, declared=found.declared
    )


@table.route("POST", f"{_VERSION}/signature/check", has_large_body=True)
async def check_signature(call: Call, body: signature_wire.CheckSignature) -> signature_wire.SignatureCheck:
    """What of some data, described by names, types and shapes, does not fit the version's signature."""
    found = await call.read(lambda tx: facts.check_signature(tx, call.actor, call.ref, body.inputs))
    return signature_wire.SignatureCheck(
        reference=str(call.ref),
        problems=[
            signature_wire.SignatureProblem(column=p.column, expected=p.expected, found=p.found) for p in found
        ],
    )
