"""Propose, promote, approve, reject, waive, withdraw, complete, explain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import (
    AliasMoved,
    Denied,
    Invalid,
    ModelyardError,
    PromotionClosed,
    PromotionStale,
    StageNotFound,
)
from modelyard.domain.names import Ref
from modelyard.registry.access import queries as accounts
from modelyard.registry.access import rules as access
from modelyard.registry.access.usecases import find_same_people
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import moves, permits, queries
from modelyard.registry.promotion.decision import (
    Decision,
    check_ready,
    gather_for,
    prepare_decision,
    staleness,
)
from modelyard.registry.promotion.nouns import (
    DONE,
    EXPIRED,
    OPEN,
    PROMOTE,
    REFUSED,
    WITHDRAWN,
    Move,
    Promotion,
    PromotionFilter,
)
from modelyard.registry.promotion.permits import check_named, find_visible
from modelyard.registry.promotion.policy import Policy, StageGate
from modelyard.registry.promotion.reading import PromotionView, show_promotion
from modelyard.registry.promotion.rules import Evidence, Outcome, Verdict, duration, judge
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_version

DRY_RUN = "dry-run"


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """A version asked into a stage."""

    ref: Ref
    stage: str
    reason: str | None = None
    open_only: bool = False
    """Only open it: the person who may promote completes it, or the policy does."""
    primary: bool = True
    """False: next to the primary version, where the stage has more than one place."""
    keep_open: bool = True
    """Whether it stays open for what is missing when the gate says no."""
    seen: int | None = None
    """The stage's revision that the caller saw; another one raises AliasMoved. None: wherever it stands."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a request. promotion None: a dry run, or the version stands there already."""

    model: Model
    version: Version
    stage: str
    verdict: Verdict
    policy_digest: str
    promotion: Promotion | None
    outcome: str
    """done, open (a request that waits), refused, or dry-run."""
    changed: bool

    @property
    def done(self) -> bool:
        return self.outcome == DONE

    @property
    def reference(self) -> str:
        return f"{self.model.name}:{self.version.number}"

    @property
    def refusal(self) -> str:
        """Why the version stays out, in a sentence; each rule's own reason is in the verdict."""
        missing = self.verdict.refusals
        names = ", ".join(result.rule for result in missing)
        return (
            f"{self.reference} may not enter {self.stage}: "
            f"{len(missing)} of {len(self.verdict.results)} rules are not met ({names})"
        )

    @property
    def way_on(self) -> str | None:
        """What to do after a refusal; None: the promotion is closed, and each rule says what is needed."""
        if self.promotion is None or self.promotion.state != OPEN:
            return None
        return f"Promotion {self.promotion.id} stays open; meet the rules, then promote again"


# --- promoting ---------------------------------------------------------------------------------------


def explain(tx: Transaction, actor: Actor, request: PromotionRequest) -> Attempt:
    """The verdict that `promote` would give now; nothing is written and no right but reading is needed.

    What can enter no stage at all is refused as there: archived, deleted, recalled, held, not scanned yet, or with
    withheld files.
    """
    model, version = find_version(tx, actor, request.ref)
    catalog.refuse_archived(model)
    decision = prepare_decision(tx, model, version, request.stage)
    check_ready(tx, decision)
    row = queries.find_open(tx, model.id, version.id, decision.stage.name)
    verdict = judge(decision.entry.gate, gather_for(tx, decision, row, actor.name))
    return Attempt(model, version, request.stage, verdict, decision.policy.digest, row, DRY_RUN, False)


def promote(tx: Transaction, actor: Actor, request: PromotionRequest) -> Attempt:
    """Move a version into a stage if its gate lets it in; judged and moved in this one transaction.

    A refusal is an answer: it is recorded, and the promotion stays open for what is missing.
    Raises StageNotFound, VersionArchived, VersionDeleted, Denied, AliasMoved, StageFull.
    """
    permission = Permission.PROMOTION_PROPOSE if request.open_only else Permission.PROMOTION_PROMOTE
    model = catalog.find_open_model(tx, actor, request.ref.model, permission)
    _, version = find_version(tx, actor, Ref(model.name, request.ref.selector))
    decision = prepare_decision(tx, model, version, request.stage)
    reason = catalog_rules.check_reason(request.reason)
    check_ready(tx, decision)
    if not request.primary and decision.stage.slots == 1:
        raise Invalid(
            reason=f"stage {decision.stage.name} has one place",
            fix=f"Give it more in the policy: stages: [{{name: {decision.stage.name}, slots: 2}}]",
        )
    if not request.open_only:
        check_named(tx, actor, decision.entry.who.promote, f"promote to {decision.stage.name}", str(model.name))
    _check_seen(decision, request.seen)
    row = queries.find_open(tx, model.id, version.id, decision.stage.name)
    evidence = gather_for(tx, decision, row, actor.name)
    verdict = judge(decision.entry.gate, evidence)
    if _stands_already(decision, request.primary):
        return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, None, DONE, False)
    if verdict.allows and (not request.open_only or _completes_itself(tx, decision, actor)):
        done = _complete(tx, actor, decision, row, verdict, evidence, request.primary, reason)
        return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, done, DONE, True)
    row, verdict = _keep(tx, actor, decision, row, verdict, evidence, request, reason)
    if not verdict.allows:
        _append_refusal(tx, actor, decision, row, verdict)
    outcome = OPEN if request.open_only else REFUSED
    return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, row, outcome, True)


def _check_seen(decision: Decision, seen: int | None) -> None:
    if seen is not None and seen != decision.standing.revision:
        raise AliasMoved(
            model=str(decision.model.name),
            alias=decision.stage.name,
            version=decision.standing.number,
            revision=decision.standing.revision,
        )


def _stands_already(decision: Decision, primary: bool) -> bool:
    number = decision.version.number
    return decision.standing.number == number if primary else number in decision.standing.all


def _completes_itself(tx: Transaction, decision: Decision, requester: Actor) -> bool:
    """Whether the policy completes it: by the right of who asked, or because others had to approve."""
    if not decision.entry.automatic:
        return False
    if not decision.entry.has_approvals and not access.may(
        requester, Permission.PROMOTION_PROMOTE, decision.model.place
    ):
        return False
    try:
        check_named(tx, requester, decision.entry.who.promote, "promote", str(decision.model.name))
    except Denied:
        return False
    return True


def _open_move(
    tx: Transaction,
    actor: Actor,
    decision: Decision,
    verdict: Verdict,
    evidence: Evidence,
    primary: bool,
    reason: str | None,
) -> Move:
    """As it is before it is carried out or refused: about the stage and the policy of this moment."""
    return Move(
        version=decision.version,
        stage=decision.stage.name,
        kind=PROMOTE,
        primary=primary,
        seen_number=decision.standing.number,
        seen_revision=decision.standing.revision,
        policy_digest=decision.policy.digest,
        state=OPEN,
        reason=reason,
        opened_at=tx.now,
        opened_by=actor.id,
        verdict=verdict,
        evidence=evidence,
    )


def _complete(
    tx: Transaction,
    actor: Actor,
    decision: Decision,
    row: Promotion | None,
    verdict: Verdict,
    evidence: Evidence,
    primary: bool,
    reason: str | None,
    closed_reason: str | None = None,
) -> Promotion:
    after = moves.enter_stage(
        tx,
        actor,
        decision.model,
        decision.stage,
        decision.standing,
        decision.version,
        primary=primary,
        reason=reason,
    )
    if primary and decision.standing.number is not None:
        moves.hold_version(tx, decision.model, decision.stage.name, decision.standing.number)
    queries.keep_effective(tx, decision.policy.digest, canonical_json(decision.policy.body).decode())
    has_primary = primary or decision.standing.number is not None
    move = replace(
        _open_move(tx, actor, decision, verdict, evidence, primary, reason), closed_reason=closed_reason
    )
    move = moves.carried_out(tx, actor, move, after, has_primary)
    promotion_id = queries.store_move(tx, move, row.id if row else None)
    tx.append(
        events.VersionPromoted(
            **_named(decision, promotion_id),
            from_version=decision.standing.number,
            primary=primary,
            verdict=msgspec.to_builtins(verdict),
            gate=decision.policy.gate_body(decision.stage.name),
            verdict_digest=move.verdict_digest,
            waived=[r.rule for r in verdict.results if r.outcome is Outcome.WAIVED],
            warned=[r.rule for r in verdict.refusals],
            reason=reason,
        ),
        actor,
        decision.model.id,
    )
    return _found(tx, promotion_id)


def _named(decision: Decision, promotion_id: int) -> dict[str, Any]:
    """What every event of a promotion says."""
    return {
        **events.about(decision.model.name, decision.version.number),
        "promotion": promotion_id,
        "stage": decision.stage.name,
        "digest": decision.version.digest,
        "record_digest": decision.version.record_digest,
        "effective_digest": decision.policy.digest,
        "text_digests": list(decision.policy.text_digests) or None,
    }


def named_in(row: Promotion) -> dict[str, Any]:
    return {
        **events.about(row.model, row.number),
        "promotion": row.id,
        "stage": row.stage,
        "digest": row.digest,
        "record_digest": row.record_digest,
        "effective_digest": row.policy_digest,
    }


def _found(tx: Transaction, promotion_id: int) -> Promotion:
    row = queries.find_promotion(tx, promotion_id)
    assert row is not None
    return row


def _keep(
    tx: Transaction,
    actor: Actor,
    decision: Decision,
    row: Promotion | None,
    verdict: Verdict,
    evidence: Evidence,
    request: PromotionRequest,
    reason: str | None,
) -> tuple[Promotion, Verdict]:
    """Store what is not carried out: open for what is missing, or refused for good."""
    queries.keep_effective(tx, decision.policy.digest, canonical_json(decision.policy.body).decode())
    stays_open = request.open_only or request.keep_open
    move = _open_move(tx, actor, decision, verdict, evidence, request.primary, reason)
    if row is None:
        promotion_id = queries.store_move(
            tx, replace(move, expires_at=tx.now + duration(decision.policy.open_for))
        )
        row = _found(tx, promotion_id)
        # Now that it has a number, the refusal can name it in its commands.
        evidence = msgspec.structs.replace(evidence, promotion=promotion_id)
        verdict = judge(decision.entry.gate, evidence)
        if stays_open:
            tx.append(
                events.PromotionOpened(
                    **_named(decision, promotion_id),
                    reviewers=list(decision.entry.vote_groups),
                    missing=[r.rule for r in verdict.refusals],
                    reason=reason,
                ),
                actor,
                decision.model.id,
            )
    # Asked for again, knowingly: the promotion now is about the stage and the policy of this moment.
    move = replace(move, verdict=verdict, evidence=evidence)
    if not stays_open:
        move = replace(
            move,
            state=REFUSED,
            closed_at=tx.now,
            closed_by=actor.id,
            closed_reason="the gate said no",
        )
    queries.store_move(tx, move, row.id)
    return _found(tx, row.id), verdict


def _append_refusal(
    tx: Transaction, actor: Actor, decision: Decision, row: Promotion, verdict: Verdict
) -> None:
    refusals = [
        {"rule": r.rule, "outcome": r.outcome.value, "measured": r.measured, "needed": r.needed}
        for r in verdict.refusals
    ]
    event = events.PromotionRefused(
        **_named(decision, row.id),
        refusals=refusals,
        verdict=msgspec.to_builtins(verdict),
        gate=decision.policy.gate_body(decision.stage.name),
        stays_open=row.state == OPEN,
    )
    tx.append(event, actor, row.model_id)


# --- an open promotion -------------------------------------------------------------------------------


def vote(
    tx: Transaction,
    actor: Actor,
    promotion_id: int,
    *,
    approves: bool,
    comment: str | None,
) -> PromotionView:
    """Approve, or reject for good. The vote is bound to the version's digests and to the policy of now.

    Raises PromotionNotFound, PromotionClosed, PromotionStale when the policy changed since it was opened, Denied.
    """
    row, model, policy = find_visible(tx, actor, promotion_id)
    _check_open(tx, row)
    entry = _entry(policy, row)
    if not permits.may_vote(tx, actor, model, entry):
        groups = ", ".join(entry.vote_groups)
        raise Denied(
            actor=actor.name,
            permission=Permission.PROMOTION_VOTE.value,
            where=str(model.name),
            who="an admin" if groups else f"an owner of {model.name.namespace}",
            role=f"membership in {groups}" if groups else "maintainer",
        )
    _check_policy(row, policy)
    comment = catalog_rules.check_reason(comment)
    given = [
        v for v in queries.list_votes(tx, row.id, tx.now) if v.by_id == actor.id and v.approves == approves
    ]
    if not any(v.policy_digest == policy.digest for v in given):
        queries.insert_vote(tx, actor, row.id, approves=approves, comment=comment, policy_digest=policy.digest)
        kind = events.PromotionApproved if approves else events.PromotionRejected
        tx.append(kind(**named_in(row), comment=comment), actor, row.model_id)
    if not approves:
        words = f"rejected by {actor.name}" + (f": {comment}" if comment else "")
        queries.close_promotion(tx, actor, row.id, REFUSED, words)
    else:
        _complete_if_ready(tx, row)
    return show_promotion(tx, actor, row.id)


def waive(tx: Transaction, actor: Actor, promotion_id: int, *, rule: str, reason: str) -> PromotionView:
    """Set one rule aside for this promotion. Not for one's own work: neither author nor requester may.

    Raises PromotionNotFound, PromotionClosed, PromotionStale, Invalid, Denied.
    """
    row, model, policy = find_visible(tx, actor, promotion_id)
    access.check(actor, Permission.PROMOTION_WAIVE, model.place)
    _check_open(tx, row)
    _check_policy(row, policy)
    entry = _entry(policy, row)
    check_named(tx, actor, entry.who.waive, f"waive rules of {row.stage}", str(model.name))
    checked = catalog_rules.require_reason(reason, "a waiver")
    named = next((n for n in entry.gate.rules if n.id == rule), None)
    if named is None:
        known = ", ".join(n.id for n in entry.gate.rules) or "none"
        raise Invalid(
            reason=f"the gate to {row.stage} has no rule {rule[:80]!r}", fix=f"Its rules are: {known}"
        )
    version = versions.find_by_number(tx, model.id, row.number)
    assert version is not None
    own = {*versions.list_authors(tx, version.digest, tx.now), row.opened_by}
    own.update(*(find_same_people(tx, [*own, actor.name]).get(name, ()) for name in tuple(own)))
    if not named.waivable or actor.name in own:
        why = (
            "the policy lets no one waive it"
            if not named.waivable
            else "it would be a waiver for one's own work"
        )
        raise Denied(
            actor=actor.name,
            permission=f"waive rule {rule}",
            where=str(model.name),
            who="somebody else",
            role="owner",
            fix=f"{why[0].upper()}{why[1:]}; "
            + ("meet the rule" if not named.waivable else "ask another owner"),
        )
    queries.insert_waiver(tx, actor, row.id, rule=rule, reason=checked, policy_digest=policy.digest)
    tx.append(events.RuleWaived(**named_in(row), rule=rule, reason=checked), actor, row.model_id)
    _complete_if_ready(tx, row)
    return show_promotion(tx, actor, row.id)


def withdraw(tx: Transaction, actor: Actor, promotion_id: int, *, reason: str | None) -> PromotionView:
    """By who opened it, or the person who may promote. Raises PromotionNotFound, PromotionClosed, Denied."""
    row, model, _ = find_visible(tx, actor, promotion_id)
    if actor.id != row.opened_by_id:
        access.check(actor, Permission.PROMOTION_PROMOTE, model.place)
    else:
        access.check(actor, Permission.PROMOTION_PROPOSE, model.place)
    _check_open(tx, row)
    reason = catalog_rules.check_reason(reason)
    queries.close_promotion(tx, actor, row.id, WITHDRAWN, reason)
    tx.append(events.PromotionWithdrawn(**named_in(row), reason=reason), actor, row.model_id)
    return show_promotion(tx, actor, row.id)


def _check_open(tx: Transaction, row: Promotion) -> None:
    state = row.state
    if state == OPEN and row.expires_at is not None and row.expires_at <= tx.now:
        state = EXPIRED
    if state != OPEN:
        raise PromotionClosed(
            promotion=row.id, state=state, model=str(row.model), version=row.number, stage=row.stage
        )


def _check_policy(row: Promotion, policy: Policy) -> None:
    """The person who looked at it looked under another policy."""
    if row.policy_digest != policy.digest:
        raise PromotionStale(
            promotion=row.id,
            reason="the policy changed since it was asked for",
            model=str(row.model),
            version=row.number,
            stage=row.stage,
        )


def _entry(policy: Policy, row: Promotion) -> StageGate:
    entry = policy.gates.get(row.stage)
    if entry is None:
        raise StageNotFound(model=str(row.model), stage=row.stage, stages=", ".join(policy.stage_names))
    return entry


# --- what completes by itself --------------------------------------------------------------------------


def _complete_if_ready(tx: Transaction, row: Promotion) -> bool:
    """Carry an open promotion out if its policy completes it and nothing is missing or stale."""
    account = accounts.find_actor(tx, row.opened_by)
    if account is None or account.disabled_at is not None:
        return False
    requester = account.to_actor()
    try:
        model = catalog.find_open_model(tx, requester, row.model, Permission.PROMOTION_PROPOSE)
        _, version = find_version(tx, requester, Ref(model.name, row.number))
        decision = prepare_decision(tx, model, version, row.stage)
        check_ready(tx, decision)
    except ModelyardError:
        # Archived, deleted, renamed stage, right withdrawn: it waits until it expires.
        return False
    if staleness(row, decision.policy, decision.standing) or not _completes_itself(tx, decision, requester):
        return False
    evidence = gather_for(tx, decision, row, row.opened_by)
    verdict = judge(decision.entry.gate, evidence)
    is_full = not row.primary and len(decision.standing.all) >= decision.stage.slots
    if not verdict.allows or is_full or _stands_already(decision, row.primary):
        return False
    _complete(tx, requester, decision, row, verdict, evidence, row.primary, row.reason, "the last need was met")
    return True


def list_ready(tx: Transaction, limit: int = 500) -> list[int]:
    """Open promotions that are due: expired, or complete by themselves now. For a reading transaction."""
    found = []
    for row in queries.list_promotions(tx, PromotionFilter(states=(OPEN,)), None, limit):
        if row.expires_at is not None and row.expires_at <= tx.now:
            found.append(row.id)
            continue
        account = accounts.find_actor(tx, row.opened_by)
        if account is None:
            continue
        try:
            attempt = explain(tx, account.to_actor(), PromotionRequest(Ref(row.model, row.number), row.stage))
        except ModelyardError:
            continue
        if attempt.verdict.allows:
            found.append(row.id)
    return found


def settle(tx: Transaction, promotion_id: int) -> None:
    """Expire an open promotion, or complete it when nothing is missing. Does nothing to any other one."""
    row = queries.find_promotion(tx, promotion_id)
    if row is None or row.state != OPEN:
        return
    if row.expires_at is None or row.expires_at > tx.now:
        _complete_if_ready(tx, row)
        return
    account = accounts.find_actor(tx, row.opened_by)
    assert account is not None
    queries.close_promotion(tx, account.to_actor(), row.id, EXPIRED, "its needs were not met in time")
    tx.append(events.PromotionExpired(**named_in(row)), account.to_actor(), row.model_id)
