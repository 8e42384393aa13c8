"""SQL of attestations."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables import actors, attestations
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.attestations.nouns import StoredAttestation


def list_attestations(
    tx: Transaction, version_id: int, until: int, limit: int = 200
) -> list[StoredAttestation]:
    """List the attestations made up to that time, newest first."""
    query = (
        sa.select(attestations.c.signature, attestations.c.at, actors.c.name)
        .join(actors, actors.c.id == attestations.c.actor_id)
        .where(attestations.c.version_id == version_id, attestations.c.at <= until)
        .order_by(attestations.c.id.desc())
        .limit(limit)
    )
    return [StoredAttestation(*row) for row in tx.rows(query)]


def insert_attestation(tx: Transaction, actor: Actor, version_id: int, signature: str) -> None:
    tx.execute(
        attestations.insert().values(version_id=version_id, signature=signature, at=tx.now, actor_id=actor.id)
    )
