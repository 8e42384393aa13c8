"""Conversion of promotions, verdicts and policies to wire shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelyard.api.conversion import optional_time, to_wire
from modelyard.domain.times import time_text
from modelyard.registry.promotion.nouns import Promotion, StoredVote, StoredWaiver
from modelyard.registry.promotion.policies import PolicyView
from modelyard.registry.promotion.reading import PromotionView, is_used, uncounted
from modelyard.registry.promotion.replay import Replayed
from modelyard.registry.promotion.rules import Verdict
from modelyard.registry.promotion.stages import StageMove, StageView
from modelyard.registry.promotion.usecases import Attempt
from modelyard.wire import policy as policy_wire
from modelyard.wire import promotion as wire


def verdict(found: Verdict) -> wire.Verdict:
    return to_wire(found, wire.Verdict, allowed=found.allows)


def votes(cast: Sequence[StoredVote], row: Promotion, judged: Verdict | None = None) -> list[wire.Vote]:
    """judged: the current verdict; None: the verdict that decided the promotion."""
    found = []
    for vote in cast:
        why_not = uncounted(vote, row, judged or row.verdict)
        found.append(to_wire(vote, wire.Vote, counts=why_not is None, why_not=why_not))
    return found


def _waivers(waivers: Sequence[StoredWaiver], judged: Verdict | None) -> list[wire.Waiver]:
    return [to_wire(w, wire.Waiver, counts=is_used(w, judged)) for w in waivers]


def promotion(row: Promotion, *, with_verdict: bool = False, **more: Any) -> wire.Promotion:
    """Return one promotion, without its votes and waivers unless `more` names them."""
    stored = row.verdict if with_verdict else None
    parts: dict[str, Any] = {
        "verdict": verdict(stored) if stored else None,
        "votes": [],
        "waivers": [],
        "reviewers": [],
        "stale": None,
        "next_step": None,
    }
    return to_wire(
        row,
        wire.Promotion,
        version=row.number,
        from_version=row.seen_number,
        after_versions=None if row.move is None else list(row.after_all),
        **(parts | more),
    )


def promotion_view(view: PromotionView) -> wire.Promotion:
    return promotion(
        view.promotion,
        verdict=verdict(view.verdict) if view.verdict else None,
        votes=votes(view.votes, view.promotion, view.verdict),
        waivers=_waivers(view.waivers, view.verdict),
        reviewers=list(view.reviewers),
        stale=view.stale,
        next_step=view.next_step,
    )


def stage_move(move: StageMove) -> wire.Promotion:
    return promotion(
        move.promotion,
        with_verdict=True,
        votes=votes(move.votes, move.promotion),
        waivers=_waivers(move.waivers, move.promotion.verdict),
    )


def stage(view: StageView) -> wire.Stage:
    is_taken = view.primary is not None
    return to_wire(
        view,
        wire.Stage,
        versions=list(view.all),
        since=optional_time(view.since if is_taken else None),
        by=view.by if is_taken else None,
    )


def attempt(found: Attempt) -> wire.Attempt:
    return to_wire(
        found,
        wire.Attempt,
        model=str(found.model.name),
        version=found.version.number,
        verdict=verdict(found.verdict),
        promotion=promotion(found.promotion) if found.promotion else None,
    )


# --- policies ------------------------------------------------------------------------------------------


def policy(view: PolicyView) -> policy_wire.Policy:
    return to_wire(
        view,
        policy_wire.Policy,
        of=view.owner.name,
        effective=view.effective.body,
        effective_digest=view.effective.digest,
        sources=list(view.effective.sources),
        revision=view.own.number if view.own else 0,
    )


def replayed(found: Replayed) -> policy_wire.Replayed:
    row = found.promotion
    return to_wire(
        found,
        policy_wire.Replayed,
        promotion=row.id,
        reference=row.reference,
        stage=row.stage,
        at=time_text(row.closed_at or row.opened_at),
        by=row.closed_by or row.opened_by,
        allowed_now=found.verdict is not None and found.verdict.allows,
    )
