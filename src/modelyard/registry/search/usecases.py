"""Search the models that the actor may see, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.usecases import find_model
from modelyard.registry.search import queries
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions import alias_queries


class FoundModel(msgspec.Struct, frozen=True):
    """A model with the fields that a list shows."""

    model: Model
    tags: Mapping[str, str]
    owners: Sequence[str]
    aliases: Sequence[tuple[str, int]]
    """(alias, version number)."""


def search_models(
    tx: Transaction, actor: Actor, search: ModelSearch, before: tuple[int, int] | None, limit: int
) -> list[FoundModel]:
    """Search models, the most recently changed first, with four statements whatever is stored."""
    found = [] if search.finds_nothing else queries.search_models(tx, actor, search, before, limit)
    return _with_details(tx, found)


def count_models(tx: Transaction, actor: Actor, search: ModelSearch) -> int:
    return 0 if search.finds_nothing else queries.count_models(tx, actor, search)


FACETS = (*queries.FACETS, "alias", "tag")
"""Properties by which the models of a search are counted; `alias` counts stages too."""


def count_facets(tx: Transaction, actor: Actor, search: ModelSearch) -> dict[str, list[tuple[str, int]]]:
    """Return, for all models that the search finds, facet → (value, number of models), most frequent first."""
    return {
        facet: [] if search.finds_nothing else queries.count_facet(tx, actor, search, facet) for facet in FACETS
    }


def show_model(tx: Transaction, actor: Actor, name: ModelName) -> FoundModel:
    return _with_details(tx, [find_model(tx, actor, name)])[0]


def _with_details(tx: Transaction, found: list[Model]) -> list[FoundModel]:
    ids = [model.id for model in found]
    tags = catalog.list_tags(tx, ids)
    owners = catalog.list_owners(tx, ids)
    aliases = alias_queries.list_aliases_of(tx, ids)
    return [
        FoundModel(model, tags.get(model.id, {}), owners.get(model.id, []), aliases.get(model.id, []))
        for model in found
    ]
