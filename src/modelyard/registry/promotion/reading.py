"""Show promotions to the people who may see them, with the present verdict while they are open."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import InvalidRequest
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.cards import usecases as cards
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.queries import find_model as find_model_row
from modelyard.registry.promotion import moves, permits, queries
from modelyard.registry.promotion.decision import Decision, gather_for, staleness
from modelyard.registry.promotion.gates.approvals import ApprovalsRule
from modelyard.registry.promotion.nouns import (
    OPEN,
    STATES,
    Promotion,
    PromotionFilter,
    StoredVote,
    StoredWaiver,
)
from modelyard.registry.promotion.permits import find_visible
from modelyard.registry.promotion.policy import Policy, StageGate
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.rules import Outcome, Verdict, judge
from modelyard.registry.quarantine.usecases import ScanView, view_scan
from modelyard.registry.versions import queries as versions


class PromotionView(msgspec.Struct, frozen=True):
    """A promotion with everything that every door shows of it."""

    promotion: Promotion
    verdict: Verdict | None
    """The present verdict while it is open; otherwise that of the decision."""
    votes: Sequence[StoredVote]
    waivers: Sequence[StoredWaiver]
    reviewers: Sequence[str]
    stale: str | None
    """Why it does not complete automatically although it is open."""
    next_step: str | None = None
    """What the reader can do now, or the people for whom an open promotion waits."""


def show_promotion(tx: Transaction, actor: Actor, promotion_id: int) -> PromotionView:
    """Show a promotion; an open one with the present verdict. Raises PromotionNotFound."""
    row, model, policy = find_visible(tx, actor, promotion_id)
    access.refuse_strangers(actor)
    return _view(tx, actor, row, model, policy)


def _view(tx: Transaction, actor: Actor, row: Promotion, model: Model, policy: Policy) -> PromotionView:
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
        decision = Decision(version, policy, entry, standing)
        verdict = judge(entry.gate, gather_for(tx, decision, row, row.opened_by))
    may_complete = entry is not None and permits.may_complete(tx, actor, model, entry)
    return PromotionView(
        promotion=row,
        verdict=verdict,
        votes=queries.list_votes(tx, row.id, tx.now),
        waivers=queries.list_waivers(tx, row.id, tx.now),
        reviewers=entry.vote_groups if entry else (),
        stale=stale,
        next_step=_next_step(row, verdict, entry, stale, may_complete=may_complete),
    )


def _next_step(
    row: Promotion, verdict: Verdict | None, entry: StageGate | None, stale: str | None, *, may_complete: bool
) -> str | None:
    if row.state != OPEN or verdict is None or entry is None:
        return None
    command = f"modelyard promote {row.reference} {row.stage}"
    if stale is not None:
        return f"It has to be requested again, because {stale}: {command} --request"
    if not verdict.allows:
        waiting = [f"{r.rule}: {r.who or 'no one'}" for r in verdict.refusals]
        return f"It waits for {'; '.join(waiting)}"
    if may_complete:
        return f"Nothing is missing. Complete it with: {command}"
    who = " or ".join(entry.who.promote) or f"a maintainer of {row.model}"
    return f"Nothing is missing. It waits for {who} to complete it: {command}"


def list_promotions(
    tx: Transaction, actor: Actor, name: ModelName, chosen: PromotionFilter, before: int | None, limit: int
) -> list[Promotion]:
    """List the promotions of a model, newest first, including rollbacks and demotions."""
    model = catalog.find_model(tx, actor, name)
    access.refuse_strangers(actor)
    return queries.list_promotions(tx, replace(_checked(chosen), model_id=model.id), before, limit)


def list_visible(
    tx: Transaction, actor: Actor, chosen: PromotionFilter, before: int | None, limit: int
) -> list[Promotion]:
    """List the promotions of all models that the actor may read, newest first.

    Raises InvalidRequest for an unknown state.
    """
    access.refuse_strangers(actor)
    return queries.list_promotions(tx, replace(_checked(chosen), reader=actor), before, limit)


def _checked(chosen: PromotionFilter) -> PromotionFilter:
    for state in chosen.states:
        if state not in STATES:
            raise InvalidRequest(
                reason=f"{state[:40]!r} is not a state of a promotion", fix=f"Use {', '.join(STATES)}"
            )
    return chosen


def read_card(db: Database, blobs: BlobStore, actor: Actor, ref: Ref, number: int | None = None) -> cards.Card:
    """Read the card of a version, for its readers and for people who may vote on an open promotion of it."""
    return cards.show_card(db, blobs, actor, ref, number, permits.find_readable)


def read_scan(tx: Transaction, actor: Actor, ref: Ref) -> ScanView:
    """Read the scan of a version, for the same people."""
    return view_scan(tx, *permits.find_readable(tx, actor, ref))


def uncounted(vote: StoredVote, row: Promotion, verdict: Verdict | None) -> str | None:
    """Return why a vote does not count; None: it does. verdict: that of the decision, or the present one."""
    if vote.policy_digest != row.policy_digest:
        return "cast under an older policy"
    if not vote.approves or verdict is None:
        return None
    asked = [result for result in verdict.results if result.kind == ApprovalsRule.kind]
    if any(vote.by in result.counted for result in asked):
        return None
    if not asked:
        return "the gate requires no approvals"
    reasons = [result.not_counted[vote.by] for result in asked if vote.by in result.not_counted]
    return reasons[0] if reasons else "not in a group that the gate asks"


def is_used(waiver: StoredWaiver, verdict: Verdict | None) -> bool:
    """Return whether the verdict depends on the waiver."""
    results = verdict.results if verdict is not None else ()
    return any(result.rule == waiver.rule and result.outcome is Outcome.WAIVED for result in results)


def list_to_review(tx: Transaction, actor: Actor, limit: int, before: int | None) -> list[Promotion]:
    """List open promotions that wait for the actor, for a vote or to be completed, newest first."""
    found: list[Promotion] = []
    for row in queries.list_promotions(tx, PromotionFilter(states=(OPEN,)), before, 1000):
        if len(found) == limit:
            break
        model = find_model_row(tx, actor, row.model)
        if model is None or model.deleted_at is not None:
            continue
        policy = effective_policy(tx, model)
        entry = policy.gates.get(row.stage)
        if entry is None:
            continue
        if _awaits_vote(tx, actor, row, model, policy, entry) or _awaits_completion(
            tx, actor, row, model, policy, entry
        ):
            found.append(row)
    return found


def _awaits_vote(
    tx: Transaction, actor: Actor, row: Promotion, model: Model, policy: Policy, entry: StageGate
) -> bool:
    if actor.name == row.opened_by or not entry.has_approvals or not permits.may_vote(tx, actor, model, entry):
        return False
    given = queries.list_votes(tx, row.id, tx.now)
    return not any(v.by_id == actor.id and v.policy_digest == policy.digest for v in given)


def _awaits_completion(
    tx: Transaction, actor: Actor, row: Promotion, model: Model, policy: Policy, entry: StageGate
) -> bool:
    """Return whether only somebody to complete the promotion is missing."""
    if not permits.may_complete(tx, actor, model, entry):
        return False
    view = _view(tx, actor, row, model, policy)
    return view.stale is None and view.verdict is not None and view.verdict.allows
