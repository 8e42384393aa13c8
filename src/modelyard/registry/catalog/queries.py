"""SQL of namespaces and models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.lists import ids_text, is_among
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    SEARCH_TABLE,
    actors,
    dataset_versions,
    datasets,
    experiments,
    grants,
    lineage_edges,
    model_owners,
    model_redirects,
    model_tags,
    models,
    namespaces,
    runs,
    scan_trusts,
    trusted_publishers,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.names import STANDARD_STAGES, ModelName
from modelyard.registry.access.queries import known_namespaces, model_role, namespace_role
from modelyard.registry.catalog.nouns import Model, Namespace

_p = sa.bindparam

# --- namespaces ----------------------------------------------------------------------------------


_NAMESPACE = (
    namespaces.c.id,
    namespaces.c.name,
    namespaces.c.display_name,
    namespaces.c.description,
    namespaces.c.visibility,
    namespaces.c.naming_pattern,
    namespaces.c.reserved_names,
    namespaces.c.revision,
    namespaces.c.created_at,
)


def _namespace(row: Sequence[Any]) -> Namespace:
    reserved = tuple(load_json(row[6]) or ())
    return Namespace(
        row[0], row[1], row[2], row[3], Visibility(row[4]), row[5], reserved, row[7], row[8], Role(row[9])
    )


_FIND_NAMESPACE = Statement(
    sa.select(*_NAMESPACE, namespace_role(_p("actor_id"), namespaces.c.id)).where(
        namespaces.c.name == _p("name")
    )
)


def find_namespace(tx: Transaction, actor: Actor, name: str) -> Namespace | None:
    row = tx.one(_FIND_NAMESPACE, actor_id=actor.id, name=name)
    return _namespace(row) if row else None


def list_namespaces(tx: Transaction, actor: Actor, after: str | None, limit: int) -> list[Namespace]:
    query = (
        sa.select(*_NAMESPACE, namespace_role(actor.id, namespaces.c.id))
        .where(known_namespaces(actor))
        .order_by(namespaces.c.name)
        .limit(limit)
    )
    if actor.scope.namespace is not None:
        query = query.where(namespaces.c.name == actor.scope.namespace)
    if after is not None:
        query = query.where(namespaces.c.name > after)
    return [_namespace(row) for row in tx.rows(query)]


def insert_namespace(
    tx: Transaction,
    *,
    name: str,
    display_name: str,
    description: str,
    visibility: Visibility,
    naming_pattern: str | None,
    reserved_names: Sequence[str],
    created_by: int,
) -> int | None:
    """The new id; None when the name is taken."""
    insert = (
        postgresql.insert(namespaces)
        .values(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility.value,
            naming_pattern=naming_pattern,
            reserved_names=dump_json(reserved_names) if reserved_names else None,
            created_at=tx.now,
            created_by=created_by,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(namespaces.c.id)
    )
    return tx.execute(insert).scalar_one_or_none()


def update_namespace(tx: Transaction, namespace_id: int, values: Mapping[str, Any]) -> None:
    tx.execute(
        namespaces.update()
        .where(namespaces.c.id == namespace_id)
        .values(**values, revision=namespaces.c.revision + 1)
    )


def delete_namespace(tx: Transaction, namespace_id: int) -> None:
    """Only for one without models and runs. Its trusted publishers end with it."""
    publishers = trusted_publishers.c.namespace_id == namespace_id
    accounts = sa.select(trusted_publishers.c.actor_id).where(publishers)
    tx.execute(actors.update().where(actors.c.id.in_(accounts)).values(disabled_at=tx.now))
    tx.execute(trusted_publishers.delete().where(publishers))
    tx.execute(experiments.delete().where(experiments.c.namespace_id == namespace_id))
    tx.execute(scan_trusts.delete().where(scan_trusts.c.namespace_id == namespace_id))
    tx.execute(grants.delete().where(grants.c.namespace_id == namespace_id))
    tx.execute(namespaces.delete().where(namespaces.c.id == namespace_id))


def delete_datasets(tx: Transaction, namespace_id: int) -> None:
    """With their contents, and the edges from these."""
    own = sa.select(datasets.c.id).where(datasets.c.namespace_id == namespace_id)
    contents = dataset_versions.c.dataset_id.in_(own)
    nodes = sa.literal("dataset:") + sa.cast(dataset_versions.c.id, sa.Text)
    tx.execute(lineage_edges.delete().where(lineage_edges.c.source.in_(sa.select(nodes).where(contents))))
    tx.execute(dataset_versions.delete().where(contents))
    tx.execute(datasets.delete().where(datasets.c.namespace_id == namespace_id))


def count_models(tx: Transaction, namespace_id: int) -> int:
    """Tombstones count too: their names are still in use."""
    return int(tx.execute(sa.select(sa.func.count()).where(models.c.namespace_id == namespace_id)).scalar_one())


def count_runs(tx: Transaction, namespace_id: int) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(runs.c.namespace_id == namespace_id)).scalar_one())


# --- models --------------------------------------------------------------------------------------


MODEL_COLUMNS = (
    models.c.id,
    models.c.namespace_id,
    namespaces.c.name,
    models.c.name,
    models.c.display_name,
    models.c.description,
    models.c.visibility,
    models.c.newest_version,
    models.c.version_count,
    models.c.framework,
    models.c.licence,
    models.c.task,
    models.c.revision,
    models.c.created_at,
    models.c.updated_at,
    models.c.archived_at,
    models.c.deleted_at,
    sa.func.coalesce(models.c.protected_aliases, namespaces.c.protected_aliases),
)


# Calling an enumeration with a value costs ten times as much.
_VISIBILITIES = {each.value: each for each in Visibility}
_ROLES = {each.value: each for each in Role}


def to_model(row: Sequence[Any]) -> Model:
    """A row of MODEL_COLUMNS and the role."""
    name = ModelName(row[2], row[3])
    protected = STANDARD_STAGES if row[17] is None else tuple(load_json(row[17]))
    return Model(
        row[0],
        row[1],
        name,
        row[4],
        row[5],
        _VISIBILITIES[row[6]],
        *row[7:17],
        _ROLES[row[18]],
        protected,  # type: ignore[call-arg]
    )


_MODELS = models.join(namespaces, namespaces.c.id == models.c.namespace_id)

_FIND_MODEL = Statement(
    sa.select(*MODEL_COLUMNS, model_role(_p("actor_id")))
    .select_from(_MODELS)
    .where(namespaces.c.name == _p("namespace"), models.c.name == _p("name"))
)

_FIND_REDIRECTED = Statement(
    sa.select(*MODEL_COLUMNS, model_role(_p("actor_id")))
    .select_from(_MODELS.join(model_redirects, model_redirects.c.model_id == models.c.id))
    .where(
        model_redirects.c.name == _p("name"),
        model_redirects.c.namespace_id
        == sa.select(namespaces.c.id).where(namespaces.c.name == _p("namespace")).scalar_subquery(),
    )
)


def find_model(tx: Transaction, actor: Actor, name: ModelName) -> Model | None:
    """By its name or an earlier one; tombstones too."""
    row = tx.one(_FIND_MODEL, actor_id=actor.id, namespace=name.namespace, name=name.name)
    if row is None:
        row = tx.one(_FIND_REDIRECTED, actor_id=actor.id, namespace=name.namespace, name=name.name)
    return to_model(row) if row else None


_INSERT_MODEL = Statement(
    postgresql.insert(models)
    .values(
        namespace_id=_p("namespace_id"),
        name=_p("name"),
        display_name=_p("display_name"),
        description=_p("description"),
        visibility=_p("visibility"),
        created_at=_p("now"),
        created_by=_p("actor_id"),
        updated_at=_p("now"),
    )
    .on_conflict_do_nothing(index_elements=["namespace_id", "name"])
    .returning(models.c.id)
)


def insert_model(
    tx: Transaction,
    actor: Actor,
    *,
    namespace_id: int,
    name: str,
    display_name: str,
    description: str,
    visibility: Visibility,
) -> int | None:
    """The new id; None when the name is taken."""
    row = tx.one(
        _INSERT_MODEL,
        namespace_id=namespace_id,
        name=name,
        display_name=display_name,
        description=description,
        visibility=visibility.value,
        now=tx.now,
        actor_id=actor.id,
    )
    return row[0] if row else None


def redirect_exists(tx: Transaction, namespace_id: int, name: str) -> bool:
    query = sa.select(model_redirects.c.model_id).where(
        model_redirects.c.namespace_id == namespace_id, model_redirects.c.name == name
    )
    return tx.execute(query).first() is not None


def insert_redirect(tx: Transaction, namespace_id: int, name: str, model_id: int) -> None:
    insert = postgresql.insert(model_redirects).values(
        namespace_id=namespace_id, name=name, model_id=model_id, created_at=tx.now
    )
    tx.execute(
        insert.on_conflict_do_update(index_elements=["namespace_id", "name"], set_={"model_id": model_id})
    )


def delete_redirect(tx: Transaction, namespace_id: int, name: str) -> None:
    tx.execute(
        model_redirects.delete().where(
            model_redirects.c.namespace_id == namespace_id, model_redirects.c.name == name
        )
    )


def update_model(tx: Transaction, model_id: int, values: Mapping[str, Any]) -> None:
    tx.execute(
        models.update()
        .where(models.c.id == model_id)
        .values(**values, revision=models.c.revision + 1, updated_at=tx.now)
    )


# --- owners and tags -----------------------------------------------------------------------------


_LIST_OWNERS = Statement(
    sa.select(model_owners.c.model_id, model_owners.c.owner)
    .where(is_among(model_owners.c.model_id, "model_ids"))
    .order_by(model_owners.c.model_id, model_owners.c.owner)
)
_LIST_TAGS = Statement(
    sa.select(model_tags.c.model_id, model_tags.c.key, model_tags.c.value)
    .where(is_among(model_tags.c.model_id, "model_ids"))
    .order_by(model_tags.c.model_id, model_tags.c.key)
)


def list_owners(tx: Transaction, model_ids: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for model_id, owner in tx.all(_LIST_OWNERS, model_ids=ids_text(model_ids)):
        found.setdefault(model_id, []).append(owner)
    return found


def set_owners(tx: Transaction, model_id: int, owners: Sequence[str]) -> None:
    tx.execute(model_owners.delete().where(model_owners.c.model_id == model_id))
    if owners:
        tx.execute(model_owners.insert(), [{"model_id": model_id, "owner": owner} for owner in owners])


def list_tags(tx: Transaction, model_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for model_id, key, value in tx.all(_LIST_TAGS, model_ids=ids_text(model_ids)):
        found.setdefault(model_id, {})[key] = value
    return found


def set_tags(tx: Transaction, model_id: int, tags: Mapping[str, str]) -> None:
    tx.execute(model_tags.delete().where(model_tags.c.model_id == model_id))
    if tags:
        tx.execute(model_tags.insert(), [{"model_id": model_id, "key": k, "value": v} for k, v in tags.items()])


# --- what a model is found by --------------------------------------------------------------------

_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))
_DELETE_WORDS = Statement(sa.delete(_SEARCH).where(_SEARCH.c.rowid == _p("model_id")))
_INSERT_WORDS = Statement(sa.insert(_SEARCH).values(rowid=_p("model_id"), words=_p("words")))


def set_words(tx: Transaction, model_id: int, words: str) -> None:
    """What full-text search finds the model by; '' takes it out."""
    tx.run(_DELETE_WORDS, model_id=model_id)
    if words:
        tx.run(_INSERT_WORDS, model_id=model_id, words=words)


_FIND_CARD = Statement(sa.select(models.c.card_text).where(models.c.id == _p("model_id")))


def find_card_text(tx: Transaction, model_id: int) -> str:
    row = tx.one(_FIND_CARD, model_id=model_id)
    return row[0] if row else ""
