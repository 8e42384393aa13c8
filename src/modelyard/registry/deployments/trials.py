"""Canaries and shadows: try a version next to the one that serves, change its share, let it serve, end it, compare the two.

At most one of each. A canary answers its share of the requests, so its version must be admitted like one that serves; a shadow gets
copies, and its answers are compared and reach no one. Decision record 0038.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.deployments import CANARY, DROP, SHADOW, TRIALS
from modelyard.domain.errors import Conflict, Invalid, NotFound
from modelyard.domain.judging import Sample
from modelyard.domain.names import Ref
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.deployments import judging, moving, rules, trial_queries
from modelyard.registry.deployments.admission import refuse_unless_admitted
from modelyard.registry.deployments.nouns import (
    ComparedSide,
    Comparison,
    Deployment,
    DeploymentView,
    Trial,
)
from modelyard.registry.deployments.showing import WRITE, find_deployment, view_again
from modelyard.registry.deployments.targets import LOCAL
from modelyard.registry.deployments.usecases import check_from
from modelyard.registry.versions.usecases import find_version
from modelyard.wire.scorer import RevisionState, ScorerState

FIRST_WEIGHT = {CANARY: 10, SHADOW: 100}
STEP_MINUTES = 10


class TrialRequest(msgspec.Struct, frozen=True):
    """weight None: the first step, or that of FIRST_WEIGHT. sticky, steps, step_minutes, auto: of a canary, as in Trial.
    from_revision: the one that the caller saw serving."""

    ref: Ref
    role: str
    weight: int | None = None
    sticky: str | None = None
    steps: Sequence[int] = ()
    step_minutes: int | None = None
    auto: bool = False
    from_revision: int | None = None
    reason: str | None = None


def start_trial(
    tx: Transaction, actor: Actor, namespace: str, name: str, request: TrialRequest
) -> DeploymentView:
    """Try a version next to the one that serves.

    Raises DeploymentNotFound, Denied, VersionNotFound, VersionNotAdmitted and the other refusals of admission, Invalid; Conflict if
    the version serves already, the deployment is stopped, or another version is tried in this role.
    """
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    if deployment.target != LOCAL:
        raise Conflict(
            reason=f"{deployment.full_name} runs on {deployment.target}, which cannot split requests",
            fix=f"Try the version in a deployment on the target {LOCAL}",
        )
    role = _check_role(request.role)
    reason = catalog_rules.check_reason(request.reason) or ""
    steps = rules.check_steps(request.steps)
    if role == SHADOW and (steps or request.auto or request.sticky):
        raise Invalid(
            reason="a shadow has neither steps nor a key, since its answers reach no one",
            fix="Give only its share",
        )
    first = FIRST_WEIGHT[role] if not steps else steps[0]
    weight = rules.check_weight(role, first if request.weight is None else request.weight)
    sticky = rules.check_sticky(request.sticky)
    minutes = rules.check_step_minutes(STEP_MINUTES if request.step_minutes is None else request.step_minutes)
    if request.auto and not steps:
        raise Invalid(reason="without steps, nothing happens by itself", fix="Give steps, as 1,5,25,100")
    check_from(deployment, request.from_revision)
    model = moving.model_of(tx, actor, deployment)
    if request.ref.model != model.name:
        raise Conflict(
            reason=f"the deployment {deployment.full_name} serves {deployment.model}",
            fix="Name the deployment of this model with --name",
        )
    _, version = find_version(tx, actor, request.ref)
    refuse_unless_admitted(tx, model, version, deployment.stage, role)
    _refuse_in_the_way(tx, deployment, version.id, role)
    for other in trial_queries.list_trials(tx, deployment.id):
        if other.version_id == version.id:
            # What was a shadow becomes a canary, or the other way round.
            deployment = moving.end_trial(tx, actor, deployment, other, DROP, f"it becomes a {role}")
    settings = {"replicas": deployment.replicas, "public": deployment.is_public}
    revision = moving.add_revision(
        tx, actor, deployment.id, version, cause=role, settings=settings, reason=reason
    )
    trial_queries.insert_trial(
        tx,
        deployment.id,
        steps,
        role=role,
        revision=revision,
        weight=weight,
        sticky=sticky,
        step_minutes=minutes,
        is_auto=int(request.auto),
    )
    tx.append(
        events.DeploymentTrialStarted(
            **moving.about(deployment, version.number),
            role=role,
            revision=revision,
            weight=weight,
            digest=version.digest,
            record_digest=version.record_digest,
            reason=reason or None,
        ),
        actor,
        model.id,
    )
    moving.note_trial(tx, actor, deployment, role, reason, revision, weight)
    return view_again(tx, actor, deployment)


def _refuse_in_the_way(tx: Transaction, deployment: Deployment, version_id: int, role: str) -> None:
    if deployment.is_stopped:
        raise Conflict(
            reason=f"{deployment.full_name} is stopped",
            fix=f"Start it first: modelyard deployment start {deployment.full_name}",
        )
    if deployment.version_id == version_id:
        raise Conflict(
            reason=f"{deployment.full_name} serves {deployment.reference} already",
            fix="Try another version",
        )
    present = trial_queries.find_trial(tx, deployment.id, role)
    if present is not None:
        way = "drop" if role == SHADOW else "weight"
        raise Conflict(
            reason=f"v{present.version} is the {role} of {deployment.full_name} already, with {present.weight} %",
            fix=f"Change it with: modelyard deployment {way} {deployment.full_name}"
            if present.version_id == version_id
            else f"End it first: modelyard deployment drop {deployment.full_name}"
            + (" --shadow" if role == SHADOW else ""),
        )


def _check_role(role: str) -> str:
    if role not in TRIALS:
        raise Invalid(reason=f"{role[:40]!r} is not a role of a trial", fix=f"Use {' or '.join(TRIALS)}")
    return role


def _lock_trial(
    tx: Transaction, actor: Actor, namespace: str, name: str, role: str
) -> tuple[Deployment, Trial]:
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    trial = trial_queries.find_trial(tx, deployment.id, _check_role(role))
    if trial is None:
        raise _no_trial(deployment, role)
    return deployment, trial


def _no_trial(deployment: Deployment, role: str) -> Conflict:
    start = f"modelyard deploy {deployment.model}:VERSION --name {deployment.name}"
    return Conflict(
        reason=f"{deployment.full_name} has no {role}",
        fix=f"Start one with: {start} --canary" if role == CANARY else f"Start one with: {start} --shadow",
    )


def set_weight(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    name: str,
    weight: int,
    *,
    role: str = CANARY,
    from_weight: int | None = None,
    reason: str | None = None,
) -> DeploymentView:
    """Give a trial another share of the requests. from_weight: the share that the caller saw; another one is a conflict.

    Raises DeploymentNotFound, Denied, Invalid; Conflict if there is no such trial.
    """
    deployment, trial = _lock_trial(tx, actor, namespace, name, role)
    rules.check_weight(role, weight)
    if from_weight is not None and from_weight != trial.weight:
        raise Conflict(
            reason=f"the {role} of {deployment.full_name} has {trial.weight} % meanwhile",
            fix=f"Look again with: modelyard deployment show {deployment.full_name}",
        )
    if weight != trial.weight:
        judging.weigh(tx, actor, deployment, trial, weight, catalog_rules.check_reason(reason) or "")
    return view_again(tx, actor, deployment)


def finish(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    name: str,
    *,
    from_revision: int | None = None,
    reason: str | None = None,
) -> DeploymentView:
    """Have the canary serve from now on; what served stays warm. from_revision: of the canary that the caller saw; another one is a
    conflict.

    Raises DeploymentNotFound, Denied, the refusals of admission; Conflict if there is no canary.
    """
    deployment, trial = _lock_trial(tx, actor, namespace, name, CANARY)
    if from_revision is not None and from_revision != trial.revision:
        raise Conflict(
            reason=f"the canary of {deployment.full_name} is revision {trial.revision} meanwhile",
            fix=f"Look again with: modelyard deployment show {deployment.full_name}",
        )
    judging.finish(tx, actor, deployment, trial, catalog_rules.check_reason(reason) or "")
    return view_again(tx, actor, deployment)


def drop(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, role: str = CANARY, reason: str | None = None
) -> DeploymentView:
    """End a trial. The revision that serves answers everything again; one that follows a stage with another version is held.

    Raises DeploymentNotFound, Denied, Invalid; Conflict if there is no such trial.
    """
    deployment, trial = _lock_trial(tx, actor, namespace, name, role)
    reason = catalog_rules.check_reason(reason) or ""
    moving.end_trial(tx, actor, deployment, trial, DROP, reason)
    return view_again(tx, actor, deployment)


# --- comparing -------------------------------------------------------------------------------------------


def compare(tx: Transaction, actor: Actor, namespace: str, name: str, role: str | None = None) -> Comparison:
    """Compare a trial with the revision that serves, in the same clock minutes, as the target last said. role None: the canary, or
    else the shadow. Raises DeploymentNotFound, Denied; NotFound if there is no such trial."""
    deployment = find_deployment(tx, actor, namespace, name)
    trials = trial_queries.list_trials(tx, deployment.id)
    trial = next((each for each in trials if role is None or each.role == role), None)
    if trial is None:
        what = " or ".join(TRIALS) if role is None else _check_role(role)
        raise NotFound(
            what=f"a {what} of {deployment.full_name}", fix=_no_trial(deployment, role or CANARY).fix
        )
    return compare_trial(tx.now, deployment, trial)


def compare_trial(
    now: int, deployment: Deployment, trial: Trial, state: ScorerState | None = None
) -> Comparison:
    """state: what the target says right now; None: what it last said."""
    report = deployment.report if state is None else state
    verdict = judging.verdict_of(deployment, trial, report, now)
    tried = _state_of(report, trial.revision)
    share = trial.weight if trial.role == CANARY else 0

    def side(role: str, revision: int, version: int, weight: int, sample: Sample) -> ComparedSide:
        state = _state_of(report, revision)
        word = "" if state is None else state.reason or state.state
        return ComparedSide(role, revision, version, weight, sample, word)

    return Comparison(
        deployment,
        trial,
        side("serving", deployment.serving, deployment.version, 100 - share, verdict.stable),
        side(trial.role, trial.revision, trial.version, trial.weight, verdict.tried),
        verdict if trial.role == CANARY else None,
        None if tried is None else tried.shadow,
    )


def _state_of(report: ScorerState | None, revision: int) -> RevisionState | None:
    return None if report is None else next((r for r in report.revisions if r.number == revision), None)
