"""SQL of the measures. Every statement sees the models of one scope, and no others."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from modelyard.db.tables import (
    actors,
    lineage_edges,
    models,
    namespaces,
    promotions,
    runs,
    version_months,
    versions,
    votes,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.times import month_start
from modelyard.registry.access.queries import in_namespace, visible_models
from modelyard.registry.edges import RUN, VERSION, node
from modelyard.registry.measures.nouns import Contributors, Move, Registered, Request, Rollback
from modelyard.registry.promotion.nouns import DONE, PROMOTE, ROLLBACK
from modelyard.registry.versions.origins import PRODUCED

Scope = sa.Select[tuple[int]]
"""Ids of the models that count."""


def scope_of(actor: Actor, namespace: str | None) -> Scope:
    """Models that the actor may read. namespace: only those of this one."""
    chosen = sa.select(models.c.id).where(visible_models(actor))
    return chosen if namespace is None else chosen.where(in_namespace(namespace))


def _within(scope: Scope, model_id: sa.Column[int]) -> sa.ColumnElement[bool]:
    """Match the rows of models of the scope. A look-up for each row costs SQLite a fifth of a list of all ids."""
    return sa.exists(scope.where(models.c.id == model_id).correlate(model_id.table))


def list_registered(tx: Transaction, scope: Scope, months: Sequence[int]) -> list[list[Registered]]:
    """Sum up the versions of each month by their known facts."""
    sums = version_months.c
    query = (
        sa.select(
            *(sums.month, sums.facts),
            *(sa.func.sum(column) for column in (sums.registered, sums.size_bytes, sums.new_bytes)),
        )
        .where(sums.month.between(months[0], months[-1]), _within(scope, sums.model_id))
        .group_by(sums.month, sums.facts)
    )
    found: list[list[Registered]] = [[] for _ in months]
    for month, facts, *numbers in tx.rows(query):
        found[month - months[0]].append(Registered(facts, *map(int, numbers)))
    return found


def list_moves(tx: Transaction, scope: Scope, stage: str, since: int) -> list[Move]:
    """List the versions that entered the stage for the first time, with the beginning of their training."""
    first = sa.func.min(promotions.c.closed_at)
    entered = (
        sa.select(promotions.c.version_id, first.label("at"))
        .where(
            _within(scope, promotions.c.model_id),
            promotions.c.stage == stage,
            promotions.c.kind == PROMOTE,
            promotions.c.state == DONE,
        )
        .group_by(promotions.c.version_id)
        .having(first >= since)
        .subquery()
    )
    origin = lineage_edges.alias()
    here = sa.literal(node(VERSION, "")) + sa.cast(versions.c.id, sa.Text)
    began = (
        sa.select(sa.func.min(runs.c.started_at))
        .select_from(origin.join(runs, runs.c.uid == sa.func.substr(origin.c.source, len(node(RUN, "")) + 1)))
        .where(origin.c.target == here, origin.c.source.like(node(RUN, "%")), origin.c.relation == PRODUCED)
        .scalar_subquery()
    )
    query = sa.select(entered.c.at, versions.c.created_at, began).select_from(
        entered.join(versions, versions.c.id == entered.c.version_id)
    )
    return [
        Move(int(at), int(created) if began is None else min(int(created), int(began)))
        for at, created, began in tx.rows(query)
    ]


def list_promoted(tx: Transaction, scope: Scope, stage: str, since: int) -> list[int]:
    """List the moments at which a version was promoted into the stage."""
    query = sa.select(promotions.c.closed_at).where(
        _within(scope, promotions.c.model_id),
        promotions.c.stage == stage,
        promotions.c.kind == PROMOTE,
        promotions.c.state == DONE,
        promotions.c.closed_at >= since,
    )
    return [int(row[0]) for row in tx.rows(query)]


def list_first_requests(tx: Transaction, scope: Scope, stage: str, since: int) -> list[Request]:
    """List the first request of each version."""
    first = (
        sa.select(sa.func.min(promotions.c.id))
        .where(_within(scope, promotions.c.model_id), promotions.c.stage == stage, promotions.c.kind == PROMOTE)
        .group_by(promotions.c.version_id)
    )
    query = sa.select(promotions.c.opened_at, promotions.c.state).where(
        promotions.c.id.in_(first), promotions.c.opened_at >= since
    )
    return [Request(int(at), state == DONE) for at, state in tx.rows(query)]


def list_rollbacks(tx: Transaction, scope: Scope, stage: str, since: int) -> list[Rollback]:
    query = (
        sa.select(namespaces.c.name, models.c.name, *promotions.c["number", "opened_at", "closed_at"])
        .select_from(
            promotions.join(models, models.c.id == promotions.c.model_id).join(
                namespaces, namespaces.c.id == models.c.namespace_id
            )
        )
        .where(
            _within(scope, promotions.c.model_id),
            promotions.c.stage == stage,
            promotions.c.kind == ROLLBACK,
            promotions.c.state == DONE,
            promotions.c.closed_at >= since,
        )
        .order_by(promotions.c.id.desc())
    )
    return [
        Rollback(f"{namespace}/{name}", number, closed, (closed - opened) / 1e6)
        for namespace, name, number, opened, closed in tx.rows(query)
    ]


def list_contributors(
    tx: Transaction, scope: Scope, since: int, before: int, limit: int
) -> tuple[list[Contributors], int, str]:
    """Return the models with the most people, the number of models with one, and the name of one of these.

    since, before: months; those from `since` on count, those from `before` on are compared.
    """
    start, earlier = month_start(since), month_start(before)
    sums = version_months.c
    acts = sa.union_all(
        sa.select(
            sums.model_id,
            sums.actor_id.label("actor"),
            sa.case((sums.month >= since, sums.registered), else_=0).label("now"),
        ).where(sums.month >= before, _within(scope, sums.model_id)),
        *(
            sa.select(promotions.c.model_id, actor, sa.case((at >= start, 1), else_=0))
            .select_from(source)
            .where(_within(scope, promotions.c.model_id), at >= earlier)
            for source, actor, at in (
                (promotions, promotions.c.opened_by, promotions.c.opened_at),
                (
                    votes.join(promotions, promotions.c.id == votes.c.promotion_id),
                    votes.c.actor_id,
                    votes.c.at,
                ),
            )
        ),
    ).subquery()
    people = sa.select(actors.c.id).where(actors.c.kind == "user")
    by_person = (
        sa.select(
            acts.c.model_id,
            acts.c.actor,
            sa.func.sum(acts.c.now).label("now"),
            sa.func.count().filter(acts.c.now == 0).label("before"),
        )
        .where(acts.c.actor.in_(people))
        .group_by(acts.c.model_id, acts.c.actor)
        .cte("by_person")
    )
    is_active = by_person.c.now > 0
    by_model = (
        sa.select(
            by_person.c.model_id,
            sa.func.count().filter(is_active).label("people"),
            sa.func.count().filter(by_person.c.before > 0).label("before"),
            sa.func.sum(by_person.c.now).label("total"),
        )
        .group_by(by_person.c.model_id)
        .having(sa.func.sum(by_person.c.now) > 0)
        .cte("by_model")
    )
    is_alone = by_model.c.people == 1
    shown = (
        sa.select(
            by_model,
            sa.func.count().filter(is_alone).over().label("alone"),
            sa.func.min(by_model.c.model_id).filter(is_alone).over().label("example"),
        )
        .order_by(by_model.c.people.desc(), by_model.c.total.desc(), by_model.c.model_id)
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(
            *(namespaces.c.name, models.c.name, shown.c.before, actors.c.name, by_person.c.now),
            *(shown.c.alone, shown.c.example),
        )
        .select_from(
            shown.join(by_person, sa.and_(by_person.c.model_id == shown.c.model_id, is_active))
            .join(models, models.c.id == shown.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(actors, actors.c.id == by_person.c.actor)
        )
        .order_by(by_person.c.now.desc(), actors.c.name)
    )
    found: dict[str, tuple[int, list[tuple[str, int]]]] = {}
    rows = tx.rows(query)
    alone, example = rows[0][5:] if rows else (0, None)
    for namespace, model, number, person, count, *_ in rows:
        found.setdefault(f"{namespace}/{model}", (int(number), []))[1].append((person, int(count)))
    listed = [
        Contributors(model, [name for name, _ in own], number, own[0][1] / sum(count for _, count in own))
        for model, (number, own) in found.items()
    ]
    name = tx.rows(
        sa.select(namespaces.c.name, models.c.name)
        .select_from(models.join(namespaces, namespaces.c.id == models.c.namespace_id))
        .where(models.c.id == example)
    )
    return (
        sorted(listed, key=lambda each: (-len(each.people), each.model)),
        int(alone),
        "/".join(name[0]) if name else "",
    )
