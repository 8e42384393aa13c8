"""Routes of attestations."""

from __future__ import annotations

import base64

from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.attested import attested_bytes
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.attestations import usecases as attestations
from modelyard.registry.idempotency import Answer
from modelyard.registry.versions import usecases as versions
from modelyard.wire import attestations as wire

table = RouteTable(__name__)


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/attestations", status=201)
async def add_attestation(call: Call, body: wire.Attest) -> Answer[wire.Attestation]:
    """Add a signature over the version's digests."""

    def work(tx: Transaction) -> wire.Attestation:
        attestation = attestations.add_attestation(tx, call.actor, call.ref, body.signature)
        return to_wire(attestation, wire.Attestation)

    return await call.commit(work)


@table.route("GET", f"{_VERSION}/attestations")
async def list_attestations(call: Call) -> wire.AttestationList:
    """Return the signatures over a version, and the signed statement."""

    def find(tx: Transaction) -> wire.AttestationList:
        view = versions.show_version(tx, call.actor, call.ref)
        found = attestations.list_attestations(tx, call.actor, call.ref)
        statement = attested_bytes(view.version.digest, view.version.record_digest)
        return wire.AttestationList(
            reference=str(call.ref),
            statement=base64.b64encode(statement).decode(),
            items=[to_wire(a, wire.Attestation) for a in found],
        )

    return await call.read(find)
