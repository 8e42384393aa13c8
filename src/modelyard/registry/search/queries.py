"""SQL of the search over models."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables import SEARCH_TABLE, aliases, model_owners, model_tags, models, namespaces, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.registry.access.queries import model_role
from modelyard.registry.catalog.queries import MODEL_COLUMNS, Model, to_model
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions.queries import metric_is

_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))


def visible_models(actor: Actor) -> sa.ColumnElement[bool]:
    """Which rows of `models` the actor may read; the token's scope included."""
    conditions: list[sa.ColumnElement[bool]] = [models.c.deleted_at.is_(None)]
    if not actor.is_admin:
        open_to = [Visibility.PUBLIC.value] + ([] if actor.is_anonymous else [Visibility.SIGNED_IN.value])
        visible: sa.ColumnElement[bool] = models.c.visibility.in_(open_to)
        if not actor.is_anonymous:
            visible = sa.or_(visible, model_role(actor.id) >= Role.READER.value)
        conditions.append(visible)
    if actor.scope.namespace is not None:
        conditions.append(
            models.c.namespace_id
            == sa.select(namespaces.c.id).where(namespaces.c.name == actor.scope.namespace).scalar_subquery()
        )
    if actor.scope.model is not None:
        conditions.append(models.c.name == actor.scope.model)
    return sa.and_(*conditions)


def _matches(tx: Transaction, words: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """Rows of `models` whose searched text has all the words, the last one as a prefix."""
    if tx.is_sqlite:
        # Words hold letters, digits and '_' only, so quoting them is all there is to escape.
        text = " ".join(f'"{word}"' for word in words) + "*"
        hits = sa.select(_SEARCH.c.rowid).where(sa.text(f"{SEARCH_TABLE} MATCH :words").bindparams(words=text))
    else:
        text = " & ".join(f"{word}" for word in words) + ":*"
        vector = sa.func.to_tsvector(sa.literal_column("'simple'"), _SEARCH.c.words)
        hits = sa.select(_SEARCH.c.rowid).where(
            vector.op("@@")(sa.func.to_tsquery(sa.literal_column("'simple'"), text))
        )
    return models.c.id.in_(hits)


def search_models(
    tx: Transaction, actor: Actor, search: ModelSearch, before: tuple[int, int] | None, limit: int
) -> list[Model]:
    """Most recently changed first. before: (updated_at, id) of the last model of the page before."""
    chosen = _conditions(tx, actor, search)
    if before is not None:
        chosen = chosen.where(sa.tuple_(models.c.updated_at, models.c.id) < sa.tuple_(*map(sa.literal, before)))
    # First the page of ids, then the joins: the planner would otherwise join everything and sort.
    page = chosen.order_by(models.c.updated_at.desc(), models.c.id.desc()).limit(limit).subquery()
    query = (
        sa.select(*MODEL_COLUMNS, model_role(actor.id))
        .select_from(models.join(namespaces, namespaces.c.id == models.c.namespace_id))
        .where(models.c.id.in_(sa.select(page.c.id)))
        .order_by(models.c.updated_at.desc(), models.c.id.desc())
    )
    return [to_model(row) for row in tx.rows(query)]


def count_models(tx: Transaction, actor: Actor, search: ModelSearch) -> int:
    counted = _conditions(tx, actor, search).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one())


def _conditions(tx: Transaction, actor: Actor, search: ModelSearch) -> sa.Select[tuple[int]]:
    chosen = sa.select(models.c.id).where(visible_models(actor))
    if not search.archived:
        chosen = chosen.where(models.c.archived_at.is_(None))
    if search.namespace is not None:
        namespace = sa.select(namespaces.c.id).where(namespaces.c.name == search.namespace).scalar_subquery()
        chosen = chosen.where(models.c.namespace_id == namespace)
    if search.words:
        chosen = chosen.where(_matches(tx, search.words))
    for key, value in search.tags:
        tag = sa.exists().where(model_tags.c.model_id == models.c.id, model_tags.c.key == key)
        if value is not None:
            tag = tag.where(model_tags.c.value == value)
        chosen = chosen.where(tag)
    if search.owner is not None:
        chosen = chosen.where(
            sa.exists().where(model_owners.c.model_id == models.c.id, model_owners.c.owner == search.owner)
        )
    for column, wanted in (
        (models.c.framework, search.framework),
        (models.c.licence, search.licence),
        (models.c.task, search.task),
    ):
        if wanted is not None:
            chosen = chosen.where(column == wanted)
    if search.alias is not None:
        chosen = chosen.where(
            sa.exists().where(
                aliases.c.model_id == models.c.id,
                aliases.c.alias == search.alias,
                aliases.c.version_id.is_not(None),
            )
        )
    if search.metrics:
        newest = (
            sa.select(versions.c.id)
            .where(versions.c.model_id == models.c.id, versions.c.number == models.c.newest_version)
            .correlate(models)
            .scalar_subquery()
        )
        for name, comparison, bound in search.metrics:
            chosen = chosen.where(metric_is(newest, name, comparison, bound))
    return chosen
