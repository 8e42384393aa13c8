"""Routes of the facts of a version."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.facts import usecases as facts
from modelyard.wire import facts as wire
from modelyard.wire import signature as signature_wire

table = RouteTable(__name__)
_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("GET", f"{_VERSION}/facts")
async def show_facts(call: Call) -> wire.Facts:
    """List the facts of a version: known, missing or not applicable, with a hint for each missing one."""
    found = await call.read(lambda tx: facts.show_facts(tx, call.actor, call.ref))
    return to_wire(found, wire.Facts, completeness=round(found.completeness, 4))


@table.route("GET", f"{_VERSION}/signature")
async def show_signature(call: Call) -> signature_wire.Signature:
    """Return the inputs and outputs of the model: names, types, shapes."""
    signature = await call.read(lambda tx: facts.show_signature(tx, call.actor, call.ref))
    return to_wire(signature, signature_wire.Signature)


@table.route("POST", f"{_VERSION}/signature/check", has_large_body=True)
async def check_signature(call: Call, body: signature_wire.CheckSignature) -> signature_wire.SignatureCheck:
    """Check data, described by names, types and shapes, against the version's signature; list the mismatches."""
    problems = await call.read(lambda tx: facts.check_signature(tx, call.actor, call.ref, body.inputs))
    return signature_wire.SignatureCheck(
        reference=str(call.ref),
        problems=[to_wire(p, signature_wire.SignatureProblem) for p in problems],
    )
