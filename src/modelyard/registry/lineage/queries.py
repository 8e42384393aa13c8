"""SQL of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import load_json, load_noun
from modelyard.db.lists import grouped
from modelyard.db.tables import (
    actors,
    aliases,
    dataset_versions,
    datasets,
    lineage_edges,
    model_owners,
    models,
    namespaces,
    runs,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.registry.access.queries import model_role, namespace_role
from modelyard.registry.access.rules import Place
from modelyard.registry.lineage.nouns import DatasetNode, FoundEdge, GraphEdge, ModelNode, RunNode, VersionNode
from modelyard.registry.versions.nouns import Recall

_TEXTS_AT_ONCE = 10_000


def list_edges(
    tx: Transaction, starts: Sequence[str], *, down: bool, depth: int | None, limit: int
) -> list[FoundEdge]:
    """List the edges that can be reached from the starts, at most `limit`. A cycle is walked once.

    The union drops nodes that were found before, so it ends without counting steps; with a depth, steps are
    counted too and end it earlier.
    """
    e = lineage_edges
    near, far = (e.c.source, e.c.target) if down else (e.c.target, e.c.source)
    columns = [e.c.source, e.c.target, e.c.relation, e.c.details]
    seed = sa.select(near.label("node")).where(near.in_(starts))
    if depth is None:
        walk = seed.cte("walk", recursive=True)
        walk = walk.union(sa.select(far).join(walk, near == walk.c.node))
    else:
        walk = seed.add_columns(sa.literal(1).label("step")).cte("walk", recursive=True)
        further = sa.select(far, walk.c.step + 1).join(walk, near == walk.c.node)
        walk = walk.union(further.where(walk.c.step < depth))
    query = sa.select(*columns).where(near.in_(sa.select(walk.c.node))).limit(limit)
    return [FoundEdge(*row) for row in tx.rows(query)]


def to_graph_edge(edge: FoundEdge) -> GraphEdge:
    return GraphEdge(edge.source, edge.target, edge.relation, load_json(edge.details) or {})


def _among(column: sa.ColumnElement[int], ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """Match a list of numbers, written into the statement, since there may be more than a driver takes as parameters."""
    return column.in_(sa.bindparam(None, sorted({int(i) for i in ids}), expanding=True, literal_execute=True))


def list_versions(tx: Transaction, ids: Iterable[int]) -> list[VersionNode]:
    query = (
        sa.select(
            *versions.c["id", "model_id", "number", "digest", "state", "created_at"],
            actors.c.name,
            versions.c.deprecation.is_not(None),
            versions.c.recall,
        )
        .join(actors, actors.c.id == versions.c.created_by)
        .where(_among(versions.c.id, ids))
    )
    return [
        VersionNode(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], load_noun(row[8], Recall))
        for row in tx.rows(query)
    ]


def list_models(tx: Transaction, actor: Actor, ids: Iterable[int]) -> list[ModelNode]:
    query = (
        sa.select(
            models.c.id,
            namespaces.c.name,
            *models.c["name", "visibility", "deleted_at"],
            model_role(actor.id),
        )
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(_among(models.c.id, ids))
    )
    return [
        ModelNode(row[0], Place(row[1], row[2], Role(row[5]), Visibility(row[3])), row[4] is not None)
        for row in tx.rows(query)
    ]


def list_contents(tx: Transaction, ids: Iterable[int]) -> list[DatasetNode]:
    query = (
        sa.select(
            dataset_versions.c.id,
            datasets.c.namespace_id,
            datasets.c.name,
            dataset_versions.c.digest,
            dataset_versions.c.created_at,
            actors.c.name,
        )
        .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
        .join(actors, actors.c.id == dataset_versions.c.created_by)
        .where(_among(dataset_versions.c.id, ids))
    )
    return [DatasetNode(*row) for row in tx.rows(query)]


def list_runs(tx: Transaction, uids: Iterable[str]) -> list[RunNode]:
    columns = (runs.c.uid, runs.c.namespace_id, runs.c.name, runs.c.status, runs.c.created_at, actors.c.name)
    found: list[RunNode] = []
    every = sorted(uids)
    for start in range(0, len(every), _TEXTS_AT_ONCE):
        query = (
            sa.select(*columns)
            .join(actors, actors.c.id == runs.c.created_by)
            .where(runs.c.uid.in_(every[start : start + _TEXTS_AT_ONCE]))
        )
        found += [RunNode(*row) for row in tx.rows(query)]
    return found


def list_places(tx: Transaction, actor: Actor, namespace_ids: Iterable[int]) -> dict[int, Place]:
    query = sa.select(
        *namespaces.c["id", "name", "visibility"],
        namespace_role(actor.id, namespaces.c.id),
    ).where(_among(namespaces.c.id, namespace_ids))
    return {row[0]: Place(row[1], None, Role(row[3]), Visibility(row[2])) for row in tx.rows(query)}


def list_aliases(tx: Transaction, version_ids: Iterable[int]) -> dict[int, list[str]]:
    query = (
        sa.select(aliases.c.version_id, aliases.c.alias)
        .where(_among(aliases.c.version_id, version_ids))
        .order_by(aliases.c.alias)
    )
    return grouped(tx.rows(query))


def list_owners(tx: Transaction, model_ids: Iterable[int]) -> dict[int, list[str]]:
    query = (
        sa.select(model_owners.c.model_id, model_owners.c.owner)
        .where(_among(model_owners.c.model_id, model_ids))
        .order_by(model_owners.c.owner)
    )
    return grouped(tx.rows(query))


def list_records(tx: Transaction, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return version id → its record."""
    query = sa.select(versions.c.id, versions.c.record).where(_among(versions.c.id, ids))
    return {row[0]: load_json(row[1]) for row in tx.rows(query)}
