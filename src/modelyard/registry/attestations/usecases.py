"""Add and list attestations."""

from __future__ import annotations

import base64
import binascii

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.registry.attestations import queries
from modelyard.registry.attestations.nouns import StoredAttestation
from modelyard.registry.versions.usecases import find_present, find_version

_SIGNATURE_BYTES = 64


def add_attestation(tx: Transaction, actor: Actor, ref: Ref, signature: str) -> StoredAttestation:
    """Store a signature. The gates of a policy decide whether it verifies, and with which key.

    Raises Invalid, VersionDeleted, Denied.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_ATTEST)
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _SIGNATURE_BYTES:
        raise Invalid(
            reason="an attestation is an Ed25519 signature: 64 bytes in base64",
            fix=f"Make one with: modelyard attest {model.name}:{version.number} --key KEYFILE",
        )
    queries.insert_attestation(tx, actor, version.id, signature)
    tx.append(
        events.VersionAttested(
            **events.about(model.name, version.number),
            digest=version.digest,
            record_digest=version.record_digest,
            signature=signature,
        ),
        actor,
        model.id,
    )
    return StoredAttestation(signature, tx.now, actor.name)


def list_attestations(tx: Transaction, actor: Actor, ref: Ref) -> list[StoredAttestation]:
    """List the attestations of a version, newest first."""
    _, version = find_version(tx, actor, ref)
    return queries.list_attestations(tx, version.id, tx.now)
