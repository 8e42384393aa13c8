"""Promotions as they are shown: to the person who may see them, with the verdict of now while they are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.queries import find_model as find_model_row
from modelyard.registry.promotion import moves, permits, queries
from modelyard.registry.promotion.decision import Decision, gather_for, staleness
from modelyard.registry.promotion.nouns import OPEN, Promotion, PromotionFilter, StoredVote, StoredWaiver
from modelyard.registry.promotion.permits import find_visible
from modelyard.registry.promotion.policy import Policy
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.rules import Verdict, judge
from modelyard.registry.versions import queries as versions


@dataclass(frozen=True, slots=True)
class PromotionView:
    """A promotion with what belongs to it, as every door shows it."""

    promotion: Promotion
    verdict: Verdict | None
    """Of now while it is open; else the one it was decided on."""
    votes: Sequence[StoredVote]
    waivers: Sequence[StoredWaiver]
    reviewers: Sequence[str]
    stale: str | None
    """Why it does not complete by itself although it is open."""


def show_promotion(tx: Transaction, actor: Actor, promotion_id: int) -> PromotionView:
    """An open one with the verdict of now. Raises PromotionNotFound."""
    row, model, policy = find_visible(tx, actor, promotion_id)
    access.refuse_strangers(actor)
    return _view(tx, row, model, policy)


def _view(tx: Transaction, row: Promotion, model: Model, policy: Policy) -> PromotionView:
    entry = policy.gates.get(row.stage)
    verdict = row.verdict
    stale = None
    if row.state == OPEN and entry is not None:
        stage = policy.stage(row.stage)
        version = versions.find_by_number(tx, model.id, row.number)
        assert stage is not None
        assert version is not None
        standing = moves.find_standing(tx, model, stage)
        stale = staleness(row, policy, standing)
        decision = Decision(model, version, policy, stage, entry, standing)
        verdict = judge(entry.gate, gather_for(tx, decision, row, row.opened_by))
    return PromotionView(
        promotion=row,
        verdict=verdict,
        votes=queries.list_votes(tx, row.id, tx.now),
        waivers=queries.list_waivers(tx, row.id, tx.now),
        reviewers=entry.vote_groups if entry else (),
        stale=stale,
    )


def list_promotions(
    tx: Transaction, actor: Actor, name: ModelName, chosen: PromotionFilter, before: int | None, limit: int
) -> list[Promotion]:
    """Those of a model, newest first; moves by rollback and demotion too."""
    model = catalog.find_model(tx, actor, name)
    access.refuse_strangers(actor)
    wanted = PromotionFilter(model.id, None, chosen.stage, chosen.states, chosen.number, chosen.since)
    return queries.list_promotions(tx, wanted, before, limit)


def list_to_review(tx: Transaction, actor: Actor, limit: int, before: int | None) -> list[Promotion]:
    """Open promotions that wait for the actor's vote, newest first."""
    found: list[Promotion] = []
    for row in queries.list_promotions(tx, PromotionFilter(states=(OPEN,)), before, 1000):
        if len(found) == limit:
            break
        model = find_model_row(tx, actor, row.model)
        if model is None or model.deleted_at is not None or actor.name == row.opened_by:
            continue
        policy = effective_policy(tx, model)
        entry = policy.gates.get(row.stage)
        if entry is None or not entry.has_approvals or not permits.may_vote(tx, actor, model, entry):
            continue
        given = queries.list_votes(tx, row.id, tx.now)
        if not any(v.by_id == actor.id and v.policy_digest == policy.digest for v in given):
            found.append(row)
    return found
