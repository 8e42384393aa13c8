"""SQL of retention rules, and of the versions that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json, load_noun
from modelyard.db.lists import grouped
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    aliases,
    lineage_edges,
    manifests,
    models,
    namespaces,
    promotions,
    version_holds,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.names import STANDARD_STAGES
from modelyard.registry import edges
from modelyard.registry.retention.nouns import Candidate, Rule
from modelyard.registry.versions.dependents import RELATIONS
from modelyard.registry.versions.nouns import Keep

_p = sa.bindparam


def find_rule(tx: Transaction, namespace_id: int) -> Rule | None:
    query = sa.select(namespaces.c.retention).where(namespaces.c.id == namespace_id)
    row = tx.execute(query).first()
    return load_noun(row[0], Rule) if row else None


def set_rule(tx: Transaction, namespace_id: int, rule: Rule | None) -> None:
    tx.execute(
        namespaces.update()
        .where(namespaces.c.id == namespace_id)
        .values(retention=dump_json(rule), revision=namespaces.c.revision + 1)
    )


def list_ruled(tx: Transaction) -> list[tuple[int, str]]:
    """List (id, name) of the namespaces that have a rule."""
    query = (
        sa.select(namespaces.c.id, namespaces.c.name)
        .where(namespaces.c.retention.is_not(None))
        .order_by(namespaces.c.id)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def list_models(tx: Transaction, namespace_id: int, start: str) -> list[tuple[int, str]]:
    """List (id, name) of the models that are not deleted, by name from `start` on."""
    query = (
        sa.select(models.c.id, models.c.name)
        .where(models.c.namespace_id == namespace_id, models.c.deleted_at.is_(None), models.c.name >= start)
        .order_by(models.c.name)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def list_stages(tx: Transaction, model_id: int) -> tuple[str, ...]:
    query = (
        sa.select(sa.func.coalesce(models.c.protected_aliases, namespaces.c.protected_aliases))
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(models.c.id == model_id)
    )
    text = tx.execute(query).scalar_one()
    return STANDARD_STAGES if text is None else tuple(load_json(text))


_VERSIONS = Statement(
    sa.select(
        *versions.c["id", "number", "state", "created_at"],
        manifests.c.size_bytes,
        *versions.c["quarantined", "recall", "kept"],
    )
    .join(manifests, manifests.c.id == versions.c.manifest_id)
    .where(versions.c.model_id == _p("model_id"), versions.c.state != "deleted")
    .order_by(versions.c.number.desc())
)
_ALIASES = Statement(
    sa.select(aliases.c.version_id, aliases.c.alias)
    .where(aliases.c.model_id == _p("model_id"), aliases.c.version_id.is_not(None))
    .order_by(aliases.c.alias)
)
_HOLDS = Statement(
    sa.select(version_holds.c.version_id, version_holds.c.kind, version_holds.c.name)
    .join(versions, versions.c.id == version_holds.c.version_id)
    .where(versions.c.model_id == _p("model_id"))
)
_PROMOTIONS = Statement(
    sa.select(promotions.c.version_id, promotions.c.id)
    .where(promotions.c.model_id == _p("model_id"), promotions.c.state == "open")
    .order_by(promotions.c.id)
)
_child = versions.alias("child")
_NODE = f"{edges.VERSION}:"


def _count_children(tx: Transaction, model_id: int) -> dict[int, int]:
    """Return id of the version → number of versions that came from it and are not deleted."""
    query = (
        sa.select(versions.c.id, sa.func.count())
        .select_from(
            versions.join(
                lineage_edges,
                lineage_edges.c.source == sa.literal(_NODE).concat(sa.cast(versions.c.id, sa.Text)),
            ).join(_child, lineage_edges.c.target == sa.literal(_NODE).concat(sa.cast(_child.c.id, sa.Text)))
        )
        .where(
            versions.c.model_id == model_id,
            lineage_edges.c.relation.in_(RELATIONS),
            _child.c.state != "deleted",
        )
        .group_by(versions.c.id)
    )
    return {row[0]: row[1] for row in tx.rows(query)}


def list_candidates(tx: Transaction, model_id: int) -> list[Candidate]:
    """List the versions of a model that are not deleted, newest first, with all that needs them."""
    rows = tx.all(_VERSIONS, model_id=model_id)
    if not rows:
        return []
    pointing: dict[int, list[str]] = grouped(tx.all(_ALIASES, model_id=model_id))
    opened: dict[int, list[int]] = grouped(tx.all(_PROMOTIONS, model_id=model_id))
    holds: dict[int, list[tuple[str, str]]] = {}
    for version_id, kind, name in tx.all(_HOLDS, model_id=model_id):
        holds.setdefault(version_id, []).append((kind, name))
    children = _count_children(tx, model_id)
    return [_candidate(row, pointing, holds, children, opened) for row in rows]


def _candidate(
    row: Sequence[Any],
    pointing: dict[int, list[str]],
    holds: dict[int, list[tuple[str, str]]],
    children: dict[int, int],
    opened: dict[int, list[int]],
) -> Candidate:
    keep = load_noun(row[7], Keep)
    return Candidate(
        id=row[0],
        number=row[1],
        state=row[2],
        created_at=row[3],
        size_bytes=row[4],
        is_served=row[2] == "ready" and not row[5] and row[6] is None,
        kept_because=keep.reason if keep else None,
        aliases=tuple(pointing.get(row[0], ())),
        holds=tuple(holds.get(row[0], ())),
        children=children.get(row[0], 0),
        promotions=tuple(opened.get(row[0], ())),
    )
