"""SQL of the quarantine."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from modelyard.db.tables import actors, manifests, models, namespaces, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.queries import Model
from modelyard.registry.keyring.usecases import SYSTEM
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.queries import Version


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A version in quarantine, as a list shows it."""

    id: int
    model: ModelName
    number: int
    digest: str
    verdict: str
    at: int
    """When it was registered."""
    by: str


def list_quarantined(
    tx: Transaction, actor: Actor, namespace: str | None, before: int | None, limit: int
) -> list[Quarantined]:
    """Newest first, ids below `before`; of models that the actor may read."""
    query = (
        sa.select(
            versions.c.id,
            namespaces.c.name,
            models.c.name,
            versions.c.number,
            versions.c.digest,
            manifests.c.scan,
            versions.c.created_at,
            actors.c.name,
        )
        .select_from(
            versions.join(models, models.c.id == versions.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(manifests, manifests.c.id == versions.c.manifest_id)
            .join(actors, actors.c.id == versions.c.created_by)
        )
        .where(versions.c.quarantined == 1, versions.c.state != "deleted", visible_models(actor))
        .order_by(versions.c.id.desc())
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if before is not None:
        query = query.where(versions.c.id < before)
    return [Quarantined(row[0], ModelName(row[1], row[2]), *row[3:]) for row in tx.rows(query)]


def set_quarantine(tx: Transaction, version_id: int, *, quarantined: bool, released: str | None) -> None:
    version_queries.update_version(tx, version_id, {"quarantined": int(quarantined), "released": released})


def list_versions_of(tx: Transaction, manifest_id: int) -> list[tuple[Model, Version]]:
    """Versions that have these files and are not deleted."""
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number)
        .select_from(
            versions.join(models, models.c.id == versions.c.model_id).join(
                namespaces, namespaces.c.id == models.c.namespace_id
            )
        )
        .where(versions.c.manifest_id == manifest_id, versions.c.state != "deleted")
        .order_by(versions.c.id)
    )
    found = []
    for namespace, name, number in tx.rows(query):
        model = catalog.find_model(tx, SYSTEM, ModelName(namespace, name))
        version = version_queries.find_by_number(tx, model.id, number) if model is not None else None
        if model is not None and version is not None:
            found.append((model, version))
    return found
