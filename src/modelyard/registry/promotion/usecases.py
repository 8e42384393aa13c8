"""Propose, promote, approve, reject, waive, withdraw, complete, explain."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    Denied,
    Invalid,
    ModelyardError,
    PromotionClosed,
    PromotionStale,
    StageNotFound,
)
from modelyard.domain.names import Ref
from modelyard.registry.access import account_queries as accounts
from modelyard.registry.access import rules as access
from modelyard.registry.access.usecases import find_same_people
from modelyard.registry.catalog import queries as catalog_queries
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
from modelyard.registry.promotion.permits import check_who, find_visible, may_act, warn_role
from modelyard.registry.promotion.policy import Policy, StageGate
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.reading import PromotionView, show_promotion
from modelyard.registry.promotion.rules import Evidence, Outcome, Verdict, duration, judge
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.usecases import find_version

DRY_RUN = "dry-run"


class PromotionRequest(msgspec.Struct, frozen=True):
    """A request to move a version into a stage."""

    ref: Ref
    stage: str
    reason: str | None = None
    open_only: bool = False
    """Only open it: somebody who may promote, or the policy, completes it."""
    primary: bool = True
    """False: enter next to the primary version, if the stage has more than one place."""
    keep_open: bool = True
    """Whether it stays open for the missing rules when the gate refuses it."""
    seen: int | None = None
    """The revision of the stage that the caller saw; another one raises AliasMoved. None: any revision."""


class Attempt(msgspec.Struct, frozen=True):
    """The outcome of a request. promotion None: a dry run, or the version is in the stage already."""

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
        """Return why the version stays out, in a sentence; the reasons of the rules are in the verdict."""
        missing = self.verdict.refusals
        names = ", ".join(result.rule for result in missing)
        return (
            f"{self.reference} may not enter {self.stage}: "
            f"{len(missing)} of {len(self.verdict.results)} rules are not met ({names})"
        )

    @property
    def way_on(self) -> str | None:
        """Return what to do after a refusal; None: the promotion is closed, and each rule names its needs."""
        if self.promotion is None or self.promotion.state != OPEN:
            return None
        return f"Promotion {self.promotion.id} stays open; meet the rules, then promote again"


# --- promoting ---------------------------------------------------------------------------------------


def explain(tx: Transaction, actor: Actor, request: PromotionRequest) -> Attempt:
    """Return the verdict that `promote` would give now; nothing is written, and only the right to read is needed.

    Raises like `promote` for versions that cannot enter any stage: archived, deleted, recalled, in quarantine, not
    scanned yet, or with withheld files.
    """
    model, version = find_version(tx, actor, request.ref)
    catalog.refuse_archived(model)
    decision = prepare_decision(tx, model, version, request.stage)
    check_ready(tx, decision)
    row = queries.find_open(tx, model.id, version.id, decision.stage.name)
    verdict = judge(decision.entry.gate, gather_for(tx, decision, row, actor.name))
    return Attempt(model, version, request.stage, verdict, decision.policy.digest, row, DRY_RUN, False)


def promote(tx: Transaction, actor: Actor, request: PromotionRequest) -> Attempt:
    """Move a version into a stage if its gate allows it; it is judged and moved in this one transaction.

    A refusal is an answer, not an error: it is recorded, and the promotion stays open for the missing rules.
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
        check_who(tx, actor, decision.entry.who, "promote", f"promote to {decision.stage.name}", model)
    decision.standing.check_seen(request.seen)
    row = queries.find_open(tx, model.id, version.id, decision.stage.name)
    evidence = gather_for(tx, decision, row, actor.name)
    verdict = judge(decision.entry.gate, evidence)
    if _stands_already(decision, request.primary):
        return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, None, DONE, False)
    move = _open_move(tx, actor, decision, verdict, evidence, request.primary, reason)
    if verdict.allows and (not request.open_only or _completes_itself(tx, decision, actor)):
        done = _complete(tx, actor, decision, move, verdict, row)
        return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, done, DONE, True)
    row, verdict = _keep(tx, actor, decision, move, evidence, row, request.open_only or request.keep_open)
    if not verdict.allows:
        _append_refusal(tx, actor, decision, row, verdict)
    outcome = OPEN if request.open_only else REFUSED
    return Attempt(model, version, decision.stage.name, verdict, decision.policy.digest, row, outcome, True)


def _stands_already(decision: Decision, primary: bool) -> bool:
    number = decision.version.number
    return decision.standing.number == number if primary else number in decision.standing.all


def _completes_itself(tx: Transaction, decision: Decision, requester: Actor) -> bool:
    """Return whether the policy completes it. A gate without rules does not extend anybody's role."""
    entry = decision.entry
    return (
        entry.automatic
        and (
            bool(entry.gate.rules) or access.may(requester, Permission.PROMOTION_PROMOTE, decision.model.place)
        )
        and may_act(tx, requester, entry.who, "promote")
    )


def _open_move(
    tx: Transaction,
    actor: Actor,
    decision: Decision,
    verdict: Verdict,
    evidence: Evidence,
    primary: bool,
    reason: str | None,
) -> Move:
    """Return the move before it is completed or refused, with the present stage and policy."""
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
    tx: Transaction, actor: Actor, decision: Decision, move: Move, verdict: Verdict, row: Promotion | None
) -> Promotion:
    primary, reason = move.primary, move.reason
    model, number, stage = decision.model, decision.version.number, decision.stage.name
    warning = warn_role(tx, actor, decision.entry.who, "promote", f"promote to {stage}", model, number)
    after = moves.enter_stage(tx, actor, decision.standing, decision.version, primary=primary, reason=reason)
    queries.keep_effective(tx, decision.policy)
    has_primary = primary or decision.standing.number is not None
    move = moves.carried_out(tx, actor, move, after, has_primary)
    promotion_id = queries.store_move(tx, move, row.id if row else None)
    moves.hold_way_back(tx, decision.standing)
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
    return replace(_found(tx, promotion_id), warning=warning)


def _named(decision: Decision, promotion_id: int) -> dict[str, Any]:
    """Return the fields of every event of a promotion."""
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
    move: Move,
    evidence: Evidence,
    row: Promotion | None,
    stays_open: bool,
) -> tuple[Promotion, Verdict]:
    """Store a promotion that is not completed: open for the missing rules, or refused for good."""
    queries.keep_effective(tx, decision.policy)
    is_new = row is None
    if row is None:
        promotion_id = queries.store_move(
            tx, replace(move, expires_at=tx.now + duration(decision.policy.open_for))
        )
        row = _found(tx, promotion_id)
        # Now that it has a number, the refusal can name it in its commands.
        evidence = msgspec.structs.replace(evidence, promotion=promotion_id)
    verdict = judge(decision.entry.gate, evidence)
    if is_new and stays_open:
        tx.append(
            events.PromotionOpened(
                **_named(decision, row.id),
                reviewers=list(decision.entry.vote_groups),
                missing=[r.rule for r in verdict.refusals],
                reason=move.reason,
            ),
            actor,
            decision.model.id,
        )
    # The repeated request is deliberate, so the promotion now refers to the present stage and policy.
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
    """Approve, or reject for good. The vote is bound to the version's digests and to the present policy.

    Raises PromotionNotFound, PromotionClosed; PromotionStale if the policy changed since it was opened; Denied.
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
        _close(tx, actor, row, REFUSED, words)
    else:
        _complete_if_ready(tx, row)
    return show_promotion(tx, actor, row.id)


def waive(tx: Transaction, actor: Actor, promotion_id: int, *, rule: str, reason: str) -> PromotionView:
    """Waive one rule for this promotion. Neither its author nor its requester may do so.

    Raises PromotionNotFound, PromotionClosed, PromotionStale, Invalid, Denied.
    """
    row, model, policy = find_visible(tx, actor, promotion_id)
    access.check(actor, Permission.PROMOTION_WAIVE, model.place)
    _check_open(tx, row)
    _check_policy(row, policy)
    entry = _entry(policy, row)
    warning = warn_role(tx, actor, entry.who, "waive", f"waive rules of {row.stage}", model, row.number)
    checked = catalog_rules.require_reason(reason, "a waiver")
    named = next((n for n in entry.gate.rules if n.id == rule), None)
    if named is None:
        names = ", ".join(n.id for n in entry.gate.rules) or "none"
        raise Invalid(
            reason=f"the gate to {row.stage} has no rule {rule[:80]!r}", fix=f"Its rules are: {names}"
        )
    version = versions.find_by_number(tx, model.id, row.number)
    assert version is not None
    own = {*versions.list_authors(tx, version.digest, tx.now), row.opened_by}
    own.update(*(find_same_people(tx, [*own, actor.name]).get(name, ()) for name in tuple(own)))
    if not named.waivable or actor.name in own:
        why = (
            "the policy does not allow a waiver for it"
            if not named.waivable
            else "you cannot waive a rule for your own work"
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
    view = show_promotion(tx, actor, row.id)
    return replace(view, promotion=replace(view.promotion, warning=warning))


def withdraw(tx: Transaction, actor: Actor, promotion_id: int, *, reason: str | None) -> PromotionView:
    """Withdraw a promotion, by its requester or anybody who may promote.

    Raises PromotionNotFound, PromotionClosed, Denied.
    """
    row, model, _ = find_visible(tx, actor, promotion_id)
    if actor.id != row.opened_by_id:
        access.check(actor, Permission.PROMOTION_PROMOTE, model.place)
    else:
        access.check(actor, Permission.PROMOTION_PROPOSE, model.place)
    _check_open(tx, row)
    reason = catalog_rules.check_reason(reason)
    _close(tx, actor, row, WITHDRAWN, reason)
    tx.append(events.PromotionWithdrawn(**named_in(row), reason=reason), actor, row.model_id)
    return show_promotion(tx, actor, row.id)


def _close(tx: Transaction, actor: Actor, row: Promotion, state: str, reason: str | None) -> None:
    """End an open promotion without a move, with the present verdict, which includes the votes and waivers so far."""
    model = catalog_queries.find_model(tx, actor, row.model)
    version = versions.find_by_number(tx, row.model_id, row.number)
    if (
        model is not None
        and version is not None
        and version.state != DELETED
        and effective_policy(tx, model).stage(row.stage) is not None
    ):
        decision = prepare_decision(tx, model, version, row.stage)
        evidence = gather_for(tx, decision, row, row.opened_by)
        queries.keep_verdict(tx, row.id, judge(decision.entry.gate, evidence), evidence)
    queries.close_promotion(tx, actor, row.id, state, reason)


def _check_open(tx: Transaction, row: Promotion) -> None:
    state = row.state
    if state == OPEN and row.expires_at is not None and row.expires_at <= tx.now:
        state = EXPIRED
    if state != OPEN:
        raise PromotionClosed(
            promotion=row.id, state=state, model=str(row.model), version=row.number, stage=row.stage
        )


def _check_policy(row: Promotion, policy: Policy) -> None:
    """Raise PromotionStale if the policy changed since the promotion was opened."""
    if row.policy_digest != policy.digest:
        raise PromotionStale(
            promotion=row.id,
            reason="the policy changed since the promotion was requested",
            model=str(row.model),
            version=row.number,
            stage=row.stage,
        )


def _entry(policy: Policy, row: Promotion) -> StageGate:
    entry = policy.gates.get(row.stage)
    if entry is None:
        raise StageNotFound(model=str(row.model), stage=row.stage, stages=", ".join(policy.stage_names))
    return entry


# --- automatic completion ------------------------------------------------------------------------------


def _complete_if_ready(tx: Transaction, row: Promotion) -> bool:
    """Complete an open promotion if its policy does so automatically and nothing is missing or stale."""
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
        # Archived, deleted, stage renamed, permission withdrawn: it waits until it expires.
        return False
    if staleness(row, decision.policy, decision.standing) or not _completes_itself(tx, decision, requester):
        return False
    evidence = gather_for(tx, decision, row, row.opened_by)
    verdict = judge(decision.entry.gate, evidence)
    is_full = not row.primary and len(decision.standing.all) >= decision.stage.slots
    if not verdict.allows or is_full or _stands_already(decision, row.primary):
        return False
    move = _open_move(tx, requester, decision, verdict, evidence, row.primary, row.reason)
    _complete(tx, requester, decision, replace(move, closed_reason="the last need was met"), verdict, row)
    return True


def list_ready(tx: Transaction, limit: int = 500) -> list[int]:
    """List open promotions that are due: expired, or ready to complete automatically. For a reading transaction."""
    ready = []
    for row in queries.list_promotions(tx, PromotionFilter(states=(OPEN,)), None, limit):
        if row.expires_at is not None and row.expires_at <= tx.now:
            ready.append(row.id)
            continue
        account = accounts.find_actor(tx, row.opened_by)
        if account is None:
            continue
        try:
            attempt = explain(tx, account.to_actor(), PromotionRequest(Ref(row.model, row.number), row.stage))
        except ModelyardError:
            continue
        if attempt.verdict.allows:
            ready.append(row.id)
    return ready


def settle(tx: Transaction, promotion_id: int) -> None:
    """Expire an open promotion, or complete it if nothing is missing; do nothing with any other one."""
    row = queries.find_promotion(tx, promotion_id)
    if row is None or row.state != OPEN:
        return
    if row.expires_at is None or row.expires_at > tx.now:
        _complete_if_ready(tx, row)
        return
    account = accounts.find_actor(tx, row.opened_by)
    assert account is not None
    _close(tx, account.to_actor(), row, EXPIRED, "its needs were not met in time")
    tx.append(events.PromotionExpired(**named_in(row)), account.to_actor(), row.model_id)
