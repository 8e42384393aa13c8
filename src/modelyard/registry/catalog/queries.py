"""SQL of namespaces and models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.lists import grouped, ids_text, is_among
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    SEARCH_TABLE,
    actors,
    aliases,
    blobs,
    build_secrets,
    builds,
    cards,
    dataset_versions,
    datasets,
    experiments,
    grants,
    lineage_edges,
    manifests,
    model_owners,
    model_redirects,
    model_tags,
    models,
    namespaces,
    policies,
    run_artifacts,
    runs,
    scan_trusts,
    trusted_publishers,
    version_tags,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.names import STANDARD_STAGES, ModelName
from modelyard.registry.access.queries import (
    in_namespace,
    known_namespaces,
    model_role,
    namespace_role,
    visible_models,
)
from modelyard.registry.catalog.nouns import Model, Namespace

_p = sa.bindparam

# --- namespaces ----------------------------------------------------------------------------------


_models_of = models.alias("models_of")
_experiments_of = experiments.alias("experiments_of")
_datasets_of = datasets.alias("datasets_of")


def _sum_of(table: sa.FromClause, counter: str) -> sa.ColumnElement[int]:
    return (
        sa.select(sa.func.coalesce(sa.func.sum(table.c[counter]), 0))
        .where(table.c.namespace_id == namespaces.c.id)
        .correlate(namespaces)
        .scalar_subquery()
    )


_USE = (
    _sum_of(_models_of, "version_bytes")
    + _sum_of(_models_of, "build_bytes")
    + _sum_of(_experiments_of, "file_bytes")
    + _sum_of(_datasets_of, "profile_bytes")
)
_NAMESPACE = (
    *namespaces.c["id", "name", "display_name", "description", "visibility"],
    *namespaces.c["naming_pattern", "reserved_names", "revision", "created_at", "naming_mode"],
    namespaces.c.quota_bytes,
    _USE,
)


def _namespace(row: Sequence[Any]) -> Namespace:
    reserved = tuple(load_json(row[6]) or ())
    values = (
        *row[:4],
        Visibility(row[4]),
        row[5],
        reserved,
        *row[7:9],
        Role(row[12]),
        row[9],
        row[10],
        int(row[11]),
    )
    return Namespace(*values)


_FIND_NAMESPACE = Statement(
    sa.select(*_NAMESPACE, namespace_role(_p("actor_id"), namespaces.c.id)).where(
        namespaces.c.name == _p("name")
    )
)


def find_namespace(tx: Transaction, actor: Actor, name: str) -> Namespace | None:
    row = tx.one(_FIND_NAMESPACE, actor_id=actor.id, name=name)
    return _namespace(row) if row else None


_MOST_STAGED = 50
"""Most versions that contribute to the searched text of their model."""


def list_namespaces(tx: Transaction, actor: Actor, after: str | None, limit: int) -> list[Namespace]:
    query = (
        sa.select(*_NAMESPACE, namespace_role(actor.id, namespaces.c.id))
        .where(known_namespaces(actor))
        .order_by(namespaces.c.name)
        .limit(limit)
    )
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
    naming_mode: str,
    created_by: int,
) -> int | None:
    """Store a namespace. Return its id; None if the name is taken."""
    insert = (
        postgresql.insert(namespaces)
        .values(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility.value,
            naming_pattern=naming_pattern,
            reserved_names=dump_json(reserved_names) if reserved_names else None,
            naming_mode=naming_mode,
            created_at=tx.now,
            created_by=created_by,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(namespaces.c.id)
    )
    return tx.execute(insert).scalar_one_or_none()


_GIVE_BACK = Statement(
    models.update()
    .where(models.c.id == _p("the_model"))
    .values(version_bytes=models.c.version_bytes - _p("size_bytes"))
)
_FIND_USE = Statement(sa.select(_USE).select_from(namespaces).where(namespaces.c.id == _p("namespace_id")))


_FIND_QUOTA = Statement(
    sa.select(_USE, namespaces.c.quota_bytes).where(
        namespaces.c.name == _p("namespace"), namespaces.c.quota_bytes.is_not(None)
    )
)


def find_use(tx: Transaction, namespace_id: int) -> int:
    """Return the bytes of all versions, files of runs and profiles of a namespace. Changes run one after the other, so it holds until the commit."""
    row = tx.one(_FIND_USE, namespace_id=namespace_id)
    assert row is not None
    return int(row[0])


def give_back(tx: Transaction, model_id: int, size_bytes: int) -> None:
    tx.run(_GIVE_BACK, the_model=model_id, size_bytes=size_bytes)


_COUNTED = (
    sa.select(sa.func.coalesce(sa.func.sum(manifests.c.size_bytes), 0))
    .select_from(versions.join(manifests, manifests.c.id == versions.c.manifest_id))
    .where(versions.c.model_id == models.c.id, versions.c.state != "deleted")
    .correlate(models)
    .scalar_subquery()
)


_FILES_COUNTED = (
    sa.select(sa.func.coalesce(sa.func.sum(run_artifacts.c.size_bytes), 0))
    .select_from(runs.join(run_artifacts, run_artifacts.c.run_id == runs.c.id))
    .where(runs.c.experiment_id == experiments.c.id)
    .correlate(experiments)
    .scalar_subquery()
)
_PROFILES_COUNTED = (
    sa.select(sa.func.coalesce(sa.func.sum(blobs.c.size_bytes), 0))
    .select_from(dataset_versions.join(blobs, blobs.c.digest == dataset_versions.c.profile))
    .where(dataset_versions.c.dataset_id == datasets.c.id)
    .correlate(datasets)
    .scalar_subquery()
)
_BUILDS_COUNTED = (
    sa.select(sa.func.coalesce(sa.func.sum(builds.c.counted_bytes), 0))
    .where(builds.c.model_id == models.c.id)
    .correlate(models)
    .scalar_subquery()
)
_COUNTERS: dict[str, tuple[sa.Table, str, Any]] = {
    "model": (models, "version_bytes", _COUNTED),
    "model's builds": (models, "build_bytes", _BUILDS_COUNTED),
    "experiment": (experiments, "file_bytes", _FILES_COUNTED),
    "dataset": (datasets, "profile_bytes", _PROFILES_COUNTED),
}


def list_miscounted(tx: Transaction) -> list[tuple[str, int, str]]:
    """List (kind, id, name) of the models, experiments and datasets whose counter differs from the sizes of their files."""
    found: list[tuple[str, int, str]] = []
    for kind, (table, counter, counted) in _COUNTERS.items():
        query = (
            sa.select(table.c.id, namespaces.c.name, table.c.name)
            .select_from(table.join(namespaces, namespaces.c.id == table.c.namespace_id))
            .where(table.c[counter] != counted)
            .order_by(namespaces.c.name, table.c.name)
        )
        found += [(kind, number, f"{namespace}/{name}") for number, namespace, name in tx.rows(query)]
    return found


def recount(tx: Transaction, kind: str, number: int) -> None:
    table, counter, counted = _COUNTERS[kind]
    tx.execute(table.update().where(table.c.id == number).values({counter: counted}))


def find_quota(tx: Transaction, namespace: str) -> tuple[int, int] | None:
    """Return (use, quota) in bytes; None: the namespace has no quota."""
    row = tx.one(_FIND_QUOTA, namespace=namespace)
    return None if row is None else (int(row[0]), int(row[1]))


def list_uses(tx: Transaction) -> list[tuple[str, int, int | None]]:
    """List (name, use in bytes, quota in bytes) of all namespaces."""
    query = sa.select(namespaces.c.name, _USE, namespaces.c.quota_bytes).order_by(namespaces.c.name)
    return [(name, int(used), quota) for name, used, quota in tx.rows(query)]


def update_namespace(tx: Transaction, namespace_id: int, values: Mapping[str, Any]) -> None:
    tx.execute(
        namespaces.update()
        .where(namespaces.c.id == namespace_id)
        .values(**values, revision=namespaces.c.revision + 1)
    )


def delete_namespace(tx: Transaction, namespace_id: int) -> None:
    """Delete a namespace that has no models and runs, with its policy and its trusted publishers."""
    publishers = trusted_publishers.c.namespace_id == namespace_id
    accounts = sa.select(trusted_publishers.c.actor_id).where(publishers)
    tx.execute(actors.update().where(actors.c.id.in_(accounts)).values(disabled_at=tx.now))
    tx.execute(trusted_publishers.delete().where(publishers))
    tx.execute(policies.delete().where(policies.c.namespace_id == namespace_id))
    tx.execute(experiments.delete().where(experiments.c.namespace_id == namespace_id))
    tx.execute(scan_trusts.delete().where(scan_trusts.c.namespace_id == namespace_id))
    tx.execute(build_secrets.delete().where(build_secrets.c.namespace_id == namespace_id))
    tx.execute(grants.delete().where(grants.c.namespace_id == namespace_id))
    tx.execute(namespaces.delete().where(namespaces.c.id == namespace_id))


def delete_datasets(tx: Transaction, namespace_id: int) -> None:
    """Delete the datasets with their contents and the edges from those."""
    own = sa.select(datasets.c.id).where(datasets.c.namespace_id == namespace_id)
    contents = dataset_versions.c.dataset_id.in_(own)
    nodes = sa.literal("dataset:") + sa.cast(dataset_versions.c.id, sa.Text)
    tx.execute(lineage_edges.delete().where(lineage_edges.c.source.in_(sa.select(nodes).where(contents))))
    tx.execute(dataset_versions.delete().where(contents))
    tx.execute(datasets.delete().where(datasets.c.namespace_id == namespace_id))


def list_names(tx: Transaction, actor: Actor, namespace: str, limit: int) -> list[str]:
    """List the names of the models in a namespace that the actor may read."""
    query = (
        sa.select(models.c.name)
        .where(in_namespace(namespace), visible_models(actor))
        .order_by(models.c.name)
        .limit(limit)
    )
    return [f"{namespace}/{name}" for (name,) in tx.rows(query)]


def list_positions(tx: Transaction, model_id: int, names: Iterable[str]) -> list[tuple[str, int]]:
    """Return (alias, number of its version) of those of the aliases that point at a version."""
    query = (
        sa.select(aliases.c.alias, versions.c.number)
        .join(versions, versions.c.id == aliases.c.version_id)
        .where(aliases.c.model_id == model_id, aliases.c.alias.in_(sorted(names)))
        .order_by(aliases.c.alias)
    )
    return [(alias, number) for alias, number in tx.rows(query)]


def count_models(tx: Transaction, namespace_id: int) -> int:
    """Count the models, including tombstones, whose names are still in use."""
    return int(tx.execute(sa.select(sa.func.count()).where(models.c.namespace_id == namespace_id)).scalar_one())


def count_runs(tx: Transaction, namespace_id: int) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(runs.c.namespace_id == namespace_id)).scalar_one())


# --- models --------------------------------------------------------------------------------------


MODEL_COLUMNS = (
    models.c.id,
    models.c.namespace_id,
    namespaces.c.name,
    *models.c["name", "display_name", "description", "visibility", "newest_version"],
    *models.c["version_count", "framework", "licence", "task", "revision"],
    *models.c["created_at", "updated_at", "archived_at", "deleted_at"],
    sa.func.coalesce(models.c.protected_aliases, namespaces.c.protected_aliases),
    namespaces.c.serve_unknown,
    models.c.terms_digest,
    namespaces.c.quota_bytes,
)


# Calling an enumeration with a value costs ten times as much.
_VISIBILITIES = {each.value: each for each in Visibility}
_ROLES = {each.value: each for each in Role}


def to_model(row: Sequence[Any]) -> Model:
    """Return the model of a row with MODEL_COLUMNS and the role."""
    name = ModelName(row[2], row[3])
    protected = STANDARD_STAGES if row[17] is None else tuple(load_json(row[17]))
    values = (
        *row[:2],
        name,
        *row[4:6],
        _VISIBILITIES[row[6]],
        *row[7:17],
        _ROLES[row[21]],
        protected,
        bool(row[18]),
        *row[19:21],
    )
    return Model(*values)


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
    """Find a model by its present name or an earlier one, tombstones included."""
    row = tx.one(_FIND_MODEL, actor_id=actor.id, namespace=name.namespace, name=name.name)
    if row is None:
        row = tx.one(_FIND_REDIRECTED, actor_id=actor.id, namespace=name.namespace, name=name.name)
    return to_model(row) if row else None


_RECALL_MODEL = Statement(
    sa.select(*MODEL_COLUMNS, model_role(_p("actor_id")), models.c.next_version)
    .select_from(_MODELS)
    .where(namespaces.c.name == _p("namespace"), models.c.name == _p("name"))
)


def recall_model(tx: Transaction, actor: Actor, name: ModelName) -> tuple[Model, int] | None:
    """Find a model by its present name, and the number of its next version; read once in a batch of changes.

    The number, the model's counts and its newest version are without what waits for the end of the batch.
    """
    row = tx.once(_RECALL_MODEL, actor_id=actor.id, namespace=name.namespace, name=name.name)
    return (to_model(row), row[22]) if row else None


_INSERT_MODEL = Statement(
    postgresql.insert(models)
    .values(
        **named("namespace_id", "name", "display_name", "description", "visibility"),
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
    """Store a model. Return its id; None if the name is taken."""
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
    return grouped(tx.all(_LIST_OWNERS, model_ids=ids_text(model_ids)))


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


# --- searched texts ------------------------------------------------------------------------------

_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))
_DELETE_WORDS = Statement(sa.delete(_SEARCH).where(_SEARCH.c.rowid == _p("model_id")))
_INSERT_WORDS = Statement(sa.insert(_SEARCH).values(rowid=_p("model_id"), words=_p("words")))


def set_words(tx: Transaction, model_id: int, words: str) -> None:
    """Set the text by which full-text search finds the model; '' removes it from the search."""
    tx.run(_DELETE_WORDS, model_id=model_id)
    if words:
        tx.run(_INSERT_WORDS, model_id=model_id, words=words)


def list_version_texts(tx: Transaction, model_id: int, stages: Iterable[str]) -> list[str]:
    """List the searched texts of the newest version and of those in stages: descriptions, tags, and cards that were
    set.

    The card among the files of the newest version is in `models.card_text`; every redaction would have to search the
    cards among other files again.
    """
    staged = sa.select(aliases.c.version_id).where(
        aliases.c.model_id == model_id, aliases.c.alias.in_(sorted(stages)), aliases.c.version_id.is_not(None)
    )
    newest = sa.select(models.c.newest_version).where(models.c.id == model_id).scalar_subquery()
    chosen = (
        sa.select(versions.c.id, *versions.c["description", "semver", "pull_request"])
        .where(
            versions.c.model_id == model_id,
            versions.c.state != "deleted",
            (versions.c.number == newest) | versions.c.id.in_(staged),
        )
        .order_by(versions.c.number.desc())
        .limit(_MOST_STAGED)
    )
    rows = tx.rows(chosen)
    ids = [row[0] for row in rows]
    tags = sa.select(version_tags.c.key, version_tags.c.value).where(version_tags.c.version_id.in_(ids))
    newest_cards = (
        sa.select(sa.func.max(cards.c.id)).where(cards.c.version_id.in_(ids)).group_by(cards.c.version_id)
    )
    written = sa.select(cards.c.text).where(cards.c.id.in_(newest_cards))
    return [
        *(row[1] for row in rows),
        # PostgreSQL takes an address, and 2.1.0, as one word; a search asks for their parts.
        *(re.sub(r"\W+", " ", label) for row in rows for label in row[2:] if label),
        *(f"{key} {value}" for key, value in tx.rows(tags)),
        *(text for (text,) in tx.rows(written)),
    ]


_FIND_CARD = Statement(sa.select(models.c.card_text).where(models.c.id == _p("model_id")))


def find_card_text(tx: Transaction, model_id: int) -> str:
    row = tx.one(_FIND_CARD, model_id=model_id)
    return row[0] if row else ""
