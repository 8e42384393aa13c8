"""SQL of the quarantine."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_noun
from modelyard.db.tables import (
    actors,
    blobs,
    grants,
    group_members,
    manifests,
    models,
    namespaces,
    run_artifacts,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import SYSTEM, Actor, ActorKind, Role
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.quarantine.nouns import Quarantined, StoredRunFile
from modelyard.registry.scan.nouns import Release
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Version


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


def set_quarantine(tx: Transaction, version_id: int, *, quarantined: bool, released: Release | None) -> None:
    version_queries.update_version(
        tx, version_id, {"quarantined": int(quarantined), "released": dump_json(released)}
    )


def list_versions_of(tx: Transaction, manifest_id: int) -> list[tuple[Model, Version]]:
    """Versions that have these files and are not deleted."""
    return _list_versions(tx, versions.c.manifest_id == manifest_id)


def list_unknown(tx: Transaction, namespace: str) -> list[tuple[Model, Version]]:
    """Versions of a namespace whose files name code that no one knows."""
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
    """Whether it is another one."""
    where = (manifests.c.id == manifest_id, manifests.c.format_facts != format_facts)
    return tx.execute(manifests.update().where(*where).values(format_facts=format_facts)).rowcount > 0


def set_model_summary(tx: Transaction, model_id: int, framework: str | None, licence: str | None) -> None:
    tx.execute(models.update().where(models.c.id == model_id).values(framework=framework, licence=licence))


def list_people(tx: Transaction, namespace: str, model_id: int) -> dict[str, Role]:
    """The role of each person who is not disabled, by grants of their own or of a group; a role on the model stands
    in place of the one on the namespace. model_id 0: on the namespace."""
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
    # Those on the model come last, and stand in place of the others.
    return {name: Role(role) for name, _, role in tx.rows(query)}


# --- files of runs -----------------------------------------------------------------------------------


def list_run_files(tx: Transaction, run_id: int) -> list[StoredRunFile]:
    """The files of a run whose bytes are here."""
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
