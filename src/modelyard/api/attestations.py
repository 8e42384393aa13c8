"""Routes of attestations."""

from __future__ import annotations

import base64

from modelyard.db.transaction import Transaction
from modelyard.domain.attested import attested_bytes
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.table import RouteTable
from modelyard.registry.attestations import usecases as attestations
from modelyard.registry.idempotency import Answer
from modelyard.registry.versions import usecases as versions
from modelyard.wire import attestations as wire

table = RouteTable("reports")


_VERSION = "/api/v1/models/{namespace}/{name}/versions/{version}"


@table.route("POST", f"{_VERSION}/attestations", status=201)
async def add_attestation(call: Call, body: wire.Attest) -> Answer[wire.Attestation]:
    """Add a signature over the version's digests."""

    def work(tx: Transaction) -> wire.Attestation:
        found = attestations.add_attestation(tx, call.actor, call.ref, body.signature)
        return wire.Attestation(signature=found.signature, at=time_text(found.at), by=found.by)

    return await call.commit(work)


@table.route("GET", f"{_VERSION}/attestations")
async def list_attestations(call: Call) -> wire.AttestationList:
    """The signatures over a version, and the statement they are made over."""

    def find(tx: Transaction) -> wire.AttestationList:
        view = versions.show_version(tx, call.actor, call.ref)
        found = attestations.list_attestations(tx, call.actor, call.ref)
        statement = attested_bytes(view.version.digest, view.version.record_digest)
        return wire.AttestationList(
            reference=str(call.ref),
            statement=base64.b64encode(statement).decode(),
            items=[wire.Attestation(signature=a.signature, at=time_text(a.at), by=a.by) for a in found],
        )

    return await call.read(find)
