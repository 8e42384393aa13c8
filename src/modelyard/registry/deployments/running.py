"""Have targets do what is wanted: the job of a deployment, and the chore that compares what is wanted with what is.

Each call of `carry_on` is a short look. What it does follows from the rows and from a look at the target alone, so that a server
that was killed between any two steps goes on at the next look. A target that does not answer decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from modelyard.db.engine import Database
from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Permission, Scope
from modelyard.domain.deployments import FAILED, GOOD, NEW, RETURN, ROLLBACK, SERVING, STARTING, STOPPED
from modelyard.domain.errors import ModelyardError, TargetUnavailable
from modelyard.domain.times import seconds, to_moment
from modelyard.engines.targets import Sight, Target
from modelyard.registry.access import usecases as accounts
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.deployments import judging, moving, queries, rules, trial_queries
from modelyard.registry.deployments.following import turn_away
from modelyard.registry.deployments.moving import DEPLOYING, CarryOut
from modelyard.registry.deployments.nouns import Deployment, Revision, Trial
from modelyard.registry.deployments.targets import Targets
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Again, Done, Ending, Job, Outcome
from modelyard.wire.scorer import RevisionState, ScorerState, Wanted, WantedRevision

SOON, POLL, AWAY = seconds(0.1), seconds(0.5), seconds(5)
SOON_FOR = seconds(5)
"""So long after a move it is looked at often: a swap to a warm revision takes milliseconds."""
DAY = seconds(86_400)
TOKEN_DAYS = 90
RENEW_BEFORE = 30 * DAY
_PATIENCE_SECONDS, _PAUSE_SECONDS = 0.3, 0.02
REPORT_EVERY = seconds(15)
"""The figures that a target reports are stored this often; changes of its state at once."""


class Plan(msgspec.Struct, frozen=True):
    """trials: that may be tried. refusal: why what is to serve may not be started; None: it may. warm: only if it may be served.
    account: in whose name its program reads; None: there is none any more. images: of the versions, by number of the revision."""

    deployment: Deployment
    serving: Revision
    warm: Revision | None
    refusal: str | None
    account: int | None
    images: dict[int, str | None]
    window_seconds: int
    trials: Sequence[tuple[Trial, Revision]] = ()


def carry_on(db: Database, targets: Targets, job: Job) -> Ending:
    """Do what is due for a deployment, and say when to look again."""
    deployment_id = DEPLOYING.read(job).deployment
    deployment = db.read(lambda tx: queries.find_by_id(tx, deployment_id))
    if deployment is None:
        return lambda _: Done()
    target = targets.find(deployment.target)
    if target is None:
        words = f"this server does not run deployments on {deployment.target} (setting local_deployments)"
        return lambda tx: _note_reason(tx, deployment_id, words)
    if deployment.machine not in (None, target.place):
        # Its machine is another one, whose server looks after it.
        return lambda tx: Again(tx.now + AWAY)
    try:
        if deployment.is_stopped:
            return _end(target, deployment)
        return _serve(db, targets, target, deployment_id)
    except TargetUnavailable as error:
        words = error.message
        return lambda tx: _note_reason(tx, deployment_id, words, again=AWAY)


def note_failure(tx: Transaction, job: Job, reason: str) -> None:
    """Say on the deployment that the server cannot go on with it; the job is tried again."""
    _note_reason(tx, DEPLOYING.read(job).deployment, f"the server cannot go on: {reason}")


def _note_reason(tx: Transaction, deployment_id: int, reason: str, again: int | None = None) -> Outcome:
    queries.update_deployment(tx, deployment_id, state_reason=rules.clip(reason))
    if not tx.pending:
        tx.leaves_rights = True
    return Done() if again is None else Again(tx.now + again)


# --- serving ---------------------------------------------------------------------------------------------


def _serve(db: Database, targets: Targets, target: Target, deployment_id: int) -> Ending:
    plan = db.read(lambda tx: plan_of(tx, deployment_id))
    if plan is None:
        return lambda _: Done()
    deployment = plan.deployment
    sight = target.look(deployment.key)
    state = sight.state if sight.runs else None
    serves = state is not None and state.serving == deployment.serving
    if plan.refusal is not None and not serves:
        refusal = plan.refusal
        return lambda tx: _refuse_start(tx, deployment, refusal)
    if state is not None and _was_moved_there(deployment, sight, state):
        return lambda tx: _adopt(tx, deployment, sight)
    needs_token = deployment.token_id is None or (deployment.token_expires_at or 0) < db.clock() + RENEW_BEFORE
    if state is None or state.generation != deployment.generation or needs_token or sight.drift:
        token = None
        if needs_token:
            if plan.account is None:
                words = "the account in whose name it reads the model is gone; deploy it again"
                return lambda tx: _note_reason(tx, deployment_id, words)
            token = db.write(lambda tx: _issue_token(tx, deployment, plan.account or 0))
        try:
            target.apply(
                deployment.key,
                _wanted(targets.url_for(deployment.target), target.cache, plan, unisolated=targets.unisolated),
                None if token is None else token.secret,
            )
        except TargetUnavailable:
            if token is not None:
                unused = token.id
                db.write(lambda tx: accounts.revoke_program_token(tx, unused))
            raise
        given = None if token is None else (token.id, token.expires_at)
        after = _await_swap(target, deployment)
        return lambda tx: _applied(tx, target, deployment, sight, given, after)
    return lambda tx: _note_state(tx, deployment, sight)


def _await_swap(target: Target, deployment: Deployment) -> Sight:
    """Return what the target sees shortly after it was told. A swap to a warm revision takes milliseconds, so a person who waits for it
    hears of it at once."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        sight = target.look(deployment.key)
        state = sight.state
        is_done = state is not None and state.generation == deployment.generation and state.settled
        if is_done or time.monotonic() >= ends:
            return sight
        time.sleep(_PAUSE_SECONDS)


def _was_moved_there(deployment: Deployment, sight: Sight, state: ScorerState) -> bool:
    """Return whether the target has an order that this server did not give: a later one, or one given at the same time."""
    if state.generation != deployment.generation:
        return state.generation > deployment.generation
    away = sight.away
    return away is not None and away.generation == state.generation and away.after != deployment.serving


def _adopt(tx: Transaction, seen: Deployment, sight: Sight) -> Outcome:
    """Record a rollback that was made at the target while this server was away, if what serves since then may be served. Otherwise
    the target gets what this server wants, as something newer."""
    deployment, state = queries.lock_by_id(tx, seen.id), sight.state
    if deployment is None or state is None or deployment.generation != seen.generation:
        return Again(tx.now)
    model = moving.model_of(tx, SYSTEM, deployment)
    after = None if state.serving is None else queries.find_revision(tx, deployment.id, state.serving)
    # What was ordered here meanwhile is newer, and counts.
    is_later = state.generation > deployment.generation
    is_known = is_later and sight.away is not None and sight.away.generation == state.generation
    if after is None or not is_known or moving.refusal_of(tx, model, deployment, after) is not None:
        queries.update_deployment(tx, deployment.id, generation=state.generation + 1)
        event = events.DeploymentMended(
            **moving.about(deployment, deployment.version),
            revision=deployment.serving,
            reason="the target was changed while the registry was away; it gets what is wanted here",
        )
        tx.append(event, SYSTEM, deployment.model_id)
        return Again(tx.now)
    assert sight.away is not None
    # The move gets the generation under which the target knows it.
    queries.update_deployment(tx, deployment.id, generation=state.generation - 1)
    words = f"by {sight.away.by} on {deployment.machine}, while the registry was away: {sight.away.reason}"
    now = moving.found(tx, deployment.id)
    moving.point(tx, SYSTEM, model, now, after, ROLLBACK, rules.clip(words))
    return Again(tx.now)


def plan_of(tx: Transaction, deployment_id: int) -> Plan | None:
    deployment = queries.find_by_id(tx, deployment_id)
    if deployment is None:
        return None
    model = moving.model_of(tx, SYSTEM, deployment)
    serving = queries.find_revision(tx, deployment_id, deployment.serving)
    assert serving is not None
    warm = None if deployment.warm is None else queries.find_revision(tx, deployment_id, deployment.warm)
    if warm is not None and moving.refusal_of(tx, model, deployment, warm) is not None:
        warm = None
    refusal = moving.refusal_of(tx, model, deployment, serving)
    account = accounts.find_account(tx, deployment.owner_id)
    trials = _list_trials(tx, model, deployment)
    return Plan(
        deployment,
        serving,
        warm,
        None if refusal is None else refusal.message,
        None if account is None else account.id,
        _list_images(tx, model, [each for each in (serving, warm, *(tried for _, tried in trials)) if each]),
        queries.find_window_seconds(tx, deployment_id),
        trials,
    )


def _list_images(tx: Transaction, model: Model, revisions: Sequence[Revision]) -> dict[int, str | None]:
    found = {each.number: moving.version_of(tx, model, each).image for each in revisions}
    return {number: image.pinned for number, image in found.items() if image is not None}


def _list_trials(tx: Transaction, model: Model, deployment: Deployment) -> list[tuple[Trial, Revision]]:
    found = []
    for trial in trial_queries.list_trials(tx, deployment.id):
        revision = queries.find_revision(tx, deployment.id, trial.revision)
        assert revision is not None
        if moving.refusal_of(tx, model, deployment, revision, trial.role) is None:
            found.append((trial, revision))
    return found


def find_order(tx: Transaction, deployment_id: int, url: str) -> Wanted:
    """Return what is wanted of a deployment now, for programs that reach this server at the url."""
    plan = plan_of(tx, deployment_id)
    assert plan is not None
    return _wanted(url, "", plan)


def _wanted(url: str, cache: str, plan: Plan, *, unisolated: bool = False) -> Wanted:
    deployment = plan.deployment

    def revision(each: Revision, role: str, weight: int = 100, sticky: str | None = None) -> WantedRevision:
        return WantedRevision(
            number=each.number,
            reference=f"{deployment.model}:{each.version}",
            digest=str(each.digest),
            environment=each.environment,
            role=role,
            weight=weight,
            sticky=sticky,
            image=plan.images.get(each.number),
        )

    revisions = [revision(plan.serving, "serving")]
    for trial, tried in plan.trials:
        revisions.append(revision(tried, trial.role, trial.weight, trial.sticky))
    if plan.warm is not None and plan.warm.number not in {each.number for each in revisions}:
        revisions.append(revision(plan.warm, "warm"))
    report = deployment.report
    return Wanted(
        generation=deployment.generation,
        deployment=deployment.full_name,
        registry=url,
        cache=cache,
        revisions=revisions,
        # The address that it had is kept, so that its callers find it after a restart.
        port=0 if report is None else report.port,
        public=deployment.is_public,
        unisolated=unisolated,
        replicas=deployment.replicas,
        window_seconds=plan.window_seconds,
    )


def _issue_token(tx: Transaction, deployment: Deployment, account_id: int) -> accounts.NewToken:
    """Make the token with which the program reads its model and reports what it observes, and nothing else."""
    owner = accounts.find_account(tx, account_id)
    assert owner is not None
    return accounts.issue_program_token(
        tx,
        owner,
        name=f"deployment {deployment.full_name}"[:100],
        scope=Scope(
            frozenset({Permission.MODEL_READ, Permission.MODEL_PULL, Permission.DEPLOYMENT_OBSERVE}),
            deployment.model.namespace,
            deployment.model.name,
        ),
        expires_in_days=TOKEN_DAYS,
    )


def _applied(
    tx: Transaction,
    target: Target,
    seen: Deployment,
    sight: Sight,
    given: tuple[int, int | None] | None,
    after: Sight,
) -> Outcome:
    """Note that the target was told, and what it says now. given: (id, end) of the new token, which replaces the earlier one.
    sight, after: before and after it was told."""
    deployment = queries.lock_by_id(tx, seen.id)
    if deployment is None:
        if given is not None:
            accounts.revoke_program_token(tx, given[0])
        return Done()
    values: dict[str, object] = {}
    if deployment.machine is None:
        values["place"] = target.place
    if given is not None:
        if deployment.token_id is not None:
            accounts.revoke_program_token(tx, deployment.token_id)
        values |= {"token_id": given[0], "token_expires_at": given[1]}
    if not sight.runs and deployment.state == SERVING and sight.state is not None:
        # It served, and somebody or something ended its program.
        reason = "its program had ended, and was started again"
        values |= {"state": STARTING, "state_reason": reason}
        _note_mended(tx, deployment, reason)
    elif sight.drift:
        _note_mended(
            tx, deployment, rules.clip(f"on {deployment.target} {'; '.join(sight.drift)}; it was mended")
        )
    if values:
        queries.update_deployment(tx, deployment.id, **values)
    if after.runs and after.state is not None and after.state.generation == seen.generation:
        return _note_state(tx, seen, after)
    if not after.runs:
        # It ended at once, and would again: not in a loop that keeps a processor busy.
        last = target.log_tail(deployment.key, 1)
        return _note_reason(tx, deployment.id, f"its program ended at once: {last}", again=AWAY)
    if not tx.pending:
        tx.leaves_rights = True
    return Again(tx.now + SOON)


def _note_mended(tx: Transaction, deployment: Deployment, reason: str) -> None:
    about = moving.about(deployment, deployment.version)
    event = events.DeploymentMended(**about, revision=deployment.serving, reason=reason)
    tx.append(event, SYSTEM, deployment.model_id)


def _refuse_start(tx: Transaction, seen: Deployment, refusal: str) -> Outcome:
    """What is to serve may not be started: an alarm, and the last good revision if the deployment says so."""
    deployment = queries.lock_by_id(tx, seen.id)
    if deployment is None or deployment.generation != seen.generation:
        return Again(tx.now)
    now = turn_away(tx, moving.model_of(tx, SYSTEM, deployment), deployment, refusal)
    if now.generation != deployment.generation:
        return Again(tx.now)
    queries.update_deployment(tx, deployment.id, state=FAILED, state_reason=f"not started: {refusal}")
    return Done()


# --- what the target says --------------------------------------------------------------------------------


def _note_state(tx: Transaction, seen: Deployment, sight: Sight) -> Outcome:
    """Store what a target says of a deployment, and return when to look again."""
    deployment = queries.lock_by_id(tx, seen.id)
    state = sight.state
    if deployment is None or state is None:
        return Done()
    _note_swaps(tx, deployment, state)
    serving = next((each for each in state.revisions if each.number == deployment.serving), None)
    is_current = state.generation == deployment.generation and deployment.generation == seen.generation
    if is_current and serving is not None and serving.state == FAILED and state.serving != deployment.serving:
        return _go_back(tx, deployment, state, serving)
    serves = is_current and state.serving == deployment.serving
    if serves and serving is not None:
        _note_good(tx, deployment, serving)
    values: dict[str, object] = {"reported": _report_text(tx, deployment, state), "seen_at": tx.now}
    if serves:
        values |= {"state": SERVING, "state_reason": ""}
    elif is_current and serving is not None:
        values |= {"state": STARTING, "state_reason": f"revision {serving.number} is {serving.state}"}
    if not deployment.is_stopped:
        queries.update_deployment(tx, deployment.id, **values)
    if not tx.pending:
        tx.leaves_rights = True
    if serves and state.settled:
        return Done()
    moved = queries.list_moves(tx, deployment.id, limit=1)
    is_new = bool(moved) and tx.now < moved[0].at + SOON_FOR
    return Again(tx.now + (SOON if is_new else POLL))


def _report_text(tx: Transaction, deployment: Deployment, state: ScorerState) -> str | None:
    """Return what is stored of a state: the figures of the minutes only while they are compared."""
    if not trial_queries.list_trials(tx, deployment.id):
        revisions = [msgspec.structs.replace(each, minutes=[]) for each in state.revisions]
        state = msgspec.structs.replace(state, revisions=revisions)
    return dump_json(state)


def _note_swaps(tx: Transaction, deployment: Deployment, state: ScorerState) -> None:
    """Record the swaps that are new, each once."""
    waiting = queries.list_unswapped(tx, deployment.id)
    draining = {each.number for each in state.revisions if each.state == "draining"}
    for swap in state.swaps:
        if swap.why != "wanted" or swap.after is None or swap.generation not in waiting:
            continue
        if swap.before in draining:
            # Whether it lost requests is known when the last ones are answered.
            continue
        at = to_moment(datetime.fromisoformat(swap.at))
        waiting.discard(swap.generation)
        queries.note_swap(tx, deployment.id, swap.generation, at, swap.milliseconds, swap.dropped)
        revision = queries.find_revision(tx, deployment.id, swap.after)
        if revision is None:
            continue
        tx.append(
            events.DeploymentSwapped(
                **moving.about(deployment, revision.version),
                before=swap.before,
                after=swap.after,
                generation=swap.generation,
                milliseconds=swap.milliseconds,
                dropped=swap.dropped,
            ),
            SYSTEM,
            deployment.model_id,
        )


def _note_good(tx: Transaction, deployment: Deployment, reported: RevisionState) -> None:
    """Note that the revision answers: from now on it is one to return to."""
    revision = queries.find_revision(tx, deployment.id, reported.number)
    if revision is None:
        return
    values: dict[str, object] = {}
    if revision.state != GOOD:
        values |= {"state": GOOD, "good_at": tx.now, "state_reason": ""}
    if reported.environment and reported.environment != revision.environment:
        values["environment"] = reported.environment
    if values:
        queries.update_revision(tx, deployment.id, reported.number, **values)


def _go_back(tx: Transaction, deployment: Deployment, state: ScorerState, failed: RevisionState) -> Outcome:
    """The revision could not start: the deployment returns to the last good one by itself, and is held there."""
    reason = rules.clip(failed.reason or "it could not start")
    revision = queries.find_revision(tx, deployment.id, failed.number)
    assert revision is not None
    if revision.state == NEW:
        # One that was good may start another time.
        queries.update_revision(tx, deployment.id, failed.number, state=FAILED, state_reason=reason)
    event = events.DeploymentFailed(
        **moving.about(deployment, revision.version), revision=failed.number, reason=reason
    )
    tx.append(event, SYSTEM, deployment.model_id)
    queries.update_deployment(tx, deployment.id, reported=_report_text(tx, deployment, state), seen_at=tx.now)
    model = moving.model_of(tx, SYSTEM, deployment)
    way, _ = moving.find_ways(tx, model, deployment, other_version=False)
    if way is None:
        queries.update_deployment(
            tx, deployment.id, state=FAILED, state_reason=f"revision {failed.number} could not start: {reason}"
        )
        return Done()
    words = rules.clip(f"revision {failed.number} could not start: {reason}")
    moving.point(tx, SYSTEM, model, deployment, way.revision, RETURN, words)
    return Again(tx.now)


# --- ending ----------------------------------------------------------------------------------------------


def _end(target: Target, deployment: Deployment) -> Ending:
    """Have the program end; of a deployment that is removed nothing stays."""
    sight = target.look(deployment.key)
    if sight.runs:
        target.stop(deployment.key)
        return lambda tx: Again(tx.now + SOON)
    if deployment.is_removed:
        target.clean(deployment.key)
    return lambda tx: _ended(tx, deployment)


def _ended(tx: Transaction, seen: Deployment) -> Outcome:
    deployment = queries.lock_by_id(tx, seen.id)
    if deployment is None:
        return Done()
    if not deployment.is_stopped:
        return Again(tx.now)
    if deployment.is_removed:
        if deployment.token_id is not None:
            accounts.revoke_program_token(tx, deployment.token_id)
        queries.delete_deployment(tx, deployment.id)
        return Done()
    queries.update_deployment(tx, deployment.id, state=STOPPED, state_reason="", seen_at=tx.now)
    tx.leaves_rights = True
    return Done()


# --- the chore -------------------------------------------------------------------------------------------


def watch_deployments(db: Database, targets: Targets) -> None:
    """Compare what is wanted with what the targets do: wake the jobs of deployments that differ, and store what is reported."""
    for deployment_id, _ in db.read(queries.list_all):
        deployment = db.read(lambda tx, each=deployment_id: queries.find_by_id(tx, each))  # type: ignore[misc]
        if deployment is None:
            continue
        target = targets.find(deployment.target)
        if target is None or deployment.machine not in (None, target.place):
            continue
        try:
            _watch(db, target, deployment)
        except TargetUnavailable:
            # Nothing is known, so nothing is decided.
            continue


def _watch(db: Database, target: Target, deployment: Deployment) -> None:
    sight = target.look(deployment.key)
    if _differs(deployment, sight, db.clock()):
        if not db.read(lambda tx: jobs.list_open_keys(tx, [DEPLOYING], [deployment.key])):
            db.write(lambda tx: _enqueue(tx, deployment))
    elif sight.answers and not deployment.is_stopped:
        if _is_news(db.clock(), deployment, sight):
            db.write(lambda tx: _store_report(tx, deployment, sight))
        assert sight.state is not None
        judging.watch(db, deployment, sight.state)


def _differs(deployment: Deployment, sight: Sight, now: int) -> bool:
    """Return whether a job has something to do."""
    if deployment.is_stopped:
        return sight.runs or deployment.is_removed or deployment.state != STOPPED
    if deployment.state == FAILED:
        # It waits for somebody to decide; what runs meanwhile is left alone.
        return False
    state = sight.state if sight.runs else None
    return (
        state is None
        or state.generation != deployment.generation
        or bool(sight.drift)
        or state.serving != deployment.serving
        or deployment.state != SERVING
        or (deployment.token_expires_at or 0) < now + RENEW_BEFORE
    )


def _is_news(now: int, deployment: Deployment, sight: Sight) -> bool:
    known = deployment.report
    assert sight.state is not None
    if known is None or deployment.seen_at is None or now > deployment.seen_at + REPORT_EVERY:
        return True
    return [(each.number, each.state) for each in known.revisions] != [
        (each.number, each.state) for each in sight.state.revisions
    ]


def _enqueue(tx: Transaction, deployment: Deployment) -> None:
    jobs.enqueue(
        tx, DEPLOYING, CarryOut(deployment.id), key=deployment.key, namespace=deployment.place.namespace
    )
    tx.leaves_rights = True


def _store_report(tx: Transaction, deployment: Deployment, sight: Sight) -> None:
    state = sight.state
    assert state is not None
    now = queries.lock_by_id(tx, deployment.id)
    if now is not None and now.generation == state.generation and not now.is_stopped:
        _note_swaps(tx, now, state)
        queries.update_deployment(tx, now.id, reported=_report_text(tx, now, state), seen_at=tx.now)
    if not tx.pending:
        tx.leaves_rights = True


def look_at(targets: Targets, deployment: Deployment) -> Sight | None:
    """Return what the target sees of a deployment right now; None: it does not answer, or is another server's."""
    target = targets.find(deployment.target)
    if target is None or deployment.machine not in (None, target.place):
        return None
    try:
        return target.look(deployment.key)
    except ModelyardError:
        return None


def read_log(targets: Targets, deployment: Deployment, lines: int) -> str:
    """Return the last lines of a deployment's program; "": none, or it is another server's."""
    target = targets.find(deployment.target)
    if target is None or deployment.machine not in (None, target.place):
        return ""
    return target.log_tail(deployment.key, lines)
