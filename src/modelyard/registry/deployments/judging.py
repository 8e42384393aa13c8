"""The server's own decisions about canaries and new revisions: called with each look at a target.

What happens follows from the rows and from what the target says; each decision is one transaction that first reads the rows again.
So a server that was killed anywhere goes on, and two servers never decide twice.
"""

from __future__ import annotations

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor
from modelyard.domain.deployments import BAD, CANARY, FAILED, FINISH, FORWARD, GOOD, JUDGED, WEIGHT
from modelyard.domain.judging import BAD as IS_BAD
from modelyard.domain.judging import GOOD as IS_GOOD
from modelyard.domain.judging import INCONCLUSIVE, Minute, Verdict, judge, judge_minutes, sample
from modelyard.domain.times import seconds
from modelyard.registry.deployments import moving, queries, rules, trial_queries
from modelyard.registry.deployments.admission import refuse_unless_admitted
from modelyard.registry.deployments.nouns import Deployment, DeploymentMove, Trial
from modelyard.wire.scorer import RevisionState, ScorerState

MINUTE = seconds(60)
STORE_EVERY = seconds(15)
"""A verdict that stays the same is stored this often, since its words count requests."""


def watch(db: Database, seen: Deployment, state: ScorerState) -> None:
    """Judge the trials of a deployment, and its new revision if it is guarded; act upon what is clear."""
    if seen.is_stopped or state.generation != seen.generation:
        return
    trials = db.read(lambda tx: trial_queries.list_trials(tx, seen.id))
    for trial in trials:
        if _is_due(seen, trial, state, db.clock()):
            db.write(lambda tx, role=trial.role: _judge(tx, seen, role, state))  # type: ignore[misc]
    if seen.guard_minutes and seen.since > db.clock() - (seen.guard_minutes + 1) * MINUTE:
        guarded = db.read(lambda tx: _find_guarded(tx, seen, state))
        if guarded is not None and _judge_guarded(seen, guarded, state).outcome == IS_BAD:
            db.write(lambda tx: _take_back(tx, seen, state))


# --- trials ----------------------------------------------------------------------------------------------


def verdict_of(deployment: Deployment, trial: Trial, state: ScorerState | None, now: int) -> Verdict:
    """Compare a trial with what serves, since it got its present share."""
    return judge_minutes(
        _minutes(state, deployment.serving),
        _minutes(state, trial.revision),
        trial.weighed_at // MINUTE,
        now // MINUTE,
        deployment.limits,
    )


def _minutes(state: ScorerState | None, revision: int) -> list[Minute]:
    reported = None if state is None else _find(state, revision)
    return [
        Minute(each.start, each.requests, each.errors, {int(b): n for b, n in each.latency.items()})
        for each in (reported.minutes if reported is not None else ())
    ]


def _find(state: ScorerState, revision: int) -> RevisionState | None:
    return next((each for each in state.revisions if each.number == revision), None)


def _has_failed(state: ScorerState, trial: Trial) -> str | None:
    reported = _find(state, trial.revision)
    return (reported.reason or "it could not start") if reported and reported.state == FAILED else None


def _is_due(deployment: Deployment, trial: Trial, state: ScorerState, now: int) -> bool:
    """Return whether there is something to write."""
    if _has_failed(state, trial) is not None:
        return True
    if trial.role != CANARY:
        return False
    verdict = verdict_of(deployment, trial, state, now)
    return (
        verdict.outcome != trial.outcome
        or verdict.outcome == IS_BAD
        or trial.judged_at is None
        or now >= trial.judged_at + STORE_EVERY
        or _is_next(trial, verdict, now)
        or _must_pause(trial, verdict, now)
    )


def _has_passed(trial: Trial, now: int) -> bool:
    """Return whether a canary with steps had its share for as long as it should."""
    return trial.next_step is not None and now >= trial.weighed_at + trial.step_minutes * MINUTE


def _is_next(trial: Trial, verdict: Verdict, now: int) -> bool:
    return verdict.outcome == IS_GOOD and _has_passed(trial, now)


def _must_pause(trial: Trial, verdict: Verdict, now: int) -> bool:
    return verdict.outcome == INCONCLUSIVE and _has_passed(trial, now) and not trial.paused


def _judge(tx: Transaction, seen: Deployment, role: str, state: ScorerState) -> None:
    deployment = queries.lock_by_id(tx, seen.id)
    trial = trial_queries.find_trial(tx, seen.id, role)
    if deployment is None or trial is None or deployment.generation != state.generation:
        tx.leaves_rights = True
        return
    failure = _has_failed(state, trial)
    if failure is not None:
        words = rules.clip(f"revision {trial.revision} could not go on: {failure}")
        _end(tx, deployment, trial, FAILED, words)
        return
    verdict = verdict_of(deployment, trial, state, tx.now)
    reason = rules.clip(verdict.reason)
    if verdict.outcome == IS_BAD:
        _end(tx, deployment, trial, BAD, rules.clip(f"the canary v{trial.version} was worse: {reason}"))
        return
    paused = trial.paused
    if verdict.outcome == IS_GOOD:
        paused = ""
    elif _must_pause(trial, verdict, tx.now):
        paused = reason
        tx.append(
            events.DeploymentTrialPaused(
                **moving.about(deployment, trial.version), role=role, revision=trial.revision, reason=reason
            ),
            SYSTEM,
            deployment.model_id,
        )
    trial_queries.update_trial(
        tx,
        deployment.id,
        role,
        outcome=verdict.outcome,
        outcome_reason=reason,
        judged_at=tx.now,
        paused=paused,
    )
    if _is_next(trial, verdict, tx.now):
        _go_on(tx, deployment, trial, reason)
    if not tx.pending:
        tx.leaves_rights = True


def _go_on(tx: Transaction, deployment: Deployment, trial: Trial, reason: str) -> None:
    """Give a canary its next share. The last step, of all requests, is taken only by one that may serve by itself."""
    step = trial.next_step
    assert step is not None
    if step < 100:
        weigh(tx, SYSTEM, deployment, trial, step, reason)
    elif trial.is_auto:
        finish(tx, SYSTEM, deployment, trial, reason)
    elif not trial.paused:
        words = f"it may serve now: modelyard deployment finish {deployment.full_name}"
        trial_queries.update_trial(tx, deployment.id, trial.role, paused=words)


def _end(tx: Transaction, deployment: Deployment, trial: Trial, state: str, reason: str) -> None:
    queries.update_revision(tx, deployment.id, trial.revision, state=state, state_reason=reason)
    moving.end_trial(tx, SYSTEM, deployment, trial, JUDGED, reason)


def weigh(
    tx: Transaction, actor: Actor, deployment: Deployment, trial: Trial, weight: int, reason: str
) -> None:
    """Give a trial another share; it is compared from now on."""
    trial_queries.update_trial(
        tx,
        deployment.id,
        trial.role,
        weight=weight,
        weighed_at=tx.now,
        paused="",
        outcome=None,
        outcome_reason="",
        judged_at=None,
    )
    tx.append(
        events.DeploymentTrialWeighed(
            **moving.about(deployment, trial.version),
            role=trial.role,
            revision=trial.revision,
            before=trial.weight,
            weight=weight,
            reason=reason or None,
        ),
        actor,
        deployment.model_id,
    )
    moving.note_trial(tx, actor, deployment, WEIGHT, reason, trial.revision, weight)


def finish(tx: Transaction, actor: Actor, deployment: Deployment, trial: Trial, reason: str) -> None:
    """Have a canary serve. Raises the refusals of admission."""
    model = moving.model_of(tx, actor, deployment)
    revision = queries.find_revision(tx, deployment.id, trial.revision)
    assert revision is not None
    refuse_unless_admitted(tx, model, moving.version_of(tx, model, revision), deployment.stage, CANARY)
    moving.point(tx, actor, model, deployment, revision, FINISH, reason)


# --- the guard of a new revision -------------------------------------------------------------------------


def _find_guarded(tx: Transaction, deployment: Deployment, state: ScorerState) -> DeploymentMove | None:
    """Return the move to the revision that serves, if it is to be guarded: it was a move forward, from one that was good, and the
    target has swapped."""
    move = queries.list_last_moves(tx, [deployment.id]).get(deployment.id)
    if (
        move is None
        or move.kind not in FORWARD
        or move.before in (None, move.after)
        or move.swapped_at is None
        or move.after != deployment.serving
        or state.serving != deployment.serving
        or tx.now >= move.swapped_at + deployment.guard_minutes * MINUTE
    ):
        return None
    assert move.before is not None
    before = queries.find_revision(tx, deployment.id, move.before)
    return move if before is not None and before.state == GOOD else None


def _judge_guarded(deployment: Deployment, move: DeploymentMove, state: ScorerState) -> Verdict:
    """Compare the minutes since the swap with as many before it."""
    assert move.before is not None
    assert move.swapped_at is not None
    swapped = move.swapped_at // MINUTE
    first = swapped - deployment.guard_minutes
    stable = [each for each in _minutes(state, move.before) if first <= each.start <= swapped]
    tried = [each for each in _minutes(state, move.after) if each.start >= swapped]
    return judge(sample(stable), sample(tried), deployment.limits)


def _take_back(tx: Transaction, seen: Deployment, state: ScorerState) -> None:
    """A new revision answers worse than the one before did: that one serves again."""
    deployment = queries.lock_by_id(tx, seen.id)
    move = None
    if deployment is not None and deployment.generation == state.generation:
        move = _find_guarded(tx, deployment, state)
    if deployment is None or move is None or move.before is None:
        tx.leaves_rights = True
        return
    model = moving.model_of(tx, SYSTEM, deployment)
    reason = _judge_guarded(deployment, move, state).reason
    words = rules.clip(f"v{deployment.version} was worse than the revision before: {reason}")
    before = queries.find_revision(tx, deployment.id, move.before)
    assert before is not None
    queries.update_revision(tx, deployment.id, deployment.serving, state=BAD, state_reason=words)
    if moving.refusal_of(tx, model, deployment, before) is not None:
        way, _ = moving.find_ways(tx, model, deployment)
        if way is None:
            return
        before = way.revision
    moving.point(tx, SYSTEM, model, deployment, before, JUDGED, words)
