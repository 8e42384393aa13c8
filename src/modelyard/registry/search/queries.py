"""SQL of the search over models.

The form of a search decides the SQL text, and its values are parameters. So each form is compiled once, and running it
costs no more than the driver (decision record 0002).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import (
    SEARCH_TABLE,
    aliases,
    comments,
    model_owners,
    model_tags,
    models,
    namespaces,
    stage_occupants,
    version_tags,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.access.nouns import ReaderKind
from modelyard.registry.access.queries import in_namespace, model_role, reader_kind, visible_models_of
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.queries import MODEL_COLUMNS, to_model
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions.page_queries import HAS_PULL_REQUEST, HAS_SEMVER, label_parameters
from modelyard.registry.versions.score_queries import (
    MetricComparison,
    metric_comparisons,
    metric_parameters,
    models_with,
)

_p = sa.bindparam
_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))


def _matches(is_sqlite: bool) -> sa.ColumnElement[bool]:
    """Match the rows of `models` whose searched text contains the words."""
    if is_sqlite:
        hits = sa.select(_SEARCH.c.rowid).where(sa.text(f"{SEARCH_TABLE} MATCH :words"))
    else:
        simple: sa.ColumnElement[str] = sa.literal_column("'simple'")
        asked = sa.func.to_tsquery(simple, _p("words", type_=sa.Text()))
        hits = sa.select(_SEARCH.c.rowid).where(sa.func.to_tsvector(simple, _SEARCH.c.words).op("@@")(asked))
    return models.c.id.in_(hits)


def _words(words: tuple[str, ...], is_sqlite: bool) -> str | None:
    """Return a query for all the words, the last one as a prefix, in the syntax of the database."""
    if not words:
        return None
    # Words contain only letters, digits and '_', so quotes are enough.
    return " ".join(f'"{word}"' for word in words) + "*" if is_sqlite else " & ".join(words) + ":*"


_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "namespace": in_namespace(_p("namespace")),
    "owner": sa.exists().where(model_owners.c.model_id == models.c.id, model_owners.c.owner == _p("owner")),
    "framework": models.c.framework == _p("framework"),
    "licence": sa.func.lower(models.c.licence) == sa.func.lower(_p("licence")),
    "task": models.c.task == _p("task"),
    "alias": sa.exists().where(
        aliases.c.model_id == models.c.id, aliases.c.alias == _p("alias"), aliases.c.version_id.is_not(None)
    ),
    "stage": sa.or_(
        sa.exists().where(
            aliases.c.model_id == models.c.id, aliases.c.alias == _p("stage"), aliases.c.version_id.is_not(None)
        ),
        sa.exists().where(stage_occupants.c.model_id == models.c.id, stage_occupants.c.stage == _p("stage")),
    ),
    "semver": sa.exists().where(versions.c.model_id == models.c.id, versions.c.state != "deleted", HAS_SEMVER),
    "pull_request": sa.exists().where(
        versions.c.model_id == models.c.id, versions.c.state != "deleted", HAS_PULL_REQUEST
    ),
}
"""Conditions that occur at most once, by their parameter."""

_NEWEST_FIRST = (models.c.updated_at.desc(), models.c.id.desc())


class _Form(NamedTuple):
    """The properties of a search that decide its SQL text."""

    is_sqlite: bool
    reader: ReaderKind
    archived: bool
    words: int
    tags: int
    comparisons: tuple[MetricComparison, ...]
    """Of the metrics, in their order."""
    given: frozenset[str]
    """Names of the parameters that have a value."""


def _tagged(key: Any, value: Any) -> sa.Select[tuple[int]]:
    """Select models with the tag; value None: with any value."""
    found = sa.select(model_tags.c.model_id).where(model_tags.c.key == key)
    return found if value is None else found.where(model_tags.c.value == value)


def _with_tagged_version(key: Any, value: Any) -> sa.Select[tuple[int]]:
    """Select models whose newest version, or a version with an alias or in a stage, has the tag."""
    newest = models.alias("newest_of")
    found = (
        sa.select(versions.c.model_id)
        .join(version_tags, version_tags.c.version_id == versions.c.id)
        .join(newest, newest.c.id == versions.c.model_id)
        .where(
            version_tags.c.key == key,
            versions.c.state != "deleted",
            (versions.c.number == newest.c.newest_version)
            | sa.exists().where(aliases.c.version_id == versions.c.id),
        )
    )
    return found if value is None else found.where(version_tags.c.value == value)


def _in_comments(count: int) -> sa.Select[tuple[int]]:
    """Select models with a comment that has all the words. Only signed-in accounts see comments."""
    body = sa.func.lower(comments.c.body)
    return sa.select(comments.c.model_id).where(
        comments.c.deleted_at.is_(None),
        *(body.contains(_p(f"word_{n}", type_=sa.Text())) for n in range(count)),
    )


def _parameters(tx: Transaction, actor: Actor, search: ModelSearch) -> dict[str, Any]:
    """Return the parameters that have a value, by name."""
    found: dict[str, Any] = {
        "actor_id": actor.id,
        "scope_namespace": actor.scope.namespace,
        "scope_model": actor.scope.model,
        "words": _words(search.words, tx.is_sqlite),
        **{name: getattr(search, name) for name in _CONDITIONS},
    }
    for n, word in enumerate(search.words):
        found[f"word_{n}"] = word
    found |= label_parameters(search.semver, search.pull_request)
    for n, (key, value) in enumerate(search.tags):
        found |= {f"tag_{n}": key, f"tag_{n}_value": value}
    found |= metric_parameters(search.metrics)
    return {name: value for name, value in found.items() if value is not None}


def _form(tx: Transaction, actor: Actor, search: ModelSearch, parameters: dict[str, Any]) -> _Form:
    comparisons = metric_comparisons(tx, search.metrics)
    return _Form(
        tx.is_sqlite,
        reader_kind(actor),
        search.archived,
        len(search.words),
        len(search.tags),
        comparisons,
        frozenset(parameters),
    )


def search_models(
    tx: Transaction, actor: Actor, search: ModelSearch, before: tuple[int, int] | None, limit: int
) -> list[Model]:
    """List models, most recently changed first. before: (updated_at, id) at the end of the previous page."""
    parameters = _parameters(tx, actor, search)
    if before is not None:
        parameters |= {"before_at": before[0], "before_id": before[1]}
    page = _page(_form(tx, actor, search, parameters))
    return [to_model(row) for row in tx.all(page, **parameters, limit=limit)]


def count_models(tx: Transaction, actor: Actor, search: ModelSearch) -> int:
    parameters = _parameters(tx, actor, search)
    row = tx.one(_count(_form(tx, actor, search, parameters)), **parameters)
    assert row is not None
    return int(row[0])


@lru_cache(256)
def _page(form: _Form) -> Statement:
    chosen = _chosen(form)
    if "before_at" in form.given:
        last = sa.tuple_(_p("before_at", type_=sa.BigInteger()), _p("before_id", type_=sa.BigInteger()))
        chosen = chosen.where(sa.tuple_(models.c.updated_at, models.c.id) < last)
    # First the page of ids, then the joins: the planner would otherwise join everything and sort.
    page = chosen.order_by(*_NEWEST_FIRST).limit(_p("limit")).subquery()
    return Statement(
        sa.select(*MODEL_COLUMNS, model_role(_p("actor_id")))
        .select_from(models.join(namespaces, namespaces.c.id == models.c.namespace_id))
        .where(models.c.id.in_(sa.select(page.c.id)))
        .order_by(*_NEWEST_FIRST)
    )


@lru_cache(256)
def _count(form: _Form) -> Statement:
    return Statement(sa.select(sa.func.count()).select_from(_chosen(form).subquery()))


def _chosen(form: _Form) -> sa.Select[tuple[int]]:
    """Select the ids of the models that a search of this form finds. It must not contain values of a search."""

    def scope(name: str) -> sa.BindParameter[str] | None:
        return _p(name) if name in form.given else None

    chosen = sa.select(models.c.id).where(
        visible_models_of(form.reader, _p("actor_id"), scope("scope_namespace"), scope("scope_model"))
    )
    if not form.archived:
        chosen = chosen.where(models.c.archived_at.is_(None))
    if "words" in form.given:
        found = _matches(form.is_sqlite)
        if form.reader is not ReaderKind.ANONYMOUS:
            found |= models.c.id.in_(_in_comments(form.words))
        chosen = chosen.where(found)
    for name, condition in _CONDITIONS.items():
        if name in form.given:
            chosen = chosen.where(condition)
    for n in range(form.tags):
        key: sa.BindParameter[str] = _p(f"tag_{n}")
        value: sa.BindParameter[str] | None = _p(f"tag_{n}_value") if f"tag_{n}_value" in form.given else None
        chosen = chosen.where(
            models.c.id.in_(_tagged(key, value)) | models.c.id.in_(_with_tagged_version(key, value))
        )
    for n, comparison in enumerate(form.comparisons):
        chosen = chosen.where(models_with(n, comparison))
    return chosen


FACETS: dict[str, Any] = {
    "namespace": namespaces.c.name,
    "framework": models.c.framework,
    "licence": sa.func.lower(models.c.licence),
    "task": models.c.task,
}
MOST_VALUES = 50


def count_facet(tx: Transaction, actor: Actor, search: ModelSearch, facet: str) -> list[tuple[str, int]]:
    """List (value, number of found models with it), most frequent first. facet: one of FACETS, alias or tag."""
    parameters = _parameters(tx, actor, search)
    rows = tx.all(_facet(_form(tx, actor, search, parameters), facet), **parameters)
    return [(row[0], row[1]) for row in rows]


@lru_cache(256)
def _facet(form: _Form, facet: str) -> Statement:
    chosen = _chosen(form).subquery()
    count = sa.func.count(sa.distinct(models.c.id))
    if facet == "alias":
        value: Any = aliases.c.alias
        source = models.join(
            aliases, sa.and_(aliases.c.model_id == models.c.id, aliases.c.version_id.is_not(None))
        )
    elif facet == "tag":
        value = model_tags.c.key + "=" + model_tags.c.value
        source = models.join(model_tags, model_tags.c.model_id == models.c.id)
    else:
        value = FACETS[facet]
        source = models.join(namespaces, namespaces.c.id == models.c.namespace_id)
    return Statement(
        sa.select(value, count)
        .select_from(source)
        .where(models.c.id.in_(sa.select(chosen.c.id)), value.is_not(None))
        .group_by(value)
        .order_by(count.desc(), value)
        .limit(MOST_VALUES)
    )
