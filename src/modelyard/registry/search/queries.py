"""SQL of the search over models.

What a search asks decides its text, what it is asked with goes in as parameters. So each form of search is
written once and then costs no more than the driver does (decision record 0002).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import SEARCH_TABLE, aliases, model_owners, model_tags, models, namespaces, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.access.nouns import ReaderKind
from modelyard.registry.access.queries import in_namespace, model_role, reader_kind, visible_models_of
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.queries import MODEL_COLUMNS, to_model
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions.page_queries import metric_is

_p = sa.bindparam
_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))


def _matches(is_sqlite: bool) -> sa.ColumnElement[bool]:
    """Rows of `models` whose searched text has what `_words` asks for."""
    if is_sqlite:
        hits = sa.select(_SEARCH.c.rowid).where(sa.text(f"{SEARCH_TABLE} MATCH :words"))
    else:
        simple: sa.ColumnElement[str] = sa.literal_column("'simple'")
        asked = sa.func.to_tsquery(simple, _p("words", type_=sa.Text()))
        hits = sa.select(_SEARCH.c.rowid).where(sa.func.to_tsvector(simple, _SEARCH.c.words).op("@@")(asked))
    return models.c.id.in_(hits)


def _words(words: tuple[str, ...], is_sqlite: bool) -> str | None:
    """All the words, the last one as a prefix, as the database's own full-text search writes that."""
    if not words:
        return None
    # Words hold letters, digits and '_' only, so quoting them is all there is to escape.
    return " ".join(f'"{word}"' for word in words) + "*" if is_sqlite else " & ".join(words) + ":*"


_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "namespace": in_namespace(_p("namespace")),
    "owner": sa.exists().where(model_owners.c.model_id == models.c.id, model_owners.c.owner == _p("owner")),
    "framework": models.c.framework == _p("framework"),
    "licence": models.c.licence == _p("licence"),
    "task": models.c.task == _p("task"),
    "alias": sa.exists().where(
        aliases.c.model_id == models.c.id, aliases.c.alias == _p("alias"), aliases.c.version_id.is_not(None)
    ),
}
"""What may be asked once, by the parameter that it needs."""

_NEWEST = (
    sa.select(versions.c.id)
    .where(versions.c.model_id == models.c.id, versions.c.number == models.c.newest_version)
    .correlate(models)
    .scalar_subquery()
)
_NEWEST_FIRST = (models.c.updated_at.desc(), models.c.id.desc())


class _Form(NamedTuple):
    """All that the text of a search depends on."""

    is_sqlite: bool
    reader: ReaderKind
    archived: bool
    tags: int
    comparisons: tuple[str, ...]
    """Of the metrics, in their order."""
    given: frozenset[str]
    """Names of the parameters that have a value."""


def _parameters(tx: Transaction, actor: Actor, search: ModelSearch) -> dict[str, Any]:
    """Those that have a value, by name."""
    found: dict[str, Any] = {
        "actor_id": actor.id,
        "scope_namespace": actor.scope.namespace,
        "scope_model": actor.scope.model,
        "words": _words(search.words, tx.is_sqlite),
        **{name: getattr(search, name) for name in _CONDITIONS},
    }
    for n, (key, value) in enumerate(search.tags):
        found |= {f"tag_{n}": key, f"tag_{n}_value": value}
    for n, (name, _, bound) in enumerate(search.metrics):
        found |= {f"metric_{n}": name, f"metric_{n}_bound": bound}
    return {name: value for name, value in found.items() if value is not None}


def _form(tx: Transaction, actor: Actor, search: ModelSearch, parameters: dict[str, Any]) -> _Form:
    comparisons = tuple([comparison for _, comparison, _ in search.metrics])
    return _Form(
        tx.is_sqlite,
        reader_kind(actor),
        search.archived,
        len(search.tags),
        comparisons,
        frozenset(parameters),
    )


def search_models(
    tx: Transaction, actor: Actor, search: ModelSearch, before: tuple[int, int] | None, limit: int
) -> list[Model]:
    """Most recently changed first. before: (updated_at, id) of the last model of the page before."""
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
    """Ids of the models that a search of this form finds. No value of any search may get into it."""

    def scope(name: str) -> sa.BindParameter[str] | None:
        return _p(name) if name in form.given else None

    chosen = sa.select(models.c.id).where(
        visible_models_of(form.reader, _p("actor_id"), scope("scope_namespace"), scope("scope_model"))
    )
    if not form.archived:
        chosen = chosen.where(models.c.archived_at.is_(None))
    if "words" in form.given:
        chosen = chosen.where(_matches(form.is_sqlite))
    for name, condition in _CONDITIONS.items():
        if name in form.given:
            chosen = chosen.where(condition)
    for n in range(form.tags):
        tag = sa.exists().where(model_tags.c.model_id == models.c.id, model_tags.c.key == _p(f"tag_{n}"))
        if f"tag_{n}_value" in form.given:
            tag = tag.where(model_tags.c.value == _p(f"tag_{n}_value"))
        chosen = chosen.where(tag)
    for n, comparison in enumerate(form.comparisons):
        chosen = chosen.where(metric_is(_NEWEST, _p(f"metric_{n}"), comparison, _p(f"metric_{n}_bound")))
    return chosen
