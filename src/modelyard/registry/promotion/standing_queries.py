"""SQL of what was in a stage at a moment."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from modelyard.db.tables import actors, models, namespaces, promotions, votes
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models


class StoodRow(msgspec.Struct, frozen=True):
    model: ModelName
    version: int
    promotion: int
    since: int
    until: int | None
    now: int | None
    by: str


def list_stood(
    tx: Transaction, actor: Actor, stage: str, at: int, namespace: str | None, after: str, limit: int
) -> list[StoodRow]:
    """List the last move of each readable model up to that time, where it left a version in the stage."""
    last = (
        sa.select(promotions.c.model_id, sa.func.max(promotions.c.move).label("move"))
        .where(promotions.c.stage == stage, promotions.c.move.is_not(None), promotions.c.closed_at <= at)
        .group_by(promotions.c.model_id)
        .subquery()
    )
    later, newest = promotions.alias("later"), promotions.alias("newest")
    of_stage = sa.and_(later.c.model_id == promotions.c.model_id, later.c.stage == stage)
    until = (
        sa.select(sa.func.min(later.c.closed_at))
        .where(
            of_stage,
            later.c.move > promotions.c.move,
            sa.or_(later.c.after_primary.is_(None), later.c.after_primary != promotions.c.after_primary),
        )
        .correlate(promotions)
        .scalar_subquery()
    )
    now = (
        sa.select(newest.c.after_primary)
        .where(newest.c.model_id == promotions.c.model_id, newest.c.stage == stage, newest.c.move.is_not(None))
        .order_by(newest.c.move.desc())
        .limit(1)
        .correlate(promotions)
        .scalar_subquery()
    )
    name = namespaces.c.name.concat("/").concat(models.c.name)
    query = (
        sa.select(
            namespaces.c.name,
            models.c.name,
            promotions.c.after_primary,
            promotions.c.id,
            promotions.c.closed_at,
            until,
            now,
            actors.c.name,
        )
        .select_from(
            promotions.join(
                last, sa.and_(last.c.model_id == promotions.c.model_id, last.c.move == promotions.c.move)
            )
            .join(models, models.c.id == promotions.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(actors, actors.c.id == promotions.c.opened_by)
        )
        .where(
            promotions.c.stage == stage,
            promotions.c.after_primary.is_not(None),
            visible_models(actor),
            name > after,
        )
        .order_by(name)
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    return [StoodRow(ModelName(row[0], row[1]), *row[2:]) for row in tx.rows(query)]


def list_approvers(tx: Transaction, promotion_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return promotion → the accounts that voted for it, by name; promotions without such a vote are left out."""
    query = (
        sa.select(votes.c.promotion_id, actors.c.name)
        .distinct()
        .join(actors, actors.c.id == votes.c.actor_id)
        .where(votes.c.promotion_id.in_(promotion_ids), votes.c.approves == 1)
        .order_by(actors.c.name)
    )
    found: dict[int, list[str]] = {}
    for promotion_id, name in tx.rows(query) if promotion_ids else ():
        found.setdefault(promotion_id, []).append(name)
    return found
