"""From promotions, verdicts and policies to what the wire carries."""

from __future__ import annotations

from modelyard.api.shapes import optional_time
from modelyard.domain.times import time_text
from modelyard.registry.promotion.nouns import PolicyVersion, Promotion, StoredVote, StoredWaiver
from modelyard.registry.promotion.policies import PolicyView
from modelyard.registry.promotion.reading import PromotionView
from modelyard.registry.promotion.replay import Replayed
from modelyard.registry.promotion.rules import Verdict
from modelyard.registry.promotion.stages import StageMove, StageView
from modelyard.registry.promotion.usecases import Attempt
from modelyard.wire import policy as policy_wire
from modelyard.wire import promotion as wire


def verdict(found: Verdict) -> wire.Verdict:
    return wire.Verdict(
        stage=found.stage,
        mode=found.mode.value,
        passed=found.passed,
        allowed=found.allows,
        results=[
            wire.RuleResult(
                rule=r.rule,
                kind=r.kind,
                outcome=r.outcome.value,
                measured=r.measured,
                needed=r.needed,
                who=r.who,
                fix=r.fix,
                say=r.say,
                may_change=r.may_change,
                waivable=r.waivable,
            )
            for r in found.results
        ],
        notes=list(found.notes),
    )


def _votes(votes: list[StoredVote], policy_digest: str) -> list[wire.Vote]:
    return [
        wire.Vote(
            by=v.by,
            at=time_text(v.at),
            approves=v.approves,
            comment=v.comment,
            counts=v.policy_digest == policy_digest,
        )
        for v in votes
    ]


def _waivers(waivers: list[StoredWaiver], policy_digest: str) -> list[wire.Waiver]:
    return [
        wire.Waiver(
            rule=w.rule, by=w.by, at=time_text(w.at), reason=w.reason, counts=w.policy_digest == policy_digest
        )
        for w in waivers
    ]


def promotion(row: Promotion, *, with_verdict: bool = False) -> wire.Promotion:
    """A row alone; its votes and waivers are left out."""
    stored = row.verdict if with_verdict else None
    return wire.Promotion(
        id=row.id,
        kind=row.kind,
        state=row.state,
        model=str(row.model),
        version=row.number,
        reference=row.reference,
        digest=row.digest,
        record_digest=row.record_digest,
        stage=row.stage,
        primary=row.primary,
        from_version=row.seen_number,
        policy_digest=row.policy_digest,
        reason=row.reason,
        opened_at=time_text(row.opened_at),
        opened_by=row.opened_by,
        expires_at=optional_time(row.expires_at),
        closed_at=optional_time(row.closed_at),
        closed_by=row.closed_by,
        closed_reason=row.closed_reason,
        after_primary=row.after_primary,
        after_versions=None if row.move is None else list(row.after_all),
        undid=row.undid,
        verdict=verdict(stored) if stored else None,
    )


def promotion_view(view: PromotionView) -> wire.Promotion:
    shown = promotion(view.promotion)
    shown.verdict = verdict(view.verdict) if view.verdict else None
    shown.votes = _votes(list(view.votes), view.promotion.policy_digest)
    shown.waivers = _waivers(list(view.waivers), view.promotion.policy_digest)
    shown.reviewers = list(view.reviewers)
    shown.stale = view.stale
    return shown


def stage_move(move: StageMove) -> wire.Promotion:
    shown = promotion(move.promotion, with_verdict=True)
    shown.votes = _votes(list(move.votes), move.promotion.policy_digest)
    shown.waivers = _waivers(list(move.waivers), move.promotion.policy_digest)
    return shown


def stage(view: StageView) -> wire.Stage:
    return wire.Stage(
        name=view.name,
        slots=view.slots,
        mode=view.mode,
        rules=list(view.rules),
        primary=view.primary,
        versions=list(view.all),
        since=optional_time(view.since if view.primary is not None else None),
        by=view.by if view.primary is not None else None,
        revision=view.revision,
    )


def attempt(found: Attempt) -> wire.Attempt:
    return wire.Attempt(
        outcome=found.outcome,
        model=str(found.model.name),
        version=found.version.number,
        reference=found.reference,
        stage=found.stage,
        policy_digest=found.policy_digest,
        verdict=verdict(found.verdict),
        promotion=promotion(found.promotion) if found.promotion else None,
        changed=found.changed,
    )


# --- policies ------------------------------------------------------------------------------------------


def policy_version(found: PolicyVersion) -> policy_wire.PolicyVersion:
    return policy_wire.PolicyVersion(
        number=found.number,
        digest=found.digest,
        text=found.text,
        reason=found.reason,
        at=time_text(found.at),
        by=found.by,
    )


def policy(view: PolicyView) -> policy_wire.Policy:
    return policy_wire.Policy(
        of=view.owner.name,
        own=policy_version(view.own) if view.own else None,
        inherited=policy_version(view.inherited) if view.inherited else None,
        effective=view.effective.body,
        effective_digest=view.effective.digest,
        sources=list(view.effective.sources),
        revision=view.own.number if view.own else 0,
        weakens=list(view.weakens),
    )


def replayed(found: Replayed) -> policy_wire.Replayed:
    row = found.promotion
    return policy_wire.Replayed(
        promotion=row.id,
        reference=row.reference,
        stage=row.stage,
        at=time_text(row.closed_at or row.opened_at),
        by=row.closed_by or row.opened_by,
        allowed_then=found.allowed_then,
        allowed_now=found.verdict is not None and found.verdict.allows,
        differs=found.differs,
        changes=[
            policy_wire.RuleChange(
                rule=c.rule,
                before=c.before.value if c.before else None,
                after=c.after.value if c.after else None,
                reason=c.reason,
            )
            for c in found.changes
        ],
    )


# --- reports -------------------------------------------------------------------------------------------
