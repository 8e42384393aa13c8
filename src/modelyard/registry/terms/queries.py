"""SQL of terms of use."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    manifest_files,
    model_terms,
    models,
    namespaces,
    terms_acceptances,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.terms.nouns import Acceptance, Terms

_p = sa.bindparam

_ACCEPTED_AT = Statement(
    sa.select(terms_acceptances.c.at).where(
        terms_acceptances.c.model_id == _p("model_id"),
        terms_acceptances.c.actor_id == _p("actor_id"),
        terms_acceptances.c.digest == _p("digest"),
    )
)


def find_accepted_at(tx: Transaction, actor: Actor, model_id: int, digest: str) -> int | None:
    row = tx.one(_ACCEPTED_AT, model_id=model_id, actor_id=actor.id, digest=digest)
    return int(row[0]) if row else None


def find_terms(tx: Transaction, actor: Actor, model: Model) -> Terms:
    if model.terms_digest is None:
        return Terms(model.name)
    query = (
        sa.select(model_terms.c.text, model_terms.c.at, actors.c.name)
        .join(actors, actors.c.id == model_terms.c.actor_id)
        .where(model_terms.c.model_id == model.id, model_terms.c.digest == model.terms_digest)
    )
    text, at, by = tx.execute(query).one()
    accepted_at = find_accepted_at(tx, actor, model.id, model.terms_digest)
    return Terms(model.name, text, model.terms_digest, at, by, accepted_at)


def set_terms(tx: Transaction, actor: Actor, model_id: int, digest: str | None, text: str) -> None:
    if digest is not None:
        insert = postgresql.insert(model_terms).values(
            model_id=model_id, digest=digest, text=text, at=tx.now, actor_id=actor.id
        )
        changed = {"text": text, "at": tx.now, "actor_id": actor.id}
        tx.execute(insert.on_conflict_do_update(index_elements=["model_id", "digest"], set_=changed))
    tx.execute(
        models.update()
        .where(models.c.id == model_id)
        .values(terms_digest=digest, revision=models.c.revision + 1, updated_at=tx.now)
    )


def insert_acceptance(tx: Transaction, actor: Actor, model_id: int, digest: str) -> None:
    tx.execute(
        terms_acceptances.insert().values(model_id=model_id, actor_id=actor.id, digest=digest, at=tx.now)
    )


def list_acceptances(tx: Transaction, model_id: int, before: int | None, limit: int) -> list[Acceptance]:
    """List them, newest first."""
    query = (
        sa.select(terms_acceptances.c.id, actors.c.name, terms_acceptances.c.digest, terms_acceptances.c.at)
        .join(actors, actors.c.id == terms_acceptances.c.actor_id)
        .where(terms_acceptances.c.model_id == model_id)
        .order_by(terms_acceptances.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(terms_acceptances.c.id < before)
    return [Acceptance(*row) for row in tx.rows(query)]


def find_unaccepted(tx: Transaction, actor: Actor, namespace: str, digest: Digest) -> ModelName | None:
    """Return a model of the namespace that has the bytes, and terms that the account did not accept."""
    accepted = sa.exists().where(
        terms_acceptances.c.model_id == models.c.id,
        terms_acceptances.c.actor_id == actor.id,
        terms_acceptances.c.digest == models.c.terms_digest,
    )
    query = (
        sa.select(models.c.name)
        .select_from(
            models.join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(versions, versions.c.model_id == models.c.id)
            .join(manifest_files, manifest_files.c.manifest_id == versions.c.manifest_id)
        )
        .where(
            namespaces.c.name == namespace,
            models.c.terms_digest.is_not(None),
            models.c.deleted_at.is_(None),
            versions.c.state != "deleted",
            manifest_files.c.digest == digest,
            ~accepted,
        )
        .order_by(models.c.id)
        .limit(1)
    )
    row = tx.execute(query).first()
    return ModelName(namespace, row[0]) if row else None
