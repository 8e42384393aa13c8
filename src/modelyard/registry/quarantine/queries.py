"""SQL of the quarantine."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_noun
from modelyard.db.tables import (
    actors,
    blobs,
    grants,
    group_members,
    manifest_files,
    manifests,
    models,
    namespaces,
    run_artifacts,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import SYSTEM, Actor, ActorKind, Permission, Role
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import models_with, visible_models
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.quarantine.nouns import Quarantined, StoredRunFile
from modelyard.registry.scan.nouns import Release
from modelyard.registry.scan.rules import read_files
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Version

# First the ids, from the partial index, with the number in its text: SQLite would otherwise read every version.
_held = versions.alias("held")
_HELD = sa.select(_held.c.id).where(_held.c.quarantined == sa.literal_column("1"))


def list_quarantined(
    tx: Transaction,
    actor: Actor,
    namespace: str | None,
    before: int | None,
    limit: int,
    permission: Permission | None = None,
) -> list[Quarantined]:
    """List quarantined versions of readable models with ids below `before`, newest first.

    permission: only of models on which a role gives it to the actor.
    """
    readable = visible_models(actor) if permission is None else models_with(actor, permission)
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
            versions.c.manifest_id,
        )
        .select_from(
            versions.join(models, models.c.id == versions.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(manifests, manifests.c.id == versions.c.manifest_id)
            .join(actors, actors.c.id == versions.c.created_by)
        )
        .where(versions.c.id.in_(_HELD), versions.c.state != "deleted", readable)
        .order_by(versions.c.id.desc())
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if before is not None:
        query = query.where(versions.c.id < before)
    rows = tx.rows(query)
    why = _list_reasons(tx, {row[8] for row in rows})
    return [
        Quarantined(
            id=row[0],
            model=ModelName(row[1], row[2]),
            number=row[3],
            digest=row[4],
            verdict=row[5],
            at=row[6],
            by=row[7],
            why=why.get(row[8], ""),
        )
        for row in rows
    ]


def _list_reasons(tx: Transaction, manifest_ids: set[int]) -> dict[int, str]:
    """Return the most serious finding in each manifest's files."""
    query = (
        sa.select(manifest_files.c.manifest_id, manifest_files.c.path, blobs.c.scan)
        .join(blobs, blobs.c.digest == manifest_files.c.digest)
        .where(manifest_files.c.manifest_id.in_(sorted(manifest_ids)), blobs.c.scan.contains('"why"'))
        .order_by(manifest_files.c.position)
    )
    scans: dict[int, list[tuple[str, str | None]]] = {}
    for manifest_id, path, scan in tx.rows(query):
        scans.setdefault(manifest_id, []).append((path, scan))
    return {manifest_id: read_files(found).worst_reason for manifest_id, found in scans.items()}


def set_quarantine(tx: Transaction, version_id: int, *, quarantined: bool, released: Release | None) -> None:
    version_queries.update_version(
        tx, version_id, {"quarantined": int(quarantined), "released": dump_json(released)}
    )


def list_versions_of(tx: Transaction, manifest_id: int) -> list[tuple[Model, Version]]:
    """List the versions that have these files and are not deleted."""
    return _list_versions(tx, versions.c.manifest_id == manifest_id)


def list_unknown(tx: Transaction, namespace: str) -> list[tuple[Model, Version]]:
    """List the versions of a namespace whose files name unknown code."""
    return _list_versions(tx, sa.and_(namespaces.c.name == namespace, manifests.c.scan == "unknown"))


def _list_versions(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[tuple[Model, Version]]:
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number)
        .select_from(
            versions.join(models, models.c.id == versions.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(manifests, manifests.c.id == versions.c.manifest_id)
        )
        .where(condition, versions.c.state != "deleted")
        .order_by(versions.c.id)
    )
    found = []
    for namespace, name, number in tx.rows(query):
        model = catalog.find_model(tx, SYSTEM, ModelName(namespace, name))
        version = version_queries.find_by_number(tx, model.id, number) if model is not None else None
        if model is not None and version is not None:
            found.append((model, version))
    return found


def set_summary(tx: Transaction, manifest_id: int, format_facts: str) -> bool:
    """Store a summary. Returns whether it changed."""
    where = (manifests.c.id == manifest_id, manifests.c.format_facts != format_facts)
    return tx.execute(manifests.update().where(*where).values(format_facts=format_facts)).rowcount > 0


def set_model_summary(tx: Transaction, model_id: int, framework: str | None, licence: str | None) -> None:
    tx.execute(models.update().where(models.c.id == model_id).values(framework=framework, licence=licence))


def list_people(tx: Transaction, namespace: str, model_id: int) -> dict[str, Role]:
    """Return the role of each person who is not disabled, by their own grants or those of a group; a role on the model
    replaces the one on the namespace. model_id 0: on the namespace."""
    person = actors.alias("person")
    query = (
        sa.select(person.c.name, grants.c.model_id, sa.func.max(grants.c.role))
        .select_from(
            grants.join(namespaces, namespaces.c.id == grants.c.namespace_id)
            .outerjoin(group_members, group_members.c.group_id == grants.c.actor_id)
            .join(person, person.c.id == sa.func.coalesce(group_members.c.actor_id, grants.c.actor_id))
        )
        .where(
            namespaces.c.name == namespace,
            grants.c.model_id.in_([0, model_id]),
            person.c.kind == ActorKind.USER.value,
            person.c.disabled_at.is_(None),
        )
        .group_by(person.c.name, grants.c.model_id)
        .order_by(grants.c.model_id)
    )
    # Roles on the model come last, and replace the others.
    return {name: Role(role) for name, _, role in tx.rows(query)}


# --- files of runs -----------------------------------------------------------------------------------


def list_run_files(tx: Transaction, run_id: int) -> list[StoredRunFile]:
    """List the files of a run whose bytes are stored."""
    query = (
        sa.select(
            run_artifacts.c.path,
            run_artifacts.c.digest,
            blobs.c.scan,
            run_artifacts.c.released,
            actors.c.name,
        )
        .select_from(
            run_artifacts.join(blobs, blobs.c.digest == run_artifacts.c.digest).outerjoin(
                actors, actors.c.id == run_artifacts.c.logged_by
            )
        )
        .where(run_artifacts.c.run_id == run_id)
        .order_by(run_artifacts.c.path)
    )
    return [
        StoredRunFile(row[0], Digest(row[1]), row[2], load_noun(row[3], Release), row[4])
        for row in tx.rows(query)
    ]


def set_run_file_released(tx: Transaction, run_id: int, path: str, released: Release | None) -> None:
    where = (run_artifacts.c.run_id == run_id, run_artifacts.c.path == path)
    tx.execute(run_artifacts.update().where(*where).values(released=dump_json(released)))
